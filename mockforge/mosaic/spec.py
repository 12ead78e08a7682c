"""What a field on disk is to be: its planes, their cards, its place, and what decides its bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mockforge.errors import InputError

DTYPES = {"float32": ">f4", "int32": ">i4", "uint8": "|u1"}
"""Pixel types that are written, and how FITS stores them."""


@dataclass(frozen=True)
class Plane:
    """One quantity in each of its bands: the image, the noiseless sky, a mask."""

    name: str
    """As the windows call it: "image", "truth", "mask"."""
    bands: tuple[str, ...]
    """Names of the FITS extensions, one each; of a cube the first is its name."""
    dtype: str = "float32"
    cards: tuple[Mapping[str, Any], ...] = ()
    """FITS cards of each band: keyword -> value or (value, comment)."""

    def cards_of(self, band: int) -> Mapping[str, Any]:
        """Return the cards of a band; none where none are given."""
        return self.cards[band] if band < len(self.cards) else {}


@dataclass(frozen=True)
class MosaicSpec:
    """A field of `height` x `width` pixels, and all that its headers say."""

    height: int
    width: int
    planes: tuple[Plane, ...]
    wcs: Any = None
    """An astropy WCS of the whole field, or None."""
    header: Mapping[str, Any] = field(default_factory=dict)
    """Cards of the primary header."""
    cube: bool = False
    """One image (band, y, x) a plane instead of one image a band."""
    in_primary: bool = False
    """The file's only image, one plane of one band, is its primary unit (FITS)."""
    identity: str = ""
    """What decides the bytes: an unfinished file of another identity is not continued."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What a reader is told beside the cards (Zarr): bands, unit, zeropoint_ab, pixel_scale_arcsec, PSF."""

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise InputError(f"a field of {self.height} x {self.width} pixels: at least 1 x 1 is expected")
        if self.in_primary and [len(plane.bands) for plane in self.planes] != [1]:
            raise InputError(
                "the primary unit of a FITS file holds one image: one plane of one band is expected"
            )
        for plane in self.planes:
            if plane.dtype not in DTYPES:
                raise InputError(
                    f"plane {plane.name}: {plane.dtype!r} pixels, one of {', '.join(DTYPES)} is expected"
                )

    @property
    def pixels(self) -> int:
        """Pixels of one band."""
        return self.height * self.width

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return self.pixels * sum(len(p.bands) * np.dtype(p.dtype).itemsize for p in self.planes)

    @property
    def window(self) -> int:
        """Side of the windows that are painted: as large as a worker's memory allows."""
        bands = sum(len(p.bands) for p in self.planes)
        return 1024 if bands <= 12 else 512

    def windows(self, side: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield (y0, y1, x0, x1) of every window, row by row."""
        for y0 in range(0, self.height, side):
            for x0 in range(0, self.width, side):
                yield y0, min(y0 + side, self.height), x0, min(x0 + side, self.width)

    def count(self, side: int) -> int:
        """Return the number of windows."""
        return math.ceil(self.height / side) * math.ceil(self.width / side)
