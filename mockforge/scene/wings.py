"""The wings of a PSF that leave a padded grid, and come back on its other side."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Psf

_COPIES = 6
"""Grids on a side of the sky that the wings are followed on."""
_NODES = 32
"""Places along the grid that they are computed at: they are smooth."""
_SMOOTH = 1.2
"""Sigma that they are smoothed by, distances of nodes."""


@lru_cache(maxsize=32)
def returning_wings(psf: Psf, bands: tuple[str, ...], scale: float, grid: int, side: int) -> np.ndarray:
    """Return what comes back of a point's light in the middle of a stamp, (C, side, side) float32.

    A discrete Fourier transform of `grid` pixels of `scale` arcsec repeats its image; the wings of the copies
    lie on the stamp, a share of a point's light in each pixel. They are as good as even over a pixel and
    over the extent of a galaxy: a sky of many such grids, on pixels so coarse, tells how bright they are.
    """
    count, step = _COPIES * _NODES, grid / _NODES
    k = 2 * np.pi * np.fft.fftfreq(count)
    ky, kx = k[:, None], k[: count // 2 + 1]
    smooth = np.exp(-0.5 * _SMOOTH**2 * (ky**2 + kx**2)) / step**2
    place = (np.arange(side) - side // 2) / step
    out = np.zeros((len(bands), side, side), dtype=np.float32)
    for c, model in enumerate(models(psf, bands)):
        light = np.fft.irfft2(model.at(kx / (step * scale), ky / (step * scale)) * smooth, s=(count, count))
        copies = light.reshape(_COPIES, _NODES, _COPIES, _NODES)
        out[c] = _interpolated(copies.sum(axis=(0, 2)) - _own(light), place)
    return out


def _own(light: np.ndarray) -> np.ndarray:
    """Return the grid itself of the sky, its middle first as in the whole, (nodes, nodes)."""
    half = _NODES // 2
    near = np.r_[0:half, len(light) - half : len(light)]
    return light[np.ix_(near, near)]


def _interpolated(nodes: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return what lies between nodes, whose first is at 0, along both axes; cubic convolution."""
    t = np.arange(-_NODES // 2 - 2, _NODES // 2 + 3)
    away = np.abs(place[:, None] - t)
    near, far = 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    weight = np.where(away < 1, near, np.where(away < 2, far, 0.0))
    return weight @ nodes[np.ix_(t % _NODES, t % _NODES)] @ weight.T
