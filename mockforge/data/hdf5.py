"""Typed access to what an HDF5 file holds, checksums, and what HDF5's errors mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mockforge.errors import MockforgeError

if TYPE_CHECKING:
    import h5py

LIBVER = ("v110", "v110")
"""Of every file that is written: HDF5 1.10's format, whose metadata has checksums of its own, and no
newer one, so that the bytes do not depend on the library's version more than they must."""

BLOCK = 1 << 18
"""Bytes in a chunk of small values, about."""

_LARGEST = (1 << 32) - 1
"""Bytes a chunk may have in HDF5."""


class Unreadable(MockforgeError):
    """An HDF5 file that cannot be read, or not be trusted; the message is the reason alone."""


def checked(shape: tuple[int, ...], itemsize: int, *, rows: int | None = None) -> dict[str, Any]:
    """Options of `create_dataset` for values with a checksum (Fletcher 32) that HDF5 itself checks.

    A chunk holds `rows` rows, by default as many as make about BLOCK bytes; of rows that no
    chunk can hold, the leading axes are divided. Without values there is nothing to check.
    """
    if 0 in shape or not shape or not itemsize:
        return {}
    row = itemsize * int(np.prod(shape[1:], dtype=np.int64))
    chunk = [min(shape[0], rows or max(1, BLOCK // row)), *shape[1:]]
    for axis in range(1, len(chunk)):
        if itemsize * int(np.prod(chunk, dtype=np.int64)) > _LARGEST:
            chunk[axis] = 1
    return {"chunks": tuple(chunk), "fletcher32": True}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Any error of HDF5 on `path` as Unreadable, in words; a damaged file can raise nearly anything."""
    try:
        yield
    except MockforgeError:
        raise
    except Exception as error:
        raise Unreadable(reason(error, path)) from error


def reason(error: Exception, path: Path) -> str:
    """Return what an error of h5py says about a file, in words."""
    message = str(error).lower()
    if isinstance(error, OSError) and not path.exists():
        return "missing"
    if "fletcher32" in message or "checksum" in message or "data error detected" in message:
        return "its contents do not match their checksum"
    if "signature not found" in message or "bad superblock" in message:
        return "it is not an HDF5 file, or its start is damaged"
    if "truncated file" in message or "eof" in message:
        return "it ends too early"
    if isinstance(error, OSError) and error.errno and error.strerror and "hdf5" not in message:
        return error.strerror
    if isinstance(error, KeyError) or "doesn't exist" in message:
        return "something that should be in it is not there"
    return "HDF5 cannot make sense of it"


def dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """Return the dataset `name` of a file or group; KeyError where there is none."""
    import h5py

    item = group[name]
    if not isinstance(item, h5py.Dataset):
        raise KeyError(f"{name} is not a dataset")
    return item


def subgroup(file: h5py.Group, name: str) -> h5py.Group:
    """Return the group `name` of a file; KeyError where there is none."""
    import h5py

    item = file[name]
    if not isinstance(item, h5py.Group):
        raise KeyError(f"{name} is not a group")
    return item


def names(group: h5py.Group) -> tuple[list[str], list[str]]:
    """Names of the datasets and of the groups in a file or group."""
    import h5py

    members = list(group.keys())
    groups = [name for name in members if isinstance(group[name], h5py.Group)]
    return [name for name in members if name not in groups], groups


def attributes(file: h5py.Group) -> dict[str, Any]:
    """Root attributes as plain Python: str, numbers, tuples of either."""
    return {name: _plain(value) for name, value in file.attrs.items()}


def text(values: np.ndarray) -> np.ndarray:
    """Fixed-length UTF-8 bytes as str; other values as they are."""
    return np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    return value.item() if isinstance(value, np.generic) else value
