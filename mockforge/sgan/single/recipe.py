"""`mockforge train` of single galaxies: the recipe's root, and its data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from mockforge.config import Limit, config
from mockforge.files import fingerprint
from mockforge.sgan.learn.shapes.adversarial import AdversarialChoice
from mockforge.sgan.learn.shapes.morphology import MorphologyChoice
from mockforge.sgan.learn.staged import StagedRecipe, StagedRun
from mockforge.sgan.learn.stages import digest_of
from mockforge.sgan.single.chain import GalaxyChain
from mockforge.sgan.single.model import load_galaxies
from mockforge.sgan.single.read import read_stamps
from mockforge.sgan.single.sheet import sheet_of
from mockforge.sgan.single.spec import GalaxyStamps

STAGES = 7
"""Fit, shapes, population, folds, tested, critic, compared."""
_OF_FIELDS = {
    "morphology": {"least_snr": "stamps.least_snr", "most_sources": "stamps.most", "held_out": "folds"},
    "adversarial": {"patience": "adversarial.steps", "checked_sources": "folds", "draws": "folds"},
}
"""Settings that say nothing of single galaxies, and what does instead."""


_MORPHOLOGY = MorphologyChoice(latent=12, width=48, steps=800, batch_pixels=60_000)
_ADVERSARIAL = AdversarialChoice(steps=60, check_steps=30, batch=16, slope=3.0, rate_generator=1.5e-3)


@config
class Galaxies:
    """Single galaxies: a population, painted through one network."""


@config
class NetworkChoice:
    """The network: `{galaxies: {}}`."""

    galaxies: Galaxies = Galaxies()
    """Single galaxies, each drawn with its morphology."""


@config
class RunChoice(StagedRun):
    """How the run goes; nothing here changes what is learned."""

    @property
    def steps(self) -> int:
        """Return how many steps a progress bar counts: the stages."""
        return STAGES


@config
class TrainGalaxies(StagedRecipe):
    """A recipe for `mockforge train`: single galaxies from centred stamps, in stages; see `StagedRecipe`."""

    stamps: GalaxyStamps
    """The galaxies to learn."""
    network: NetworkChoice = NetworkChoice()
    """What is trained."""
    fit_steps: Annotated[int, Limit(ge=8, le=1000)] = 24
    """Steps of the fit of smooth profiles."""
    population: Literal["mixture", "resample"] = "resample"
    """The joint density of the marks: Gaussians with the noise removed, or galaxies drawn again with jitter,
    which does better with few hundred."""
    morphology: MorphologyChoice | None = _MORPHOLOGY
    """How shapes are learned, beyond smooth profiles; null: not."""
    folds: Annotated[int, Limit(ge=0, le=20)] = 5
    """Parts of the galaxies, each left out once: the model of the others is measured on it. 0: not measured,
    and no critic."""
    adversarial: AdversarialChoice | None = _ADVERSARIAL
    """How a critic improves the shapes; kept only where it does so on galaxies left out. null: not."""
    train: RunChoice = RunChoice()
    """How the run goes."""

    opened = staticmethod(load_galaxies)

    def __post_init__(self) -> None:
        if self.folds == 1:
            raise ValueError("folds: 2 or more are left out in turn, or 0, found 1")
        for key, names in _OF_FIELDS.items():
            given = getattr(self, key)
            for name, instead in names.items():
                if given is not None and getattr(given, name) != getattr(type(given)(), name):
                    raise ValueError(f"{key}.{name}: is of fields; give {instead} for single galaxies")

    def tried(self) -> list[int]:
        """Return the numbers of steps against a critic that are tried."""
        choice = self.adversarial
        if choice is None:
            return []
        return [*range(choice.check_steps, choice.steps, choice.check_steps), choice.steps]

    def chain(self, recipe_text: str, told: Callable[[str], None]) -> tuple[GalaxyChain, str]:
        """Read the stamps; return the stages, and the digest of what they learn from.

        Raises InputError where the stamps cannot be used.
        """
        stamps, files = read_stamps(self.stamps), self.stamps.files
        told(f"stamps: {len(stamps)} galaxies in {', '.join(stamps.bands)}")
        sheet = sheet_of(stamps, files is not None and files.mask_neighbours)
        read = {"side": self.stamps.side, "bin": self.stamps.bin, "files": files, "real": self.stamps.real}
        subject = digest_of({"files": fingerprint(self.stamps), "read": read, "seed": self.seed})
        return GalaxyChain(self, stamps, sheet, self.notes(recipe_text, {"galaxies": len(stamps)})), subject
