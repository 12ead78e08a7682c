"""`mockforge train` of a learned sky: the recipe's root, and its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mockforge.config import config
from mockforge.files import fingerprint
from mockforge.sgan.learn.chain import Chain
from mockforge.sgan.learn.field import learn_field
from mockforge.sgan.learn.fit.stage import SceneFit
from mockforge.sgan.learn.noise.stage import NoiseChoice
from mockforge.sgan.learn.population.stage import PopulationChoice
from mockforge.sgan.learn.psf.stage import PsfChoice
from mockforge.sgan.learn.shapes.adversarial import AdversarialChoice
from mockforge.sgan.learn.shapes.morphology import MorphologyChoice
from mockforge.sgan.learn.staged import StagedRecipe, StagedRun
from mockforge.sgan.learn.stages import digest_of
from mockforge.sgan.model import load_model
from mockforge.sgan.training_field import TrainingField, read_training_field

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
class RunChoice(StagedRun):
    """How the run goes; nothing here changes what is learned."""

    @property
    def steps(self) -> int:
        """Return how many steps a progress bar counts: the stages."""
        return STAGES


@config
class TrainForge(StagedRecipe):
    """A recipe for `mockforge train`: a learned sky from a real field, in stages; see `StagedRecipe`."""

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

    def chain(self, recipe_text: str, told: Callable[[str], None]) -> tuple[Chain, str]:
        """Read the field; return the stages, and the digest of what they learn from.

        Raises InputError where the field cannot be used.
        """
        field = read_training_field(self.field)
        for fact, text in field.origin.items():
            told(f"{fact}: {text}")
        notes = self.notes(recipe_text, {"files": ", ".join(self.field.files)})
        read = replace(self.field, folder=".")  # wherever the files lie
        subject = digest_of({"files": fingerprint(self.field), "field": read, "seed": self.seed})
        return Chain(self, learn_field(field, self.field.cut), notes), subject
