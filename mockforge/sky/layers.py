"""Layers: the light of single objects, each where it lies in a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layer:
    """The pixels of one object inside a window."""

    row: int
    """Its row in the window's Objects."""
    image: np.ndarray
    """(C, h, w) float32 nJy, noiseless."""
    y: slice
    """Where in the window."""
    x: slice


def layer_of(row: int, image: np.ndarray, top: int, left: int, window: tuple[int, int, int, int]) -> Layer:
    """Return a stamp (C, S, S) that begins at (top, left), cut to a window (y0, y1, x0, x1)."""
    y0, y1, x0, x1 = window
    side = image.shape[-1]
    a, b, c, d = max(top, y0), min(top + side, y1), max(left, x0), min(left + side, x1)
    cut = image[:, a - top : b - top, c - left : d - left]
    return Layer(row, cut, slice(a - y0, b - y0), slice(c - x0, d - x0))
