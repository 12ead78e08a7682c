"""Writing planes of pixels as one FITS file of equal bytes, whole or not at all."""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge._version import __version__
from mockforge.errors import InputError
from mockforge.field.fits.check import quiet
from mockforge.field.fits.wcs import written
from mockforge.files import appearing, from_home

NOT_FITS = (
    ".png", ".jpg", ".jpeg", ".pdf", ".tif", ".tiff", ".npy", ".npz", ".h5", ".hdf5", ".asdf", ".csv",
    ".ecsv", ".yaml", ".json", ".reg", ".zip", ".bz2", ".fz",
)  # fmt: skip
"""Ends of names that promise something other than FITS."""


@dataclass(frozen=True)
class ImagePlane:
    """One image extension of a file to be written."""

    name: str
    pixels: np.ndarray
    """(y, x), written as float32."""
    cards: Mapping[str, Any]
    """Keyword -> value or (value, comment)."""


def write_planes(
    path: str | Path,
    planes: Iterable[ImagePlane],
    wcs: Any,
    mask: np.ndarray | None,
    header: Mapping[str, Any],
) -> Path:
    """Write a multi-extension FITS: the planes, each with the WCS, and MASK where there is one.

    `header` holds the first unit's cards. See `mockforge.Field.write`, also for the errors.
    """
    from astropy.io import fits

    path = from_home(path)
    if path.suffix.lower() in NOT_FITS:
        raise InputError(f"{path}: a FITS file is written; give it a name that ends in .fits")
    wcs_cards = None if wcs is None else written(wcs)
    primary = fits.PrimaryHDU()
    primary.header["CREATOR"] = (f"mockforge {__version__}", "program that wrote this file")
    for key, value in header.items():
        set_card(primary.header, key, value)
    units: Any = fits.HDUList([primary])
    with quiet(), fits.conf.set_temp("extension_name_case_sensitive", True):
        units.extend(_unit(plane, wcs_cards) for plane in planes)
        if mask is not None:
            units.append(fits.ImageHDU(mask.astype(np.uint8), name="MASK"))
            units[-1].header["COMMENT"] = "1 = pixel must not be used"
        for unit in units:
            unit.add_checksum(when="checksum")  # a date here would change the bytes
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with appearing(path) as part, part.open("wb") as stream:
                if path.suffix.lower() == ".gz":
                    packed = io.BytesIO()
                    units.writeto(packed)
                    stream.write(gzip.compress(packed.getbuffer(), mtime=0))
                else:
                    units.writeto(stream)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    return path


def _unit(plane: ImagePlane, wcs_cards: Any) -> Any:
    """One image extension: the WCS, then the plane's own cards."""
    from astropy.io import fits

    header = fits.Header() if wcs_cards is None else wcs_cards.copy()
    for key, value in plane.cards.items():
        header[key] = value
    unit = fits.ImageHDU(np.ascontiguousarray(plane.pixels, dtype=np.float32), header=header)
    unit.name = plane.name
    return unit


def set_card(header: Any, key: str, value: Any) -> None:
    """Put one card into a header; values no FITS header can hold become text."""
    value, comment = value if isinstance(value, tuple) else (value, None)
    short = len(key) <= 8 and key.replace("_", "").replace("-", "").isalnum()
    key = key.upper() if short else f"HIERARCH {key}"
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, str)) and not (isinstance(value, float) and math.isfinite(value)):
        value = str(value)
    if isinstance(value, str):
        value = " ".join(value.encode("ascii", "replace").decode().split())
    header[key] = value
    if comment is not None and len(header.cards[key].image.rstrip()) + len(comment) + 3 <= 80:
        header.comments[key] = comment  # a longer one would be cut in the middle of a word
