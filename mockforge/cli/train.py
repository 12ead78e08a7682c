"""The command `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import check_folder
from mockforge.cli.options import Out, Overrides, Quiet
from mockforge.progress import Progress
from mockforge.recipe.read import load_training
from mockforge.train.parallel import leads


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A training recipe, or a bundled one's name.")
    ],
    overrides: Overrides = None,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint in DIR.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a network: a SGAN on a real field, others on a dataset.

    \b
      mockforge train train_field field.files='[g.fits, r.fits, i.fits]' --out runs/mine
      mockforge train my_field.yaml train.steps=2000 train.device=cuda
      mockforge train my_field.yaml --resume
      mockforge train train_field network='{smith2019: {}}' critic='{packed: {}}'
      mockforge train train_redshifter dataset=datasets/redshift_pairs
      mockforge train train_recover degraded=datasets/hst_to_hsc

    The run goes to DIR, by default runs/<name of the recipe>: checkpoints, log, previews, and
    the model (NAME.safetensors and NAME.json). `generate` and the stage `sgan` take a SGAN,
    `recover` one that recovers, `redshift` a redshifter, `evaluate` any.
    """
    training, text = load_training(recipe, overrides or ())
    folder = Path("runs", training.name) if out is None else out
    check_folder(folder)
    with Progress(training.train.steps, training.name, "steps", int(quiet or not leads())) as progress:
        watch = lambda step, losses: (progress.reach if losses else progress.start_at)(step)  # noqa: E731
        path = training.run(folder, resume=resume, recipe_text=text, report=watch, told=progress.say)
    if leads():
        print(path)
