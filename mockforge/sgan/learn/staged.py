"""Recipes for `mockforge train` that learn in stages: one run for all of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from mockforge.config import Index, config
from mockforge.errors import InputError
from mockforge.names import name_problem
from mockforge.sgan.learn.page import write_page
from mockforge.sgan.learn.stages import Learned, Stage, begun, run_stages
from mockforge.torch_state import steadily
from mockforge.train.loop import Report
from mockforge.train.run import TrainRecipe, held
from mockforge.train.run_record import record_run


class Saved(Protocol):
    """A model that can be saved."""

    def save(self, folder: Path) -> Path:
        """Write its files; returns the path of its JSON."""
        ...


class StageChain(Protocol):
    """The stages of one recipe on its data, and the model that they end in."""

    def stages(self) -> list[Stage]:
        """Return the stages in order."""
        ...

    def model(self, done: Mapping[str, Learned]) -> Saved:
        """Return the model that the finished stages make."""
        ...


@config
class StagedRun:
    """How the run goes; nothing here changes what is learned."""

    threads: Index = 0
    """CPU threads; 0 = torch's own choice."""


@config
class StagedRecipe(TrainRecipe):
    """A recipe that is learned in stages.

    Each stage is kept in the run's folder when it is done, with its numbers and its picture on the run's
    page, index.html. With `resume`, only stages whose settings changed, and those after them, are done again.
    A class of such recipes has a key `train`, a `StagedRun`.
    """

    @abstractmethod
    def chain(self, recipe_text: str, told: Callable[[str], None]) -> tuple[StageChain, str]:
        """Read the data; return the stages, and the digest of what they learn from."""

    @steadily(None)
    def run(
        self, out: Path, *, resume: bool = False, recipe_text: str = "", report: Report | None = None,
        told: Callable[[str], None] | None = None,
    ) -> Path:  # fmt: skip
        """Learn into the folder `out`; returns the model's JSON file.

        Parameters
        ----------
        out
            Folder of the run: `stages/`, `index.html` and the model NAME.json, NAME.safetensors, NAME.md.
        resume
            Keep what is done of the run in `out`.
        recipe_text
            The recipe as YAML, kept beside the run.
        report
            Called as report(stages done, losses).
        told
            Hears a line as each stage begins and ends.

        Raises
        ------
        InputError
            Where the data cannot be used, `out` holds a run and is not to be resumed, or holds none and is.
        """
        import torch

        problem = name_problem(self.name)
        if problem:
            raise InputError(f"name of the model: {problem}")
        _check(out, resume)
        threads: int = getattr(self, "train").threads  # noqa: B009
        if threads:
            torch.set_num_threads(threads)
        say = told or (lambda line: None)
        watch = report or (lambda step, losses: None)
        chain, subject = self.chain(recipe_text, say)
        with held(out):
            _check(out, resume)
            record_run(self, out, recipe_text)
            watch(0, {})
            stages = chain.stages()
            try:
                done = run_stages(stages, out, subject, report=watch, told=say)
            finally:
                write_page(out, self.name, stages)
            return chain.model(done).save(out)


def _check(out: Path, resume: bool) -> None:
    """InputError where the folder holds a run that is not to be resumed, or none to resume."""
    if begun(out) and not resume:
        raise InputError(f"{out}: already holds a run; continue with --resume, or choose another --out")
    if resume and not begun(out):
        raise InputError(f"{out}: no finished stage of a run, nothing to resume; train without --resume")
