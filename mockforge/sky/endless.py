"""An endless sky: sources of a marked point process, painted, and added up in one order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from typing import Any, Generic

import numpy as np

from mockforge.errors import InputError
from mockforge.memory import check_fits
from mockforge.sky.blocks import Block, Stamps, block_of, painted
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
Stamp = tuple[Stamps, int]
"""A batch of stamps, and which of them."""


class Endless(Generic[S]):
    """An endless sky without noise, of which any window, in any order, has the same bits.

    Sources belong to blocks of levels, are painted with the others of their block that have stamps as
    large, always the same ones, and are added up in the order (level, by, bx, row). Each has an id,
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

    def _near(self, y0: int, y1: int, x0: int, x1: int) -> list[tuple[Block[S], np.ndarray]]:
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
        if threads == 1 or len(near) < 2:
            for block, rows in near:
                yield block, rows, self._stamps_of(block, rows)
            return
        ahead: deque[tuple[Block[S], np.ndarray, Future[list[Stamp]]]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            for block, rows in near:
                ahead.append((block, rows, pool.submit(self._stamps_of, block, rows)))
                if len(ahead) > 2 * threads:
                    first, chosen, stamps = ahead.popleft()
                    yield first, chosen, stamps.result()
            for first, chosen, stamps in ahead:
                yield first, chosen, stamps.result()

    def _stamps_of(self, block: Block[S], rows: np.ndarray) -> list[Stamp]:
        """Return the stamps of some of a block's sources; whole batches are painted, and kept."""
        batches: dict[int, Stamps] = {}
        out = []
        for number, place in zip(block.batch[rows].tolist(), block.place[rows].tolist(), strict=True):
            if number not in batches:
                batches[number] = self._batch(block, number)
            stamps = batches[number]
            out.append((stamps, place))
        return out

    def _batch(self, block: Block[S], number: int) -> Stamps:
        def make() -> Stamps:
            rows = np.flatnonzero(block.batch == number)
            return painted(self.painter, block.sources.rows(rows), int(block.side[rows[0]]))

        return self._stamps.get((block.key, number), make)


def _bytes(thing: Stamps | Block[Any]) -> int:
    return thing.nbytes


def _numbers(first: int, last: int, block: int, reach: int) -> range:
    """Blocks with a pixel that is within reach of pixels [first, last), along one axis; one at least."""
    return range((first - reach) // block, max((last - 1 + reach) // block, (first - reach) // block) + 1)


def kept_bytes(side: int, bands: int) -> int:
    """Return how much to keep for samples of `side` pixels that do not overlap: what one is painted from."""
    return min(max(4 * (bands + 1) * _DEEP * side**2, 2**26), KEPT_BYTES)
