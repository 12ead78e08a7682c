"""Tile-compressed FITS from plain FITS, tile by tile (FITS 4.0, section 10): lossless, GZIP_2.

Bytes of equal weight of a tile's pixels lie together and are gzipped: no bit is lost, NaN included. Noise
is most of a float's bits, so that an image shrinks by some tenths; zeros and labels shrink to little.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from mockforge.mosaic.fits_file import Layout, Unit, folded, text_of, with_sums
from mockforge.mosaic.spec import DTYPES

TILE = 256
"""Side of a tile; a window of a field needs those it touches."""
_LEVEL = 4
_LONG = 2_000_000_000
"""Bytes of pixels from which on 64-bit descriptors are used: a heap is hardly longer than its pixels."""
_BLOCK = 2880
_STRUCTURE = ("XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "CHECKSUM", "DATASUM")


def most_bytes(layout: Layout) -> int:
    """Return the bytes that a packed file has at most: gzip adds a thousandth to what does not shrink."""
    tiles = sum(_tiles(unit, layout) for unit in layout.units)
    return layout.nbytes + layout.nbytes // 1000 + tiles * 64 + len(layout.units) * 3 * _BLOCK


def pack(
    plain: Path, packed: Path, layout: Layout, workers: int = 1, advance: Callable[[int], None] | None = None
) -> None:
    """Write the tile-compressed FITS of a finished plain one. It holds a row of tiles at a time.

    Parameters
    ----------
    plain, packed
        The files; what was at `packed` is overwritten.
    layout
        That of the plain one.
    workers
        Threads that compress; the bytes do not depend on them.
    advance
        Is called with the number of pixels done since the last call.
    """
    with packed.open("w+b") as out, ThreadPoolExecutor(workers) as pool:
        out.write(layout.primary)
        for unit in layout.units:
            _Packer(plain, out, layout, unit, pool, advance or (lambda pixels: None)).write()
        out.flush()
        os.fsync(out.fileno())


def _tiles(unit: Unit, layout: Layout) -> int:
    return unit.bands * -(-layout.height // TILE) * -(-layout.width // TILE)


@dataclass
class _Packer:
    """Writes one extension: its header, the places of its tiles in the heap, and the heap."""

    plain: Path
    out: IO[bytes]
    layout: Layout
    unit: Unit
    pool: ThreadPoolExecutor
    advance: Callable[[int], None]

    def write(self) -> None:
        """Write it at the end of the file; header and places are written again when they are known."""
        count, start = _tiles(self.unit, self.layout), self.out.tell()
        size = self.unit.bands * self.layout.height * self.layout.width
        kind = "Q" if size * np.dtype(self.unit.plane.dtype).itemsize > _LONG else "P"
        places = np.zeros((count, 2), dtype=">i8" if kind == "Q" else ">i4")
        blank = self._header(kind, count, 0, 0)
        self.out.write(text_of(blank))
        table = self.out.tell()
        self.out.write(places.tobytes())
        heap = 0
        for i, content in enumerate(self._packed()):
            places[i] = len(content), heap
            self.out.write(content)
            heap += len(content)
        self.out.write(b"\0" * (-(places.nbytes + heap) % _BLOCK))
        end = self.out.tell()
        self.out.seek(table)
        self.out.write(places.tobytes())
        header = text_of(self._header(kind, count, heap, int(places[:, 0].max())))
        header = with_sums(header, self._sum(table, end))
        self.out.seek(start)
        self.out.write(header)
        self.out.seek(end)

    def _packed(self) -> Iterator[bytes]:
        """Yield the tiles, compressed, in their order: rows of tiles of each band from the first pixel on."""
        for band in range(self.unit.bands):
            for y0 in range(0, self.layout.height, TILE):
                rows = self._rows(band, y0, min(TILE, self.layout.height - y0))
                cuts = [rows[:, x : x + TILE] for x in range(0, self.layout.width, TILE)]
                yield from self.pool.map(_gzip2, cuts)
                self.advance(rows.size)

    def _rows(self, band: int, y0: int, count: int) -> np.ndarray:
        """Return whole rows of the plain file as they are stored; read, not mapped: maps count as memory."""
        kind, width = np.dtype(DTYPES[self.unit.plane.dtype]), self.layout.width
        start = self.unit.data + (band * self.layout.height + y0) * width * kind.itemsize
        return np.fromfile(self.plain, dtype=kind, count=count * width, offset=start).reshape(count, width)

    def _sum(self, start: int, end: int) -> int:
        """Return the sum of the words of what was written."""
        self.out.seek(start)
        total = 0
        while (left := end - self.out.tell()) > 0:
            words = np.frombuffer(self.out.read(min(left, _BLOCK * 4096)), dtype=">u4")
            total = folded(total + int(words.sum(dtype=np.uint64)))
        return total

    def _header(self, kind: str, count: int, heap: int, longest: int) -> Any:
        """Return the cards: those of a table of tiles, what the image was, and the image's own."""
        from astropy.io import fits

        plain: Any = fits.Header.fromstring(self.unit.header.decode("ascii"))
        header = fits.Header()
        for key, value, comment in (
            ("XTENSION", "BINTABLE", "tile-compressed image"),
            ("BITPIX", 8, "bytes"),
            ("NAXIS", 2, "a table"),
            ("NAXIS1", 16 if kind == "Q" else 8, "bytes of a row"),
            ("NAXIS2", count, "tiles"),
            ("PCOUNT", heap, "bytes of the tiles"),
            ("GCOUNT", 1, "one group"),
            ("TFIELDS", 1, "one column"),
            ("TTYPE1", "COMPRESSED_DATA", "length and place of each tile"),
            ("TFORM1", f"1{kind}B({longest:012d})", "bytes, of variable length"),
            ("ZIMAGE", True, "is a compressed image"),
            ("ZTENSION", "IMAGE", "what it was"),
            ("ZBITPIX", plain["BITPIX"], "of its pixels"),
            ("ZNAXIS", plain["NAXIS"], "its axes"),
            *((f"ZNAXIS{i}", plain[f"NAXIS{i}"], "length of axis") for i in range(1, plain["NAXIS"] + 1)),
            ("ZPCOUNT", 0, "of the image"),
            ("ZGCOUNT", 1, "of the image"),
            *((f"ZTILE{i}", TILE if i < 3 else 1, "of a tile") for i in range(1, plain["NAXIS"] + 1)),
            ("ZCMPTYPE", "GZIP_2", "bytes of equal weight together, gzipped"),
            ("ZQUANTIZ", "NONE", "no bit is lost"),
        ):
            header[key] = (value, comment)
        for card in plain.cards:
            if card.keyword and card.keyword not in _STRUCTURE and not card.keyword.startswith("NAXIS"):
                header.append(card, end=True)
        return header


def _gzip2(tile: np.ndarray) -> bytes:
    """Return a tile, compressed: all first bytes of its big-endian pixels, all second ones, ..."""
    stored = np.ascontiguousarray(tile).view(np.uint8).reshape(-1, tile.dtype.itemsize)
    return zlib.compress(stored.T.tobytes(), _LEVEL, wbits=31)
