"""One run of training: its settings, the checks before, the record, the loop, the model's path."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from mockforge.config import Index, config
from mockforge.errors import InputError, MockforgeError
from mockforge.lock import only_holder
from mockforge.names import name_problem
from mockforge.torch_state import steadily
from mockforge.train.config import TrainConfig
from mockforge.train.log import left_out
from mockforge.train.loop import Report, fit
from mockforge.train.parallel import leads, usable
from mockforge.train.run_record import check_run, record_run
from mockforge.train.task import Task

LOCK = ".lock"
"""Held in the folder of a run while it is at work."""


class Training(Protocol):
    """What is trained: a recipe's configuration, as `TrainRecipe` with `train` and `task`."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def seed(self) -> int:
        """Seed of every random number of the run."""
        ...

    @property
    def train(self) -> TrainConfig:
        """The loop's settings."""
        ...

    def task(self, recipe_text: str = "") -> Task:
        """Make the networks with fresh weights, their data and losses."""
        ...


@config
class TrainRecipe:
    """What every recipe for `mockforge train` says.

    The class of a network's recipes adds its own keys, `train` (a `TrainConfig`), a method `task`, and
    `opened`, the function that opens its models by name or path.
    """

    name: str
    """Name of the model; its files are NAME.safetensors and NAME.json."""
    source: str = ""
    """What it learns from and on whose terms, in words, for the model's card."""
    seed: Index = 0
    """Seed of every random number of the run."""

    def run(
        self: Training, out: Path, *, resume: bool = False, recipe_text: str = "",
        report: Report | None = None, told: Callable[[str], None] | None = None,
    ) -> Path:  # fmt: skip
        """Train the recipe's network into `out`; returns the model's JSON file. See `run_training`."""
        return run_training(self, out, resume=resume, recipe_text=recipe_text, report=report, told=told)

    def notes(self, recipe_text: str, about: Mapping[str, object], **more: object) -> dict[str, Any]:
        """Return what the model's card says of its data: `about` them, and `more` of how they are used."""
        text = {"recipe_sha256": hashlib.sha256(recipe_text.encode()).hexdigest()} if recipe_text else {}
        return {"source": self.source, **about, "seed": self.seed, **more, **text}


@steadily(None)
def run_training(
    recipe: Training, out: Path, *, resume: bool = False, recipe_text: str = "",
    report: Report | None = None, told: Callable[[str], None] | None = None,
) -> Path:  # fmt: skip
    """Train the task of a recipe into the folder `out`.

    Parameters
    ----------
    resume
        Continue from the last checkpoint in `out`.
    recipe_text
        The recipe as YAML, kept beside the run and, by its sha256, in the model.
    report
        Called as report(step, losses) once before (no losses) and after each step.
    told
        Hears where the facts of the data come from, a line each.

    Returns
    -------
    Path
        The model's JSON file.

    Raises
    ------
    InputError
        Where the device is not there, the data cannot be used or `out` holds another run.
    LossNotFinite
        Where training breaks.
    """
    problem = name_problem(recipe.name)
    if problem:
        raise InputError(f"name of the model: {problem}")
    usable(recipe.train.device)
    check_run(recipe, out, resume)
    task = recipe.task(recipe_text)
    with held(out):
        if leads():
            check_run(recipe, out, resume)  # another run may have begun and ended here meanwhile
            record_run(recipe, out, recipe_text)
            facts = (f"{fact}: {text}" for fact, text in getattr(task, "origin", {}).items())
            if told is not None:
                for line in (*facts, *left_out()):
                    told(line)
        fit(task, recipe.train, recipe.seed, out, resume=resume, report=report)
    return out / f"{recipe.name}.json"


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Keep other runs out of the folder `out`, and say what to do where its disk gives an error."""
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
