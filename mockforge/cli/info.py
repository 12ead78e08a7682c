"""The command `info`."""

from __future__ import annotations

from typing import Annotated

import typer

from mockforge.cli.program import print_lines
from mockforge.commands.info import about


def info(
    thing: Annotated[
        str, typer.Argument(metavar="THING", help="A dataset, a model's name or file, or a FITS file.")
    ],
) -> None:
    """Say what is in a dataset, a model or a FITS image.

    \b
      mockforge info datasets/small
      mockforge info kids-viking
      mockforge info field.fits
    """
    print_lines(about(thing))
