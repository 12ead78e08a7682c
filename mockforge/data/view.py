"""dataset.h5: one file to open, a view over all shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mockforge.data.hdf5 import LIBVER, Unreadable, attributes, checked, dataset, names, reading, subgroup
from mockforge.data.manifest import SHARDS, VIEW
from mockforge.data.shards import OWN, ShardRecord, write_attributes
from mockforge.errors import MockforgeError
from mockforge.files import replace_file

if TYPE_CHECKING:
    import h5py


@dataclass
class _Layout:
    """What the shards hold: array -> (dtype, shape of a sample); table -> column -> the same."""

    arrays: dict[str, tuple[np.dtype, tuple[int, ...]]] = field(default_factory=dict)
    tables: dict[str, dict[str, tuple[np.dtype, tuple[int, ...]]]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
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
    layout = _survey(folder, records)
    # Made in memory and written by Python: HDF5 ends the process where the disk is full.
    with h5py.File(VIEW, "w", driver="core", backing_store=False, libver=LIBVER) as file:
        write_attributes(file, layout.attributes)
        for name in sorted(layout.arrays):
            if name not in ("sample", "split"):
                _write_virtual(file, name, layout, records)
        _copy_tables(file, folder, layout, records)
        file.flush()
        image = file.id.get_file_image()
    replace_file(folder / VIEW, image)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open a shard for reading; MockforgeError, naming it, for whatever goes wrong with it."""
    import h5py

    try:
        with reading(path), h5py.File(path, "r") as file:
            yield file
    except Unreadable as error:
        raise MockforgeError(f"{path}: unreadable ({error}); build the dataset again") from error


def _survey(folder: Path, records: Sequence[ShardRecord]) -> _Layout:
    """Open every shard once and find what they hold together."""
    layout = _Layout()
    for i, record in enumerate(records):
        path = folder / SHARDS / record.name
        with _opened(path) as file:
            if i == 0:
                layout.attributes = {k: v for k, v in attributes(file).items() if k not in OWN}
            arrays, groups = names(file)
            if i and (set(arrays) != set(layout.arrays) or set(groups) != set(layout.tables)):
                raise MockforgeError(
                    f"{path}: holds {sorted([*arrays, *groups])}, the first shard holds "
                    f"{sorted([*layout.arrays, *layout.tables])}; build the dataset again"
                )
            for name in arrays:
                _merge(layout.arrays, name, dataset(file, name), path, layout.units)
            for name in groups:
                group = subgroup(file, name)
                table = layout.tables.setdefault(name, {})
                if i and set(group) != set(table):
                    raise MockforgeError(
                        f"{path}: table {name!r} has columns {list(group)}, "
                        f"the first shard {list(table)}; build the dataset again"
                    )
                for column in table if i else group.keys():
                    _merge(table, column, dataset(group, column), path, layout.units, f"{name}/")
    return layout


def _merge(
    known: dict[str, tuple[np.dtype, tuple[int, ...]]],
    name: str,
    item: h5py.Dataset,
    path: Path,
    units: dict[str, str],
    prefix: str = "",
) -> None:
    dtype, shape = known.get(name, (item.dtype, item.shape[1:]))
    if item.shape[1:] != shape:
        raise MockforgeError(
            f"{path}: {prefix}{name} has samples of shape {item.shape[1:]}, "
            f"the first shard {shape}; build the dataset again"
        )
    known[name] = (np.promote_types(dtype, item.dtype), shape)
    if "unit" in item.attrs:
        units[prefix + name] = str(item.attrs["unit"])


def _write_virtual(file: h5py.File, name: str, layout: _Layout, records: Sequence[ShardRecord]) -> None:
    import h5py

    dtype, shape = layout.arrays[name]
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
    if name in layout.units:
        file[name].attrs["unit"] = layout.units[name]


def _absent(dtype: np.dtype) -> np.ndarray | None:
    """Return what HDF5 gives in place of a shard it does not find; None where the type has no such value."""
    if dtype.kind == "f":
        return np.array(np.nan, dtype)
    if dtype.kind in "iu":
        return np.array(np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max, dtype)
    return None


def _copy_tables(file: h5py.File, folder: Path, layout: _Layout, records: Sequence[ShardRecord]) -> None:
    """Copy the small columns shard by shard, so that memory holds one shard's at a time."""
    total = sum(r.samples for r in records)
    for name in ("sample", "split"):
        dtype = layout.arrays[name][0]
        file.create_dataset(name, shape=(total,), dtype=dtype, **checked((total,), dtype.itemsize))
    for table, columns in layout.tables.items():
        rows = sum(r.rows.get(table, 0) for r in records)
        group = file.create_group(table, track_order=True)
        for column, (dtype, shape) in columns.items():
            options = checked((rows, *shape), dtype.itemsize)
            item = group.create_dataset(column, shape=(rows, *shape), dtype=dtype, **options)
            if (unit := layout.units.get(f"{table}/{column}")) is not None:
                item.attrs["unit"] = unit
    at = dict.fromkeys(("", *layout.tables), 0)
    for record in records:
        with _opened(folder / SHARDS / record.name) as shard:
            for name in ("sample", "split"):
                dataset(file, name)[at[""] : at[""] + record.samples] = dataset(shard, name)[()]
            at[""] += record.samples
            for table, columns in layout.tables.items():
                n = record.rows.get(table, 0)
                for column in columns if n else ():
                    path = f"{table}/{column}"
                    dataset(file, path)[at[table] : at[table] + n] = dataset(shard, path)[()]
                at[table] += n
