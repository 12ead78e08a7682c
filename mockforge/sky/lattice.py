"""Where in an endless sky the samples of a dataset are cut: a lattice of windows, a region to each split."""

from __future__ import annotations

import numpy as np

from mockforge.batch import Batch

COLUMNS = 64
"""Tiles in a row of the lattice that samples are cut from."""
REGION = 2**24
"""Pixels between the regions of two splits: no split sees another's sky."""


def corners(batch: Batch, tile: int, margin: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row and column of each sample's tile in the sky.

    Samples fill the lattice row by row, a region of the sky to each split; a window with its margin meets
    no other window.

    Parameters
    ----------
    batch : Batch
        The samples: their draws and splits.
    tile, margin : int
        Side of a tile and what is around it, pixels.
    step : int
        Windows begin on multiples of this, pixels.

    Returns
    -------
    tuple of arrays
        (N,) int64 each.
    """
    pitch = -(-(tile + 2 * margin) // step) * step
    region = np.array([list(batch.splits).index(name) for name in batch.split.tolist()], dtype=np.int64)
    rows, columns = np.divmod(batch.draw, COLUMNS)
    return rows * pitch + margin, columns * pitch + margin + region * REGION
