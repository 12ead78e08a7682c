"""Degrading a field of any size: blocks of coarse pixels, each of the fine pixels around it alone.

The change of PSF is a convolution, whose kernel falls as the wings of the wanted PSF. A block of coarse
pixels is computed from a patch of fine ones that reaches a margin beyond it on every side; where the
patch leaves the field it continues as the field's reflection, or as nothing. What a block holds is
therefore decided by its place on the grid, whatever else is computed, and what light from beyond the
margin would add is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mockforge.observe.degrade.degrader import Grid

_WIDTHS = 60
"""FWHM of the wanted PSF to the margin: Moffat wings have fallen to 2e-8 of the middle there."""
_LEAST, _MOST = 512, 1024
"""Fine pixels of the margin."""
_FADED = 64
"""Fine pixels."""
_SIDES = (1024, 512, 256)
"""Coarse pixels on a block's side: the first whose patch is not too large."""
_PATCH = 4200
"""Fine pixels on a patch's side, where a smaller block makes it so."""


def faded(values: np.ndarray) -> np.ndarray:
    """Return a patch (..., H, W) that ends in nothing over the outer 64 pixels of its margin, in place.

    A bright source that the patch's end cuts has frequencies above those of the fine pixels, which ring
    far into the patch where the target's PSF does not smooth them.
    """
    n = _FADED
    ramp = np.sin(0.5 * np.pi * (np.arange(n) + 0.5) / n).astype(np.float32) ** 2
    values[..., :n, :] *= ramp[:, None]
    values[..., -n:, :] *= ramp[::-1, None]
    values[..., :n] *= ramp
    values[..., -n:] *= ramp[::-1]
    return values


Read = Callable[[int, int, int, int], np.ndarray]
"""(y0, y1, x0, x1) of fine pixels -> (..., y1 - y0, x1 - x0)."""


@dataclass(frozen=True)
class Patch:
    """The fine pixels that a block is made of; rows and columns beyond the field are mapped to it."""

    rows: np.ndarray
    columns: np.ndarray
    outside: tuple[np.ndarray, np.ndarray]
    """Rows and columns that lie beyond the field, bool."""
    start: tuple[float, float]
    """(y, x) of the centre of the first coarse pixel, in pixels of the patch."""

    @classmethod
    def of(
        cls, low: tuple[int, int], size: tuple[int, int], shape: tuple[int, int], start: tuple[float, float]
    ) -> Patch:
        """Return `size` (y, x) fine pixels from `low` on, of a field of `shape`."""
        indices, outside = [], []
        for first, length, whole in zip(low, size, shape, strict=True):
            index = np.arange(first, first + length)
            outside.append((index < 0) | (index >= whole))
            index = index % (2 * whole)
            indices.append(np.where(index < whole, index, 2 * whole - 1 - index))
        return cls(indices[0], indices[1], (outside[0], outside[1]), start)

    def read(self, read: Read, mirrored: bool) -> np.ndarray:
        """Return the pixels of the patch; beyond the field its reflection, or 0."""
        y0, x0 = int(self.rows.min()), int(self.columns.min())
        values = read(y0, int(self.rows.max()) + 1, x0, int(self.columns.max()) + 1)
        for axis, index, first in ((-2, self.rows, y0), (-1, self.columns, x0)):
            if values.shape[axis] != len(index) or index[0] != first or (np.diff(index) != 1).any():
                values = np.take(values, index - first, axis=axis)
        if not mirrored and (self.outside[0].any() or self.outside[1].any()):
            values = np.where(self.outside[0][:, None] | self.outside[1], values.dtype.type(0), values)
        return values


@dataclass(frozen=True)
class Blocks:
    """The blocks that tile a grid on a fine image of `shape` (height, width)."""

    grid: Grid
    shape: tuple[int, int]
    side: int
    """Coarse pixels."""
    margin: int
    """Fine pixels."""

    def at(self, y: int, x: int) -> Patch:
        """Return the patch of the block whose first coarse pixel is (y, x)."""
        places = [
            start + self.grid.step * first for first, start in zip((y, x), self.grid.start, strict=True)
        ]
        lows = (math.floor(places[0]) - self.margin, math.floor(places[1]) - self.margin)
        return Patch.of(lows, self.patch, self.shape, (places[0] - lows[0], places[1] - lows[1]))

    @classmethod
    def of(cls, grid: Grid, shape: tuple[int, int], fwhm: float) -> Blocks:
        """Return the blocks for a wanted PSF of `fwhm` in fine pixels."""
        margin = min(max(_LEAST, math.ceil(_WIDTHS * fwhm)), _MOST)
        needed = [side for side in _SIDES if side < 2 * max(grid.shape)] or [_SIDES[-1]]
        side = next((s for s in needed if s * grid.step + 2 * margin <= _PATCH), needed[-1])
        return cls(grid, shape, side, margin)

    @property
    def patch(self) -> tuple[int, int]:
        """Return the fine pixels (y, x) of every patch."""
        side = math.ceil(self.grid.step * (self.side - 1)) + 2 + 2 * self.margin
        return side, side

    @property
    def block_grid(self) -> Grid:
        """Return the coarse pixels of a block on its patch, but for a fraction of a fine pixel."""
        return Grid((self.side, self.side), self.grid.step, (float(self.margin), float(self.margin)))
