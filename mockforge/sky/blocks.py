"""Blocks of an endless sky: their sources with the stamps these lie on, and how stamps are batched."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic

import numpy as np

from mockforge.errors import InputError
from mockforge.sky.layers import light_of
from mockforge.sky.process import Level, Painter, S, Sources

_BATCH_BYTES = 2**24
"""Stamps painted together at most, unless one alone is larger."""


@dataclass(frozen=True, eq=False)
class Block(Generic[S]):
    """The sources of a block, where their stamps lie, and which are painted together."""

    level: int
    by: int
    bx: int
    sources: S
    top: np.ndarray
    """(N,) int64: first row of each stamp on the sky."""
    left: np.ndarray
    side: np.ndarray
    batch: np.ndarray
    """(N,) number of the batch that each is painted in."""
    place: np.ndarray
    """(N,) its row in that batch."""
    names: tuple[str, ...] | None = None
    """Ids of sources that belong to no block of the sky; None for those of one."""

    @property
    def where(self) -> tuple[int, int, int]:
        """Return its level and its place."""
        return self.level, self.by, self.bx

    @property
    def key(self) -> Hashable:
        """Return what it is known by among others."""
        return self.where if self.names is None else self

    @property
    def nbytes(self) -> int:
        """Bytes of memory, about."""
        marks = sum(getattr(column, "nbytes", 0) for column in vars(self.sources).values())
        return 1024 + marks + 5 * self.side.nbytes

    def touching(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return the rows of the sources whose stamps have a pixel in a window, rising."""
        return np.flatnonzero(touching(self.top, self.left, self.side, y0, y1, x0, x1))

    def ids(self, rows: np.ndarray) -> list[str]:
        """Return the ids of some of its sources: `level/by/bx/row`."""
        if self.names is not None:
            return [self.names[row] for row in rows.tolist()]
        return [f"{self.level}/{self.by}/{self.bx}/{row}" for row in rows.tolist()]


@dataclass(frozen=True)
class Stamps:
    """The stamps of a batch, each of one side."""

    image: np.ndarray
    """(n, C, S, S) float32 nJy."""

    @cached_property
    def light(self) -> np.ndarray:
        """(n, S, S) float32 nJy: `light_of` the images; made where masks are asked for."""
        return light_of(self.image)

    @cached_property
    def peak(self) -> list[float]:
        """(n,) nJy: the greatest of each light."""
        return self.light.max(axis=(1, 2)).tolist()

    @property
    def nbytes(self) -> int:
        """Bytes of memory, with the light."""
        return self.image.nbytes + self.image.nbytes // self.image.shape[1]


def touching(
    top: np.ndarray, left: np.ndarray, side: np.ndarray, y0: int, y1: int, x0: int, x1: int
) -> np.ndarray:
    """Whether each stamp has a pixel in a window, (N,) bool; none has in an empty one."""
    if y1 <= y0 or x1 <= x0:
        return np.zeros(len(side), dtype=bool)
    return (top < y1) & (top + side > y0) & (left < x1) & (left + side > x0)


def block_of(where: tuple[int, int, int], level: Level, sources: S, painter: Painter[S]) -> Block[S]:
    """Return a block of sources; InputError where one lies or has light beyond the level's reach."""
    top, left, side = painter.footprints(sources)
    _check_reach(where, level, sources, (top, left, side))
    batch, place = _batches(side, painter.bands)
    return Block(*where, sources, top, left, side, batch, place)


def _check_reach(
    where: tuple[int, int, int], level: Level, sources: Sources, stamps: tuple[np.ndarray, ...]
) -> None:
    top, left, side = stamps
    outside = np.zeros(len(sources))
    for first, centre, number in ((top, sources.y, where[1]), (left, sources.x, where[2])):
        begin, end = number * level.block, (number + 1) * level.block
        out = np.maximum(begin - first, first + side - end)
        # a centre lies in the pixel that it is nearest to
        off = np.maximum(begin - 0.5 - centre, centre - (end - 0.5))
        outside = np.maximum(outside, np.maximum(out, np.where(np.isfinite(centre), off, np.inf)))
    row = int(outside.argmax()) if len(outside) else 0
    if len(outside) and outside[row] > level.reach:
        name = "/".join(map(str, (*where, row)))
        raise InputError(
            f"source {name} at ({sources.x[row]:.2f}, {sources.y[row]:.2f}), with its stamp of {side[row]} "
            f"pixels, lies {outside[row]:g} pixels outside its block of {level.block}, and its level reaches "
            f"{level.reach}: its light would be cut from some windows; give the level a larger reach, or the "
            "source a level that reaches farther"
        )


def _batches(side: np.ndarray, bands: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the batch of each stamp and its row there: those of a side, in order, so many at a time."""
    batch, place, first = np.zeros(len(side), dtype=np.int64), np.zeros(len(side), dtype=np.int64), 0
    for s in np.unique(side).tolist():
        alike = np.flatnonzero(side == s)
        most = together_at_most(s, bands)
        number = np.arange(len(alike))
        batch[alike], place[alike] = first + number // most, number % most
        first += -(-len(alike) // most)
    return batch, place


def together_at_most(side: int, bands: int) -> int:
    """Return how many stamps of a side are painted together."""
    return max(1, _BATCH_BYTES // (4 * bands * side * side))


def painted(painter: Painter[S], sources: S, side: int) -> Stamps:
    """Return stamps of sources of one side, painted together."""
    return Stamps(painter.paint(sources, side))
