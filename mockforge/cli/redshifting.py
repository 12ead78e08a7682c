"""The command `redshift`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import numbers_of
from mockforge.cli.program import (
    Bands,
    Device,
    Extensions,
    Extrapolate,
    MaskBits,
    PixelScale,
    PsfFwhm,
    Quiet,
    Verbose,
    Zeropoint,
    app,
    check_files,
    command,
    print_lines,
    print_origins,
    read_images,
)
from mockforge.cli.typed import IMAGE, refuse
from mockforge.errors import InputError
from mockforge.extras import need_extra


@app.command()
@command
def redshift(
    context: typer.Context,
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE", help="FITS: one file per band, or one file; or a dataset of pairs."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FITS", help="The galaxy at z_out.", show_default=False),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="A bundled model, or a model's file.")
    ] = "redshifter",
    z_in: Annotated[
        float | None, typer.Option(metavar="Z", help="Redshift of the galaxy.", show_default=False)
    ] = None,
    z_out: Annotated[
        float | None, typer.Option(metavar="Z", help="Redshift to predict.", show_default=False)
    ] = None,
    center: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            help="Pixel, from 0, of the galaxy in an image larger than the stamp; or middle.",
            show_default=False,
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Before and after, side by side.", show_default=False)
    ] = None,
    extrapolate: Extrapolate = False,
    row: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Pair of a dataset.", show_default=False)
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Split of a dataset.")] = "test",
    bands: Bands = None,
    extensions: Extensions = None,
    zeropoint: Zeropoint = None,
    pixel_scale: PixelScale = None,
    mask_bits: MaskBits = None,
    psf_fwhm: PsfFwhm = None,
    device: Device = "cpu",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Predict a galaxy's image at another redshift.

    \b
      mockforge redshift galaxy.fits --z-in 0.5 --z-out 1.5 -o far.fits --picture far.png
      mockforge redshift field.fits --center 812,344 --z-in 0.5 --z-out 1.5 -o far.fits
      mockforge redshift galaxy.fits --model runs/redshifter --z-in 0.5 --z-out 1.5 -o far.fits
      mockforge redshift datasets/redshift_pairs --row 3 --picture pair.png

    The trained network takes stamps of one size, in its bands, pixels and PSF, in absolute flux, sky
    subtracted. Writes the image in nJy, without noise, one extension a band, with the WCS of the
    input. What lies outside its training set is refused, or with --extrapolate a guess.
    """
    check_files(out, picture)
    if row is not None:
        refuse(context, IMAGE, "for FITS images; a dataset says what its pairs are")
    else:
        refuse(context, ["split"], "is that of a dataset; give its pair with --row")
    if out is None and picture is None:
        raise InputError("give the file to write with --out, or --picture")
    from mockforge.commands.redshift import redshifted, stamp_of
    from mockforge.commands.redshift_picture import redshift_picture
    from mockforge.tasks.redshifter.model import load_redshifter

    if picture is not None:
        need_extra("report", "--picture", "matplotlib")
    chosen, truth = load_redshifter(model), None
    if row is None and len(images) == 1 and images[0].is_dir():
        raise InputError(f"{images[0]}: is a dataset of pairs; say which with --row N, and --split")
    if row is not None:
        from mockforge.tasks.redshifter.pairs import read_pair

        if len(images) != 1:
            raise InputError(f"--row: of one dataset of pairs, found {len(images)} files")
        pair = read_pair(images[0], split, row)
        field, truth = pair.input, stamp_of(pair.target, chosen) if z_out in (None, pair.z_out) else None
        z_in, z_out = (found if z is None else z for z, found in ((z_in, pair.z_in), (z_out, pair.z_out)))
    else:
        from dataclasses import replace

        field = read_images(images, bands, extensions, zeropoint, pixel_scale, mask_bits)
        widths = numbers_of("--psf-fwhm", psf_fwhm)
        if widths is not None and len(widths) not in (1, len(field.bands)):
            raise InputError(f"--psf-fwhm: {len(widths)} numbers for {len(field.bands)} bands")
        if widths is not None:
            field = replace(field, psf_fwhm_arcsec=tuple(widths * (len(field.bands) // len(widths))))
    if z_in is None or z_out is None:
        raise InputError("give the redshift of the galaxy and the one to predict with --z-in and --z-out")
    stamp = stamp_of(field, chosen, center)
    made = redshifted(stamp, chosen, z_in, z_out, extrapolate, device)
    if out is not None:
        made.field.write(out)
    if picture is not None:
        redshift_picture(stamp, made.field, z_in, z_out, picture, truth)
    if not quiet:
        _, height, width = stamp.shape
        print(f"{width} x {height} pixels (x, y), z = {z_in:g} to {z_out:g}; flux in nJy:")
        print_lines(made.table(stamp, truth))
        print_origins(field)
        print_lines(f"note: {note}" for note in made.notes)
    print_lines(path for path in (out, picture) if path is not None)
