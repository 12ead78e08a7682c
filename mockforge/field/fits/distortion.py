"""Lookup-table distortions (HST's CPDIS and D2IM) as SIP polynomials, which a header can hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.check import quiet

_HIGHEST_ORDER = 6
CLOSE = 0.05
"""Pixels by which the polynomials may miss the tables."""


def without_tables(wcs: Any, where: str) -> Any:
    """Return the WCS with its lookup tables and SIP as one SIP; as it is where it has no tables.

    Raises InputError where no polynomial up to order 6 comes within 0.05 pixel. Shupe et al. 2005,
    ASP Conf. Ser. 347, 491.
    """
    tables = (wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2)
    if all(t is None for t in tables):
        return wcs
    ny, nx = wcs.array_shape or (1000, 1000)
    grid = np.meshgrid(np.linspace(1, nx, 41), np.linspace(1, ny, 41))
    x, y = (v.ravel() for v in grid)
    with quiet():
        moved = np.stack(wcs.pix2foc(x, y, 1)) - np.stack([x, y])  # pixels of the plain projection
    shift = np.median(moved, axis=1)
    crpix = np.asarray(wcs.wcs.crpix, dtype=float) - shift
    for order in range(2, _HIGHEST_ORDER + 1):
        coefficients, miss = _fit(x - crpix[0], y - crpix[1], moved - shift[:, None], order)
        if miss <= CLOSE:
            return _with_sip(wcs, crpix, coefficients)
    raise InputError(
        f"{where}: the WCS has lookup tables of distortion (CPDIS, D2IM), and polynomials of order"
        f" {_HIGHEST_ORDER} miss them by {miss:.3g} pixel; resample the image to a plain projection first"
        " (e.g. with drizzlepac or reproject)"
    )


def _fit(u: np.ndarray, v: np.ndarray, moved: np.ndarray, order: int) -> tuple[np.ndarray, float]:
    """Coefficients (axis, p, q) of u^p v^q, and by how many pixels they miss at most."""
    powers = [(p, q) for p in range(order + 1) for q in range(order + 1 - p)]
    scale = float(max(np.abs(u).max(), np.abs(v).max(), 1.0))
    terms = np.stack([(u / scale) ** p * (v / scale) ** q for p, q in powers], axis=1)
    coefficients = np.linalg.lstsq(terms, moved.T, rcond=None)[0]
    miss = float(np.abs(terms @ coefficients - moved.T).max())
    out = np.zeros((2, order + 1, order + 1))
    for (p, q), pair in zip(powers, coefficients, strict=True):
        out[:, p, q] = pair / scale ** (p + q)
    return out, miss


def _with_sip(wcs: Any, crpix: np.ndarray, coefficients: np.ndarray) -> Any:
    from astropy.wcs import WCS, Sip

    out = WCS(naxis=2)
    out.wcs = wcs.wcs.deepcopy() if hasattr(wcs.wcs, "deepcopy") else wcs.wcs
    out.cpdis1 = out.cpdis2 = out.det2im1 = out.det2im2 = None
    out.wcs.crpix = crpix
    out.wcs.ctype = [t if t.endswith("-SIP") else f"{t}-SIP" for t in out.wcs.ctype]
    out.sip = Sip(*coefficients, None, None, crpix)
    out.array_shape = wcs.array_shape
    out.wcs.set()
    return out
