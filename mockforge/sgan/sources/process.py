"""The sources of a learned sky as a marked point process: endless, keyed, the same bits anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.model import SourceModel
from mockforge.sky.kept import Kept
from mockforge.sky.process import Level

CELL = 512
"""Side in native px of the cells whose sources are drawn together."""
LARGEST = (24, 64, 128, 512)
"""The largest stamp of each level, px of the sky."""
LEVELS = tuple(Level(block, side // 2 + 1) for block, side in zip((128, 256, 256, 256), LARGEST, strict=True))
"""A stamp reaches half its side beyond the pixel of its centre, and that lies in the block."""
_KEPT_BYTES = 2**26
MOST_IN_A_CELL = 2_000_000
"""Sources of a cell; more are a mistake in what was asked."""

Sides = Callable[[Marks], np.ndarray]
"""Side of the stamp of each source (N,) int64 px of the sky: the painter's rule."""


@dataclass(frozen=True, eq=False)
class _Cell:
    """Sources drawn together and the level of each."""

    sources: Marks
    level: np.ndarray

    @property
    def nbytes(self) -> int:
        """Bytes of memory, about."""
        return len(self.sources) * (8 * (8 + self.sources.bands) + 4 * self.sources.z.shape[1])


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Places of a cell's sources, of which the density keeps some."""

    stream: Stream
    y: np.ndarray
    x: np.ndarray
    galaxies: int
    """How many are galaxies, which come first."""
    level: np.ndarray
    """(galaxies,) relative density above which each is kept."""


class LearnedProcess:
    """Sources drawn from a learned model: a clustered Poisson process with marks (sky.Process).

    Sources are drawn in cells of the native grid, each from its own stream, so that the same seed gives
    the same sources on a sky of any pixel scale, through any PSF. A block of a level has those of its
    sources whose stamps are as large as the level's: it is a pure function of (level, by, bx).

    Parameters
    ----------
    model : SourceModel
        Population, counts, density.
    stream : Stream
        The sky's; every number drawn belongs to it and to a cell.
    sides : callable
        The painter's rule for stamps: Marks in px of the sky to sides (N,), at most 512.
    pixels_per_native : float
        Pixels of the sky per px of the model's grid: places are multiplied by it. Radii stay in native px,
        which the painter multiplies.
    """

    levels = LEVELS

    def __init__(
        self, model: SourceModel, stream: Stream, sides: Sides, pixels_per_native: float = 1.0
    ) -> None:
        if not 0.01 <= pixels_per_native <= 100:
            raise InputError(
                f"{pixels_per_native:g} pixels of the sky for one of the training field: 0.01 to 100 can be"
            )
        expected = model.number * CELL**2
        if expected > MOST_IN_A_CELL:
            raise InputError(
                f"{expected:.3g} sources in a square of {CELL} pixels were asked for, {MOST_IN_A_CELL:g} are "
                "possible; ask for a lower density, a flatter slope or a brighter limit"
            )
        self.model, self.stream, self.sides = model, stream, sides
        self.pixels_per_native = float(pixels_per_native)
        self._cells: Kept[_Cell] = Kept(_KEPT_BYTES, _bytes)

    def block(self, level: int, by: int, bx: int) -> Marks:
        """Return the sources of a block, places in px of the sky, in the order of the cells they are of."""
        block = self.levels[level].block
        parts = []
        rows, columns = (self._cells_under(n * block, (n + 1) * block) for n in (by, bx))
        for cy in rows:
            for cx in columns:
                cell = self._cell(cy, cx)
                own = (cell.level == level) & _in_block(cell.sources, block, by, bx)
                parts.append(cell.sources.rows(own))
        return Marks.together(parts)

    def native(self, cy: int, cx: int) -> Marks:
        """Return the sources of a cell of the native grid, places in native px: the same on every sky."""
        return next(iter(self.natives([(cy, cx)])))

    def natives(self, cells: Sequence[tuple[int, int]]) -> Iterator[Marks]:
        """Yield `native` of each cell; the density of all of them is looked up at once."""
        density = self.model.density
        candidates = [self._candidates(cy, cx) for cy, cx in cells]
        ends = np.cumsum([c.galaxies for c in candidates]).tolist()
        y, x = (np.concatenate([getattr(c, axis)[: c.galaxies] for c in candidates]) for axis in "yx")
        relative = density.relative(self.stream, y, x)
        for own, last in zip(candidates, ends, strict=True):
            yield self._thinned(own, relative[last - own.galaxies : last])

    def _candidates(self, cy: int, cx: int) -> _Candidates:
        """Return what a cell has before the density thins its galaxies."""
        model, stream = self.model, self.stream.child("sources", cy, cx)
        rng = stream.child("places").numpy()
        most = model.density.most
        galaxies = rng.poisson(model.galaxies.number() * CELL**2 * most)
        stars = rng.poisson(model.stars.number() * CELL**2) if model.stars else 0
        y, x = (n * CELL + rng.uniform(-0.5, CELL - 0.5, galaxies + stars) for n in (cy, cx))
        return _Candidates(stream, y, x, galaxies, rng.random(galaxies) * most)

    def _thinned(self, cell: _Candidates, relative: np.ndarray) -> Marks:
        """Return the sources of a cell, given the relative density at its galaxies."""
        model = self.model
        kept = np.ones(len(cell.x), dtype=bool)
        kept[: cell.galaxies] = cell.level < relative
        star = np.arange(len(cell.x))[kept] >= cell.galaxies
        rng = cell.stream.child("marks").numpy()
        flux = model.galaxies.draw(rng, int((~star).sum()))
        if model.stars:
            flux = np.concatenate([flux, model.stars.draw(rng, int(star.sum()))])
        return model.population.draw(rng, flux, star).replace(x=cell.x[kept], y=cell.y[kept])

    def _cell(self, cy: int, cx: int) -> _Cell:
        def make() -> _Cell:
            sources = on_sky(self.native(cy, cx), self.pixels_per_native)
            return _Cell(sources, level_of(self.sides(sources)))

        return self._cells.get((cy, cx), make)

    def _cells_under(self, first: int, last: int) -> range:
        """Cells with a place in pixels [first, last) of the sky, along one axis."""
        side = self.pixels_per_native * CELL
        return range(int(np.floor(first / side)), int(np.ceil(last / side)))


