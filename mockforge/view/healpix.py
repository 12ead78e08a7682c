"""Tiles of HEALPix cells (Gorski et al. 2005, ApJ 622, 759), as HiPS lays out their pixels.

A tile of order k is a cell of order k; its pixels are the cells of order k + 9 in it. In the first row, at
the bottom, the even bits of a pixel's nested number are all ones, and zeros in the last one; the odd bits
grow along a row (Fernique et al. 2017, IVOA Recommendation HiPS 1.0).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from mockforge.field.fits.wcs import pixels_of_sky, sky_of_pixels

SIDE = 512
"""Pixels of a tile's side, 2^9."""
DEEPER = 9
CELL_ARCSEC = 3600 * 58.6323
"""Side of a cell of order 0: the root of a twelfth of the sky."""
_STEP = 8
"""Places are computed every so many pixels, and lines between them: off by less than 1e-4 pixels."""
_KINK = 41.8103
"""Degrees of declination at which the projection has a kink: sin = 2/3."""
_SAFE, _POLE = 7, 85.0
"""Tiles of lower orders are so large, and those nearer to a pole so bent, that all places are computed."""


def order_for(scale_arcsec: float) -> int:
    """Return the lowest order, from 3 on, whose pixels are at most 5% coarser than those of a field."""
    wanted = np.log2(CELL_ARCSEC / (1.05 * scale_arcsec)) - DEEPER
    return int(np.clip(np.ceil(wanted), 3, 20))


def pixel_arcsec(order: int) -> float:
    """Return the side of a pixel of the tiles of an order."""
    return CELL_ARCSEC / 2 ** (order + DEEPER)


def tiles_of(wcs: Any, height: int, width: int, order: int) -> list[int]:
    """Return the tiles of an order that a field may touch: those of a net of places, and all about them."""
    from astropy import units as u
    from astropy_healpix import lonlat_to_healpix, neighbours

    found: set[int] = set()
    xs, ys = (_net(side) for side in (width, height))
    for y in ys:  # a row at a time: a net of a large field has a million places
        ra, dec = sky_of_pixels(wcs, xs, np.full(len(xs), y))
        on = np.isfinite(ra) & np.isfinite(dec)
        cells: Any = lonlat_to_healpix(ra[on] * u.deg, dec[on] * u.deg, 2**order, order="nested")
        found.update(np.unique(cells).tolist())
    around = np.asarray(neighbours(np.array(sorted(found)), 2**order, order="nested")).ravel()
    return sorted(found | set(around[around >= 0].tolist()))


def _net(side: int) -> np.ndarray:
    """Return places along a side, no farther apart than a third of a tile, ends included."""
    return np.linspace(-0.5, side - 0.5, max(2, 3 * side // SIDE + 2))


def places_of(wcs: Any, order: int, tile: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x, y on a field, (512, 512) each, of the centres of a tile's pixels; NaN where it has none."""
    nodes = np.arange(0, SIDE + 1, _STEP) / SIDE
    ra, dec = _sky(order, tile, nodes[::-1], nodes)
    bent = order < _SAFE or np.abs(dec).max() > _POLE
    if bent or np.abs(np.abs(dec) - _KINK).min() < 4 * np.ptp(dec) / len(nodes):
        middle = (np.arange(SIDE) + 0.5) / SIDE
        return pixels_of_sky(wcs, *_sky(order, tile, middle[::-1], middle))
    x, y = pixels_of_sky(wcs, ra, dec)
    weights = _weights()
    return weights @ x @ weights.T, weights @ y @ weights.T


def _sky(order: int, tile: int, even: np.ndarray, odd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return RA and Dec, degrees, of a net in a tile: rows along the even bits, columns along the odd."""
    from astropy import units as u
    from astropy_healpix import healpix_to_lonlat

    dx, dy = (v.ravel() for v in np.meshgrid(even, odd, indexing="ij"))
    sky: Any = healpix_to_lonlat(np.full(dx.shape, tile), 2**order, dx=dx, dy=dy, order="nested")
    shape = (len(even), len(odd))
    lon, lat = (angle.to_value(u.deg).reshape(shape) for angle in sky)
    return lon, lat


@cache
def _weights() -> np.ndarray:
    """Return the weights of the nodes for each pixel's centre, (512, nodes): straight lines between two."""
    nodes = SIDE // _STEP
    at = (np.arange(SIDE) + 0.5) / _STEP
    first = np.floor(at).astype(int)
    out = np.zeros((SIDE, nodes + 1))
    out[np.arange(SIDE), first] = 1 - (at - first)
    out[np.arange(SIDE), first + 1] = at - first
    return out


@cache
def quarters() -> tuple[tuple[slice, slice], ...]:
    """Return where the four tiles of the next order lie in a tile: rows and columns."""
    low, high = slice(0, SIDE // 2), slice(SIDE // 2, SIDE)
    return (high, low), (low, low), (high, high), (low, high)


def numbers(side: int) -> np.ndarray:
    """Return the nested number within a tile of each of its (side, side) cells, `side` a power of 2."""
    bits = side.bit_length() - 1
    place = np.arange(side)
    spread = np.zeros(side, dtype=np.int64)
    for k in range(bits):
        spread |= ((place >> k) & 1) << (2 * k)
    return spread[::-1, None] | (spread[None, :] << 1)
