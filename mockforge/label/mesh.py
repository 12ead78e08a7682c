"""The background of a field of any size: statistics cell by cell as they come, then one mesh for the whole.

It is that of `sep.Background` of the whole field (Bertin & Arnouts 1996, section 3): a cell's level and
noise depend on its own pixels alone, the median filter and the spline on the mesh, which is small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError
from mockforge.label.detection import SkyBackground
from mockforge.label.extract import explained
from mockforge.label.rule import DetectionRule

_FEWEST = 0.5
"""Share of usable pixels below which a cell has no statistics of its own, as in sep."""
_REACH = 24
"""Cells beyond which a node no longer moves a spline: 0.27 ** 24 is below the precision of a float."""


@dataclass(frozen=True)
class Mesh:
    """Level and noise of the sky in one image on a mesh, filtered; the noise of the whole."""

    level: np.ndarray
    """(cell y, cell x) float32."""
    rms: np.ndarray
    cell: int
    """Side of a cell in pixels."""
    global_rms: float

    def window(self, y0: int, y1: int, x0: int, x1: int) -> SkyBackground:
        """Return level and noise of a window of pixels, by the bicubic spline through the whole mesh."""
        level = _spline(self.level, self.cell, y0, y1, x0, x1)
        rms = _spline(self.rms, self.cell, y0, y1, x0, x1)
        return SkyBackground(level, np.where(rms > 0, rms, np.float32(self.global_rms)), self.global_rms)


def cells_of(image: np.ndarray, mask: np.ndarray | None, cell: int) -> np.ndarray:
    """Return level and noise of each cell of an image whose first pixel is a cell's first.

    Parameters
    ----------
    image
        (y, x) float32.
    mask
        (y, x) true where a pixel is not used.
    cell
        Side of a cell in pixels; the last ones may be cut.

    Returns
    -------
    ndarray
        (2, cell y, cell x) float32; NaN where fewer than half of a cell's pixels are usable.
    """
    import sep

    ny, nx = -(-image.shape[0] // cell), -(-image.shape[1] // cell)
    out = np.full((2, ny, nx), np.nan, dtype=np.float32)
    for j in range(ny):
        for i in range(nx):
            where = np.s_[j * cell : (j + 1) * cell, i * cell : (i + 1) * cell]
            pixels = np.ascontiguousarray(image[where])
            hidden = None if mask is None else np.ascontiguousarray(mask[where])
            if hidden is not None and np.count_nonzero(~hidden) < np.float32(pixels.size * _FEWEST):
                continue
            with explained():
                one = sep.Background(pixels, mask=hidden, bw=cell, bh=cell, fw=1, fh=1)
                level, rms = one.back()[0, 0], one.rms()[0, 0]
            out[:, j, i] = level, rms
    return out


def mesh_of(cells: np.ndarray, cell: int, rule: DetectionRule, name: str) -> Mesh:
    """Return the mesh of an image from the statistics of all its cells, (2, cell y, cell x).

    Cells without statistics take the mean of the nearest that have some; then the median filter.

    Raises InputError where there is no noise, against which nothing can be significant.
    """
    level, rms = _filled(cells)
    level, rms = (_filtered(part, rule.background_filter) for part in (level, rms))
    global_rms = float(np.median(rms))
    noisy = rms > 0
    if not noisy.any():
        raise InputError(
            f"{name}: the sky has no noise (rms 0), so nothing can be so many sigma above it; add noise"
            " before detection, check the image, or use a larger `background_mesh`"
        )
    if noisy.mean() <= 0.5:
        global_rms = float(np.median(rms[noisy]))
    return Mesh(level, rms, cell, global_rms)


def _filled(cells: np.ndarray) -> np.ndarray:
    bad = np.isnan(cells[0])
    if not bad.any():
        return cells
    out = cells.copy()
    good_y, good_x = np.nonzero(~bad)
    if not len(good_y):
        out[0], out[1] = 0.0, 1.0
        return out
    for j, i in zip(*np.nonzero(bad), strict=True):
        away = (good_y - j) ** 2 + (good_x - i) ** 2
        near = away == away.min()
        out[:, j, i] = cells[:, good_y[near], good_x[near]].mean(axis=1)
    return out


def _filtered(values: np.ndarray, side: int) -> np.ndarray:
    """Return the median of the cells about each; at the edges of the field of fewer, as far on each side."""
    half = side // 2
    ny, nx = values.shape
    out = np.empty_like(values)
    for j in range(ny):
        up = min(half, j, ny - 1 - j)
        for i in range(nx):
            aside = min(half, i, nx - 1 - i)
            out[j, i] = np.median(values[j - up : j + up + 1, i - aside : i + aside + 1])
    return out


def _spline(mesh: np.ndarray, cell: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    # sep counts rows from their lower edge and columns from their middle; so it is here
    wy, rows = _weights(mesh.shape[0], cell, np.arange(y0, y1) / cell - 0.5)
    wx, columns = _weights(mesh.shape[1], cell, (np.arange(x0, x1) + 0.5) / cell - 0.5)
    return np.ascontiguousarray(wy @ mesh[rows, columns].astype(np.float64) @ wx.T, dtype=np.float32)


def _weights(n: int, cell: int, place: np.ndarray) -> tuple[np.ndarray, slice]:
    """Return weights (pixel, node) of a cubic spline through n nodes at `place`, counted in cells.

    With them the nodes that they are of: those far away no longer move it.
    """
    low, high = max(int(place[0]) - _REACH, 0), min(int(place[-1]) + 2 + _REACH, n)
    count = high - low
    if count == 1:
        return np.ones((len(place), 1)), slice(low, high)
    values, bends = np.eye(count), _bends(count)
    left = np.clip(np.floor(place).astype(int) - low, 0, count - 2)
    after = (place - low - left)[:, None]
    before = 1.0 - after
    line = before * values[left] + after * values[left + 1]
    curve = (before**3 - before) * bends[left] + (after**3 - after) * bends[left + 1]
    return line + curve, slice(low, high)


def _bends(n: int) -> np.ndarray:
    """Return the cubic terms (node, value of node) of sep's spline with free ends.

    sep divides by 6 within its recursion, where a natural spline does at its end; we do as sep.
    """
    values, factor, rest = np.eye(n), np.zeros(n), np.zeros((n, n))
    for j in range(1, n - 1):
        factor[j] = -1.0 / (factor[j - 1] + 4.0)
        rest[j] = factor[j] * (rest[j - 1] - 6.0 * (values[j + 1] + values[j - 1] - 2.0 * values[j]))
    bends = np.zeros((n, n))
    for j in range(n - 2, 0, -1):
        bends[j] = (factor[j] * bends[j + 1] + rest[j]) / 6.0
    return bends
