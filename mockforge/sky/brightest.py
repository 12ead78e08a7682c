"""Which objects are the brightest of each pixel: whole numbers that sort by light, then by row."""

from __future__ import annotations

import numpy as np

_LAST = 2**31 - 1


class Brightest:
    """The `depth` brightest objects of each pixel of a window (height, width), and their light.

    An object in a pixel is one whole number: the bits of its light, which as a float32 above 0 sort as the
    light does, before those of its row, the first the greatest. A new one then goes to its place by
    maxima and minima alone.
    """

    def __init__(self, depth: int, height: int, width: int) -> None:
        self._keys = np.zeros((depth, height, width), dtype=np.int64)

    def add(self, row: int, light: np.ndarray, y: slice, x: slice) -> None:
        """Put an object of a row in, whose light (h, w) float32 >= 0 lies at (y, x) of the window."""
        new = light.view(np.int32).astype(np.int64)
        new <<= 32
        new |= _LAST - row
        kept, spare = self._keys[:, y, x], np.empty_like(new)
        for k in range(len(kept) - 1):
            np.minimum(kept[k], new, out=spare)
            np.maximum(kept[k], new, out=kept[k])
            new, spare = spare, new
        np.maximum(kept[-1], new, out=kept[-1])

    def rows(self) -> np.ndarray:
        """Return row + 1 of the brightest, (depth, height, width) int32, 0 for none."""
        low = (self._keys & _LAST).astype(np.int32)
        return np.where(self._keys >> 32 > 0, _LAST - low + 1, 0).astype(np.int32)

    def light(self) -> np.ndarray:
        """Return their light, (depth, height, width) float32 nJy."""
        return (self._keys >> 32).astype(np.int32).view(np.float32)
