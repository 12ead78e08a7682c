"""The command `label`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mockforge.arguments import names_of, numbers_of, words_of
from mockforge.cli.program import Quiet, Verbose, app, command, print_lines


@app.command()
@command
def label(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="FITS: a file a band, or one file.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")],
    bands: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Names of the bands: g,r,Z.", show_default=False)
    ] = None,
    extensions: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Extensions to read, by name or number: SCI or 1,2,3.", show_default=False
        ),
    ] = None,
    zeropoint: Annotated[
        str | None,
        typer.Option(
            metavar="MAG", help="AB magnitude of pixel value 1, one or one a band.", show_default=False
        ),
    ] = None,
    pixel_scale: Annotated[
        float | None,
        typer.Option(metavar="ARCSEC", help="Side of a pixel, if no WCS says it.", show_default=False),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="SIGMA", help="Detection threshold [5].", show_default=False)
    ] = None,
    min_pixels: Annotated[
        int | None, typer.Option(metavar="N", help="Pixels a source has at least [5].", show_default=False)
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
    from mockforge.label.image import label_image
    from mockforge.recipe.read import load_stage

    given = {"threshold": threshold, "min_pixels": min_pixels}
    words = [f"{key}={value}" for key, value in given.items() if value is not None]
    found = label_image(
        images,
        out,
        load_stage("detect", [*words, *(settings or ())]),
        bands=words_of(bands),
        extensions=names_of(extensions),
        zeropoint=numbers_of("--zeropoint", zeropoint),
        pixel_scale_arcsec=pixel_scale,
    )
    if not quiet:
        rms = ", ".join(f"{band} {value:.4g}" for band, value in zip(found.bands, found.sky_rms, strict=True))
        unit = "the image's own unit" if found.unit == "native" else found.unit
        print(f"{found.objects} objects, {found.blended} of them blended; sky rms {rms} ({unit})")
        print_lines(f"note: {note}" for note in found.notes)
    print_lines(found.files)
