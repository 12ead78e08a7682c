"""How FITS images are read where their headers do not say it: what the user gives, and what it is held to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mockforge.errors import InputError
from mockforge.field.fits.bands import Plane, band_names, check_shapes, find_planes


@dataclass(frozen=True)
class Reading:
    """What the user says of an image, as `Field.read` and `open_field` take it."""

    bands: Sequence[str] | None = None
    extensions: Sequence[int | str] | int | str | None = None
    zeropoint: float | Sequence[float] | None = None
    pixel_scale_arcsec: float | None = None
    mask_bits: Sequence[str | int] | str | int | None = None
    require_njy: bool = False

    @property
    def bits(self) -> tuple[str | int, ...] | None:
        """The bits of a mask that hide a pixel, as asked; None where the known defects do."""
        if self.mask_bits is None or isinstance(self.mask_bits, (str, int)):
            return None if self.mask_bits is None else (self.mask_bits,)
        return tuple(self.mask_bits)

    def planes(self, files: Sequence[str | Path], held: bool = True) -> tuple[list[Plane], list[str]]:
        """Return where each band's pixels are, and the bands' names.

        `held`: whether they are to be held in memory. InputError as of `Field.read`.
        """
        if not files:
            raise InputError(
                "no FITS file was given; name one file per band (files: [g.fits, r.fits]), or one with all"
                " bands"
            )
        scale = self.pixel_scale_arcsec
        if scale is not None and not 0 < scale < math.inf:
            raise InputError(f"pixel scale: {scale:g}, arcsec per pixel above 0 are expected")
        planes = find_planes(files, self.extensions, self.bands)
        names = band_names(planes, self.bands)
        check_shapes(planes, names, held=held)
        return planes, names

    def zeropoint_of(self, i: int, n: int) -> float | None:
        """Return the zeropoint that is given of band `i` of `n`; None where none is."""
        if self.zeropoint is None:
            return None
        values = [self.zeropoint] if isinstance(self.zeropoint, (int, float)) else list(self.zeropoint)
        if len(values) not in (1, n):
            raise InputError(
                f"zeropoint: {len(values)} values for {n} band(s); give one for all or one per band"
            )
        value = float(values[0] if len(values) == 1 else values[i])
        if not -60.0 < value < 60.0:
            raise InputError(
                f"zeropoint: {value:g}, the AB magnitude of pixel value 1 is expected (1 nJy: 31.4)"
            )
        return value
