"""The density of sources of an endless sky, place by place: a smooth random field on the lattice of cells."""

from __future__ import annotations

import math

import numpy as np

from mockforge.rng import Stream
from mockforge.sgan.density import DensityScale
from mockforge.sgan.networks.forge import CELL
from mockforge.sky.plane import NoisePlane

_REACH = 4.0
"""Sigmas to which the smoothing is kept."""
_BLOCK = 64
"""Cells on a side of the blocks that the white noise below comes in."""


class DensityPlane:
    """The condition c at every cell (y, x) of any sign: Gaussian, of unit variance, as the field has it.

    White noise smoothed by the Gaussian that the field's sources were counted with, so that it
    has the same correlation length; clipped to the range of the training field.
    """

    def __init__(self, stream: Stream, scale: DensityScale) -> None:
        sigma = scale.smooth_pix / CELL
        self._radius = math.ceil(_REACH * sigma)
        self._row = np.exp(-0.5 * (np.arange(-self._radius, self._radius + 1) / sigma) ** 2)
        self._row /= math.sqrt((self._row**2).sum())
        self._ends = scale.conditions(np.array([scale.levels[0], scale.levels[-1]]))
        self._white = NoisePlane(stream, 1, _BLOCK)

    def window(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """c of a window of cells, (1, y1 - y0, x1 - x0) float32."""
        r = self._radius
        white = self._white.window(y0 - r, y1 + r, x0 - r, x1 + r)[0]
        smooth = _sums(y1 - y0, self._row) @ white @ _sums(x1 - x0, self._row).T
        return np.clip(smooth, *self._ends)[None].astype(np.float32)


def _sums(n: int, row: np.ndarray) -> np.ndarray:
    """(n, n + len(row) - 1): the sums weighted by `row` that a convolution takes."""
    out = np.zeros((n, n + len(row) - 1))
    for i in range(n):
        out[i, i : i + len(row)] = row
    return out
