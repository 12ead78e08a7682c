"""Fields of a parametric sky as FITS files, with a picture of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from mockforge.errors import InputError
from mockforge.field.picture import asinh_rgb, save_png
from mockforge.recipe.read import load
from mockforge.scene.model import SceneModel
from mockforge.scene.scene import CELL, Scene
from mockforge.torch_state import numpy_default


@numpy_default()
def load_scene(path: str | Path) -> tuple[str, SceneModel]:
    """Return a recipe's name and the model of the sky that it begins with. InputError where it has none."""
    recipe = load(path)
    first = recipe.stages[0]
    if not isinstance(first.stage, SceneModel):
        raise InputError(
            f"{path}: its first stage is {first.kind!r}; --scene needs a recipe of the source `scene`"
        )
    if getattr(first.stage, "blend", None) is not None:
        raise InputError(f"{path}: makes blends on stamps, not a sky; `mockforge build {path}` makes them")
    return recipe.name, SceneModel(**{f.name: getattr(first.stage, f.name) for f in fields(SceneModel)})


def write_scenes(
    model: SceneModel,
    name: str,
    size: tuple[int, int],
    n: int,
    seed: int,
    out: str | Path,
    progress: Callable[[int], None] | None = None,
) -> list[Path]:
    """Write `n` fields of `size` (rows, columns) pixels in nJy; field k is the sky of seed + k.

    Each is `NAME-SEED.fits` (a band an extension, then the noiseless bands) and `NAME-SEED.png`.
    `progress` is called with the pixels done. Returns the paths of the FITS files. InputError for
    a size that is not positive or an `out` that cannot be made.
    """
    if min(size) < 1 or n < 1:
        raise InputError(f"size {size[0]}x{size[1]} and n {n} should be at least 1")
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made ({error.strerror}); choose another --out") from error
    written = []
    for k in range(n):
        scene = Scene(model, seed + k)
        for y in range(0, size[0], CELL) if progress is not None else ():
            height = min(CELL, size[0] - y)
            for _ in scene.layers(y, y + height, 0, size[1]):
                pass  # painted now, and kept for the whole field
            if progress is not None:
                progress(height * size[1])
        field = scene[0 : size[0], 0 : size[1]]
        path = field.write(out / f"{name}-{seed + k}.fits")
        save_png(path.with_suffix(".png"), asinh_rgb(field.image, bands=field.bands))
        written.append(path)
    return written
