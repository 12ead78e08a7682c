"""The command `build`."""

from __future__ import annotations

from typing import Annotated

import typer

from mockforge.cli.options import Out, Overrides, Quiet, Workers
from mockforge.cli.program import print_lines
from mockforge.commands.facts import dataset_lines
from mockforge.engine.build import build as build_dataset


def build(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file, or a bundled recipe's name.")],
    overrides: Overrides = None,
    out: Out = None,
    workers: Workers = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another recipe's dataset in DIR.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Build the dataset of a recipe, or finish an interrupted build.

    \b
      mockforge build recipes/segmentation.yaml
      mockforge build segmentation samples=64 --out datasets/small --workers 2
      mockforge build my.yaml stages.detect.threshold=4 splits='{train: 1}'
      mockforge build my.yaml 'stages.sersic_sed.z_in={uniform: [0.1, 0.3]}'

    The dataset goes to DIR, by default datasets/<name of the recipe>. When a build is stopped,
    by whatever, the same command finishes it with the same bytes. The number of workers changes
    no byte. A key is written with dots; a stage goes by its name.
    """
    folder = build_dataset(recipe, out, overrides or (), workers, overwrite=overwrite, quiet=int(quiet))
    print_lines([folder] if quiet else dataset_lines(folder))
