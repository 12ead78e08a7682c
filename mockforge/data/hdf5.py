"""Typed access to what an HDF5 file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import h5py


def dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """The dataset `name` of a file or group; KeyError where there is none."""
    import h5py

    item = group[name]
    if not isinstance(item, h5py.Dataset):
        raise KeyError(f"{name} is not a dataset")
    return item


def subgroup(file: h5py.Group, name: str) -> h5py.Group:
    """The group `name` of a file; KeyError where there is none."""
    import h5py

    item = file[name]
    if not isinstance(item, h5py.Group):
        raise KeyError(f"{name} is not a group")
    return item


def names(group: h5py.Group) -> tuple[list[str], list[str]]:
    """Names of the datasets and of the groups in a file or group."""
    import h5py

    every = list(group.keys())
    groups = [name for name in every if isinstance(group[name], h5py.Group)]
    return [name for name in every if name not in groups], groups


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
