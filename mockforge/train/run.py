"""One run of training: the checks before, the record of what was asked, the loop, the model's path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mockforge.train.loop import Report, fit
from mockforge.train.parallel import leads, usable
from mockforge.train.run_record import check_run, record_run
from mockforge.train.task import Task


def run_training(
    recipe: Any, make: Callable[[], Task], out: Path, *,
    resume: bool = False, recipe_text: str = "", report: Report | None = None,
) -> Path:  # fmt: skip
    """Train the task that `make` returns into `out`; returns the model's JSON file.

    `recipe` is a training configuration with `name`, `seed` and `train`. `report(step, losses)`
    is called once before (no losses) and after each step. Raises InputError where the device is
    not there or `out` holds another run, what `make` raises, and LossNotFinite where training breaks.
    """
    usable(recipe.train.device)
    check_run(recipe, out, resume)
    task = make()
    if leads():
        record_run(recipe, out, recipe_text)
    fit(task, recipe.train, recipe.seed, out, resume=resume, report=report)
    return out / f"{recipe.name}.json"
