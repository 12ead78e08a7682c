"""Labels of pixels on disk, read window by window: a segmentation in FITS or Zarr, or in a field's file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.extras import need_extra
from mockforge.field.fits.check import in_sentences, open_units

NAMES = (
    "SEGMENTATION",
    "SEGMAP",
    "SEGM",
    "SEG",
    "LABELS",
    "INSTANCES",
    "INSTANCES_VISIBLE",
    "INSTANCES_TRUTH",
)
"""Extensions, or arrays, that hold labels, whatever their case."""
LabelWindow = Callable[[int, int, int, int], np.ndarray]
"""(y0, y1, x0, x1) -> (y, x) int, 0 = sky."""


@contextmanager
def open_labels(path: Path, shape: tuple[int, int]) -> Iterator[LabelWindow]:
    """Give the windows of an image of labels as large as a field; it is never held.

    Parameters
    ----------
    path
        FITS, plain or tile-compressed, or Zarr: the extension or array named as one of `NAMES`, or else
        the first image of integers.
    shape
        (height, width) of the field.

    Raises
    ------
    InputError
        Where it holds no such image, or one of another shape.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; labels are expected, in FITS or Zarr: segmentation.fits")
    if path.is_dir():
        yield _window_of(path, _array(path, shape))
        return
    with in_sentences(path):
        units = open_units(path)
    with units:
        yield _window_of(path, _image(path, units, shape))


@contextmanager
def own_labels(path: Path, shape: tuple[int, int]) -> Iterator[Mapping[str, LabelWindow]]:
    """Give the labels that a field's own file holds beside the image, by their name; {} where it has none."""
    if path.is_dir():
        arrays = _arrays(path)
        yield {
            n: _window_of(path, a)
            for n, a in arrays.items()
            if _is_named(n) and _fits(a.shape, a.dtype, shape)
        }
        return
    with in_sentences(path):
        units = open_units(path)
    with units:
        named = [u for u in units if u.is_image and _is_named(u.name)]
        yield {u.name.lower(): _window_of(path, u) for u in named if _fits(u.shape, _kind(u), shape)}


def _is_named(name: str) -> bool:
    return name.upper() in NAMES


def _fits(found: tuple[int, ...], kind: Any, shape: tuple[int, int]) -> bool:
    """Whether an image is one of labels of a field."""
    flat = tuple(found[-2:]) == shape and all(n == 1 for n in found[:-2])
    return flat and np.dtype(kind).kind in "iu"


def _kind(unit: Any) -> str:
    return "i4" if unit.header["BITPIX"] > 0 else "f4"


def _window_of(path: Path, image: Any) -> LabelWindow:
    """Return what reads windows of an array, or of an extension of FITS, on its last two axes."""
    lead = (0,) * (len(image.shape) - 2)
    pixels = getattr(image, "section", image)

    def window(y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        with in_sentences(path):
            return np.asarray(pixels[(*lead, slice(y0, y1), slice(x0, x1))])

    return window


def _image(path: Path, units: Any, shape: tuple[int, int]) -> Any:
    """Return the extension of labels."""
    images = [u for u in units if u.is_image and len(u.shape) >= 2 and all(n == 1 for n in u.shape[:-2])]
    if not images:
        raise InputError(f"{path}: holds no image (y, x) of labels")
    whole = [u for u in images if u.header["BITPIX"] > 0]
    if not whole:
        raise InputError(
            f"{path}: pixels are not integers but BITPIX = {images[0].header['BITPIX']}; labels are"
        )
    unit = next((u for u in whole if _is_named(u.name)), whole[0])
    _check_shape(path, tuple(unit.shape[-2:]), shape)
    return unit


def _array(path: Path, shape: tuple[int, int]) -> Any:
    """Return the array of labels of a Zarr."""
    arrays = _arrays(path)
    flat = {n: a for n, a in arrays.items() if a.ndim >= 2 and all(k == 1 for k in a.shape[:-2])}
    whole = {n: a for n, a in flat.items() if a.dtype.kind in "iu"}
    if not whole:
        raise InputError(
            f"{path}: holds no array (y, x) of integers, as labels are; it has {', '.join(arrays) or 'none'}"
        )
    name = next((n for n in whole if _is_named(n)), next(iter(whole)))
    _check_shape(path, tuple(whole[name].shape[-2:]), shape)
    return whole[name]


def _check_shape(path: Path, found: tuple[int, ...], shape: tuple[int, int]) -> None:
    if found != shape:
        raise InputError(
            f"{path}: the masks are {found[1]} x {found[0]} pixels (x, y), the field is "
            f"{shape[1]} x {shape[0]}; give the masks of this field"
        )


def _arrays(path: Path) -> dict[str, Any]:
    """Return the arrays of a Zarr by their names."""
    need_extra("zarr", f"{path}: a Zarr", "zarr")
    import zarr

    try:
        opened: Any = zarr.open(path, mode="r")
        return dict(opened.arrays()) if hasattr(opened, "arrays") else {path.stem: opened}
    except Exception as error:  # zarr raises of every kind over what is none
        raise InputError(f"{path}: is a folder and no Zarr; labels in FITS or Zarr are expected") from error
