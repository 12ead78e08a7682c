"""What lies on a viewer's picture, as files: tiles of rows, and of outlines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from mockforge.mosaic.labels import LabelWindow
from mockforge.view.config import ObjectsOf
from mockforge.view.outlines import outline_tiles
from mockforge.view.rows import Rows, tiles_of
from mockforge.view.tiles import Levels

SAMPLES = "samples"
"""Name of the layer whose rows are the samples of a dataset: boxes."""


def write_objects(folder: Path, name: str, rows: Rows, levels: Levels, reach: float = 0.0) -> ObjectsOf:
    """Write the tiles of a layer of objects into a folder; `reach`: pixels from a box's middle to its end."""
    coarsest, finest, tiles = tiles_of(rows, levels)
    keys = []
    for key, numbers in tiles:
        _write_script(folder / "objects" / name, key, f"{name}/{key}", rows.tile(np.asarray(numbers)))
        keys.append(key)
    return ObjectsOf(
        name=name,
        url=f"objects/{name}/{{level}}/{{col}}_{{row}}.js",
        max_level=finest,
        min_level=coarsest,
        columns=tuple(rows.columns),
        tiles=tuple(keys),
        box=name == SAMPLES,
        reach=reach,
    )


def write_outlines(folder: Path, name: str, window: LabelWindow, levels: Levels) -> ObjectsOf:
    """Write the tiles of the outlines of masks into a folder."""
    keys = []
    coarsest, tiles = outline_tiles(window, levels)
    for key, segments in tiles:
        row = f'[{{"id":"{key}","segments":{json.dumps(segments, separators=(",", ":"))}}}]'
        _write_script(folder / "outlines" / name, key, f"outlines/{name}/{key}", row)
        keys.append(key)
    return ObjectsOf(
        name, f"outlines/{name}/{{level}}/{{col}}_{{row}}.js", levels.top, coarsest, tiles=tuple(keys)
    )


def _write_script(folder: Path, key: str, name: str, rows: str) -> None:
    path = folder / f"{key}.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'mockforgeObjects("{name}",{rows});\n', encoding="utf-8")
