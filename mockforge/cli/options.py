"""Options that several commands share, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mockforge.errors import InputError

Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print results and errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show where in the program an error arose.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Values to use instead of the recipe's.", show_default=False),
]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Folder of the result.")]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1, ... or auto.")]
Extrapolate = Annotated[
    bool, typer.Option("--extrapolate", help="Proceed where the input is outside the training set.")
]
PsfFwhm = Annotated[
    str | None,
    typer.Option(
        "--psf-fwhm",
        metavar="ARCSEC",
        help="FWHM of the image's PSF, one or one per band.",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-w",
        min=1,
        metavar="N",
        show_default=False,
        help="Worker processes; by default one per CPU.",
    ),
]


@dataclass(frozen=True)
class Results:
    """The files to write, of an image that a network makes."""

    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FITS", help="The result.", show_default=False)
    ] = None
    picture: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Before and after, side by side.", show_default=False)
    ] = None
    quiet: Quiet = False

    def check(self) -> None:
        """Raise InputError where there is none."""
        if self.out is None and self.picture is None:
            raise InputError("give the file to write with --out, or --picture")

    def paths(self) -> list[Path]:
        """Return the files."""
        return [path for path in (self.out, self.picture) if path is not None]


@dataclass(frozen=True)
class Running:
    """How a trained network is run."""

    extrapolate: Extrapolate = False
    device: Device = "cpu"
