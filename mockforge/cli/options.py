"""Options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
