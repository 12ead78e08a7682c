"""The command `surveys`."""

from __future__ import annotations

from typing import Annotated

import typer

from mockforge.cli.options import Quiet
from mockforge.cli.program import print_lines
from mockforge.observe.survey_list import listed
from mockforge.observe.surveys.read import text


def surveys(
    name: Annotated[
        str | None, typer.Argument(metavar="SURVEY", help="Show this one, with its sources.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """List the known surveys, or print one with its sources.

    \b
      mockforge surveys
      mockforge surveys hsc-wide
      mockforge surveys hsc-wide > mine.yaml      # a start for one of your own

    A survey is a YAML file; give the path of your own wherever a survey's name is wanted.
    """
    if name is None:
        print_lines(listed())
    else:
        print(text(name), end="")