class TableProcess:
    """A user's own sources as a process (sky.Process): nothing is drawn, blocks are looked up.

    Parameters
    ----------
    sources : Marks
        Places in px of the sky.
    sides : callable
        The painter's rule for stamps.
    """

    levels = LEVELS

    def __init__(self, sources: Marks, sides: Sides) -> None:
        self.sources = sources.check("the table of sources")
        level = level_of(sides(sources)) if len(sources) else np.zeros(0, dtype=np.int64)
        block = np.array([entry.block for entry in self.levels])[level]
        by, bx = (np.floor((v + 0.5) / block).astype(np.int64) for v in (sources.y, sources.x))
        self._rows: dict[tuple[int, int, int], list[int]] = {}
        for row, key in enumerate(zip(level.tolist(), by.tolist(), bx.tolist(), strict=True)):
            self._rows.setdefault(key, []).append(row)

    def block(self, level: int, by: int, bx: int) -> Marks:
        """Return the sources of a block in the order of the table."""
        return self.sources.rows(np.array(self._rows.get((level, by, bx), []), dtype=np.int64))


def on_sky(sources: Marks, pixels_per_native: float) -> Marks:
    """Return sources with places in px of the sky: edges of pixels 0 of both grids coincide."""
    if pixels_per_native == 1.0:
        return sources
    x, y = ((v + 0.5) * pixels_per_native - 0.5 for v in (sources.x, sources.y))
    return sources.replace(x=x, y=y)


def level_of(side: np.ndarray) -> np.ndarray:
    """Return the level (N,) of stamps of sides (N,); InputError where one is larger than any level's."""
    if len(side) and side.max() > LARGEST[-1]:
        raise InputError(f"a stamp of {side.max()} pixels is larger than the largest, {LARGEST[-1]}")
    return np.searchsorted(np.array(LARGEST), side)


def _in_block(sources: Marks, block: int, by: int, bx: int) -> np.ndarray:
    """Whether the pixel nearest to each source's place lies in a block."""
    return (np.floor((sources.y + 0.5) / block) == by) & (np.floor((sources.x + 0.5) / block) == bx)


def _bytes(cell: _Cell) -> int:
    return cell.nbytes
