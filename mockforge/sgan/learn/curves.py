"""Curves for the run's page, drawn without a plotting library: lines on white, a grid at whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COLOURS = ((34, 34, 34), (193, 68, 14), (38, 105, 165), (90, 145, 40), (140, 80, 160), (200, 150, 20))
_GRID = (225, 225, 225)
_EDGE = (120, 120, 120)


@dataclass(frozen=True)
class Curve:
    """Points (n,) joined by a line; NaN breaks it."""

    x: np.ndarray
    y: np.ndarray
    colour: tuple[int, int, int] = COLOURS[0]
    dots: bool = False
    """Draw the points alone."""


def curves(
    lines: Sequence[Curve],
    x: tuple[float, float],
    y: tuple[float, float],
    size: tuple[int, int] = (300, 420),
    grid: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """Return a picture uint8 (height, width, 3) of curves.

    Parameters
    ----------
    lines : sequence of Curve
        Drawn in this order.
    x, y : (float, float)
        Least and largest value of each axis.
    size : (int, int)
        Height and width, pixels.
    grid : (float, float)
        Steps of the grey lines along x and y.
    """
    height, width = size
    out = np.full((height, width, 3), 255, dtype=np.uint8)

    def column(value: np.ndarray) -> np.ndarray:
        return (value - x[0]) / (x[1] - x[0]) * (width - 1)

    def row(value: np.ndarray) -> np.ndarray:
        return (y[1] - value) / (y[1] - y[0]) * (height - 1)

    for at in np.arange(np.ceil(x[0] / grid[0]), np.floor(x[1] / grid[0]) + 1) * grid[0]:
        out[:, round(float(column(at)))] = _GRID
    for at in np.arange(np.ceil(y[0] / grid[1]), np.floor(y[1] / grid[1]) + 1) * grid[1]:
        out[round(float(row(at)))] = _GRID
    for line in lines:
        _draw(out, column(np.asarray(line.x, float)), row(np.asarray(line.y, float)), line)
    out[[0, -1]] = _EDGE
    out[:, [0, -1]] = _EDGE
    return out


def _draw(out: np.ndarray, column: np.ndarray, row: np.ndarray, line: Curve) -> None:
    """Points a third of a pixel apart along the line, two pixels thick."""
    height, width = out.shape[:2]
    if not line.dots:
        apart = np.hypot(np.diff(column), np.diff(row))
        steps = np.concatenate(
            [[0.0], np.cumsum(np.where(np.isfinite(apart), np.maximum(apart, 1e-9), 1e-9))]
        )
        fine = np.arange(0.0, steps[-1] + 1e-9, 0.34)
        column, row = (np.interp(fine, steps, v) for v in (column, row))
    for dy in (0, 1):
        for dx in (0, 1):
            good = np.isfinite(column) & np.isfinite(row)
            c, r = np.rint(column[good]).astype(int) + dx, np.rint(row[good]).astype(int) + dy
            inside = (c >= 0) & (c < width) & (r >= 0) & (r < height)
            out[r[inside], c[inside]] = line.colour
