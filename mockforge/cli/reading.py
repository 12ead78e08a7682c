"""The images of a command: the options that say how they are read, and their reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from mockforge.cli.arguments import names_of, numbers_of, words_of
from mockforge.cli.program import print_lines
from mockforge.field.field import Field
from mockforge.mosaic.read import Mosaic, open_field

IMAGE = ("bands", "extensions", "zeropoint", "pixel_scale", "mask_bits", "psf_fwhm")
"""Parameters that say how a FITS image is read."""


@dataclass(frozen=True)
class Reading:
    """How FITS images are read, where their headers do not say it; as it was typed."""

    bands: Annotated[
        str | None,
        typer.Option("--bands", metavar="NAMES", help="Bands' names: g,r,Z.", show_default=False),
    ] = None
    extensions: Annotated[
        str | None,
        typer.Option(
            "--extensions",
            metavar="LIST",
            help="Extensions to read, by name or number: SCI or 1,2,3.",
            show_default=False,
        ),
    ] = None
    zeropoint: Annotated[
        str | None,
        typer.Option(
            "--zeropoint",
            metavar="MAG",
            help="AB magnitude of pixel value 1, one or one per band.",
            show_default=False,
        ),
    ] = None
    pixel_scale: Annotated[
        float | None,
        typer.Option(
            "--pixel-scale", metavar="ARCSEC", help="Pixel scale, if there is no WCS.", show_default=False
        ),
    ] = None
    mask_bits: Annotated[
        str | None,
        typer.Option(
            "--mask-bits",
            metavar="LIST",
            help="Bits of a mask that mark bad pixels: BAD,SAT or 0,1; all, none.",
            show_default=False,
        ),
    ] = None

    def keywords(self) -> dict[str, Any]:
        """Return the options as `Field.read` takes them."""
        return {
            "bands": words_of(self.bands),
            "extensions": names_of(self.extensions),
            "zeropoint": numbers_of("--zeropoint", self.zeropoint),
            "pixel_scale_arcsec": self.pixel_scale,
            "mask_bits": names_of(self.mask_bits),
        }

    def read(self, images: Sequence[Path]) -> Field:
        """Return the images in nJy."""
        return Field.read(images, **self.keywords(), require_njy=True)

    def open(self, images: Sequence[Path]) -> Mosaic:
        """Open images of any size in nJy, or a Zarr field."""
        zarr = any(path.is_dir() for path in images)  # it is in nJy, and says so
        return open_field(images, **self.keywords(), require_njy=not zarr)


def print_origins(field: Field) -> None:
    """Print where each fact about an image comes from, a line each."""
    print_lines(f"{fact}: {text}" for fact, text in field.origin.items())
