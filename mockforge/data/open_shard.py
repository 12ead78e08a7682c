"""A shard that is open for reading: what it is was checked when it was opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mockforge.data.chunk_rows import ChunkRows, keep_freed_memory
from mockforge.data.hdf5 import Unreadable, attributes, dataset, names, reading, text
from mockforge.data.shards import SMALL
from mockforge.data.trusted import check_file


class OpenShard:
    """The arrays of one shard by row. Raises Unreadable, with the reason alone, for what is wrong.

    `arrays` are the shape of a sample, the type and the unit of every array, `sample` and `split`
    those of the samples that should be in it, `about` root attributes it should have, where it has them.
    """

    def __init__(
        self,
        path: Path,
        arrays: Mapping[str, tuple[tuple[int, ...], np.dtype, str]],
        sample: np.ndarray,
        split: np.ndarray,
        about: Mapping[str, Any],
    ) -> None:
        self.path = path
        keep_freed_memory()
        with reading(path):
            # Without a cache of chunks: what is small is kept here, the rest is read once.
            self._file = h5py.File(path, "r", rdcc_nbytes=0)
            try:
                check_file(self._file)
                self._check(arrays, sample, split, about)
                self._arrays = {name: dataset(self._file, name) for name in arrays}
                self._rows = {n: ChunkRows(item) for n, item in self._arrays.items() if _one_read(item)}
            except BaseException:
                self._file.close()
                raise
        self._small: dict[str, np.ndarray] = {}

    def row(self, name: str, row: int, integers: type[np.integer] | None = None) -> np.ndarray:
        """Return the values of an array for one of the shard's samples.

        Whole numbers of large arrays are of the type `integers`, where it is given.
        """
        with reading(self.path):
            if name in self._rows:
                return self._rows[name].row(row, integers)
            if name in self._small:
                return np.array(self._small[name][row])
            item = self._arrays[name]
            if _row_bytes(item) >= SMALL:
                return np.asarray(item[row])
            self._small[name] = item[()]
            return np.array(self._small[name][row])

    def close(self) -> None:
        """Close the file; the shard cannot be read from afterwards."""
        self._file.close()

    def _check(
        self,
        arrays: Mapping[str, tuple[tuple[int, ...], np.dtype, str]],
        sample: np.ndarray,
        split: np.ndarray,
        about: Mapping[str, Any],
    ) -> None:
        own = attributes(self._file)
        for name, value in about.items():
            if name in own and (stored := own[name]) != value:
                shown = f"{str(stored)[:16]!r}, should be {str(value)[:16]!r}"
                raise Unreadable(f"it is of another dataset: its {name} is {shown}")
        if not np.array_equal(stored := dataset(self._file, "sample")[()], sample):
            raise Unreadable(
                f"it is another shard: it holds samples {_range(stored)}, and should hold {_range(sample)}"
            )
        if not np.array_equal(text(dataset(self._file, "split")[()]), split):
            raise Unreadable("its samples are of other splits than dataset.h5 says")
        if surplus := set(names(self._file)[0]) - {"sample", "split", *arrays}:
            raise Unreadable(f"it holds {', '.join(sorted(surplus))}, which dataset.h5 does not")
        for name, (shape, dtype, unit) in arrays.items():
            item = dataset(self._file, name)
            if item.shape != (len(sample), *shape) or not np.can_cast(item.dtype, dtype):
                raise Unreadable(
                    f"{name} is {item.dtype} {item.shape}, and should be {dtype} {(len(sample), *shape)}"
                )
            if (stored := str(item.attrs.get("unit", ""))) != unit:
                raise Unreadable(f"the unit of {name} is {stored!r}, and should be {unit!r}")


def _row_bytes(item: h5py.Dataset) -> int:
    return item.dtype.itemsize * int(np.prod(item.shape[1:], dtype=np.int64))


def _one_read(item: h5py.Dataset) -> bool:
    return _row_bytes(item) >= SMALL and ChunkRows.fits(item)


def _range(sample: np.ndarray) -> str:
    return f"{sample[0]} to {sample[-1]}" if len(sample) else "none"
