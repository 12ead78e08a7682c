"""Random access to the samples of a finished dataset, as NumPy arrays."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mockforge.data.hdf5 import attributes, dataset, names, subgroup, text
from mockforge.data.manifest import MANIFEST, SHARDS, VIEW, Manifest, read_manifest
from mockforge.data.verify import size_fault
from mockforge.errors import InputError, nearest

if TYPE_CHECKING:
    import h5py

MAX_OPEN = 64
"""Shards kept open at a time; far below the usual limit of 1024 files of a process."""


class Reader:
    """A finished dataset, opened: what it holds, and its samples and tables by number.

    Samples are read from their shard, which is twice as fast as through the joined view. Files
    are opened when first needed and anew in every process, so a Reader may be pickled and may
    be carried over a fork. Use it as a context manager, or `close()` it, to close its files.

    `manifest` stands for the manifest file while that is not written yet.

    Raises InputError where `path` is no finished dataset, or a shard is missing or has the
    wrong size (HDF5 itself reads a missing shard as zeros without a word).
    """

    def __init__(self, path: str | Path, manifest: Manifest | None = None) -> None:
        path = Path(path)
        if path.name in (VIEW, MANIFEST) and not path.is_dir():
            path = path.parent
        self.folder = path.absolute()
        self.manifest: Manifest = manifest or read_manifest(path)
        faults = [(r.name, f) for r in self.manifest.shards if (f := size_fault(path, r)) is not None]
        if not (path / VIEW).is_file():
            faults.append((VIEW, "missing"))
        if faults:
            shown = "; ".join(f"{name} {fault}" for name, fault in faults[:3])
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            raise InputError(
                f"{path}: damaged dataset: {shown}{more}; run `mockforge verify --repair {path}` to mend it"
            )
        self._ends = np.cumsum([record.samples for record in self.manifest.shards])
        self._open: OrderedDict[int, dict[str, h5py.Dataset]] = OrderedDict()
        self._process = os.getpid()
        with self._view() as file:
            self.attributes: dict[str, Any] = attributes(file)
            arrays, self.tables = names(file)
            self.arrays: tuple[str, ...] = tuple(a for a in arrays if a not in ("sample", "split"))
            self.shapes = {a: dataset(file, a).shape[1:] for a in self.arrays}
            self.dtypes: dict[str, np.dtype] = {a: dataset(file, a).dtype for a in self.arrays}
            self.units = {a: str(dataset(file, a).attrs.get("unit", "")) for a in self.arrays}
            self.split = text(dataset(file, "split")[()])
            self.sample = dataset(file, "sample")[()]

    def __len__(self) -> int:
        return len(self.sample)

    def read(self, index: int, arrays: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Arrays of one sample, by name; all of them unless `arrays` names some.

        Raises InputError where its shard cannot be read.
        """
        shard = int(np.searchsorted(self._ends, index, side="right"))
        row = index - (int(self._ends[shard - 1]) if shard else 0)
        try:
            datasets = self._shard(shard)
            return {name: np.asarray(datasets[name][row]) for name in arrays or self.arrays}
        except (OSError, KeyError) as error:
            path = self.folder / SHARDS / self.manifest.shards[shard].name
            raise InputError(
                f"{path}: unreadable ({error}); run `mockforge verify --repair {self.folder}` to mend it"
            ) from error

    def table(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Columns of a table for all samples, and their units. InputError for an unknown name."""
        if name not in self.tables:
            raise InputError(f"{self.folder}: no table {name!r}{nearest(name, self.tables)}")
        with self._view() as file:
            group = subgroup(file, name)
            columns = {c: text(dataset(group, c)[()]) for c in names(group)[0]}
            units = {c: str(dataset(group, c).attrs.get("unit", "")) for c in columns}
        return columns, units

    def close(self) -> None:
        """Close the files; the next read opens what it needs."""
        if self._process == os.getpid():
            for datasets in self._open.values():
                _close(datasets)
        self._open = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    def _view(self) -> h5py.File:
        import h5py

        try:
            return h5py.File(self.folder / VIEW, "r")
        except OSError as error:
            raise InputError(
                f"{self.folder / VIEW}: unreadable ({error}); "
                f"run `mockforge verify --repair {self.folder}` to mend it"
            ) from error

    def _shard(self, number: int) -> dict[str, h5py.Dataset]:
        """The arrays of a shard, open in this process; handles from before a fork are left to the parent."""
        import h5py

        if self._process != os.getpid():
            self._open, self._process = OrderedDict(), os.getpid()
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        file = h5py.File(self.folder / SHARDS / self.manifest.shards[number].name, "r")
        self._open[number] = {name: dataset(file, name) for name in self.arrays}
        if len(self._open) > MAX_OPEN:
            _close(self._open.popitem(last=False)[1])
        return self._open[number]


def _close(datasets: dict[str, h5py.Dataset]) -> None:
    for item in datasets.values():
        if item:  # the first one closes the file, and with it the others
            item.file.close()
