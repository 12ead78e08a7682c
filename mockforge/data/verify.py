"""Checking a dataset's files against its manifest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mockforge.data.hdf5 import dataset, names, subgroup
from mockforge.data.manifest import MANIFEST, SHARDS, VIEW, Manifest, read_manifest
from mockforge.data.shards import ShardRecord, file_sha256


@dataclass(frozen=True)
class BadShard:
    """A file of a dataset that is not what the manifest says."""

    name: str
    """`00003.h5`, or `dataset.h5` or `manifest.json`."""
    reason: str


def bad_shards(folder: str | Path) -> list[BadShard]:
    """Every file of the dataset that is missing or damaged; an empty list when all is well.

    Each shard is read whole and hashed. A missing manifest (an unfinished build) is one entry
    named `manifest.json`; a missing or wrong joined view is one named `dataset.h5`.
    Raises InputError where the folder is missing or its manifest is damaged.
    """
    folder = Path(folder)
    if folder.is_dir() and not (folder / MANIFEST).is_file():
        return [BadShard(MANIFEST, "missing: the build is unfinished")]
    manifest = read_manifest(folder)
    bad = [
        BadShard(record.name, fault)
        for record in manifest.shards
        if (fault := shard_fault(folder, record)) is not None
    ]
    if (fault := view_fault(folder, manifest, {b.name for b in bad})) is not None:
        bad.append(BadShard(VIEW, fault))
    return bad


def shard_fault(folder: str | Path, record: ShardRecord) -> str | None:
    """What is wrong with a shard, or None; hashes it only where its size is right."""
    if (fault := size_fault(folder, record)) is not None:
        return fault
    try:
        digest = file_sha256(Path(folder) / SHARDS / record.name)
    except OSError as error:  # a disk that fails is what a check is for
        return f"unreadable: {error.strerror}"
    if digest != record.sha256:
        return f"sha256 is {digest[:12]}..., should be {record.sha256[:12]}..."
    return None


def size_fault(folder: str | Path, record: ShardRecord) -> str | None:
    """What a look at the file's size already shows to be wrong, or None."""
    try:
        size = (Path(folder) / SHARDS / record.name).stat().st_size
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return None if size == record.bytes else f"has {size} bytes, should have {record.bytes}"


def view_fault(folder: str | Path, manifest: Manifest, bad: Collection[str] = ()) -> str | None:
    """What is wrong with the joined view, or None; `bad` are the shards known to be damaged.

    What it copies from the shards (`sample`, `split`, the tables) is compared with the good
    ones, value by value; the arrays it leads to are in the shards, and hashed there.
    """
    import h5py

    path = Path(folder) / VIEW
    if not path.is_file():
        return "missing"
    wanted = [f"{SHARDS}/{record.name}" for record in manifest.shards]
    try:
        with h5py.File(path, "r") as file:
            if (n := len(dataset(file, "split"))) != manifest.samples:
                return f"has {n} samples, should have {manifest.samples}"
            arrays, tables = names(file)
            for name in tables:
                n, rows = len(dataset(file, f"{name}/sample")), manifest.rows().get(name)
                if n != rows:
                    return f"table {name!r} has {n} rows, should have {rows}"
            for name in arrays:
                item = dataset(file, name)
                if item.is_virtual and [s.file_name for s in item.virtual_sources()] != wanted:
                    return f"array {name!r} does not lead to the shards of the manifest"
            columns = ["sample", "split", *(f"{t}/{c}" for t in tables for c in subgroup(file, t))]
            return _copy_fault(folder, manifest, {c: dataset(file, c)[()] for c in columns}, bad)
    except (OSError, KeyError, ValueError) as error:  # ValueError: h5py's, for a damaged type
        return f"unreadable: {error}"


def _copy_fault(
    folder: str | Path, manifest: Manifest, copied: dict[str, np.ndarray], bad: Collection[str]
) -> str | None:
    """Where the columns of the view differ from those of the good shards, or None."""
    import h5py

    at = dict.fromkeys(copied, 0)
    for record in manifest.shards:
        rows = {c: record.rows.get(c.partition("/")[0], 0) if "/" in c else record.samples for c in copied}
        if record.name not in bad:
            with h5py.File(Path(folder) / SHARDS / record.name, "r") as shard:
                for column, values in copied.items():
                    mine = values[at[column] : at[column] + rows[column]]
                    theirs = dataset(shard, column)[()]
                    if not np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f"):
                        return f"{column} is not that of {record.name}"
        for column, n in rows.items():
            at[column] += n
    return None
