"""`mockforge train` of a learned sky: the recipe's root, and its run in stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mockforge.config import Index, config
from mockforge.errors import InputError
from mockforge.files import fingerprint
from mockforge.names import name_problem
from mockforge.sgan.learn.chain import Chain
from mockforge.sgan.learn.field import learn_field
from mockforge.sgan.learn.fit.stage import SceneFit
from mockforge.sgan.learn.noise.stage import NoiseChoice
from mockforge.sgan.learn.page import write_page
from mockforge.sgan.learn.population.stage import PopulationChoice
from mockforge.sgan.learn.psf.stage import PsfChoice
from mockforge.sgan.learn.shapes.adversarial import AdversarialChoice
from mockforge.sgan.learn.shapes.morphology import MorphologyChoice
from mockforge.sgan.learn.stages import begun, digest_of, run_stages
from mockforge.sgan.model import load_model
from mockforge.sgan.training_field import TrainingField, read_training_field
from mockforge.torch_state import steadily
from mockforge.train.loop import Report
from mockforge.train.run import TrainRecipe, held
from mockforge.train.run_record import record_run

STAGES = 6
"""PSF, fit, population, noise, morphology, adversarial."""


@config
class Forge:
    """The learned sky: sources at places, painted through one network."""


@config
class NetworkChoice:
    """The network: `{forge: {}}`."""

    forge: Forge = Forge()
    """Sources at places, painted above the instrument."""


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
class TrainForge(TrainRecipe):
    """A recipe for `mockforge train`: a learned sky from a real field, in stages.

    Each stage is kept in the run's folder when it is done, with its numbers and its picture on the run's
    page, index.html. With `resume`, only stages whose settings changed, and those after them, are done again.
    """

    field: TrainingField
    """The real field."""
    network: NetworkChoice = NetworkChoice()
    """What is trained."""
    psf: PsfChoice = PsfChoice()
    """Where the PSF is from: the field's own stars, unless it is given."""
    fit: SceneFit = SceneFit()
    """How every source of the field is fitted."""
    population: PopulationChoice = PopulationChoice()
    """What is learned of all sources together."""
    noise: NoiseChoice = NoiseChoice()
    """How noise is measured."""
    morphology: MorphologyChoice | None = MorphologyChoice()
    """How the shapes of bright sources are learned; null: smooth profiles alone."""
    adversarial: AdversarialChoice | None = AdversarialChoice()
    """How a critic improves the shapes; null: not."""
    train: RunChoice = RunChoice()
    """How the run goes."""

    opened = staticmethod(load_model)

    @steadily(None)
    def run(
        self, out: Path, *, resume: bool = False, recipe_text: str = "", report: Report | None = None,
        told: Callable[[str], None] | None = None,
    ) -> Path:  # fmt: skip
        """Learn the sky of the recipe's field into the folder `out`; returns the model's JSON file.

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
            Where the field cannot be used, `out` holds a run and is not to be resumed, or holds none and is.
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
        field = read_training_field(self.field)
        with held(out):
            self._check(out, resume)
            record_run(self, out, recipe_text)
            for fact, text in field.origin.items():
                say(f"{fact}: {text}")
            watch(0, {})
            notes = self.notes(recipe_text, {"files": ", ".join(self.field.files)})
            chain = Chain(self, learn_field(field, self.field.cut), notes)
            read = replace(self.field, folder=".")  # wherever the files lie
            subject = digest_of({"files": fingerprint(self.field), "field": read, "seed": self.seed})
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
