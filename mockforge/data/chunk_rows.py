"""The rows of an array that has a chunk a sample, without HDF5's own pipeline of filters."""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING

import numpy as np

from mockforge.data.fletcher import fletcher32
from mockforge.data.hdf5 import Unreadable

if TYPE_CHECKING:
    import h5py

_CHECKSUM = 4
"""Bytes of the checksum, behind the values."""

_HEADER, _TRAILER = 2, 4
"""Bytes of zlib around what is compressed; its own checksum is of bytes that have one already."""


class ChunkRows:
    """One array of an open shard, read by direct chunk; `fits` says of which this is possible.

    The bytes come from the file to the array that is returned, where they have not been compressed, and
    their Fletcher checksum is compared there. Labels are put together of those of their byte planes that
    are not zero, which is all but one or two.
    """

    def __init__(self, item: h5py.Dataset) -> None:
        self._id, self._dtype, self._shape = item.id, item.dtype, item.shape[1:]
        self._bytes = item.dtype.itemsize * int(np.prod(item.shape[1:], dtype=np.int64))
        self._compressed, self._shuffled = item.compression is not None, bool(item.shuffle)
        self._rest = (0,) * (item.ndim - 1)

    @staticmethod
    def fits(item: h5py.Dataset) -> bool:
        """Whether an array is kept as `write_shard` keeps large ones, by this processor's order of bytes."""
        import h5py

        creation = item.id.get_create_plist()
        filters = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
        packed = [h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32]
        usual = [[h5py.h5z.FILTER_FLETCHER32]]
        if item.dtype.kind in "biu":
            usual += [packed, [h5py.h5z.FILTER_SHUFFLE, *packed]]
        ours = item.dtype.isnative and sys.byteorder == "little"
        return item.chunks == (1, *item.shape[1:]) and ours and filters in usual

    def row(self, row: int, integers: type[np.integer] | None = None) -> np.ndarray:
        """Return the values of a sample; whole numbers as `integers`, where a type is given.

        Raises Unreadable where they are not those of their checksum.
        """
        place = (row, *self._rest)
        dtype = self._dtype if integers is None or self._dtype.kind not in "iu" else np.dtype(integers)
        if self._compressed:
            skipped, chunk = self._id.read_direct_chunk(place)
            values = self._inflated(_checked(np.frombuffer(chunk, np.uint8), skipped), dtype)
        else:
            data = np.empty(self._bytes + _CHECKSUM, np.uint8)
            skipped, _ = self._id.read_direct_chunk(place, out=data)
            values = _checked(data, skipped).view(self._dtype).astype(dtype, copy=False)
        return values.reshape(self._shape)

    def _inflated(self, data: np.ndarray, dtype: np.dtype) -> np.ndarray:
        stream = data[_HEADER:-_TRAILER].tobytes()
        unpacked = zlib.decompress(stream, wbits=-zlib.MAX_WBITS, bufsize=self._bytes + 1)
        if len(unpacked) != self._bytes:
            raise Unreadable("its contents are not as long as they should be")
        if not self._shuffled:
            return np.frombuffer(unpacked, self._dtype).astype(dtype)
        planes = np.frombuffer(unpacked, np.uint8).reshape(self._dtype.itemsize, -1)
        if self._dtype.kind == "i":
            planes = [*planes[:-1], planes[-1].view(np.int8)]  # the highest has the sign
        values = planes[0].astype(dtype)
        for k, plane in enumerate(planes[1:], 1):
            if plane.any():
                values |= plane.astype(dtype) << 8 * k
        return values


def _checked(data: np.ndarray, skipped: int) -> np.ndarray:
    """Return the bytes of a chunk without their checksum, which they should have."""
    if skipped:
        raise Unreadable("its contents lack a filter that they should have been written with")
    values, stored = data[:-_CHECKSUM], int.from_bytes(data[-_CHECKSUM:].tobytes(), "little")
    if fletcher32(values) != stored:
        raise Unreadable("its contents do not match their checksum")
    return values


def keep_freed_memory() -> None:
    """Have glibc keep the memory of arrays of up to 16 MB that are let go of, for the next ones.

    By default it gives that of each sample back to the system, and the next sample pays for every page
    again, twice what its reading costs. glibc keeps as much as the largest block that was freed.
    """
    np.empty(1 << 24, np.uint8)
