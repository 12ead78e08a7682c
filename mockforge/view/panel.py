"""What a viewer says of a field: its coordinates on a plane, and the lines of its panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mockforge.field.fits.wcs import sky_of_pixels
from mockforge.field.picture import BALANCE
from mockforge.view.config import Tangent


def tangent_of(wcs: Any, height: int, width: int) -> tuple[Tangent | None, float]:
    """Return the plane by which the page turns pixels into RA and Dec, and how far off it is at most.

    Parameters
    ----------
    wcs
        An astropy WCS of the field, or None.
    height, width : int
        Of the field, pixels.

    Returns
    -------
    plane : Tangent or None
        That of the WCS where it is gnomonic without distortion; of any other the plane that touches the
        sky in the middle of the field. None without a WCS on the sky.
    error : float
        The largest angle between both in arcsec, over the field.
    """
    if wcs is None or not getattr(wcs, "has_celestial", False):
        return None, 0.0
    kinds = [str(word) for word in wcs.wcs.ctype]
    if wcs.sip is None and [kind[4:] for kind in kinds] == ["-TAN", "-TAN"] and kinds[0].startswith("RA"):
        cd = wcs.pixel_scale_matrix
        x, y = (float(v) - 1.0 for v in wcs.wcs.crpix)
        plane = Tangent(_pair(wcs.wcs.crval), (x, y), (_pair(cd[0]), _pair(cd[1])))
    else:
        plane = _touching(wcs, (width - 1) / 2, (height - 1) / 2)
    return plane, _worst(wcs, plane, height, width)


def radec(plane: Tangent, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return RA and Dec in degrees of pixels, as the page computes them."""
    step = np.array([x - plane.crpix[0], y - plane.crpix[1]])
    xi, eta = np.radians(np.tensordot(np.array(plane.cd), step, axes=1))
    ra0, dec0 = np.radians(plane.crval)
    down = np.cos(dec0) - eta * np.sin(dec0)
    ra = np.degrees(ra0 + np.arctan2(xi, down)) % 360.0
    return ra, np.degrees(np.arctan2(np.sin(dec0) + eta * np.cos(dec0), np.hypot(xi, down)))


def facts_of(
    header: Mapping[str, Any],
    bands: Sequence[str],
    psf_fwhm_arcsec: Sequence[float] | None,
    pixel_scale_arcsec: float | None,
) -> list[tuple[str, Any]]:
    """Return label and value of what a field's header and instrument say: model, seed, depth, seeing."""
    cards = {key: value[0] if isinstance(value, tuple) else value for key, value in header.items()}
    depths = [cards.get(f"MFDEPTH{i + 1}") for i in range(len(bands))]
    depth = ", ".join(f"{b} {float(d):.2f}" for b, d in zip(bands, depths, strict=True) if d is not None)
    seeing = ", ".join(f"{b} {f:.2f}″" for b, f in zip(bands, psf_fwhm_arcsec or (), strict=False))
    return [
        ("model", cards.get("MFMODEL") or cards.get("MFSCENE")),
        ("seed", cards.get("MFSEED")),
        ("degraded to", cards.get("MFSURVEY")),
        ("bands", ", ".join(bands)),
        ("depth (5σ AB)", depth),
        ("seeing (FWHM)", seeing),
        ("pixel", f"{pixel_scale_arcsec:.4g}″" if pixel_scale_arcsec else "scale not known"),
    ]


def colour_facts(shown: Sequence[str]) -> list[tuple[str, Any]]:
    """Return what the colours are."""
    if len(shown) < 2:
        return []
    return [("colour", " ".join(shown)), ("white", BALANCE.removeprefix("white: "))]


def _touching(wcs: Any, x: float, y: float) -> Tangent:
    """Return the plane that touches the sky at a pixel, its scales from steps of a pixel there."""
    ra, dec = sky_of_pixels(wcs, np.array([x, x + 1, x - 1, x, x]), np.array([y, y, y, y + 1, y - 1]))
    east = ((ra - ra[0] + 180) % 360 - 180) * np.cos(np.radians(dec))
    return Tangent(
        (float(ra[0]), float(dec[0])),
        (x, y),
        (
            (float(east[1] - east[2]) / 2, float(east[3] - east[4]) / 2),
            (float(dec[1] - dec[2]) / 2, float(dec[3] - dec[4]) / 2),
        ),
    )


def _worst(wcs: Any, plane: Tangent, height: int, width: int) -> float:
    x, y = (a.ravel() for a in np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9)))
    true_ra, true_dec = sky_of_pixels(wcs, x, y)
    ra, dec = radec(plane, x, y)
    east = ((true_ra - ra + 180) % 360 - 180) * np.cos(np.radians(dec))
    return float(np.nanmax(3600 * np.hypot(east, true_dec - dec)))


def _pair(values: Any) -> tuple[float, float]:
    return float(values[0]), float(values[1])
