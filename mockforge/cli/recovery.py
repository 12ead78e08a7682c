"""The command `recover`."""

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
def recover(
    context: typer.Context,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGE", help="FITS: one file per band, or one file.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FITS", help="The recovered image.", show_default=False),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="A bundled model, or a model's file.")
    ] = "recover-hsc",
    picture: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Before and after, side by side.", show_default=False),
    ] = None,
    demo: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG", help="Draw a galaxy, degrade it, recover it, and show that.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the galaxy of --demo.")] = 1,
    bands: Bands = None,
    extensions: Extensions = None,
    zeropoint: Zeropoint = None,
    pixel_scale: PixelScale = None,
    mask_bits: MaskBits = None,
    rms: Annotated[
        str | None,
        typer.Option(
            metavar="NJY", help="Sky noise, one or one per band; else measured.", show_default=False
        ),
    ] = None,
    extrapolate: Extrapolate = False,
    device: Device = "cpu",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Recover a sharp image from a degraded one.

    \b
      mockforge recover hsc.fits -o sharp.fits --picture sharp.png
      mockforge recover r.fits i.fits z.fits --bands hsc_r,hsc_i,hsc_z --zeropoint 27 -o sharp.fits
      mockforge recover hsc.fits --model runs/recover -o sharp.fits
      mockforge recover --demo demo.png --seed 3

    Writes the prediction of a trained network in nJy, one extension per band, with the WCS on the fine
    pixels. What lies below the resolution of the input is a guess from the galaxies of its training set.
    """
    if (demo is None) == (not images):
        raise InputError("give images to recover, or --demo PNG; `mockforge recover --help` shows how")
    check_files(out, picture, demo)
    if demo is not None:
        refuse(context, ["out", "picture", "rms", *IMAGE], "for images; --demo draws a galaxy of its own")
    else:
        refuse(context, ["seed"], "is that of --demo's galaxy; recovering an image draws nothing")
    if demo is not None:
        from mockforge.commands.recover_demo import demonstrate, demonstration_picture

        need_extra("report", "--demo", "matplotlib")
        demonstration_picture(demonstrate(model, seed=seed, device=device), demo)
        print(demo)
        return
    if out is None and picture is None:
        raise InputError("give the file to write with --out, or --picture")
    from mockforge.commands.recover import recover_field, recovery_picture
    from mockforge.tasks.recover.model import load_recoverer

    chosen = load_recoverer(model)
    field = read_images(images or (), bands, extensions, zeropoint, pixel_scale, mask_bits)
    level = numbers_of("--rms", rms)
    if level is not None and len(level) not in (1, len(chosen.scales.bands)):
        raise InputError(f"--rms: {len(level)} numbers for {len(chosen.scales.bands)} bands")
    made = recover_field(
        field,
        chosen,
        rms_njy=None if level is None else tuple(level),
        extrapolate=extrapolate,
        device=device,
    )
    if out is not None:
        made.write(out)
    if picture is not None:
        recovery_picture(field, made, picture)
    if not quiet:
        _, height, width = made.shape
        print(
            f'{width} x {height} pixels (x, y) of {made.pixel_scale_arcsec:.4g}" in {", ".join(made.bands)}'
        )
        print_origins(field)
    print_lines(path for path in (out, picture) if path is not None)
