"""dataset.h5: one file to open, a view over all shards."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mockforge.data.hdf5 import LIBVER, Unreadable, attributes, dataset, names, reading, subgroup
from mockforge.data.manifest import SHARDS, VIEW
from mockforge.data.shards import OWN, ShardRecord, write_attributes, write_column
from mockforge.errors import MockforgeError
from mockforge.files import replace_file

if TYPE_CHECKING:
    import h5py

_ROOT = ""
"""In place of a table's name: the datasets with a row a sample."""

_COPIED = ("sample", "split")
"""Datasets of the root that are copied; the others are arrays, which are virtual."""


@dataclass
class _Item:
    """A dataset that every shard has: an array, or a column of a table."""

    dtype: np.dtype
    shape: tuple[int, ...]
    """Of one sample or row."""
    unit: str
    stored: h5py.h5t.TypeID
    """The first shard's type, as HDF5 keeps it, and as it is in memory."""
    memory: h5py.h5t.TypeID
    values: np.ndarray | None = None
    """Those of all shards, where they are copied."""


@dataclass
class _Joined:
    """What the shards hold together: table, or the root -> column -> item, in the first shard's order."""

    groups: dict[str, dict[str, _Item]] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


def write_view(folder: str | Path, records: Sequence[ShardRecord]) -> None:
    """Write `dataset.h5` over the shards `records` names, in their order.

    Arrays are virtual datasets whose sources are named relative to the file, so the folder can
    be moved. `sample`, `split` and the tables are small and are copied: they are whole even
    when a shard is missing. Where HDF5 finds no shard, the arrays read as NaN, or as a number that
    no label is: never as a sky of zeros. Root attributes are those of the first shard. Values
    have checksums. Equal shards give equal bytes.

    Raises MockforgeError where the shards do not fit together.
    """
    import h5py

    folder = Path(folder)
    joined = _join(folder, records)
    # Made in memory and written by Python: HDF5 ends the process where the disk is full.
    image = io.BytesIO()
    with h5py.File(image, "w", libver=LIBVER, rdcc_nbytes=0) as file:
        write_attributes(file, joined.attributes)
        for name, item in sorted(joined.groups[_ROOT].items()):
            if item.values is None:
                _write_virtual(file, name, item, records)
        for table, columns in joined.groups.items():
            group = file.create_group(table, track_order=True) if table else file
            for name, item in columns.items():
                if item.values is not None:
                    write_column(group, name, item.values, item.unit)
                    item.values = None  # let go of, since it is in the file now
    replace_file(folder / VIEW, image.getbuffer())


