"""What the page of a viewer is told: one object, the same for a folder on disk and for a live sky."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "page"
"""The files of the page itself."""
PAGE_FILES = (
    "index.html",
    "viewer.js",
    "marks.js",
    "places.js",
    "viewer.css",
    "openseadragon.min.js",
    "openseadragon.LICENSE.txt",
)
"""What a viewer consists of, beside `config.js`, which `ViewConfig.script` makes."""
TILE = 256
"""Side of a tile in pixels."""
STRETCHES = {"faint": 0.4, "normal": 1.0, "bright": 4.0}
"""Name of a stretch -> factor on the rms of the sky that sets black, bend and white of `asinh_rgb`."""
DEFAULT_STRETCH = "normal"
ENDLESS_LEVEL = 30
"""An endless sky is shown as a picture of 2^30 pixels a side, whose middle is pixel (0, 0) of the sky."""


@dataclass(frozen=True)
class Tangent:
    """A gnomonic plane: RA and Dec of a pixel of the sky (Calabretta & Greisen 2002, A&A 395, 1077)."""

    crval: tuple[float, float]
    """RA and Dec of the reference, degrees."""
    crpix: tuple[float, float]
    """(x, y) of the reference in pixels of the sky, counted from 0."""
    cd: tuple[tuple[float, float], tuple[float, float]]
    """Degrees a pixel: ((dxi/dx, dxi/dy), (deta/dx, deta/dy)), xi to the east and eta to the north."""


@dataclass(frozen=True)
class LayerOf:
    """One picture of the sky: in colour, or a band alone."""

    name: str
    url: str
    """Of a tile, with {level}, {col}, {row}, and {stretch} where there is more than one."""
    stretches: tuple[str, ...] | None = None
    """Those there are of this layer; None: those of the page."""


@dataclass(frozen=True)
class ObjectsOf:
    """A layer of objects, or of outlines, in tiles of rows.

    A tile at (level, col, row) holds the rows whose place is in that Deep Zoom tile, the brightest first;
    at `max_level` it holds all of them. A row of objects is {id, x, y, a, b, theta, ...}: place and
    semi-axes in pixels of the sky, theta in degrees from +x towards +y. A row of outlines is
    {id, rings: [[x, y, x, y, ...], ...]} or {id, segments: [x0, y0, x1, y1, ...]}, pixels of the sky.
    Rows may also be sent packed, {columns: [...], rows: [[...], ...]}.
    """

    name: str
    """`true`, `detected`, ..."""
    url: str
    """With {level}, {col}, {row}. A .js calls `mockforgeObjects(key, rows)`, key = "name/level/col_row"
    ("outlines/name/..." for outlines); anything else is JSON: a list of rows."""
    max_level: int
    min_level: int = 0
    columns: tuple[str, ...] = ()
    """Those shown on a click, in order; none: all."""
    tiles: tuple[str, ...] | None = None
    """Keys `level/col_row` of the tiles there are; None: every tile may be requested."""
    box: bool = False
    """Rows are boxes of half sides a and b, in place of ellipses."""
    reach: float = 0.0
    """Pixels of the sky that a row reaches beyond its place, where that may be more than a few."""


@dataclass(frozen=True)
class GridOf:
    """Pictures that lie on a grid, row by row from the top left; each has a number."""

    columns: int
    cell: tuple[int, int]
    """Width and height of a cell in pixels of the sky."""
    count: int
    numbers: tuple[int, ...] | None = None
    """Of each; None: 0, 1, 2, ..."""


@dataclass(frozen=True)
class ViewConfig:
    """All that the page of a viewer is told. Pixels of the sky: centres are integers, x right, y UP.

    Row 0 of the picture is its top: y = origin[1] + height - 1 - row.
    """

    title: str
    mode: str
    """`folder` or `live`."""
    width: int
    height: int
    max_level: int
    """Deep Zoom: a pixel of the level is a pixel of the sky; level L is 2^(max_level - L) coarser."""
    layers: tuple[LayerOf, ...]
    origin: tuple[int, int] = (0, 0)
    """Pixel (x, y) of the sky in the first column and the BOTTOM row of the picture."""
    min_level: int = 0
    endless: bool = False
    stretches: tuple[str, ...] = tuple(STRETCHES)
    stretch: str = DEFAULT_STRETCH
    """The one shown first."""
    pixel_scale_arcsec: float | None = None
    wcs: Tangent | None = None
    panel: tuple[tuple[str, str], ...] = ()
    """Label and value: seed, depth, seeing, model, ..."""
    objects: tuple[ObjectsOf, ...] = ()
    outlines: tuple[ObjectsOf, ...] = ()
    grid: GridOf | None = None
    """Of a dataset's samples; None: one field."""
    tile: int = TILE
    start: tuple[float, float, float] | None = None
    """(x, y) in pixels of the sky and screen pixels per pixel of the sky, shown first; None: all of it."""

    def to_json(self) -> str:
        """Return the object that the page reads."""
        value: dict[str, Any] = asdict(self)
        value["stretches"] = {"default": self.stretch, "choices": list(self.stretches)}
        del value["stretch"]
        return json.dumps(value, allow_nan=False, ensure_ascii=True).replace("</", "<\\/")

    def script(self) -> str:
        """Return `config.js`, which hands the object to the page, from a disk too."""
        return f"window.MOCKFORGE_VIEW = {self.to_json()};\n"


def levels_of(width: int, height: int) -> int:
    """Return the Deep Zoom level at which a picture has all of its pixels: 2^level is no less than a side."""
    return max(0, math.ceil(math.log2(max(width, height, 1))))


def panel_of(facts: Sequence[tuple[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Return the lines of the panel: those of the facts that are known."""
    return tuple((label, str(value)) for label, value in facts if value not in (None, ""))
