"""`mockforge train` of single galaxies: the recipe's root, and its run in stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from mockforge.config import Index, Limit, config
from mockforge.errors import InputError
from mockforge.files import fingerprint
from mockforge.names import name_problem
from mockforge.sgan.learn.page import write_page
from mockforge.sgan.learn.shapes.morphology import MorphologyChoice
from mockforge.sgan.learn.stages import begun, digest_of, run_stages
from mockforge.sgan.single.chain import GalaxyChain
from mockforge.sgan.single.model import load_galaxies
from mockforge.sgan.single.read import read_stamps
from mockforge.sgan.single.sheet import sheet_of
from mockforge.sgan.single.spec import GalaxyStamps
from mockforge.torch_state import steadily
from mockforge.train.loop import Report
from mockforge.train.run import TrainRecipe, held
from mockforge.train.run_record import record_run

STAGES = 4
"""Fit, shapes, population, compared."""


@config
class Galaxies:
    """Single galaxies: a population, painted through one network."""


@config
class NetworkChoice:
    """The network: `{galaxies: {}}`."""

    galaxies: Galaxies = Galaxies()
    """Single galaxies, each drawn with its morphology."""


@config
class RunChoice:
    """How the run goes; nothing here changes what is learned."""

    threads: Index = 0
    """CPU threads; 0 = torch's own choice."""

    @property
    def steps(self) -> int:
        """Return how many steps a progress bar counts: the stages."""
        return STAGES


@config
class TrainGalaxies(TrainRecipe):
    """A recipe for `mockforge train`: single galaxies from centred stamps, in stages.

    Each stage is kept in the run's folder when it is done, with its numbers and its picture on the run's
    page, index.html. With `resume`, only stages whose settings changed, and those after them, are done again.
    """

    stamps: GalaxyStamps
    """The galaxies to learn."""
    network: NetworkChoice = NetworkChoice()
    """What is trained."""
    fit_steps: Annotated[int, Limit(ge=8, le=1000)] = 24
    """Steps of the fit of smooth profiles."""
    population: Literal["mixture", "resample"] = "resample"
    """The joint density of the marks: Gaussians with the noise removed, or galaxies drawn again with jitter,
    which does better with few hundred."""
    morphology: MorphologyChoice | None = MorphologyChoice(latent=12, width=48, held_out=0.2, steps=800)
    """How shapes are learned, beyond smooth profiles; null: not."""
    train: RunChoice = RunChoice()
    """How the run goes."""

    opened = staticmethod(load_galaxies)

    def __post_init__(self) -> None:
        if self.morphology is None:
            return
        usual = MorphologyChoice()
        for name, instead in (("least_snr", "least_snr"), ("most_sources", "most")):
            if getattr(self.morphology, name) != getattr(usual, name):
                raise ValueError(
                    f"morphology.{name}: is of fields; give stamps.{instead} for single galaxies"
                )

    @steadily(None)
    def run(
        self, out: Path, *, resume: bool = False, recipe_text: str = "", report: Report | None = None,
        told: Callable[[str], None] | None = None,
    ) -> Path:  # fmt: skip
        """Learn the galaxies of the recipe's stamps into the folder `out`; returns the model's JSON file.

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
            Where the stamps cannot be used, `out` holds a run and is not to be resumed, or holds none and is.
        """
        import torch

        problem = name_problem(self.name)
        if problem:
            raise InputError(f"name of the model: {problem}")
        self._check(out, resume)
        if self.train.threads:
            torch.set_num_threads(self.train.threads)
        say = told or (lambda line: None)
        watch = report or (lambda step, losses: None)
        stamps = read_stamps(self.stamps)
        say(f"stamps: {len(stamps)} galaxies in {', '.join(stamps.bands)}")
        with held(out):
            self._check(out, resume)
            record_run(self, out, recipe_text)
            watch(0, {})
            files = self.stamps.files
            sheet = sheet_of(stamps, files is not None and files.mask_neighbours)
            notes = self.notes(recipe_text, {"galaxies": len(stamps)})
            chain = GalaxyChain(self, stamps, sheet, notes)
            read = {
                "side": self.stamps.side,
                "bin": self.stamps.bin,
                "files": files,
                "real": self.stamps.real,
            }
            subject = digest_of({"files": fingerprint(self.stamps), "read": read, "seed": self.seed})
            stages = chain.stages()
            try:
                done = run_stages(stages, out, subject, report=watch, told=say)
            finally:
                write_page(out, self.name, stages)
            return chain.model(done).save(out)

    def _check(self, out: Path, resume: bool) -> None:
        """InputError where the folder holds a run that is not to be resumed, or none to resume."""
        if begun(out) and not resume:
            raise InputError(f"{out}: already holds a run; continue with --resume, or choose another --out")
        if resume and not begun(out):
            raise InputError(f"{out}: no finished stage of a run, nothing to resume; train without --resume")
