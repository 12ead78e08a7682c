"""The skies of which `mockforge generate` writes fields: of trained models, and of recipes."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mockforge.errors import InputError
from mockforge.recipe.read import load
from mockforge.scene.model import SceneModel
from mockforge.scene.scene import Scene
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.model import SganModel, load_model
from mockforge.sgan.paint.sky import Sky
from mockforge.torch_state import numpy_default
from mockforge.train.parallel import usable

if TYPE_CHECKING:
    from astropy.table import Table


class FieldPainter(Protocol):
    """What paints windows of endless skies, one sky a seed."""

    @property
    def name(self) -> str:
        """Return what the files are called after."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the bands of a field."""
        ...

    @property
    def known_by(self) -> str:
        """Return what decides a sky beside its seed, in words."""
        ...

    def endless(self, seed: int) -> Any:
        """Return the sky of a seed."""
        ...

    def table(self, sky: Any, y0: int, y1: int, x0: int, x1: int) -> Table | None:
        """Return the sources of a window of such a sky; None where they are not known."""
        ...


@dataclass(frozen=True)
class ModelPainter:
    """Skies of a trained SGAN, each observed as requested."""

    model: SganModel
    device: str
    asked: dict[str, Any]
    """What is requested of a `Sky`, by its keywords."""

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self.model.name

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the model's bands."""
        return self.model.bands

    @property
    def known_by(self) -> str:
        """Return the model's digest and what is requested of it."""
        return f"{self.model.name} {self.model.sha256} {self.asked!r}"

    def endless(self, seed: int) -> Sky:
        """Return the sky of a seed; InputError for what the model cannot do."""
        return Sky(self.model, seed, device=self.device, **self.asked)

    def table(self, sky: Sky, y0: int, y1: int, x0: int, x1: int) -> Table | None:
        """Return the sources of a window of such a sky; None where pixels have no owners."""
        return sky.sources(y0, y1, x0, x1) if isinstance(self.model, ForgeModel) else None


@dataclass(frozen=True)
class ScenePainter:
    """Parametric skies of a recipe's source `scene`."""

    name: str
    model: SceneModel

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the scene's bands."""
        return tuple(self.model.bands)

    @property
    def known_by(self) -> str:
        """Return all that the scene is described by."""
        return repr(self.model)

    def endless(self, seed: int) -> Scene:
        """Return the scene of a seed."""
        return Scene(self.model, seed)

    def table(self, sky: Scene, y0: int, y1: int, x0: int, x1: int) -> Table | None:
        """Return the objects of a window of such a scene."""
        return sky.objects(y0, y1, x0, x1)


def of_model(model: str | Path, device: str = "cpu", **asked: Any) -> ModelPainter:
    """Return the painter of a trained SGAN.

    Parameters
    ----------
    model
        A bundled model's name, or a model's file or folder.
    device
        Where it paints: cpu, cuda, cuda:1, ... or auto.
    **asked
        What is requested of a `mockforge.Sky`, by its keywords: depth, seeing, density, ...

    Raises
    ------
    InputError
        For an unknown model, and a device that this machine lacks.
    """
    return ModelPainter(load_model(model), str(usable(device)), asked)


@numpy_default()
def of_scene(path: str | Path) -> ScenePainter:
    """Return the painter of the sky that a recipe begins with; InputError where its source is no `scene`."""
    recipe = load(path)
    first = recipe.stages[0]
    if not isinstance(first.stage, SceneModel):
        raise InputError(
            f"{path}: its first stage is {first.kind!r}; --scene needs a recipe of the source `scene`"
        )
    if getattr(first.stage, "blend", None) is not None:
        raise InputError(f"{path}: makes blends on stamps, not a sky; `mockforge build {path}` makes them")
    settings = {f.name: getattr(first.stage, f.name) for f in dataclass_fields(SceneModel)}
    return ScenePainter(recipe.name, SceneModel(**settings))
