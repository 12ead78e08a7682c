"""A field as a Zarr v3 group: an array a plane, (band, y, x), whose shards are the windows."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.extras import need_extra
from mockforge.field.fits.wcs import written
from mockforge.mosaic.spec import MosaicSpec

FORMAT = 1
"""Version of what the attribute `mockforge` says."""
_CHUNK = 256
Window = tuple[int, int, int, int]


def create(path: Path, spec: MosaicSpec, side: int) -> None:
    """Make the group and its arrays, all of them empty."""
    need_extra("zarr", f"{path}: a Zarr field", "zarr")
    import zarr

    shutil.rmtree(path, ignore_errors=True)
    group: Any = zarr.create_group(path, zarr_format=3, attributes=_attributes(spec))
    chunk = min(_CHUNK, side)
    for plane in spec.planes:
        whole = plane.dtype != "float32"
        group.create_array(
            plane.name,
            shape=(len(plane.bands), spec.height, spec.width),
            chunks=(1, chunk, chunk),
            shards=(len(plane.bands), side, side),
            dtype=plane.dtype,
            fill_value=0 if whole else np.nan,
            dimension_names=("band", "y", "x"),
        )


def write_window(path: Path, window: Window, pixels: dict[str, np.ndarray]) -> None:
    """Write the shard of a window in each array."""
    import zarr

    y0, y1, x0, x1 = window
    group: Any = zarr.open_group(path, mode="r+", use_consolidated=False)
    for name, values in pixels.items():
        group[name][:, y0:y1, x0:x1] = values


def finish(path: Path, spec: MosaicSpec, side: int) -> None:
    """Say among the attributes which windows are there, so that one that is lost is not taken for sky."""
    import zarr

    group: Any = zarr.open_group(path, mode="r+", use_consolidated=False)
    shape = (-(-spec.height // side), -(-spec.width // side))
    there = {plane.name: _packed(_windows_there(path / plane.name, shape)) for plane in spec.planes}
    group.attrs["windows"] = {"side": side, "there": there}


def check_whole(path: Path, group: Any, facts: Mapping[str, Any]) -> None:
    """InputError where windows that were written are no longer there: Zarr reads them as NaN or 0."""
    windows = facts.get("windows") or {"side": 0, "there": {}}
    side = windows["side"]
    for name, packed in windows["there"].items():
        if name not in group or (group[name].shards or ())[-2:] != (side, side):
            continue  # made anew by another program
        height, width = group[name].shape[-2:]
        shape = (-(-height // side), -(-width // side))
        lost = _unpacked(packed, shape) & ~_windows_there(path / name, shape)
        if lost.any():
            y, x = (int(n) * side for n in np.argwhere(lost)[0])
            raise InputError(
                f"{path}: {np.count_nonzero(lost)} of {lost.size} windows of the array `{name}` were written "
                f"and are no longer there, the first at rows {y} to {min(y + side, height)}, columns {x} to "
                f"{min(x + side, width)}: files below {path / name} were deleted, or not copied; copy them "
                "again, or write the field again with `mockforge generate -o field.zarr`"
            )


def _windows_there(array: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return which windows (row, column) of an array have a file."""
    there = np.zeros(shape, dtype=bool)
    for row in range(shape[0]):
        with suppress(FileNotFoundError):
            columns = [int(n) for n in os.listdir(array / "c" / "0" / str(row)) if n.isdecimal()]
            there[row, [column for column in columns if column < shape[1]]] = True
    return there


def _packed(there: np.ndarray) -> str:
    """Return a bit a window, row by row, as text."""
    return base64.b64encode(np.packbits(there).tobytes()).decode("ascii")


def _unpacked(text: str, shape: tuple[int, int]) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(base64.b64decode(text), dtype=np.uint8), count=shape[0] * shape[1])
    return bits.reshape(shape).astype(bool)


def _attributes(spec: MosaicSpec) -> dict[str, Any]:
    header = {} if spec.wcs is None else {c.keyword: c.value for c in written(spec.wcs).cards if c.keyword}
    cards = {key: _plain(value) for key, value in spec.header.items()}
    shape = [spec.height, spec.width]
    return {"mockforge": FORMAT, **dict(spec.facts), "shape": shape, "wcs": header, "header": cards}


def _plain(value: Any) -> Any:
    value = value[0] if isinstance(value, tuple) else value
    return value.item() if isinstance(value, np.generic) else value


def opened(path: Path) -> tuple[Any, dict[str, Any]]:
    """Return the group and its attributes; InputError where it is not one that `create` made."""
    need_extra("zarr", f"{path}: a Zarr field", "zarr")
    import zarr

    try:
        group: Any = zarr.open_group(path, mode="r")
        facts, image = dict(group.attrs), group["image"]
    except Exception as error:  # zarr raises of every kind over what is no group of its own
        raise InputError(
            f"{path}: is no field that mockforge wrote as Zarr (a group with an array `image`); write one "
            "with `mockforge generate -o field.zarr`"
        ) from error
    if facts.get("mockforge") != FORMAT:
        raise InputError(
            f"{path}: `mockforge` is {facts.get('mockforge')!r} among its attributes, {FORMAT} is expected: "
            "it is of another version; write it again with `mockforge generate -o field.zarr`"
        )
    bands = facts.get("bands", ())
    if image.ndim != 3 or image.shape[0] != len(bands):
        raise InputError(
            f"{path}: the array `image` has shape {tuple(image.shape)}, (band, y, x) of {len(bands)} bands "
            f"({', '.join(bands)}) is expected; write it again with `mockforge generate -o field.zarr`"
        )
    wanted = tuple(facts.get("shape", ()))
    for name, array in group.arrays():
        if array.shape[-2:] != wanted:
            found, shape = (" x ".join(map(str, sides)) for sides in (array.shape[-2:], wanted))
            raise InputError(
                f"{path}: the array `{name}` has {found} pixels, {shape or 'a known number'} are expected "
                "(`shape` among the attributes): one of both was changed; write it again with `mockforge "
                "generate -o field.zarr`"
            )
    return group, facts
