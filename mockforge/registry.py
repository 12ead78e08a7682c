"""The registry of stages: every name a recipe may use, and where its class lives.

Explicit and closed: a recipe names a stage, never a module. A class is imported when a recipe
uses it, so `mockforge --help` and a recipe of Sersic galaxies never import torch.
"""

from __future__ import annotations

from importlib import import_module

from mockforge.errors import InputError, nearest

STAGES: dict[str, tuple[str, str]] = {
    "sgan": ("mockforge.stages.sgan", "Sgan"),
    "image": ("mockforge.stages.image", "ImageTiles"),
    "sersic_sed": ("mockforge.stages.sersic_sed", "SersicSed"),
    "redshift_images": ("mockforge.stages.redshift_images", "RedshiftImages"),
    "stamps": ("mockforge.stages.stamps", "Stamps"),
    "scene": ("mockforge.stages.scene", "SceneTiles"),
    "inject": ("mockforge.stages.inject", "Inject"),
    "detect": ("mockforge.stages.detect", "Detect"),
    "separate": ("mockforge.stages.separate", "Separate"),
    "match": ("mockforge.stages.match", "Match"),
    "select": ("mockforge.stages.select", "Select"),
    "observe": ("mockforge.stages.observe", "Observe"),
    "degrade": ("mockforge.stages.degrade", "Degrade"),
}
"""Stage name -> (module, class). The class is a `mockforge.config.config` dataclass and a Stage."""

SOURCES = ("sgan", "image", "sersic_sed", "redshift_images", "scene", "stamps")
"""The stages a recipe can start with: they read nothing and make samples."""

TABLES = frozenset({"catalogue", "galaxy", "objects", "separated", "tile"})
"""What stages write that is a table: saved always, and never named in `save`."""


TRAININGS: dict[str, tuple[str, str]] = {
    "field": ("mockforge.sgan.learn.training", "TrainSgan"),
    "dataset": ("mockforge.tasks.redshifter.training", "TrainRedshifter"),
    "degraded": ("mockforge.tasks.recover.training", "TrainRecover"),
}
"""The key only its recipes have -> (module, class) of what `mockforge train` trains."""


def training_class(key: str) -> type:
    """The class of the training recipes that have the key `key`, one of TRAININGS."""
    module, attribute = TRAININGS[key]
    return getattr(import_module(module), attribute)


def stage_class(name: str) -> type:
    """The class of the stage called `name` in recipes; InputError with the nearest name."""
    if name not in STAGES:
        raise InputError(f"unknown stage {name!r}{nearest(name, STAGES)}")
    module, attribute = STAGES[name]
    return getattr(import_module(module), attribute)
