"""A field that is painted when it is computed with: a dask array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.extras import need_extra


def lazy_array(
    paint: Callable[..., dict[str, np.ndarray]], plane: str, bands: int, shape: tuple[int, int], chunk: int
) -> Any:
    """Return a dask array of windows that `paint` paints when they are asked for.

    Parameters
    ----------
    paint
        (y0, y1, x0, x1) -> plane -> (band, y, x).
    plane
        Which of its planes.
    bands
        How many.
    shape
        (height, width), pixels.
    chunk
        Side of a chunk, pixels.

    Returns
    -------
    dask.array.Array
        (band, y, x) float32.
    """
    need_extra("zarr", "`to_dask`", "dask")
    import dask.array as da

    if min(shape) < 1 or chunk < 1:
        raise InputError(f"shape {shape} and chunk {chunk}: at least 1 pixel on a side is expected")

    def block(block_info: Any = None) -> np.ndarray:
        (y0, y1), (x0, x1) = block_info[None]["array-location"][1:]
        return paint(int(y0), int(y1), int(x0), int(x1))[plane]

    sides = tuple(tuple(min(chunk, n - i) for i in range(0, n, chunk)) for n in shape)
    return da.map_blocks(
        block, chunks=((bands,), *sides), dtype=np.float32, meta=np.empty((0, 0, 0), dtype=np.float32)
    )
