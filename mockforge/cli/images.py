"""The commands `label`, `degrade` and `surveys`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import names_of, numbers_of, words_of
from mockforge.cli.program import (
    Bands,
    Extensions,
    MaskBits,
    PixelScale,
    PsfFwhm,
    Quiet,
    Verbose,
    Zeropoint,
    app,
    command,
    print_lines,
    read_images,
)
from mockforge.cli.typed import refuse, settings_of


@app.command()
@command
def label(
    context: typer.Context,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="FITS: one file per band, or one file.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")],
    bands: Bands = None,
    extensions: Extensions = None,
    zeropoint: Zeropoint = None,
    pixel_scale: PixelScale = None,
    mask_bits: MaskBits = None,
    psf_fwhm: PsfFwhm = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="SIGMA", help="Detection threshold [5].", show_default=False)
    ] = None,
    min_pixels: Annotated[
        int | None, typer.Option(metavar="N", help="Fewest pixels of a source [5].", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any setting of the stage `detect`.", show_default=False
        ),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find and measure the sources of a real image.

    \b
      mockforge label g.fits r.fits Z.fits --out labels
      mockforge label field.fits --extensions SCI --zeropoint 25.94 --out labels
      mockforge label field.fits --threshold 3 --set background_mesh=128 --out labels

    Writes segmentation.fits, catalogue.ecsv, catalogue.fits, regions.reg (DS9), overlay.png.
    Without a zeropoint, in the header or given, fluxes stay in the image's own unit.
    """
    from mockforge.commands.label import label_image
    from mockforge.recipe.read import load_stage

    words = settings_of(
        {
            "threshold": None if threshold is None else f"--threshold={threshold}",
            "min_pixels": None if min_pixels is None else f"--min-pixels={min_pixels}",
        },
        settings,
    )
    found = label_image(
        images,
        out,
        load_stage("detect", words),
        bands=words_of(bands),
        extensions=names_of(extensions),
        zeropoint=numbers_of("--zeropoint", zeropoint),
        pixel_scale_arcsec=pixel_scale,
        mask_bits=names_of(mask_bits),
        psf_fwhm_arcsec=numbers_of("--psf-fwhm", psf_fwhm),
    )
    if not quiet:
        rms = ", ".join(f"{band} {value:.4g}" for band, value in zip(found.bands, found.sky_rms, strict=True))
        unit = "the image's own unit" if found.unit == "native" else found.unit
        print(f"{found.objects} objects, {found.blended} of them blended; sky rms {rms} ({unit})")
        print_lines(f"{fact}: {text}" for fact, text in found.origin.items())
        print_lines(f"note: {note}" for note in found.notes)
    print_lines(found.files)


@app.command()
@command
def degrade(
    context: typer.Context,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="FITS: one file per band, or one file.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="SURVEY", help="A survey's name, or its YAML file.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="FITS file for the result.")],
    target_bands: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="The survey's bands, one for each of the image.", show_default=False
        ),
    ] = None,
    truth: Annotated[
        bool, typer.Option("--truth", help="Start from the noiseless image in the file.")
    ] = False,
    psf_fwhm: PsfFwhm = None,
    psf: Annotated[
        list[Path] | None,
        typer.Option(metavar="FITS", help="Image of its PSF, one or one per band.", show_default=False),
    ] = None,
    psf_scale: Annotated[
        float | None,
        typer.Option(
            metavar="ARCSEC", help="Pixel scale of the PSF images, if no header gives it.", show_default=False
        ),
    ] = None,
    bands: Bands = None,
    extensions: Extensions = None,
    zeropoint: Zeropoint = None,
    pixel_scale: PixelScale = None,
    mask_bits: MaskBits = None,
    wcs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Onto the pixels of this FITS file, as its WCS has them.", show_default=False
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any setting of the stage `degrade`.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the noise.")] = 1,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Degrade an image to what another telescope would observe.

    \b
      mockforge degrade hst.fits --to hsc-wide --target-bands hsc_r,hsc_i,hsc_z -o hsc.fits
      mockforge degrade f814w.fits --to euclid-wide --target-bands VIS --psf-fwhm 0.1 -o vis.fits
      mockforge degrade hst.fits --to hsc-wide --wcs hsc_coadd.fits -o onto.fits
      mockforge degrade hst.fits --to mine.yaml --set pixel_scale_arcsec=0.25 --set whiten=true -o mine.fits

    With its PSF, pixels, bands and noise. Noise already in the image is accounted for: only what is
    missing to the survey's depth is added. Writes the image in nJy, one extension per band, its variance
    (VAR_<band>), with --truth also TRUTH_<band>, and a WCS where the image has one. `mockforge
    surveys` lists the surveys.
    """
    from mockforge.commands.degrade import degrade_field
    from mockforge.recipe.read import load_stage

    widths, shape = numbers_of("--psf-fwhm", psf_fwhm), None
    if psf:
        refuse(context, ["psf_fwhm"], "the PSF is that of --psf; give one of them")
        size = "" if psf_scale is None else f", pixel_scale_arcsec: {psf_scale}"
        files = json.dumps([str(path) for path in psf])  # quoted: a name may hold brackets and commas
        shape = f"--psf={{image: {{files: {files}{size}}}}}"
    else:
        refuse(context, ["psf_scale"], "is that of --psf images; give those, or leave it out")
        if widths:
            shape = f"--psf-fwhm={{gaussian: {{fwhm_arcsec: {widths if len(widths) > 1 else widths[0]}}}}}"
    given = {
        "to": f"--to={to}",
        "input": "--truth=truth" if truth else None,
        "bands": None if target_bands is None else f"--target-bands=[{target_bands}]",
        "psf": shape,
    }
    words = settings_of(given, settings)
    if not any(word.startswith("input=") for word in words):
        words.append("input=image")
    stage = load_stage("degrade", words)
    field = read_images(images, bands, extensions, zeropoint, pixel_scale, mask_bits)
    made = degrade_field(field, stage, seed, wcs)
    made.field.write(out)
    if not quiet:
        _, height, width = made.field.shape
        rms = ", ".join(f"{b} {v:.4g}" for b, v in zip(made.field.bands, made.sky_rms, strict=True))
        scale = made.field.pixel_scale_arcsec
        print(f'{width} x {height} pixels (x, y) of {scale:.4g}"; rms of the noise {rms} (nJy)')
        given_psf = {} if stage.psf is None else {"PSF": "as given"}
        print_lines(f"{fact}: {text}" for fact, text in {**field.origin, **given_psf}.items())
        print_lines(f"note: {note}" for note in made.notes)
    print(out)


@app.command()
@command
def surveys(
    name: Annotated[
        str | None, typer.Argument(metavar="SURVEY", help="Show this one, with its sources.")
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the known surveys, or print one with its sources.

    \b
      mockforge surveys
      mockforge surveys hsc-wide
      mockforge surveys hsc-wide > mine.yaml      # a start for one of your own

    A survey is a YAML file; give the path of your own wherever a survey's name is wanted.
    """
    from mockforge.observe.survey_list import listed
    from mockforge.observe.surveys.read import text

    if name is None:
        print_lines(listed())
    else:
        print(text(name), end="")
