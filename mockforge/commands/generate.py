"""`mockforge generate`: fields of endless skies as FITS files, with a picture of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.picture import asinh_rgb, save_png
from mockforge.files import from_home, replace_file
from mockforge.recipe.read import load
from mockforge.scene.clustering import CELL
from mockforge.scene.model import SceneModel
from mockforge.scene.scene import Scene
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.model import SganModel, load_model
from mockforge.sgan.paint.sky import Sky
from mockforge.torch_state import numpy_default
from mockforge.train.parallel import usable

if TYPE_CHECKING:
    from astropy.table import Table

Advance = Callable[[int], None]
"""Is called with the number of pixels painted since the last call."""


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

    def sky(self, seed: int) -> Callable[[int, int, Advance], Field]:
        """Return what paints the first rows and columns (height, width) of the sky of a seed."""
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

    def sources(self, seed: int, height: int, width: int) -> Table | None:
        """Return the table of the sources that have light there; None where it is not known."""
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

    def sky(self, seed: int) -> Callable[[int, int, Advance], Field]:
        """Return what paints a window of the sky of a seed; InputError for what the model cannot do."""
        sky = self.endless(seed)
        return lambda height, width, advance: sky.field(0, height, 0, width, advance)

    def sources(self, seed: int, height: int, width: int) -> Table | None:
        """Return the table of the sources of a field; None where pixels have no owners."""
        if not isinstance(self.model, ForgeModel):
            return None
        return Sky(self.model, seed, **self.asked).sources(0, height, 0, width)


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

    def sky(self, seed: int) -> Callable[[int, int, Advance], Field]:
        """Return what paints a window of the scene of a seed."""
        scene = Scene(self.model, seed)

        def paint(height: int, width: int, advance: Advance) -> Field:
            for y in range(0, height, CELL):
                rows = min(CELL, height - y)
                for _ in scene.layers(y, y + rows, 0, width):
                    pass  # painted now, and kept for the whole field
                advance(rows * width)
            return scene[0:height, 0:width]

        return paint

    def sources(self, seed: int, height: int, width: int) -> Table | None:
        """Return the table of the objects of a field."""
        return Scene(self.model, seed).objects(0, height, 0, width)


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


def write_fields(
    painter: FieldPainter,
    size: tuple[int, int],
    seeds: Sequence[int],
    out: str | Path,
    advance: Advance = lambda pixels: None,
) -> list[Path]:
    """Write a field of each seed, in nJy.

    Parameters
    ----------
    painter
        `of_model` or `of_scene`.
    size
        Rows and columns, pixels.
    seeds
        A sky each.
    out
        Folder of `NAME-SEED.fits` (a band an extension, then the noiseless bands where they are known),
        `NAME-SEED.png`, and where pixels have owners the table `NAME-SEED-sources.fits`.
    advance
        Is called with the number of pixels painted since the last call.

    Returns
    -------
    list of Path
        The FITS files.

    Raises
    ------
    InputError
        For a size that is not positive, what the model cannot do, or an `out` that cannot be made.
    """
    if min(size) < 1 or not seeds:
        raise InputError(
            f"size {size[0]}x{size[1]} and the number of fields {len(seeds)} should be at least 1"
        )
    paint = painter.sky(seeds[0])
    out = from_home(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made ({error.strerror}); choose another --out") from error
    written = []
    for seed in seeds:
        paint = paint if seed == seeds[0] else painter.sky(seed)
        field = paint(*size, advance)
        path = field.write(out / f"{painter.name}-{seed}.fits")
        save_png(path.with_suffix(".png"), asinh_rgb(field.image, bands=field.bands))
        table = painter.sources(seed, *size)
        if table is not None:
            _write_table(table, path.with_name(f"{path.stem}-sources.fits"))
        written.append(path)
    return written


def _write_table(table: Table, path: Path) -> None:
    """Write a table as FITS; the file appears whole."""
    buffer = BytesIO()
    own = table.copy()
    own.meta = {}  # what it says is in the field's headers
    own.write(buffer, format="fits")
    replace_file(path, buffer.getvalue())
