"""Pictures of galaxies as the flux of a disk: a learned galaxy, or a real one's stamp, that turns.

Each spaxel has the picture's flux, and the velocities of a disk that is as inclined, and as turned on the
sky, as the picture's second moments say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from mockforge.errors import InputError

_BRIGHT = 0.03
"""Moments are those of pixels above this share of the brightest, so that noise counts little."""


@lru_cache(maxsize=4)
def read_pictures(path: Path) -> np.ndarray:
    """Return stamps (N, y, x) float32 of a `.npy` or a FITS file of two or three axes.

    Raises
    ------
    InputError
        A missing file, one that is no such array, or a stamp without positive light.
    """
    try:
        if path.suffix == ".npy":
            stamps = np.load(path, allow_pickle=False)
        else:
            from astropy.io import fits

            with fits.open(path) as hdus:
                every = [getattr(hdu, "data", None) for hdu in hdus]
                stamps = next(np.array(data) for data in every if data is not None)
    except (OSError, ValueError, StopIteration) as error:
        reason = "there is no such file" if not path.exists() else str(error).splitlines()[0]
        raise InputError(f"pictures {path}: {reason}; a .npy or FITS file of (number, y, x)") from None
    stamps = stamps[None] if stamps.ndim == 2 else stamps
    if stamps.ndim != 3 or stamps.dtype.kind not in "fiu":
        raise InputError(
            f"pictures {path}: found an array of {stamps.shape}; wanted (number, y, x) of numbers"
        )
    stamps = np.nan_to_num(stamps.astype(np.float32)).clip(min=0)
    dark = np.flatnonzero(stamps.sum(axis=(1, 2)) <= 0)
    if len(dark):
        raise InputError(f"pictures {path}: number {dark[0]} has no positive light; leave it out")
    return stamps


@dataclass(frozen=True)
class Seen:
    """A picture on spaxels, and how its disk lies."""

    image: np.ndarray
    """(y, x) of sum 1, or less where it is wider than the spaxels."""
    inclination: float
    position_angle: float
    r_half_arcsec: float
    """Half-light radius along the major axis."""


def on_spaxels(
    stamp: np.ndarray, scale: float, shape: tuple[int, int], spaxel: float, thickness: float
) -> Seen:
    """Return a picture of a pixel scale in arcsec brought to spaxels, its middle in the middle.

    Light is shared by area. cos^2 i = (q^2 - t^2) / (1 - t^2) of the axis ratio q, with t the ratio of an
    edge-on disk (Hubble 1926, ApJ 64, 321).
    """
    total = stamp.sum()
    y, x = (np.arange(n) - (n - 1) / 2 for n in stamp.shape)
    core = np.where(stamp > _BRIGHT * stamp.max(), stamp, 0)
    light = core.sum()
    x0, y0 = (core.sum(axis=0) @ x) / light, (core.sum(axis=1) @ y) / light
    dx, dy = x[None] - x0, y[:, None] - y0
    xx, yy, xy = ((core * m).sum() / light for m in (dx * dx, dy * dy, dx * dy))
    middle, apart = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    q = np.sqrt(max(middle - apart, 1e-6) / (middle + apart))
    angle = 0.5 * np.degrees(np.arctan2(2 * xy, xx - yy))
    t = min(thickness, 0.5)
    cosine = np.sqrt(max(q**2 - t**2, 0) / (1 - t**2))
    rows = _overlap(stamp.shape[0], scale, shape[0], spaxel, y0)
    columns = _overlap(stamp.shape[1], scale, shape[1], spaxel, x0)
    image = rows @ (stamp / total) @ columns.T
    radius = np.hypot(dx, dy) * scale
    order = np.argsort(radius, axis=None)
    half = np.searchsorted(np.cumsum(stamp.ravel()[order]), 0.5 * total)
    r_half = float(radius.ravel()[order][min(half, order.size - 1)]) / np.sqrt(max(q, 0.2))
    return Seen(image.astype(np.float32), float(np.degrees(np.arccos(min(cosine, 1)))), float(angle), r_half)


def _overlap(n: int, scale: float, m: int, spaxel: float, middle: float) -> np.ndarray:
    """Return the share of each of n pixels in each of m spaxels along one axis, (m, n)."""
    low = (np.arange(n) - (n - 1) / 2 - 0.5 - middle) * scale
    edges = (np.arange(m + 1) - m / 2) * spaxel
    inside = np.minimum(low[None] + scale, edges[1:, None]) - np.maximum(low[None], edges[:-1, None])
    return inside.clip(min=0) / scale
