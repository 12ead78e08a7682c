"""Layers: the light of single objects, each where it lies in a window."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np


class Layer(NamedTuple):
    """The pixels of one object inside a window."""

    row: int
    """Its row in the window's table of sources."""
    image: np.ndarray
    """(C, h, w) float32 nJy, noiseless."""
    y: slice
    """Where in the window."""
    x: slice
    light: np.ndarray | None = None
    """(h, w) float32 nJy: `light_of` the image, where it is known already."""
    peak: float = math.inf
    """nJy: its light is nowhere above this."""

    def own_light(self) -> np.ndarray:
        """Return its light, (h, w) float32 nJy: the mean of the bands, nowhere below 0."""
        return light_of(self.image) if self.light is None else self.light


def light_of(image: np.ndarray) -> np.ndarray:
    """Return the light (..., H, W) that objects are distinguished by, of images (..., C, H, W) in nJy.

    The mean of the bands; what an inverse Fourier transform leaves below 0 is none.
    """
    return np.maximum(image.mean(axis=-3), 0.0)


Layers = Callable[[], Iterable[Layer]]
"""Gives the layers of a window again each time it is called, in one order."""


def layer_of(
    row: int,
    image: np.ndarray,
    top: int,
    left: int,
    window: tuple[int, int, int, int],
    light: np.ndarray | None = None,
    peak: float = math.inf,
) -> Layer:
    """Return a stamp (C, S, S) that begins at (top, left), cut to a window (y0, y1, x0, x1).

    `light` (S, S), where it is known, is `light_of` it, and `peak` the greatest of that.
    """
    y0, y1, x0, x1 = window
    side = image.shape[-1]
    a, b, c, d = max(top, y0), min(top + side, y1), max(left, x0), min(left + side, x1)
    cut = (slice(a - top, b - top), slice(c - left, d - left))
    own = None if light is None else light[cut]
    return Layer(row, image[:, *cut], slice(a - y0, b - y0), slice(c - x0, d - x0), own, peak)
