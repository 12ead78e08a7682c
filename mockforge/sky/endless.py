"""An endless sky: sources of a marked point process, painted, and added up in one order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from itertools import groupby, islice
from typing import Any, Generic

import numpy as np

from mockforge.errors import InputError
from mockforge.memory import check_fits
from mockforge.sky.blocks import Block, Stamps, block_of, painted, together_at_most
from mockforge.sky.edits import Edits, edited, without
from mockforge.sky.kept import Kept
from mockforge.sky.layers import Layer, layer_of
from mockforge.sky.plane import empty_window
from mockforge.sky.process import Editor, Painter, Process, S
from mockforge.sky.truth import Truth, check_asked, isolated_images, number_alone, truth_of

KEPT_BYTES = 2**31
"""Stamps kept in memory at most: those of a window of 3200 pixels, which are gone through twice."""
_KEPT_BLOCKS = 2**27
"""Bytes of sources of blocks, likewise."""
_DEEP = 32
"""Stamps that a pixel of a window costs, about, with those that are painted and lie beyond it."""
_RUN_BYTES = 2**26
"""Stamps of blocks that are painted together."""
Stamp = tuple[Stamps, int]
"""A batch of stamps, and which of them."""
Near = list[tuple[Block[S], np.ndarray]]
"""Blocks, each with some of its rows."""


class Endless(Generic[S]):
    """An endless sky without noise, of which any window, in any order, has the same bits.

    Sources belong to blocks of levels and are added up in the order (level, by, bx, row). Where a painter
    makes a source the same whatever it is painted with, a window's sources of one side are painted together,
    and no others; else each is with the others of its block that have stamps as large. Each has an id,
    `level/by/bx/row`. `without` and `edit` return skies that differ in single sources: those changed or
    added come last. Several threads may cut windows of one sky at once.

    Parameters
    ----------
    process
        What sources each block has.
    painter
        What they look like.
    editor
        What may be changed of a source; None: sources can only be removed.
    kept_bytes
        Stamps kept in memory at most.
    """

    def __init__(
        self,
        process: Process[S],
        painter: Painter[S],
        editor: Editor[S] | None = None,
        kept_bytes: float = KEPT_BYTES,
    ) -> None:
        self.process, self.painter, self.editor = process, painter, editor
        self.edits: Edits[S] = Edits()
        self._blocks: Kept[Block[S]] = Kept(_KEPT_BLOCKS, _bytes)
        self._stamps: Kept[Stamps] = Kept(kept_bytes, _bytes)

    def block(self, level: int, by: int, bx: int) -> Block[S]:
        """Return the sources of a block and where their stamps lie.

        Raises
        ------
        InputError
            Where a source lies, or has light, farther outside its block than its level reaches.
        """
        where = (level, by, bx)

        def make() -> Block[S]:
            return block_of(where, self.process.levels[level], self.process.block(*where), self.painter)

        return self._blocks.get(where, make)

    def sources(self, y0: int, y1: int, x0: int, x1: int) -> S:
        """Return the sources whose stamps have a pixel in a window, in the order of its layers."""
        parts = [block.sources.rows(rows) for block, rows in self._near(y0, y1, x0, x1)]
        return type(parts[0]).together(parts)

    def ids(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return the id of each of `sources(...)`, (N,) text."""
        ids = [name for block, rows in self._near(y0, y1, x0, x1) for name in block.ids(rows)]
        return np.array(ids, dtype=np.str_)

    def layers(self, y0: int, y1: int, x0: int, x1: int, threads: int = 1) -> Iterator[Layer]:
        """Yield the light of each of `sources(...)` inside the window, in the same order.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First row and one past the last, first column and one past the last, in pixels of the sky.
        threads : int
            So many paint at once; what they paint does not depend on it.
        """
        window, row = (y0, y1, x0, x1), 0
        for block, rows, stamps in self._painted(window, threads):
            corners = zip(block.top[rows].tolist(), block.left[rows].tolist(), strict=True)
            for (batch, i), (top, left) in zip(stamps, corners, strict=True):
                yield layer_of(row, batch.image[i], top, left, window, batch.light[i], batch.peak[i])
                row += 1

    def image(self, y0: int, y1: int, x0: int, x1: int, threads: int = 1) -> np.ndarray:
        """Return the noiseless sky of a window, (C, y1 - y0, x1 - x0) float32 nJy.

        InputError where it does not fit in memory.
        """
        out = empty_window(self.painter.bands, y0, y1, x0, x1)
        out[:] = 0.0
        window = (y0, y1, x0, x1)
        for block, rows, stamps in self._painted(window, threads):
            corners = zip(block.top[rows].tolist(), block.left[rows].tolist(), strict=True)
            for (batch, i), (top, left) in zip(stamps, corners, strict=True):
                layer = layer_of(0, batch.image[i], top, left, window)
                out[:, layer.y, layer.x] += layer.image
        return out

    def truth(
        self, y0: int, y1: int, x0: int, x1: int, isophote: float, depth: int = 4, threads: int = 1
    ) -> Truth:
        """Return masks, shares, areas and blendedness of a window; row i is that of `sources(...)`.

        `isophote` in nJy per pixel, mean of the bands, bounds the masks; `depth` sources of a pixel are
        distinguished.
        """
        check_asked(isophote, depth)
        kept = list(self.layers(y0, y1, x0, x1, threads))
        shape = (self.painter.bands, y1 - y0, x1 - x0)
        return truth_of(lambda: kept, len(kept), shape, isophote, depth)

    def isolated(
        self, y0: int, y1: int, x0: int, x1: int, most: int | None = None, threads: int = 1
    ) -> np.ndarray:
        """Return single sources of a window alone, (M + 1, C, h, w) float32 nJy; they add up to `image`.

        Those with the most light there, at most `most`, from the brightest on, and all others together;
        without `most` slot k is row k of `sources(...)`, and the last is empty. InputError where they do not
        fit in memory.
        """
        number_alone(most, 0)  # before anything is painted
        kept = list(self.layers(y0, y1, x0, x1, threads))
        count, order = number_alone(most, len(kept)), np.arange(len(kept))
        if most is not None:
            light = [layer.own_light().sum(dtype=np.float64) for layer in kept]
            order = np.argsort(-np.array(light), kind="stable")
        shape = (self.painter.bands, y1 - y0, x1 - x0)
        what = f"{count + 1} images of the window [{y0}:{y1}, {x0}:{x1}] in {shape[0]} bands"
        check_fits(4.0 * (count + 1) * np.prod(shape, dtype=float), what, "take fewer sources, by `most`")
        return isolated_images(lambda: kept, shape, order, count)

    def without(self, ids: str | Iterable[str]) -> Endless[S]:
        """Return the same sky without a source, or several, of these ids.

        Pixels that none of them has light in keep their bits. InputError for an id that no source has.
        """
        names = [ids] if isinstance(ids, str) else [str(name) for name in ids]
        return self._seen(without(self.edits, names, self.process, self.block))

    def edit(self, table: Any) -> Endless[S]:
        """Return the same sky with single sources changed or added.

        Parameters
        ----------
        table
            An astropy Table or a dict of columns, a row each source: its `id`, and what is other than it
            was; rows with an empty id, or without one, are new sources. What a row does not say
            (nan, masked) stays as it is, and a row that changes nothing leaves its source alone.
            See `editor.columns`.

        Returns
        -------
        Endless
            Pixels that none of the sources has, or had, light in keep their bits.

        Raises
        ------
        InputError
            For an id that no source has, a column that is not known or cannot be changed, and values that
            no source can have.
        """
        if self.editor is None:
            raise InputError("sources of this sky can be removed by `without`, and not changed")
        return self._seen(edited(self.edits, table, self.process, self.block, self.painter, self.editor))

    @property
    def is_edited(self) -> bool:
        """Whether sources were removed, changed or added."""
        return bool(self.edits.removed) or self.edits.last is not None

    def keeping(self, kept_bytes: float) -> Endless[S]:
        """Return the same sky that keeps stamps of its own, at most so many bytes of them."""
        other = copy(self)
        other._stamps = Kept(kept_bytes, _bytes)
        other._blocks = Kept(min(kept_bytes, _KEPT_BLOCKS), _bytes)
        return other

    def _seen(self, edits: Edits[S]) -> Endless[S]:
        """Return a sky of other edits that shares all that is kept."""
        other = copy(self)
        other.edits = edits
        return other

    def _near(self, y0: int, y1: int, x0: int, x1: int) -> Near[S]:
        """Blocks that can have light in a window, each with the rows of the sources that have."""
        blocks = [
            self.block(k, by, bx)
            for k, level in enumerate(self.process.levels)
            for by in _numbers(y0, y1, level.block, level.reach)
            for bx in _numbers(x0, x1, level.block, level.reach)
        ]
        near = [(block, self.edits.kept(block, block.touching(y0, y1, x0, x1))) for block in blocks]
        last = self.edits.last
        return near if last is None else [*near, (last, last.touching(y0, y1, x0, x1))]

    def _painted(
        self, window: tuple[int, int, int, int], threads: int
    ) -> Iterator[tuple[Block[S], np.ndarray, list[Stamp]]]:
        """Each block with light in a window: its rows there and their stamps; painted a few blocks ahead."""
        near = [(block, rows) for block, rows in self._near(*window) if len(rows)]
        if not self.painter.one_by_one:
            runs = [[each] for each in near]
        else:
            runs = _runs(near, 4 * self.painter.bands)
        if threads == 1 or len(runs) < 2:
            for run in runs:
                yield from self._stamps_of(run)
            return
        ahead: deque[Future[list[tuple[Block[S], np.ndarray, list[Stamp]]]]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            for run in runs:
                ahead.append(pool.submit(self._stamps_of, run))
                if len(ahead) > 2 * threads:
                    yield from ahead.popleft().result()
            for made in ahead:
                yield from made.result()

    def _stamps_of(self, run: Near[S]) -> list[tuple[Block[S], np.ndarray, list[Stamp]]]:
        """Return some of the sources of a few blocks, with their stamps, which are kept."""
        if self.painter.one_by_one:
            stamps = iter(self._singles([(block, row) for block, rows in run for row in rows.tolist()]))
            return [(block, rows, list(islice(stamps, len(rows)))) for block, rows in run]
        return [(block, rows, self._in_batches(block, rows)) for block, rows in run]

    def _singles(self, wanted: list[tuple[Block[S], int]]) -> list[Stamp]:
        """Return the stamps of sources of any blocks: those of a side are painted together."""
        known = [self._stamps.known((block.key, row)) for block, row in wanted]
        new: dict[int, list[int]] = {}
        for i, ((block, row), stamps) in enumerate(zip(wanted, known, strict=True)):
            if stamps is None:
                new.setdefault(int(block.side[row]), []).append(i)
        for side, places in new.items():
            most = together_at_most(side, self.painter.bands)
            for first in range(0, len(places), most):
                some = places[first : first + most]
                images = painted(self.painter, _gathered([wanted[i] for i in some]), side).image
                for i, image in zip(some, images, strict=True):
                    block, row = wanted[i]
                    known[i] = self._stamps.keep((block.key, row), Stamps(image[None].copy()))
        return [(stamps, 0) for stamps in known if stamps is not None]

    def _in_batches(self, block: Block[S], rows: np.ndarray) -> list[Stamp]:
        """Return the stamps of some of a block's sources: whole batches are painted, always the same."""
        batches: dict[int, Stamps] = {}
        out = []
        for number, place in zip(block.batch[rows].tolist(), block.place[rows].tolist(), strict=True):
            if number not in batches:
                batches[number] = self._batch(block, number)
            out.append((batches[number], place))
        return out

    def _batch(self, block: Block[S], number: int) -> Stamps:
        def make() -> Stamps:
            rows = np.flatnonzero(block.batch == number)
            return painted(self.painter, block.sources.rows(rows), int(block.side[rows[0]]))

        return self._stamps.get((block.key, number), make)


def _gathered(wanted: list[tuple[Block[S], int]]) -> S:
    """Return sources of several blocks one behind the other."""
    parts = []
    for _, same in groupby(wanted, key=lambda each: id(each[0])):
        own = list(same)
        parts.append(own[0][0].sources.rows(np.array([row for _, row in own])))
    return parts[0] if len(parts) == 1 else type(parts[0]).together(parts)


def _runs(near: Near[S], pixel_bytes: int) -> list[Near[S]]:
    """Return blocks, in their order, in runs whose stamps take up so much memory together at most."""
    runs: list[Near[S]] = []
    taken = _RUN_BYTES
    for block, rows in near:
        own = pixel_bytes * int((block.side[rows] ** 2).sum())
        if taken + own > _RUN_BYTES:
            runs.append([])
            taken = 0
        runs[-1].append((block, rows))
        taken += own
    return runs


def _bytes(thing: Stamps | Block[Any]) -> int:
    return thing.nbytes


def _numbers(first: int, last: int, block: int, reach: int) -> range:
    """Blocks with a pixel that is within reach of pixels [first, last), along one axis; one at least."""
    return range((first - reach) // block, max((last - 1 + reach) // block, (first - reach) // block) + 1)


def kept_bytes(side: int, bands: int) -> int:
    """Return how much to keep for samples of `side` pixels that do not overlap: what one is painted from."""
    return min(max(4 * (bands + 1) * _DEEP * side**2, 2**26), KEPT_BYTES)
