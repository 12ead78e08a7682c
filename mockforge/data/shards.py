"""One shard of a dataset: an HDF5 file that is complete, checksummed and readable alone."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mockforge._version import __version__
from mockforge.batch import Batch
from mockforge.data.columns import unit_of
from mockforge.data.hdf5 import LIBVER, Unreadable, checked, reading
from mockforge.errors import InputError, nearest
from mockforge.files import appearing, sync_folder

if TYPE_CHECKING:
    import h5py

DTYPES = (
    *("float16", "float32", "float64", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"),
)
"""What an array can be saved as."""

SMALL = 4096
"""Arrays of fewer bytes per sample (z_in, sky_rms) have many samples in a chunk, others one."""

SHARD_NAME = re.compile(r"[0-9]{5,18}\.h5")
"""File name of a shard: its number."""

OWN = ("shard",)
"""Root attributes that are a shard's own; the joined view has the others."""


@dataclass(frozen=True)
class ShardRecord:
    """What the manifest knows of a shard."""

    name: str
    """File name in the folder `shards`, e.g. `00003.h5`."""
    sha256: str
    bytes: int
    samples: int
    rows: Mapping[str, int] = field(default_factory=dict)
    """Table -> number of its rows."""
    splits: Mapping[str, int] = field(default_factory=dict)
    """Every split of the dataset, in its order -> number of samples in this shard."""

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain values for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ShardRecord:
        """Return the record `to_json` wrote; KeyError, TypeError or ValueError where it is not one."""
        name = str(value["name"])
        if not SHARD_NAME.fullmatch(name):  # a name with a path would lead out of the dataset
            raise ValueError(f"{name!r} is not the name of a shard, such as 00003.h5")
        splits = {str(k): _count(n) for k, n in value.get("splits", {}).items()}
        samples = _count(value["samples"])
        if splits and sum(splits.values()) != samples:
            raise ValueError(f"{name} has {samples} samples, and {sum(splits.values())} in its splits")
        return cls(
            name=name,
            sha256=str(value["sha256"]),
            bytes=_count(value["bytes"]),
            samples=samples,
            rows={str(k): _count(n) for k, n in value["rows"].items()},
            splits=splits,
        )


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is not a count")
    return value