def _join(folder: Path, records: Sequence[ShardRecord]) -> _Joined:
    """Open every shard once: check that it fits the first, and read what is copied."""
    joined, at = _Joined(), dict[str, int]()
    for i, record in enumerate(records):
        path = folder / SHARDS / record.name
        with _opened(path) as shard:
            if i == 0:
                joined = _of_first(shard, records)
                at = dict.fromkeys(joined.groups, 0)
            for table, columns in joined.groups.items():
                end = at[table] + _rows(record, table)
                _add(shard, table, columns, path, slice(at[table], end))
                at[table] = end
            here, first = _members(shard.id), {*joined.groups[_ROOT], *joined.groups} - {_ROOT}
            if here != first:
                raise MockforgeError(
                    f"{path}: holds {sorted(here)}, the first shard holds {sorted(first)}; "
                    "build the dataset again"
                )
    return joined


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open a shard for reading; MockforgeError, naming it, for whatever goes wrong with it."""
    import h5py

    try:
        with reading(path), h5py.File(path, "r", rdcc_nbytes=0) as file:
            yield file
    except Unreadable as error:
        raise MockforgeError(f"{path}: unreadable ({error}); build the dataset again") from error


def _rows(record: ShardRecord, table: str) -> int:
    """Return how many rows of a table a shard has; of the root, samples."""
    return record.samples if table == _ROOT else record.rows.get(table, 0)


def _of_first(shard: h5py.File, records: Sequence[ShardRecord]) -> _Joined:
    """Return what the first shard holds, with room for the values of all."""
    import h5py

    arrays, tables = names(shard)
    joined = _Joined(attributes={k: v for k, v in attributes(shard).items() if k not in OWN})
    for table in (_ROOT, *tables):
        group = subgroup(shard, table) if table else shard
        rows = sum(_rows(record, table) for record in records)
        joined.groups[table] = columns = {}
        for name in names(group)[0] if table else arrays:
            item = dataset(group, name)
            dtype, shape = item.dtype, item.shape[1:]
            copied = table or name in _COPIED
            columns[name] = _Item(
                *(dtype, shape, str(item.attrs.get("unit", ""))),
                *(item.id.get_type(), h5py.h5t.py_create(dtype)),
                np.empty((rows, *shape), dtype) if copied else None,
            )
    return joined


def _add(shard: h5py.File, table: str, columns: dict[str, _Item], path: Path, rows: slice) -> None:
    """Check the datasets of one group of a shard, and read those that are copied to their rows.

    By h5py's lower half: tables have a hundred columns, and a Dataset costs more than their values.
    """
    import h5py

    group = h5py.h5g.open(shard.id, table.encode()) if table else shard.id
    if table and (here := _members(group)) != set(columns):
        raise MockforgeError(
            f"{path}: table {table!r} has columns {sorted(here)}, the first shard {list(columns)}; "
            "build the dataset again"
        )
    for name, item in columns.items():
        stored = h5py.h5d.open(group, name.encode())
        place, (count, *shape) = f"{table}/{name}".lstrip("/"), stored.shape
        if tuple(shape) != item.shape:
            raise MockforgeError(
                f"{path}: {place} has samples of shape {tuple(shape)}, "
                f"the first shard {item.shape}; build the dataset again"
            )
        if count != rows.stop - rows.start:
            raise MockforgeError(
                f"{path}: {place} has {count} rows, and should have {rows.stop - rows.start}; "
                "build the dataset again"
            )
        if not stored.get_type().equal(item.stored):
            _widen(item, stored.dtype)
        if item.values is not None and count:
            stored.read(h5py.h5s.ALL, h5py.h5s.ALL, item.values[rows], item.memory)


def _widen(item: _Item, dtype: np.dtype) -> None:
    """Let an item hold values of another type too, such as a longer text."""
    import h5py

    if (dtype := np.promote_types(item.dtype, dtype)) != item.dtype:
        item.dtype, item.memory = dtype, h5py.h5t.py_create(dtype)
        item.values = None if item.values is None else item.values.astype(dtype)


def _members(group: h5py.h5g.GroupID) -> set[str]:
    return {name.decode() for name in group}


def _write_virtual(file: h5py.File, name: str, item: _Item, records: Sequence[ShardRecord]) -> None:
    import h5py

    dtype, shape = item.dtype, item.shape
    full_shape = (sum(r.samples for r in records), *shape)
    # By h5py's lower half: its VirtualLayout keeps the time of writing, and equal datasets
    # should be equal files.
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.VIRTUAL)
    creation.set_obj_track_times(False)
    if (fill := _absent(dtype)) is not None:
        creation.set_fill_value(fill)
    at = 0
    for record in records:
        piece = (record.samples, *shape)
        place = h5py.h5s.create_simple(full_shape)
        place.select_hyperslab((at, *(0 for _ in shape)), piece)
        source = f"{SHARDS}/{record.name}".encode()
        creation.set_virtual(place, source, name.encode(), h5py.h5s.create_simple(piece))
        at += record.samples
    kind = h5py.h5t.py_create(dtype, logical=True)
    h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple(full_shape), dcpl=creation)
    if item.unit:
        file[name].attrs["unit"] = item.unit


def _absent(dtype: np.dtype) -> np.ndarray | None:
    """Return what HDF5 gives in place of a shard it does not find; None where the type has no such value."""
    if dtype.kind == "f":
        return np.array(np.nan, dtype)
    if dtype.kind in "iu":
        return np.array(np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max, dtype)
    return None
