"""One run of training: its settings, the checks before, the record, the loop, the model's path."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mockforge.config import Index, config
from mockforge.errors import InputError, MockforgeError
from mockforge.lock import only_holder
from mockforge.names import name_problem
from mockforge.torch_state import steadily
from mockforge.train.log import left_out
from mockforge.train.loop import Report, fit
from mockforge.train.parallel import leads, usable
from mockforge.train.run_record import check_run, record_run
from mockforge.train.task import Task

LOCK = ".lock"
"""Held in the folder of a run while it is at work."""


@config
class TrainRecipe:
    """What every recipe for `mockforge train` says; those of a network add `train` and their own."""

    name: str
    """Name of the model; its files are NAME.safetensors and NAME.json."""
    source: str = ""
    """What it learns from and on whose terms, in words, for the model's card."""
    seed: Index = 0
    """Seed of every random number of the run."""

    def task(self, recipe_text: str = "") -> Task:
        """Return the networks with fresh weights, their data and losses."""
        raise NotImplementedError

    def run(
        self, out: Path, *, resume: bool = False, recipe_text: str = "", report: Report | None = None,
        told: Callable[[str], None] | None = None,
    ) -> Path:  # fmt: skip
        """Train the recipe's network into `out`; returns the model's JSON file.

        `report(step, losses)` is called once before (no losses) and after each step; `told` hears
        where the facts of the data come from, a line each. Raises InputError where the data cannot
        be used or `out` holds another run, LossNotFinite where training breaks.
        """
        make = lambda: self.task(recipe_text)  # noqa: E731
        return run_training(self, make, out, resume=resume, recipe_text=recipe_text, report=report, told=told)

    def notes(self, recipe_text: str, about: Mapping[str, object], **more: object) -> dict[str, object]:
        """Return what the model's card says of its data: `about` them, and `more` of how they are used."""
        text = {"recipe_sha256": hashlib.sha256(recipe_text.encode()).hexdigest()} if recipe_text else {}
        return {"source": self.source, **about, "seed": self.seed, **more, **text}


@steadily(None)
def run_training(
    recipe: Any, make: Callable[[], Task], out: Path, *,
    resume: bool = False, recipe_text: str = "", report: Report | None = None,
    told: Callable[[str], None] | None = None,
) -> Path:  # fmt: skip
    """Train the task that `make` returns into `out`; returns the model's JSON file.

    `recipe` is a training configuration with `name`, `seed` and `train`. `report(step, losses)`
    is called once before (no losses) and after each step. Raises InputError where the device is
    not there or `out` holds another run, what `make` raises, and LossNotFinite where training breaks.
    """
    problem = name_problem(recipe.name)
    if problem:
        raise InputError(f"name of the model: {problem}")
    usable(recipe.train.device)
    check_run(recipe, out, resume)
    task = make()
    with _held(out):
        if leads():
            check_run(recipe, out, resume)  # another run may have begun and ended here meanwhile
            record_run(recipe, out, recipe_text)
            if told is not None:
                facts = (f"{fact}: {text}" for fact, text in getattr(task, "origin", {}).items())
                for line in (*facts, *left_out()):
                    told(line)
        fit(task, recipe.train, recipe.seed, out, resume=resume, report=report)
    return out / f"{recipe.name}.json"


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Keep other runs out of the folder, and say what to do where its disk gives an error."""
    try:
        if not leads():
            yield
            return
        out.mkdir(parents=True, exist_ok=True)
        with only_holder(out / LOCK, f"{out}: another training run is active here; wait for it to end"):
            yield
    except OSError as error:
        where = error.filename or out
        again = "continue with --resume" if (out / "checkpoint.pt").exists() else "start it again"
        raise MockforgeError(
            f"{where}: cannot be written ({error.strerror or error}); make room there, then {again}"
        ) from error