def write_shard(
    path: str | Path, batch: Batch, save: Mapping[str, str], attributes: Mapping[str, Any]
) -> ShardRecord:
    """Write a Batch as one HDF5 file; equal batches give equal bytes.

    `save` maps each array to save to its type on disk, e.g. `{"image": "float32"}`; tables are
    all saved, as `/<table>/<column>`. Root attributes are the batch's, `attributes` and
    `mockforge_version`. Arrays are chunked by sample, so that one sample is one read; floats
    are uncompressed (noise does not compress), integers are shuffled and gzipped. All values
    have checksums that HDF5 checks on reading, as its own metadata has. The file is written
    beside its final name, flushed to disk, hashed and only then renamed.

    Raises InputError for an unknown array or type, and where a type cannot hold the values.
    """
    import h5py

    arrays = {name: _as_saved(name, batch, dtype) for name, dtype in save.items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with appearing(path) as part:
        with h5py.File(part, "w", libver=LIBVER, track_order=False) as file:
            write_attributes(file, {**batch.attributes, **attributes})
            unit = str(batch.attributes.get("unit", "nJy"))
            write_column(file, "sample", np.asarray(batch.sample, dtype=np.int64), "")
            width = max(8, *(len(str(s).encode()) for s in (*batch.splits, *batch.split.tolist())))
            write_column(file, "split", fixed_bytes(batch.split, width), "")
            for name in sorted(arrays):
                _write_array(file, name, arrays[name], unit_of(name, unit))
            for table in sorted(batch.tables):
                group = file.create_group(table, track_order=True)  # keeps the columns' order
                for column in batch.tables[table]:
                    values = storable(f"{table}.{column}", np.asarray(batch.tables[table][column]))
                    write_column(group, column, values, unit_of(column, unit))
        digest = file_sha256(part, sync=True)
        size = part.stat().st_size
    sync_folder(path.parent)
    splits = dict.fromkeys([*batch.splits, *batch.split.tolist()], 0)
    for split in batch.split.tolist():
        splits[split] += 1
    return ShardRecord(
        name=path.name,
        sha256=digest,
        bytes=size,
        samples=len(batch),
        rows={name: _length(batch.tables[name]) for name in sorted(batch.tables)},
        splits=splits,
    )


def write_attributes(file: h5py.File, attributes: Mapping[str, Any]) -> None:
    """Root attributes in one fixed order: numbers, text, lists of either; the rest as JSON."""
    values = {"mockforge_version": __version__, **attributes}
    for name in sorted(values):
        value = values[name]
        if value is None:
            continue
        if isinstance(value, Mapping):
            value = json.dumps(value, sort_keys=True)
        if isinstance(value, (list, tuple, np.ndarray)) and all(isinstance(v, str) for v in value):
            import h5py

            file.attrs.create(name, list(value), dtype=h5py.string_dtype(), shape=(len(value),))
        else:
            file.attrs[name] = value


def write_column(group: h5py.Group, name: str, values: np.ndarray, unit: str) -> None:
    """One column of a table, whole, with checksums, and its unit as an attribute."""
    dataset = group.create_dataset(name, data=values, **checked(values.shape, values.itemsize))
    if unit:
        dataset.attrs["unit"] = unit


def file_sha256(path: str | Path, *, sync: bool = False) -> str:
    """sha256 of a file's bytes, as hexadecimal; `sync` first forces them to the disk."""
    path = Path(path)
    if sync:
        with path.open("r+b") as file:
            os.fsync(file.fileno())
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def made_here(path: Path) -> bool:
    """Whether a file is HDF5 with the root attributes of a shard of mockforge, whole or in part."""
    import h5py

    try:
        if not path.is_file():  # opening a pipe would wait for its writer
            return False
        with reading(path), h5py.File(path, "r") as file:
            return "mockforge_version" in file.attrs and "sample" in file
    except (Unreadable, OSError):
        return False


def file_size_fault(path: Path, size: int) -> str | None:
    """Return what the size of a file shows to be wrong with it, or None."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return "is a folder" if stat.S_ISDIR(status.st_mode) else "is no regular file"
    size_on_disk = status.st_size
    return None if size_on_disk == size else f"has {size_on_disk} bytes, should have {size}"


def fixed_bytes(text: np.ndarray, width: int = 1) -> np.ndarray:
    """Strings as UTF-8 in fixed-length bytes at least `width` long."""
    encoded = np.char.encode(np.asarray(text).astype(str), "utf-8")
    return encoded.astype(f"S{max(width, encoded.dtype.itemsize)}")


def storable(what: str, values: np.ndarray) -> np.ndarray:
    """Values of a column as HDF5 keeps them: strings as fixed-length bytes, the rest as it is."""
    if values.dtype.kind in "US":
        return (
            fixed_bytes(values) if values.dtype.kind == "U" else values.astype(f"S{max(1, values.itemsize)}")
        )
    if values.dtype.kind == "O" and all(isinstance(v, str) for v in values.ravel()):
        return fixed_bytes(values)
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"column {what}: found values of type {values.dtype}; numbers, booleans or text can be saved"
        )
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _write_array(file: h5py.File, name: str, values: np.ndarray, unit: str) -> None:
    large = len(values) > 0 and values[0].nbytes >= SMALL
    options = checked(values.shape, values.itemsize, rows=1 if large else None)
    if large and values.dtype.kind in "biu":
        options.update(compression="gzip", compression_opts=3, shuffle=values.itemsize > 1)
    dataset = file.create_dataset(name, data=values, **options)
    if unit:
        dataset.attrs["unit"] = unit


def _as_saved(name: str, batch: Batch, dtype: str) -> np.ndarray:
    """Return the array as `dtype`, or an InputError where that would change what it says."""
    where = f"save: {{{name}: {dtype}}}"
    if name not in batch.arrays:
        raise InputError(f"{where}: no stage made the array {name!r}{nearest(name, batch.arrays)}")
    if dtype not in DTYPES:
        raise InputError(f"{where}: unknown type {dtype!r}{nearest(dtype, DTYPES)}")
    values = np.asarray(batch.arrays[name])
    if len(values) != len(batch):
        raise InputError(f"{where}: found {len(values)} rows for {len(batch)} samples")
    target = np.dtype(dtype)
    if target == values.dtype:
        return np.ascontiguousarray(values)
    with np.errstate(invalid="ignore", over="ignore"):
        cast = values.astype(target)
    if target.kind == "f":
        changed = np.isinf(cast) & np.isfinite(values)
    else:
        changed = cast.astype(values.dtype) != values
        if values.dtype.kind in "iu":  # a wrapped int32 -> uint32 comes back unchanged
            changed |= (cast < 0) != (values < 0)
    if changed.any():
        value = values[changed].flat[0]
        raise InputError(
            f"{where}: {int(changed.sum())} of {values.size} values do not fit, the first is {value:g} "
            f"({values.dtype}); save it as {_fitting(values)}"
        )
    return cast


def _fitting(values: np.ndarray) -> str:
    if values.dtype.kind != "f":
        return str(values.dtype)
    return "float32" if np.abs(values[np.isfinite(values)]).max(initial=0) < 3e38 else "float64"


def _length(table: Mapping[str, np.ndarray]) -> int:
    return len(next(iter(table.values()))) if table else 0
