"""Regions of a file put on the pixels of a field: corners by its WCS, edges straight on the image.

As DS9 draws them: the corners of a polygon are joined by straight lines of pixels (not by great
circles), and circles, boxes and ellipses have the size and the turn that the WCS gives at their centre.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.wcs import pixels_of_sky
from mockforge.mosaic.region_shapes import Ellipse, Polygon, Shape
from mockforge.mosaic.region_text import WrittenRegion

_ARCSEC = math.radians(1 / 3600)


def placed(region: WrittenRegion, wcs: Any) -> Shape | None:
    """Return a region on the pixels of `wcs`; None where it lies on the far side of the sky.

    Raises InputError where the region needs a WCS and `wcs` is None, or where only some corners of a
    polygon can be projected.
    """
    on_sky = region.system != "image" or any(size.on_sky for size in region.sizes)
    if on_sky and wcs is None:
        raise InputError(
            f"{region.where}: the {region.shape} is given on the sky and the field has no WCS; place the"
            " field with --center RA DEC, or give the region in pixels (image)"
        )
    x, y = _pixels(region, wcs)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return None
    if region.shape == "polygon":
        if not known.all():
            raise InputError(
                f"{region.where}: {np.count_nonzero(~known)} of {len(known)} corners lie on the"
                " far side of the sky, where the field's projection has no pixels; cut the polygon"
            )
        return Polygon(x, y)
    centre = (float(x[0]), float(y[0]))
    steps, scale = (np.eye(2), 1.0) if not on_sky else _steps(region, wcs, centre)
    if not np.isfinite(steps).all() or not scale > 0:
        return None
    basis = steps / scale if region.system != "image" else np.eye(2)
    turn = math.radians(region.angle)
    axes = basis @ np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    sizes = np.array([size.value * (scale if size.on_sky else 1.0) for size in region.sizes])
    sizes = np.broadcast_to(sizes, 2)
    if region.shape == "box":
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * sizes / 2 @ axes.T
        return Polygon(centre[0] + corners[:, 0], centre[1] + corners[:, 1])
    return Ellipse(centre, np.linalg.inv(axes * sizes))


def _pixels(region: WrittenRegion, wcs: Any) -> tuple[np.ndarray, np.ndarray]:
    """Places as x, y counted from 0; NaN where the projection has none."""
    first, second = (np.array(v, dtype=float) for v in zip(*region.places, strict=True))
    if region.system == "image":
        return first - 1.0, second - 1.0
    return _on_image(region.system, first, second, wcs)


def _on_image(system: str, lon: np.ndarray, lat: np.ndarray, wcs: Any) -> tuple[np.ndarray, np.ndarray]:
    if system in ("fk4", "galactic"):
        from astropy.coordinates import SkyCoord

        sky: Any = SkyCoord(lon, lat, unit="deg", frame=system).icrs
        lon, lat = np.asarray(sky.ra.deg), np.asarray(sky.dec.deg)
    try:
        return pixels_of_sky(wcs, lon, lat)
    except wcs_no_convergence():  # places so far off that a distortion has no inverse there
        return np.full(len(lon), np.nan), np.full(len(lon), np.nan)


def wcs_no_convergence() -> type[Exception]:
    """Return what astropy raises where a distortion cannot be inverted."""
    from astropy.wcs import NoConvergence

    return NoConvergence


def _steps(region: WrittenRegion, wcs: Any, centre: tuple[float, float]) -> tuple[np.ndarray, float]:
    """(2, 2) pixels (rows x, y) to a degree west and a degree north at a centre, and their mean scale.

    By vectors on the sphere, so that it holds at the pole and across RA 0; north of the region's own system.
    """
    system, place = region.system, region.places[0]
    if system == "image":
        from mockforge.field.fits.wcs import sky_of_pixels

        lon, lat = sky_of_pixels(wcs, *centre)
        system, place = "icrs", (float(lon), float(lat))
    ra, dec = np.radians(place)
    middle = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    west = np.array([np.sin(ra), -np.cos(ra), 0.0])
    north = np.array([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    points = middle + _ARCSEC * np.array([west, -west, north, -north])
    lon = np.degrees(np.arctan2(points[:, 1], points[:, 0])) % 360.0
    lat = np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1])))
    x, y = _on_image(system, lon, lat, wcs)
    steps = np.array([[v[0] - v[1], v[2] - v[3]] for v in (x, y)]) / (2 * math.degrees(_ARCSEC))
    return steps, math.sqrt(abs(float(np.linalg.det(steps))))
