"""mockforge: training sets for finding galaxies and for predicting them at another redshift.

>>> import mockforge
>>> train = mockforge.load("datasets/segmentation", split="train")   # a torch Dataset
>>> sky = mockforge.Sky("kids-viking", seed=7)                       # an endless field
>>> sky[0:512, 0:512].write("tile.fits")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mockforge._version import __version__

__all__ = ["Field", "Scene", "Sky", "__version__", "build", "load", "open_field", "open_galaxies", "redshift"]

if TYPE_CHECKING:
    from mockforge.commands.redshift import redshift
    from mockforge.data.torch.dataset import load
    from mockforge.engine.build import build
    from mockforge.field.field import Field
    from mockforge.mosaic.read import open_field
    from mockforge.scene.scene import Scene
    from mockforge.sgan.paint.sky import Sky
    from mockforge.sgan.single.open import open_galaxies

_HOMES = {
    "build": "mockforge.engine.build",
    "load": "mockforge.data.torch.dataset",
    "open_field": "mockforge.mosaic.read",
    "open_galaxies": "mockforge.sgan.single.open",
    "redshift": "mockforge.commands.redshift",
    "Field": "mockforge.field.field",
    "Scene": "mockforge.scene.scene",
    "Sky": "mockforge.sgan.paint.sky",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first requested, so that `import mockforge` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mockforge' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
