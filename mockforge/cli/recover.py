"""The command `recover`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import check_files, numbers_of
from mockforge.cli.options import Results, Running
from mockforge.cli.program import print_lines
from mockforge.cli.reading import IMAGE, Reading, print_origins
from mockforge.cli.typed import refuse
from mockforge.commands.recover import recover_field, recovery_picture
from mockforge.commands.recover_demo import demonstrate, demonstration_picture
from mockforge.errors import InputError
from mockforge.extras import need_extra
from mockforge.field.field import Field
from mockforge.tasks.recover.model import load_recoverer


@dataclass(frozen=True)
class OfDemo:
    """The demonstration on a galaxy that is drawn, as it was typed."""

    demo: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG", help="Draw a galaxy, degrade it, recover it, and show that.", show_default=False
        ),
    ] = None
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the galaxy of --demo.")] = 1


def recover(
    context: typer.Context,
    *,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGE", help="FITS: one file per band, or one file.", show_default=False),
    ] = None,
    results: Results,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="A bundled model, or a model's file.")
    ] = "recover-hsc",
    of_demo: OfDemo,
    reading: Reading,
    rms: Annotated[
        str | None,
        typer.Option(
            metavar="NJY", help="Sky noise, one or one per band; else measured.", show_default=False
        ),
    ] = None,
    running: Running,
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
    demo, out, picture = of_demo.demo, results.out, results.picture
    if (demo is None) == (not images):
        raise InputError("give images to recover, or --demo PNG; `mockforge recover --help` shows how")
    check_files(out, picture, demo)
    if demo is not None:
        refuse(context, ["out", "picture", "rms", *IMAGE], "for images; --demo draws a galaxy of its own")
        need_extra("report", "--demo", "matplotlib")
        galaxy = demonstrate(model, seed=of_demo.seed, device=running.device)
        demonstration_picture(galaxy, demo)
        print(demo)
        return
    refuse(context, ["seed"], "is that of --demo's galaxy; recovering an image draws nothing")
    results.check()
    recoverer = load_recoverer(model)
    field = reading.read(images or ())
    sharp = recover_field(
        field,
        recoverer,
        rms_njy=_rms(rms, len(recoverer.scales.bands)),
        extrapolate=running.extrapolate,
        device=running.device,
    )
    _write(field, sharp, results)


def _write(field: Field, sharp: Field, results: Results) -> None:
    """Write the recovered image and its picture, and print what it is and where the facts come from."""
    if results.out is not None:
        sharp.write(results.out)
    if results.picture is not None:
        recovery_picture(field, sharp, results.picture)
    if not results.quiet:
        _, height, width = sharp.shape
        bands = ", ".join(sharp.bands)
        print(f'{width} x {height} pixels (x, y) of {sharp.pixel_scale_arcsec:.4g}" in {bands}')
        print_origins(field)
    print_lines(results.paths())


def _rms(typed: str | None, bands: int) -> tuple[float, ...] | None:
    """Return the sky noise as it was typed, one number or one for each band."""
    rms = numbers_of("--rms", typed)
    if rms is not None and len(rms) not in (1, bands):
        raise InputError(f"--rms: {len(rms)} numbers for {bands} bands")
    return None if rms is None else tuple(rms)
