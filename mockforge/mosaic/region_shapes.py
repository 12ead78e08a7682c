"""Shapes on the pixels of an image: which pixel centres they hold, whether they touch a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Shape(Protocol):
    """An area in pixels counted from 0; windows are (y0, y1, x0, x1), as in slices."""

    def touches(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Whether it may hold a pixel centre of a window."""
        ...

    def covers(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Whether it surely holds all pixel centres of a window."""
        ...

    def inside(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Whether it holds each pixel centre of a window, (h, w) bool."""
        ...

    def extent(self) -> tuple[float, float, float, float]:
        """Return least and greatest x, then y."""
        ...


@dataclass(frozen=True)
class Polygon:
    """Corners joined by lines that are straight on the image; where they cross, even is outside."""

    x: np.ndarray
    y: np.ndarray

    def touches(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Whether it may hold a pixel centre of a window."""
        return self._edge_meets(y0, y1, x0, x1) or self._holds_first(y0, x0)

    def covers(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Whether it surely holds all pixel centres of a window."""
        return not self._edge_meets(y0, y1, x0, x1) and self._holds_first(y0, x0)

    def inside(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Whether it holds each pixel centre of a window, (h, w) bool.

        A pixel is inside where an odd number of edges cross its row at or before it.
        """
        height, width = y1 - y0, x1 - x0
        xa, ya, xb, yb = *self._corners(0), *self._corners(1)
        low, high = np.minimum(ya, yb), np.maximum(ya, yb)
        first = np.clip(np.ceil(low), y0, y1).astype(np.int64)
        count = np.clip(np.ceil(high), y0, y1).astype(np.int64) - first
        edge = np.repeat(np.arange(len(xa)), count)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        crossing = xa[edge] + (row - ya[edge]) / (yb[edge] - ya[edge]) * (xb[edge] - xa[edge])
        column = np.clip(np.ceil(crossing), x0, x1).astype(np.int64) - x0
        turns = np.bincount((row - y0) * (width + 1) + column, minlength=height * (width + 1))
        odd = np.cumsum(turns.reshape(height, width + 1)[:, :width], axis=1, dtype=np.int32) & 1
        return odd.astype(bool)

    def extent(self) -> tuple[float, float, float, float]:
        """Return least and greatest x, then y."""
        return float(self.x.min()), float(self.x.max()), float(self.y.min()), float(self.y.max())

    def _corners(self, shift: int) -> tuple[np.ndarray, np.ndarray]:
        return np.roll(self.x, -shift), np.roll(self.y, -shift)

    def _holds_first(self, y0: int, x0: int) -> bool:
        return bool(self.inside(y0, y0 + 1, x0, x0 + 1)[0, 0])

    def _edge_meets(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Whether an edge runs through the rectangle of a window's pixel centres (Liang and Barsky 1984)."""
        xa, ya, xb, yb = *self._corners(0), *self._corners(1)
        enter, leave = np.zeros(len(xa)), np.ones(len(xa))
        for start, end, least, most in ((xa, xb, x0, x1 - 1), (ya, yb, y0, y1 - 1)):
            step = end - start
            flat = step == 0
            safe = np.where(flat, 1.0, step)
            first, last = (least - start) / safe, (most - start) / safe
            within = flat & (start >= least) & (start <= most)
            enter = np.maximum(enter, np.where(flat, np.where(within, 0, 2), np.minimum(first, last)))
            leave = np.minimum(leave, np.where(flat, 1, np.maximum(first, last)))
        return bool((enter <= leave).any())


@dataclass(frozen=True)
class Ellipse:
    """An ellipse: the places that `to_disc` (2, 2) moves from around `centre` into the unit disc."""

    centre: tuple[float, float]
    """x, y."""
    to_disc: np.ndarray

    def touches(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Whether it may hold a pixel centre of a window."""
        x, y = self.centre
        if x0 <= x <= x1 - 1 and y0 <= y <= y1 - 1:
            return True
        corners = self._moved_corners(y0, y1, x0, x1)
        step = np.roll(corners, -1, axis=0) - corners
        length = np.maximum((step**2).sum(axis=1), 1e-300)
        along = np.clip(-(corners * step).sum(axis=1) / length, 0.0, 1.0)
        return bool((((corners + along[:, None] * step) ** 2).sum(axis=1) <= 1.0).any())

    def covers(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Whether it surely holds all pixel centres of a window."""
        return bool(((self._moved_corners(y0, y1, x0, x1) ** 2).sum(axis=1) < 1.0).all())

    def inside(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Whether it holds each pixel centre of a window, (h, w) bool."""
        x = np.arange(x0, x1) - self.centre[0]
        y = (np.arange(y0, y1) - self.centre[1])[:, None]
        (a, b), (c, d) = self.to_disc
        return (a * x + b * y) ** 2 + (c * x + d * y) ** 2 <= 1.0

    def extent(self) -> tuple[float, float, float, float]:
        """Return least and greatest x, then y."""
        reach = np.sqrt((np.linalg.inv(self.to_disc) ** 2).sum(axis=1))
        (x, y), (rx, ry) = self.centre, (float(reach[0]), float(reach[1]))
        return x - rx, x + rx, y - ry, y + ry

    def _moved_corners(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        corners = np.array([(x0, y0), (x1 - 1, y0), (x1 - 1, y1 - 1), (x0, y1 - 1)], dtype=float)
        return (corners - self.centre) @ self.to_disc.T


@dataclass(frozen=True)
class Regions:
    """The union of some shapes without that of others; without any to include, all but the excluded."""

    included: Sequence[Shape]
    excluded: Sequence[Shape]
    everything: bool = False
    """Whether only exclusions were given."""

    def any_inside(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Whether a window may hold a pixel centre of the footprint; exact but for narrow shapes."""
        window = (y0, y1, x0, x1)
        touched = self.everything or any(shape.touches(*window) for shape in self.included)
        return touched and not any(shape.covers(*window) for shape in self.excluded)

    def inside(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Whether each pixel centre of a window is in the footprint, (h, w) bool."""
        window = (y0, y1, x0, x1)
        inside = np.full((y1 - y0, x1 - x0), self.everything)
        for shape in self.included:
            if shape.touches(*window):
                inside |= shape.inside(*window)
        for shape in self.excluded:
            if shape.touches(*window):
                inside &= ~shape.inside(*window)
        return inside
