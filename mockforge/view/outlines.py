"""Outlines of masks: edges between pixels of different labels, in tiles of line segments."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mockforge.mosaic.labels import LabelWindow
from mockforge.view.config import TILE
from mockforge.view.tiles import Levels

_COARSEST = 3
"""So many levels below the finest have outlines; farther out they would cover what they outline."""


def outline_tiles(window: LabelWindow, levels: Levels) -> tuple[int, Iterator[tuple[str, list[float]]]]:
    """Return the coarsest level with outlines, and each tile: its key `level/col_row` and its segments.

    Segments are x0, y0, x1, y1 in pixels of the sky, one after another: the edges of pixels, joined where
    they go on. At a level that is 2^k coarser every 2^k-th label stands for those about it.
    """
    coarsest = max(0, levels.top - _COARSEST)

    def tiles() -> Iterator[tuple[str, list[float]]]:
        coarse = 2 ** (levels.top - coarsest)
        rows, columns = levels.tiles(coarsest)
        for row in range(rows):
            for col in range(columns):
                yield from _of_block(window, levels, coarsest, row, col, TILE * coarse)

    return coarsest, tiles()


def _of_block(
    window: LabelWindow, levels: Levels, coarsest: int, row: int, col: int, side: int
) -> Iterator[tuple[str, list[float]]]:
    """Yield the tiles of a block of the coarsest level, at all levels; (row, col) from the picture's top."""
    y1, x0 = levels.height - row * side, col * side
    y0, x1 = max(0, y1 - side), min(levels.width, x0 + side)
    pad = 2 ** (levels.top - coarsest)  # a pixel of the coarsest level: edges with the neighbours
    top, right = min(levels.height, y1 + pad), min(levels.width, x1 + pad)
    labels = window(y0, top, x0, right)[::-1]  # from the top, as tiles are
    for level in range(coarsest, levels.top + 1):
        step = 2 ** (levels.top - level)
        above = top - y1
        thinned = labels[above % step :: step, ::step]
        first = above // step
        for r in range(0, -(-(y1 - y0) // step), TILE):
            for c in range(0, -(-(x1 - x0) // step), TILE):
                start = max(0, first + r - 1)
                part = thinned[start : first + r + TILE, c : c + TILE + 1]
                ys = y1 - 0.5 - (np.arange(len(part) + 1) + start - first) * step  # upper edges of its rows
                xs = x0 - 0.5 + (np.arange(part.shape[1] + 1) + c) * step
                segments = segments_of(part, xs, ys)
                if segments:
                    at = (x0 // step + c) // TILE, (row * side // step + r) // TILE
                    yield f"{level}/{at[0]}_{at[1]}", segments


def segments_of(labels: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> list[float]:
    """Return the edges between different labels as segments; xs and ys are the edges of pixels."""
    out: list[np.ndarray] = []
    for row, start, end in _runs(labels[1:] != labels[:-1]):
        out.append(np.stack([xs[start], ys[row + 1], xs[end], ys[row + 1]], axis=1))
    for column, start, end in _runs((labels[:, 1:] != labels[:, :-1]).T):
        out.append(np.stack([xs[column + 1], ys[start], xs[column + 1], ys[end]], axis=1))
    return np.concatenate(out).ravel().tolist() if out else []


def _runs(edges: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield, of all rows, the row, first and one past the last of every run of true."""
    padded = np.pad(edges, ((0, 0), (1, 1))).astype(np.int8)
    change = np.diff(padded, axis=1)
    rows, start = np.nonzero(change == 1)
    end = np.nonzero(change == -1)[1]
    if len(rows):
        yield rows, start, end
