"""Masks and noise maps that lie in files of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.bands import split_name
from mockforge.field.fits.check import Hdu, cards_of, opened, walk
from mockforge.field.fits.masks import Mask, read_mask


def read_map(name: str, shape: Sequence[int]) -> np.ndarray:
    """Return the only image of a file (or of `name.fits[EXT]`), float64 (y, x) of that shape."""
    path, unit = _only_image(name, shape)
    with opened(path) as hdus:
        values = np.array(hdus[unit.index].data)
    if values.dtype.kind not in "fiub":
        raise InputError(f"{name} holds {values.dtype} values, real numbers are expected")
    return values.reshape(tuple(shape)).astype(np.float64)


def read_mask_file(name: str, shape: Sequence[int], asked: Sequence[str | int] | None) -> Mask:
    """Return the mask in a file of its own; errors as `read_mask`."""
    path, unit = _only_image(name, shape)
    with opened(path) as hdus:
        values = np.array(hdus[unit.index].data).reshape(tuple(shape))
        return read_mask(values, cards_of(hdus, unit.index), "MASK", f"{name}[{unit.index}]", asked)


def _only_image(name: str, shape: Sequence[int]) -> tuple[Path, Hdu]:
    path, own = split_name(name)
    units = [u for u in walk(path) if u.shape]
    if own:
        units = [u for u in units if own[0] in (u.index, u.name, f"{u.name},{u.version}")]
    fitting = [u for u in units if _plain(u) == tuple(shape)]
    if len(fitting) == 1:
        return path, fitting[0]
    hdus = ", ".join(str(u) for u in units) or "no image"
    expected = f"one image of {shape[1]} x {shape[0]} pixels (x, y)"
    raise InputError(f"{name}: {expected} is expected, as for the bands, and the file holds {hdus}; name the"
                     f" extension, as {path.name}[1]")  # fmt: skip


def _plain(unit: Hdu) -> tuple[int, ...]:
    return tuple(n for i, n in enumerate(unit.shape) if n > 1 or i >= len(unit.shape) - 2)
