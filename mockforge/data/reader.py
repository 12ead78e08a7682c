"""Random access to the samples of a finished dataset, as NumPy arrays."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from mockforge.data.hdf5 import Unreadable, attributes, dataset, names, reading, subgroup, text
from mockforge.data.manifest import MANIFEST, SHARDS, VIEW, Manifest, read_manifest
from mockforge.data.open_shard import OpenShard
from mockforge.data.shards import file_size_fault
from mockforge.data.trusted import check_file
from mockforge.errors import InputError, nearest
from mockforge.files import from_home
from mockforge.progress import say

MAX_OPEN = 64
"""Shards kept open at a time; far below the usual limit of 1024 files of a process."""

_HDF5 = threading.RLock()
"""Held while files are opened, read and closed, so that no thread closes what another reads. HDF5
itself does one thing at a time, so nothing is lost by it."""

# A fork waits for a read to end, and the child starts with a free lock. Asked for after h5py's
# own handlers were, so that a fork takes this lock before h5py's, as a read does.
os.register_at_fork(before=_HDF5.acquire, after_in_parent=_HDF5.release, after_in_child=_HDF5.release)


class Reader:
    """A finished dataset, opened: what it holds, and its samples and tables by number.

    Samples are read from their shard, which is twice as fast as through the joined view. Files
    are opened when first needed and again in every process, so a Reader may be pickled and may
    be carried over a fork; several threads may read at once. Use it as a context manager, or
    `close()` it, to close its files.

    The joined view is hashed when it is opened, where the manifest has its sha256; a shard is
    checked to be the one it should be, and HDF5 checks the checksums of what is read.
    `manifest` stands for the manifest file while that is not written yet.

    Raises InputError where `path` is no finished dataset, or a file is missing, has the wrong
    size or cannot be trusted (HDF5 itself reads a missing shard without a word).
    """

    def __init__(self, path: str | Path, manifest: Manifest | None = None) -> None:
        path = from_home(path)
        if path.name in (VIEW, MANIFEST) and not os.path.isdir(path):
            path = path.parent
        self.folder = path.absolute()
        self.manifest: Manifest = manifest or read_manifest(path)
        if self.manifest.format == 1:
            say(
                f"note: {path}: made by an older mockforge, which kept no checksums to read with; "
                f"`mockforge verify {path}` checks its shards"
            )
        faults = [
            (record.name, fault)
            for record in self.manifest.shards
            if (fault := file_size_fault(path / SHARDS / record.name, record.bytes)) is not None
        ]
        if (fault := self._view_fault()) is not None:
            faults.append((VIEW, fault))
        if faults:
            shown = "; ".join(f"{name} {fault}" for name, fault in faults[:3])
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            raise InputError(
                f"{path}: damaged dataset: {shown}{more}; run `mockforge verify --repair {path}` to repair it"
            )
        self._ends = np.cumsum([record.samples for record in self.manifest.shards])
        self._open: OrderedDict[int, OpenShard] = OrderedDict()
        self._process = os.getpid()
        with self._view() as file:
            check_file(file, [f"{SHARDS}/{record.name}" for record in self.manifest.shards])
            self.attributes: dict[str, Any] = attributes(file)
            arrays, self.tables = names(file)
            self.arrays: tuple[str, ...] = tuple(a for a in arrays if a not in ("sample", "split"))
            self.shapes = {a: dataset(file, a).shape[1:] for a in self.arrays}
            self.dtypes: dict[str, np.dtype] = {a: dataset(file, a).dtype for a in self.arrays}
            self.units = {a: str(dataset(file, a).attrs.get("unit", "")) for a in self.arrays}
            self.split = text(dataset(file, "split")[()])
            self.sample = dataset(file, "sample")[()]
            self._check_lengths(file)

    def __len__(self) -> int:
        return len(self.sample)

    def read(
        self, index: int, arrays: Sequence[str] | None = None, integers: type[np.integer] | None = None
    ) -> dict[str, np.ndarray]:
        """Arrays of one sample, by name; all of them unless `arrays` names some.

        Whole numbers of large arrays are of the type `integers`, where it is given: they are unpacked
        to it at once. Raises InputError where its shard cannot be read or is not the one it should be.
        """
        number = int(np.searchsorted(self._ends, index, side="right"))
        row = index - (int(self._ends[number - 1]) if number else 0)
        path = self.folder / SHARDS / self.manifest.shards[number].name
        with self._sentences(path), _HDF5:
            shard = self._shard(number, path)
            return {name: shard.row(name, row, integers) for name in arrays or self.arrays}

    def table(self, name: str, rows: slice = slice(None)) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Columns of a table for all samples, and their units. InputError for an unknown name.

        Of some `rows` where they are given: `slice(0)` shows what the columns are, and reads none.
        """
        if name not in self.tables:
            raise InputError(f"{self.folder}: no table {name!r}{nearest(name, self.tables)}")
        with self._view() as file:
            group = subgroup(file, name)
            columns = {c: text(dataset(group, c)[rows]) for c in names(group)[0]}
            units = {c: str(dataset(group, c).attrs.get("unit", "")) for c in columns}
        return columns, units

    def shard_faults(self) -> list[tuple[str, str]]:
        """(file, what is wrong) of every shard that is not the one that belongs here."""
        faults = []
        for number, record in enumerate(self.manifest.shards):
            try:
                with _HDF5:
                    self._shard(number, self.folder / SHARDS / record.name)
            except Unreadable as error:
                faults.append((record.name, str(error)))
        return faults

    def close(self) -> None:
        """Close the files; the next read opens what it needs."""
        with _HDF5:
            if self._process == os.getpid():
                for shard in self._open.values():
                    shard.close()
            self._open = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    @contextmanager
    def _sentences(self, path: Path) -> Iterator[None]:
        """Turn what is wrong with a file into an InputError that says what to do."""
        try:
            yield
        except Unreadable as error:
            raise InputError(
                f"{path}: unreadable ({error}); run `mockforge verify --repair {self.folder}` to repair it"
            ) from error

    @contextmanager
    def _view(self) -> Iterator[h5py.File]:
        path = self.folder / VIEW
        with self._sentences(path), _HDF5, reading(path), h5py.File(path, "r") as file:
            yield file

    def _view_fault(self) -> str | None:
        """Return what is wrong with the joined view as a file, or None."""
        record = next((entry for entry in self.manifest.files if entry.name == VIEW), None)
        if record is not None:
            return record.fault(self.folder)
        return None if (self.folder / VIEW).is_file() else "missing"

    def _check_lengths(self, file: h5py.File) -> None:
        for name in ("sample", "split", *self.arrays):
            if (n := len(dataset(file, name))) != self.manifest.samples:
                raise Unreadable(f"{name} has {n} samples, should have {self.manifest.samples}")
        rows = self.manifest.rows()
        if set(self.tables) != set(rows):
            raise Unreadable(f"has the tables {sorted(self.tables)}, should have {sorted(rows)}")
        for split, n in self.manifest.splits.items():
            if (count := int((self.split == split).sum())) != n:
                raise Unreadable(f"has {count} samples of the split {split!r}, should have {n}")
        for table in self.tables:
            for column in names(subgroup(file, table))[0]:
                if (n := len(dataset(file, f"{table}/{column}"))) != rows.get(table):
                    raise Unreadable(f"{table}/{column} has {n} rows, should have {rows.get(table)}")

    def _shard(self, number: int, path: Path) -> OpenShard:
        """Return a shard, open in this process; handles from before a fork are left to the parent."""
        if self._process != os.getpid():
            self._open, self._process = OrderedDict(), os.getpid()
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        first = int(self._ends[number - 1]) if number else 0
        about: dict[str, Any] = {"recipe_digest": self.manifest.recipe_digest, "shard": number}
        if self.manifest.recipe:  # a set made by hand may have none to be held to
            about["recipe"] = self.manifest.recipe
        if number == 0 and self.manifest.format > 1:  # the joined view has its attributes from the first
            about |= {k: v for k, v in self.attributes.items() if k not in ("recipe", "recipe_digest")}
        arrays = {a: (self.shapes[a], self.dtypes[a], self.units[a]) for a in self.arrays}
        rows = slice(first, int(self._ends[number]))
        shard = OpenShard(path, arrays, self.sample[rows], self.split[rows], about)
        self._open[number] = shard
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)[1].close()
        return shard
