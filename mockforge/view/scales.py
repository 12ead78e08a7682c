"""An endless sky at every scale: light and noise of tiles on pixels 2^k larger, kept while they are seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.sky.kept import Kept
from mockforge.view.config import TILE

_KEPT = 2**28
"""Bytes of tiles kept: the frames of a flight have most of theirs in common."""


class SkyScales:
    """The windows of an endless sky at each of its levels.

    Parameters
    ----------
    sky : Sky or Scene
        Gives `pixels`, and `coarse(level)` down to `coarsest`.
    """

    def __init__(self, sky: Any) -> None:
        self.coarsest: int = sky.coarsest
        self._sky = sky
        self._coarse = [sky.coarse(k) for k in range(self.coarsest + 1)]
        self._tiles: Kept[np.ndarray] = Kept(_KEPT, lambda tile: tile.nbytes)

    def window(self, level: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return a window in pixels of a level.

        Returns
        -------
        ndarray
            (2, band, y, x) float32, nJy per pixel of the sky: the light, and the noise on it. Where only
            observed pixels are known these are the light, and the noise is 0.
        """
        rows, columns = range(y0 // TILE, -(-y1 // TILE)), range(x0 // TILE, -(-x1 // TILE))
        whole = [np.concatenate([self._tile(level, r, c) for c in columns], axis=-1) for r in rows]
        top, left = rows[0] * TILE, columns[0] * TILE
        return np.concatenate(whole, axis=-2)[..., y0 - top : y1 - top, x0 - left : x1 - left]

    def _tile(self, level: int, row: int, column: int) -> np.ndarray:
        return self._tiles.get((level, row, column), lambda: self._painted(level, row, column))

    def _painted(self, level: int, row: int, column: int) -> np.ndarray:
        y0, x0 = row * TILE, column * TILE
        window = (y0, y0 + TILE, x0, x0 + TILE)
        coarse = self._coarse[level]
        if level == 0:
            image, truth = self._sky.pixels(*window)
        elif hasattr(coarse, "observed"):
            truth = coarse.truth(*window)
            image = coarse.observed(truth, y0, x0)
        else:
            image, truth = coarse.pixels(*window), None
        light = image if truth is None else truth
        return np.stack([light, image - light]).astype(np.float32)
