"""A multi-order coverage map (MOC) as a footprint: healpix cells on the sky, read by mocpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.extras import need_extra
from mockforge.field.fits.wcs import sky_of_pixels

_ROWS = 128
"""Rows of a window whose pixels are looked up at once; bounds the memory."""
_GRID = 5
"""Places along a side of a window from which the cap around it is measured."""
_HEALPIX_CELL = 58.6
"""Degrees; the side of a healpix cell of order 0."""


@dataclass(frozen=True)
class MocFootprint:
    """Pixels whose centre lies in a MOC."""

    moc: Any
    wcs: Any

    def any_inside(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Whether a cap around a window meets the MOC: False only where surely no pixel is inside."""
        cap = self._cap(y0, y1, x0, x1)
        return cap is None or not self.moc.intersection(cap).empty()

    def inside(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Whether each pixel centre of a window lies in the MOC, (h, w) bool."""
        from astropy import units as u

        inside = np.zeros((y1 - y0, x1 - x0), dtype=bool)
        cap = self._cap(y0, y1, x0, x1)
        if cap is not None:
            common = self.moc.intersection(cap)
            if common.empty():
                return inside
            if common == cap:
                return ~inside
        for top in range(y0, y1, _ROWS):
            rows = slice(top - y0, min(top + _ROWS, y1) - y0)
            y, x = np.mgrid[top : min(top + _ROWS, y1), x0:x1]
            ra, dec = sky_of_pixels(self.wcs, x.astype(float), y.astype(float))
            known = np.isfinite(ra) & np.isfinite(dec)
            inside[rows][known] = self.moc.contains_lonlat(ra[known] * u.deg, dec[known] * u.deg)
        return inside

    def _cap(self, y0: int, y1: int, x0: int, x1: int) -> Any:
        """Return a MOC of a round cap that holds the window; None where the projection ends in it."""
        from astropy import units as u
        from astropy.coordinates import Latitude, Longitude

        y, x = np.meshgrid(np.linspace(y0, y1 - 1, _GRID), np.linspace(x0, x1 - 1, _GRID), indexing="ij")
        ra, dec = sky_of_pixels(self.wcs, x.ravel(), y.ravel())
        if not (np.isfinite(ra) & np.isfinite(dec)).all():
            return None
        vectors = unit_vectors(ra, dec)
        middle = len(ra) // 2
        chord = np.sqrt(((vectors - vectors[middle]) ** 2).sum(axis=1)).max()
        radius = 2.02 * math.degrees(math.asin(min(1.0, chord / 2))) + 1e-7  # 1% for what curves between
        if radius > 60.0:
            return None
        order = min(29, max(3, math.ceil(math.log2(8 * _HEALPIX_CELL / radius))))
        return type(self.moc).from_cone(
            lon=Longitude(ra[middle] * u.deg),
            lat=Latitude(dec[middle] * u.deg),
            radius=radius * u.deg,
            max_depth=order,
        )


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """(N, 3) of places in degrees."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def read_moc(path: Path, form: str, wcs: Any) -> MocFootprint:
    """Return the MOC of a file; `form` is fits, json or ascii.

    Raises InputError where mocpy is not installed, the file holds no MOC of the sky or an empty one, or the
    field has no WCS.
    """
    import contextlib
    import io

    need_extra("moc", "a MOC as a footprint", "mocpy")
    if wcs is None:
        raise InputError(
            f"{path}: a MOC lies on the sky and the field has no WCS; place the field with --center RA DEC"
        )
    from mocpy import MOC

    try:
        with contextlib.redirect_stderr(io.StringIO()):
            moc: Any = MOC.load(str(path), format=form)
        if not isinstance(moc, MOC):
            raise TypeError(f"a {type(moc).__name__}")
    except Exception as error:  # mocpy passes on whatever its reader says
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{path}: holds no MOC of the sky ({reason}); a MOC (FITS, JSON or ASCII) or a DS9 region file is"
            " expected"
        ) from error
    if moc.empty():
        raise InputError(f"{path}: the MOC is empty; nothing would be painted")
    return MocFootprint(moc, wcs)
