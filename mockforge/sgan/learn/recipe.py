"""`mockforge train` of a learned sky: the recipe's root."""

from __future__ import annotations

from mockforge.config import config
from mockforge.sgan.model import load_model
from mockforge.sgan.training_field import TrainingField
from mockforge.train.config import TrainConfig
from mockforge.train.run import TrainRecipe


@config
class Forge:
    """The learned sky: sources at places, painted through one network."""


@config
class NetworkChoice:
    """The network: `{forge: {}}`."""

    forge: Forge = Forge()
    """Sources at places, painted above the instrument."""


@config
class TrainForge(TrainRecipe):
    """A recipe for `mockforge train`: a learned sky from a real field, in stages."""

    field: TrainingField
    """The real field."""
    network: NetworkChoice = NetworkChoice()
    """What is trained."""
    train: TrainConfig = TrainConfig()
    """Device and precision."""

    opened = staticmethod(load_model)
