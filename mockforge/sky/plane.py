"""An endless plane: its windows, and white noise on it that is the same in any window and any order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral

import numpy as np

from mockforge.errors import InputError
from mockforge.memory import check_fits
from mockforge.rng import Stream
from mockforge.sky.kept import Kept

FARTHEST = 2**40
"""Pixels from the origin to which places keep a thousandth of a pixel, and numbers of blocks 64 bits."""


class NoisePlane:
    """N(0,1) numbers at every integer (channel, y, x), y and x of any sign.

    Numbers come in square blocks, each from its own stream, so that they depend on the position
    alone. The blocks used last are kept. Several threads may cut windows of one plane at once.
    """

    def __init__(self, stream: Stream, channels: int, block: int, kept: int = 64) -> None:
        self.stream, self.channels, self.block, self.kept = stream, channels, block, kept
        self._blocks: Kept[np.ndarray] = Kept(kept)

    def window(self, y0: int, y1: int, x0: int, x1: int, threads: int = 1) -> np.ndarray:
        """Return the numbers of a window, (channels, y1 - y0, x1 - x0) float32, drawn by so many threads."""
        out = np.empty((self.channels, y1 - y0, x1 - x0), dtype=np.float32)
        b = self.block
        rows, columns = range(y0 // b, (y1 - 1) // b + 1), range(x0 // b, (x1 - 1) // b + 1)
        for (by, bx), block in self._found([(by, bx) for by in rows for bx in columns], threads):
            top, bottom = max(y0, by * b), min(y1, (by + 1) * b)
            left, right = max(x0, bx * b), min(x1, (bx + 1) * b)
            out[:, top - y0 : bottom - y0, left - x0 : right - x0] = block[
                :, top - by * b : bottom - by * b, left - bx * b : right - bx * b
            ]
        return out

    def _found(
        self, places: list[tuple[int, int]], threads: int
    ) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
        """Each place with its block: those that are kept, and the others drawn."""
        missing = []
        for place in places:
            block = self._blocks.known(place)
            if block is None:
                missing.append(place)
            else:
                yield place, block
        for place, block in zip(missing, self._drawn(missing, threads), strict=True):
            yield place, block
            self._blocks.keep(place, block)

    def _drawn(self, places: list[tuple[int, int]], threads: int) -> Iterable[np.ndarray]:
        """Draw new blocks, one after the other or at once: NumPy draws without the interpreter's lock."""
        if threads == 1 or len(places) == 1:
            return map(self._draw, places)
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(self._draw, places))

    def _draw(self, place: tuple[int, int]) -> np.ndarray:
        rng = self.stream.child(*place).numpy()
        return rng.standard_normal((self.channels, self.block, self.block), dtype=np.float32)


def ends(window: tuple[slice, slice]) -> tuple[int, int, int, int]:
    """y0, y1, x0, x1 of a window `[y0:y1, x0:x1]`; InputError where an end is not given or it is empty."""
    if not isinstance(window, tuple) or len(window) != 2 or not all(isinstance(s, slice) for s in window):
        raise InputError(f"a sky is cut as sky[y0:y1, x0:x1], found {window!r}")
    out: list[int] = []
    for part in window:
        if part.start is None or part.stop is None or part.step not in (None, 1):
            raise InputError(f"a sky has no edges: give both ends and no step, found {part}")
        if any(not isinstance(end, Integral) or isinstance(end, bool) for end in (part.start, part.stop)):
            raise InputError(f"the ends of a window are whole numbers of pixels, found {part}")
        if max(abs(int(part.start)), abs(int(part.stop))) > FARTHEST:
            raise InputError(f"a window lies within {FARTHEST:,} pixels of the origin, found {part}")
        if part.stop <= part.start:
            raise InputError(f"the window {part.start}:{part.stop} is empty")
        out += [int(part.start), int(part.stop)]
    return out[0], out[1], out[2], out[3]


def empty_window(bands: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    """Return an array (bands, y1 - y0, x1 - x0) float32 for a window.

    InputError where two do not fit in memory.
    """
    shape = (bands, y1 - y0, x1 - x0)
    window = f"the window [{y0}:{y1}, {x0}:{x1}] in {bands} bands"
    check_fits(8.0 * math.prod(shape), window, "cut smaller windows of the same sky, one after another")
    return np.empty(shape, dtype=np.float32)
