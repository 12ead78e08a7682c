"""Memorisation: how near generated galaxies lie to those that were trained on, beside ones that were not."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.field.copies import SHIFT, nearest_crops
from mockforge.sgan.single.compare import Shown

SIZE = 41
"""Side in pixels of what is compared, at most."""


def distance_to(trained: Shown, galaxies: Shown) -> np.ndarray:
    """Return the distance (N,) of each galaxy to the nearest of those trained on.

    (2 - 2 rho)^(1/2), rho the correlation of the pixels in the middle, both turned to their major axis (a
    population draws angles anew, so that a copy is a turned one) and compared in all eight symmetries and
    shifts of a pixel. Neither depends on flux.
    """
    size = min(SIZE, trained.side - 2 * SHIFT - 2)
    wide, crops = (_upright(shown, size + 2 * SHIFT) for shown in (galaxies, trained))
    inner = np.s_[..., SHIFT:-SHIFT, SHIFT:-SHIFT]
    wide, crops = (v / _norm(v[inner]) for v in (wide, crops))
    return nearest_crops(wide, crops[inner])[0]


def _norm(crops: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum((crops**2).sum(axis=(1, 2, 3), keepdims=True), 1e-30))


def _upright(shown: Shown, size: int) -> np.ndarray:
    """(N, C, size, size) middles of galaxies in units of their noise, major axes along x."""
    from scipy.ndimage import affine_transform

    middle, half = shown.side // 2, 0.5 * (size - 1)
    out = np.empty((len(shown.image), shown.image.shape[1], size, size))
    for i, (image, angle) in enumerate(zip(shown.image, shown.angle, strict=True)):
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, sin], [-sin, cos]])  # of (y, x): along the major axis as x grows
        offset: Any = middle - turn @ np.full(2, half)
        for c, band in enumerate(image):
            out[i, c] = affine_transform(band, turn, offset, (size, size), order=3) / shown.rms[i, c]
    return out
