"""Which objects are the brightest of each pixel: whole numbers that sort by light, then by row."""

from __future__ import annotations

import numpy as np

_LAST = 2**29 - 1
"""A float32 as a float64 has so many bits that are 0."""


class Brightest:
    """The `depth` brightest objects of each pixel of a window (height, width), and their light.

    An object in a pixel is one whole number: the bits of its light as a float64, which above 0 sort as the
    light does, and in those that a float32 leaves free its row, the first the greatest. A new one then
    goes to its place by maxima and minima alone.
    """

    def __init__(self, depth: int, height: int, width: int) -> None:
        self._keys = np.zeros((depth, height, width), dtype=np.int64)

    def add(self, row: int, light: np.ndarray, y: slice, x: slice) -> None:
        """Put an object of a row in, whose light (h, w) float32 >= 0 lies at (y, x) of the window."""
        new = light.astype(np.float64).view(np.int64)
        new |= _LAST - row
        first, *others = self._keys[:, y, x]
        for kept in others:
            less = np.minimum(first, new)
            np.maximum(first, new, out=first)
            first, new = kept, less
        np.maximum(first, new, out=first)

    def rows(self) -> np.ndarray:
        """Return row + 1 of the brightest, (depth, height, width) int32, 0 for none."""
        row = (_LAST + 1 - (self._keys & _LAST)).astype(np.int32)
        row[self._keys <= _LAST] = 0
        return row

    def light(self) -> np.ndarray:
        """Return their light, (depth, height, width) float32 nJy."""
        return (self._keys & ~_LAST).view(np.float64).astype(np.float32)
