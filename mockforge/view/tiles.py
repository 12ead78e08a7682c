"""Deep Zoom tiles of a field of any size: its levels are means of flux, so that faint light stays right.

A level has half the pixels of the next, each the mean of 2 x 2 pixels of flux, before any stretch. The field
is read once, a block at a time, and blocks of coarser levels are made of those below: what is in memory does
not depend on the size of the field. The layout is that of Deep Zoom: FOLDER/level/col_row.jpg, rows from the
top.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.extras import installed
from mockforge.field.png import png_bytes
from mockforge.view.colour import Colours, Pixels, window_of
from mockforge.view.config import TILE, levels_of

BLOCK = 4
"""Tiles a side that are made at once."""
_QUALITY = 88
Encode = Callable[[np.ndarray], bytes]
"""Makes a JPEG of a picture, (y, x, 3) or grey (y, x), uint8."""


@dataclass(frozen=True)
class Levels:
    """The levels of a picture, Deep Zoom's."""

    height: int
    width: int

    @property
    def top(self) -> int:
        """Return the level that has every pixel."""
        return levels_of(self.width, self.height)

    def size(self, level: int) -> tuple[int, int]:
        """Return height and width of a level."""
        coarser = 2 ** (self.top - level)
        return -(-self.height // coarser), -(-self.width // coarser)

    def tiles(self, level: int) -> tuple[int, int]:
        """Return the rows and columns of tiles of a level."""
        height, width = self.size(level)
        return -(-height // TILE), -(-width // TILE)

    def count(self) -> int:
        """Return how many tiles all levels have."""
        return sum(rows * columns for rows, columns in map(self.tiles, range(self.top + 1)))


def jpeg_by_pillow(picture: np.ndarray) -> bytes:
    """Return a JPEG whose colours are as fine as its light."""
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(picture).save(stream, format="JPEG", quality=_QUALITY, subsampling=0)
    return stream.getvalue()


def jpeg_by_vips(picture: np.ndarray) -> bytes:
    """Return the same, by libvips."""
    import os

    os.environ.setdefault("VIPS_CONCURRENCY", "1")  # threads cost more than a tile does
    import pyvips

    pixels = np.ascontiguousarray(picture)
    bands = 1 if pixels.ndim == 2 else pixels.shape[2]
    image: Any = pyvips.Image.new_from_memory(pixels.data, pixels.shape[1], pixels.shape[0], bands, "uchar")
    image = image.copy(interpretation="srgb" if bands == 3 else "b-w")
    return image.jpegsave_buffer(Q=_QUALITY, subsample_mode="off", keep="none")


def encoder() -> Encode:
    """Return what makes JPEGs: libvips where `pyvips` is installed, else Pillow."""
    return jpeg_by_vips if installed("pyvips") else jpeg_by_pillow


def png_of(picture: np.ndarray, known: np.ndarray | None = None) -> bytes:
    """Return a PNG of a picture, (y, x, 3) uint8; transparent where it is not `known`, (y, x) bool."""
    if known is not None and not known.all():
        picture = np.dstack([picture, np.where(known, 255, 0).astype(np.uint8)])
    return png_bytes(picture)


def halved(flux: np.ndarray) -> np.ndarray:
    """Return the mean of 2 x 2 pixels, (band, ceil(y / 2), ceil(x / 2)); NaN counts as no pixel.

    From the first row and column on; what is over at the others is the mean of one or two.
    """
    height, width = flux.shape[1:]
    if height % 2 or width % 2:
        flux = np.pad(flux, ((0, 0), (0, height % 2), (0, width % 2)), constant_values=np.nan)
    parts = [flux[:, y::2, x::2] for y in (0, 1) for x in (0, 1)]
    mean = (parts[0] + parts[1] + parts[2] + parts[3]) * np.float32(0.25)
    holes = np.isnan(mean)
    if holes.any():
        some = np.stack([part[holes] for part in parts])
        count = np.isfinite(some).sum(axis=0)
        total = np.nansum(some, axis=0)
        mean[holes] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


@dataclass(frozen=True)
class TileWriter:
    """Writes the tiles of a field, in layers and stretches: FOLDER/LAYER-STRETCH/level/col_row.jpg."""

    field: Pixels
    colours: Colours
    folder: Path
    stretches: Sequence[str]
    encode: Encode
    advance: Callable[[int], None] = lambda pixels: None
    """Is called with the number of pixels of the field done since the last call."""

    def write(self) -> Levels:
        """Write all tiles of all levels; returns the levels."""
        levels = Levels(self.field.shape[1], self.field.shape[2])
        for layer in self.colours.layers:
            for stretch in self.stretches:
                for level in range(levels.top + 1):
                    (self.folder / layer_folder(self.colours, layer, stretch) / str(level)).mkdir(
                        parents=True, exist_ok=True
                    )
        self._node(levels, 0, 0, 0)
        return levels

    def _node(self, levels: Levels, level: int, row: int, col: int) -> np.ndarray:
        """Write the block (row, col) of a level and all below it; returns its flux, the top row first."""
        side = BLOCK * TILE
        height, width = levels.size(level)
        y0, x0 = row * side, col * side
        y1, x1 = min(y0 + side, height), min(x0 + side, width)
        if level == levels.top:
            flux = window_of(self.field, height - y1, height - y0, x0, x1)[:, ::-1]
            self.advance((y1 - y0) * (x1 - x0))
        else:
            flux = np.empty((len(self.colours.bands), y1 - y0, x1 - x0), dtype=np.float32)
            below = levels.size(level + 1)
            for r in (2 * row, 2 * row + 1):
                for c in (2 * col, 2 * col + 1):
                    if r * side < below[0] and c * side < below[1]:
                        part = halved(self._node(levels, level + 1, r, c))
                        y, x = r * side // 2 - y0, c * side // 2 - x0
                        flux[:, y : y + part.shape[1], x : x + part.shape[2]] = part
        self._tiles(flux, level, row * BLOCK, col * BLOCK, 2 ** (levels.top - level))
        return flux

    def _tiles(self, flux: np.ndarray, level: int, row: int, col: int, coarser: int) -> None:
        """Write the tiles of a block, the first of which is (row, col), in every layer and stretch."""
        height, width = flux.shape[1:]
        for layer in self.colours.layers:
            for stretch in self.stretches:
                picture = self.colours.rgb(flux[:, ::-1], layer, stretch, coarser)
                folder = self.folder / layer_folder(self.colours, layer, stretch) / str(level)
                for y in range(0, height, TILE):
                    for x in range(0, width, TILE):
                        tile = picture[y : y + TILE, x : x + TILE]
                        name = f"{col + x // TILE}_{row + y // TILE}.jpg"
                        grey = layer in self.colours.bands
                        (folder / name).write_bytes(self.encode(tile[..., 0] if grey else tile))


def layer_folder(colours: Colours, layer: str, stretch: str) -> str:
    """Return the folder of a layer's tiles: by its number, since a band's name may be no file's."""
    return f"{colours.layers.index(layer)}-{stretch}"
