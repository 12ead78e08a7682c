"""Checking a dataset's files against its manifest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mockforge.data.hdf5 import Unreadable, dataset, names, reading, subgroup
from mockforge.data.manifest import (
    MANIFEST,
    PUBLISHED,
    SHARDS,
    VIEW,
    Manifest,
    check_is_folder,
    manifest_text,
    parse_manifest,
)
from mockforge.data.reader import Reader
from mockforge.data.rescue import rescued_manifest
from mockforge.data.shards import ShardRecord, file_sha256, file_size_fault
from mockforge.data.trusted import check_file
from mockforge.errors import InputError
from mockforge.files import from_home


@dataclass(frozen=True)
class BadShard:
    """A file of a dataset that is not what the manifest says."""

    name: str
    """`00003.h5`, or `dataset.h5`, `README.md`, `croissant.json`, `preview.png`, `manifest.json`."""
    reason: str
    mended: str = ""
    """What a repair did about it; empty where there was none."""


def bad_shards(folder: str | Path) -> list[BadShard]:
    """Every file of the dataset that is missing or damaged; an empty list when all is well.

    Every file is read whole and hashed. A missing (an unfinished build) or damaged manifest is
    an entry named `manifest.json`; the others are then checked against the copy of a damaged one
    in croissant.json, where that is whole. Files of a dataset of format 1 that are no shards have
    no record: they should be there, and the joined view is compared with the shards.
    Raises InputError where the folder is missing.
    """
    folder = from_home(folder)
    check_is_folder(folder)
    manifest, fault = trusted_manifest(folder)
    damaged = [] if fault is None else [BadShard(MANIFEST, fault)]
    if manifest is None or not (folder / MANIFEST).is_file():
        return damaged
    return [*damaged, *bad_files(folder, manifest)]


def bad_files(folder: Path, manifest: Manifest) -> list[BadShard]:
    """Every file that is not as this manifest says, besides `manifest.json` itself."""
    damaged = [
        BadShard(record.name, fault)
        for record in manifest.shards
        if (fault := shard_fault(folder, record)) is not None
    ]
    if (fault := view_fault(folder, manifest, {b.name for b in damaged})) is not None:
        damaged.append(BadShard(VIEW, fault))
    if manifest.format == 1:
        damaged += [BadShard(n, "missing") for n in PUBLISHED if n != VIEW and not (folder / n).is_file()]
    for entry in manifest.files:
        if entry.name != VIEW and (fault := entry.fault(folder)) is not None:
            damaged.append(BadShard(entry.name, fault))
    return damaged or [BadShard(name, fault) for name, fault in _misfits(folder, manifest)]


def _misfits(folder: Path, manifest: Manifest) -> list[tuple[str, str]]:
    """Return what reading refuses in files that are all as recorded.

    It is so where a manifest was edited and signed again.
    """
    if manifest.format == 1:
        return []
    try:
        with Reader(folder, manifest) as reader:
            return reader.shard_faults()
    except InputError as error:
        return [(VIEW, str(error))]


def trusted_manifest(folder: Path) -> tuple[Manifest | None, str | None]:
    """Return the manifest, or its copy in croissant.json where it is damaged; and what is wrong with it."""
    path = folder / MANIFEST
    if not path.is_file():
        if (folder / "build.json").is_file() or (copy := rescued_manifest(folder)) is None:
            return None, "missing: the build is unfinished"
        return copy, "missing"
    manifest, fault = parse_manifest(path)
    if manifest is None:
        return rescued_manifest(folder), f"damaged: {fault}"
    if manifest.format > 1 and path.read_text(encoding="utf-8") != manifest_text(manifest):
        return manifest, "not in its original form"
    return manifest, None


def shard_fault(folder: str | Path, record: ShardRecord) -> str | None:
    """Return what is wrong with a shard, or None; hashes it only where its size is right."""
    import h5py

    path = Path(folder) / SHARDS / record.name
    if (fault := file_size_fault(path, record.bytes)) is not None:
        return fault
    try:
        digest = file_sha256(path)
    except OSError as error:  # a disk that fails is what a check is for
        return f"unreadable: {error.strerror}"
    if digest != record.sha256:
        return f"sha256 is {digest[:12]}..., should be {record.sha256[:12]}..."
    try:
        with reading(path), h5py.File(path, "r") as file:
            check_file(file)
    except Unreadable as error:
        return str(error)
    return None


def view_fault(folder: str | Path, manifest: Manifest, bad: Collection[str] = ()) -> str | None:
    """Return what is wrong with the joined view, or None; `bad` are the shards known to be damaged.

    What it copies from the shards (`sample`, `split`, the tables) is compared with the good
    ones, value by value; the arrays it leads to are in the shards, and hashed there. What that
    cannot see, such as a changed attribute, its sha256 shows, where it was recorded.
    """
    path = Path(folder) / VIEW
    if not path.is_file():
        return "missing"
    record = next((entry for entry in manifest.files if entry.name == VIEW), None)
    recorded = None if record is None else record.fault(path.parent)
    if recorded is not None and (recorded.startswith("unreadable") or "bytes" in recorded):
        return recorded
    try:
        with reading(path):
            return _content_fault(path, manifest, bad) or recorded
    except Unreadable as error:
        return f"{recorded} (and {error})" if recorded else str(error)


def _content_fault(path: Path, manifest: Manifest, bad: Collection[str]) -> str | None:
    """Where what is in the view is not what the manifest and the good shards say, or None."""
    import h5py

    with h5py.File(path, "r") as file:
        check_file(file, [f"{SHARDS}/{record.name}" for record in manifest.shards])
        arrays, tables = names(file)
        for name in arrays:
            if (n := len(dataset(file, name))) != manifest.samples:
                return f"{name} has {n} samples, should have {manifest.samples}"
        if set(tables) != set(manifest.rows()):
            return f"has the tables {sorted(tables)}, should have {sorted(manifest.rows())}"
        for name in tables:
            n, rows = len(dataset(file, f"{name}/sample")), manifest.rows().get(name)
            if n != rows:
                return f"table {name!r} has {n} rows, should have {rows}"
        columns = ["sample", "split", *(f"{t}/{c}" for t in tables for c in subgroup(file, t))]
        copied = {c: dataset(file, c)[()] for c in columns}
    return _copy_fault(path.parent, manifest, copied, bad)


def _copy_fault(
    folder: Path, manifest: Manifest, copied: dict[str, np.ndarray], bad: Collection[str]
) -> str | None:
    """Where the columns of the view differ from those of the good shards, or None."""
    import h5py

    at = dict.fromkeys(copied, 0)
    for record in manifest.shards:
        rows = {c: record.rows.get(c.partition("/")[0], 0) if "/" in c else record.samples for c in copied}
        if record.name not in bad:
            with h5py.File(folder / SHARDS / record.name, "r") as shard:
                for column, values in copied.items():
                    in_view = values[at[column] : at[column] + rows[column]]
                    in_shard = dataset(shard, column)[()]
                    if not np.array_equal(in_view, in_shard, equal_nan=in_view.dtype.kind == "f"):
                        return f"{column} is not that of {record.name}"
        for column, n in rows.items():
            at[column] += n
    return None
