"""An endless sky on coarser pixels: what its averaged pixels show, painted without painting them all.

At level k a coarse pixel is the mean of 2^k x 2^k pixels, so that surface brightness stays as it is. The
brightest sources are their own stamps, summed; all others are Gaussians as wide as they are, or one pixel's;
the noise is drawn anew with the variance and correlation that averaged pixels have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from mockforge.errors import InputError

PIXEL = 1.0 / 12.0
"""Variance of a pixel's own response, pixels^2."""
_LEAST = 0.3
"""Sigma of the narrowest Gaussian, coarse pixels: narrower ones are sampled no more."""
_HALVES = (2, 4, 8, 16, 32)
"""Pixels from the middle of a Gaussian's stamp to its edge."""
_AT_ONCE = 2**19


class Coarse(Protocol):
    """A sky at one level: its pixels are means of 2^level x 2^level pixels of the sky."""

    @property
    def level(self) -> int:
        """Return k."""
        ...

    def pixels(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return a window in coarse pixels, (band, y, x) float32, observed: nJy per pixel of the SKY.

        Coarse pixel (y, x) is the mean of the pixels [y 2^k : (y + 1) 2^k, x 2^k : (x + 1) 2^k].
        """
        ...

    def truth(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return the same without noise."""
        ...


class Averaged:
    """A coarse sky that paints its pixels and averages them: as exact as slow.

    Parameters
    ----------
    sky
        A `Sky` or a `Scene`.
    level : int
        k.
    """

    def __init__(self, sky: SkyOfPixels, level: int) -> None:
        self.sky, self.level = sky, level

    def pixels(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return a window in coarse pixels."""
        f = 2**self.level
        return averaged(self.sky.pixels(y0 * f, y1 * f, x0 * f, x1 * f)[0], f)

    def truth(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return the same without noise, of a sky that knows it."""
        f = 2**self.level
        truth = self.sky.pixels(y0 * f, y1 * f, x0 * f, x1 * f)[1]
        if truth is None:
            raise InputError("the pixels of this sky are observed: there is no noiseless one")
        return averaged(truth, f)


class SkyOfPixels(Protocol):
    """What has pixels, observed and noiseless: a `Sky` or a `Scene`."""

    def pixels(self, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a window (band, y, x), and the same without noise."""
        ...


def check_level(level: int, coarsest: int) -> None:
    """InputError for a level that a sky does not have."""
    if not 0 <= level <= coarsest:
        raise InputError(f"a coarse sky has levels 0 to {coarsest}, of pixels 2^level larger; found {level}")


def averaged(image: np.ndarray, factor: int) -> np.ndarray:
    """Return the means of factor x factor pixels, (..., y / factor, x / factor)."""
    *first, height, width = image.shape
    return image.reshape(*first, height // factor, factor, width // factor, factor).mean(axis=(-3, -1))


def binned(stamp: np.ndarray, top: int, left: int, factor: int) -> tuple[np.ndarray, int, int]:
    """Return a stamp (C, S, S) at (top, left) summed in coarse pixels, and its first coarse pixel."""
    above, before = top % factor, left % factor
    height, width = (-(-(a + stamp.shape[-1]) // factor) for a in (above, before))
    rows = np.add.reduceat(stamp, _starts(above, height, factor), axis=1)
    return np.add.reduceat(rows, _starts(before, width, factor), axis=2), top // factor, left // factor


def _starts(before: int, count: int, factor: int) -> np.ndarray:
    """First pixel of a stamp in each of `count` coarse pixels, of which the first holds `before` others."""
    return np.maximum(np.arange(count) * factor - before, 0)


def add_stamp(out: np.ndarray, stamp: np.ndarray, top: int, left: int) -> None:
    """Add a stamp (C, h, w) to an image (C, H, W) at (top, left), cut at its edges."""
    a, b = max(top, 0), min(top + stamp.shape[1], out.shape[1])
    c, d = max(left, 0), min(left + stamp.shape[2], out.shape[2])
    if a < b and c < d:
        out[:, a:b, c:d] += stamp[:, a - top : b - top, c - left : d - left]


def add_gaussians(
    out: np.ndarray, y: np.ndarray, x: np.ndarray, flux: np.ndarray, moments: np.ndarray
) -> None:
    """Add sources as Gaussians, each with all of its flux.

    Parameters
    ----------
    out : ndarray
        (C, H, W), added to.
    y, x : ndarray
        (N,) places in its pixels.
    flux : ndarray
        (N, C).
    moments : ndarray
        (N, 3) variances xx, xy, yy in pixels^2, of the source and the PSF without the pixel.
    """
    xx, xy, yy = (moments[:, i] for i in range(3))
    xx, yy = (np.maximum(v + PIXEL, _LEAST**2) for v in (xx, yy))
    reach = 3.0 * np.sqrt(np.maximum(xx, yy)) + 0.5
    number = np.minimum(np.searchsorted(np.array(_HALVES), reach), len(_HALVES) - 1)
    for i, half in enumerate(_HALVES):
        inside = (y > -half - 1) & (y < out.shape[1] + half) & (x > -half - 1) & (x < out.shape[2] + half)
        chosen = np.flatnonzero((number == i) & inside)
        for rows in _parts(chosen, _AT_ONCE // (2 * half + 1) ** 2):
            _add(out, y[rows], x[rows], flux[rows], np.stack([xx[rows], xy[rows], yy[rows]]), half)


def _add(
    out: np.ndarray, y: np.ndarray, x: np.ndarray, flux: np.ndarray, moments: np.ndarray, half: int
) -> None:
    """Add Gaussians on stamps of one side; their sampled light is brought to their flux."""
    top, left = (np.floor(v + 0.5).astype(np.int64) for v in (y, x))
    xx, xy, yy = (v[:, None, None] for v in moments)
    step = np.arange(-half, half + 1)
    v, u = step[None, :, None] - (y - top)[:, None, None], step[None, None, :] - (x - left)[:, None, None]
    det = np.maximum(xx * yy - xy * xy, 1e-6)
    light = np.exp(-0.5 * (yy * u * u - 2 * xy * u * v + xx * v * v) / det)
    light /= light.sum(axis=(1, 2), keepdims=True)
    height, width = out.shape[1] + 2 * half, out.shape[2] + 2 * half  # with a rim that is cut off
    rows, columns = top[:, None, None] + step[None, :, None], left[:, None, None] + step[None, None, :]
    on = (rows >= 0) & (rows < out.shape[1]) & (columns >= 0) & (columns < out.shape[2])
    place = np.where(on, (rows + half) * width + columns + half, 0).ravel()
    for band in range(len(out)):
        weight = (light * flux[:, band, None, None]).ravel()
        total = np.bincount(place, weight, height * width).reshape(height, width)
        out[band] += total[half:-half, half:-half]


def _parts(rows: np.ndarray, most: int) -> Iterator[np.ndarray]:
    return (rows[i : i + most] for i in range(0, len(rows), max(most, 1)))


def averaged_covariance(covariance: np.ndarray, factor: int) -> np.ndarray:
    """Return the autocovariance of noise after averaging, on the grid of the coarse pixels.

    Parameters
    ----------
    covariance : ndarray
        (..., 2L+1, 2L+1) at lags of pixels.
    factor : int
        f: a coarse pixel is the mean of f x f pixels.

    Returns
    -------
    ndarray
        (..., 2M+1, 2M+1): at coarse lag D the sum over d of cov(d) t(d_y - f D_y) t(d_x - f D_x) / f^2, with
        the triangle t(d) = max(0, 1 - |d| / f).
    """
    lags = covariance.shape[-1] // 2
    most = (lags + factor - 1) // factor
    d, coarse = np.arange(-lags, lags + 1), factor * np.arange(-most, most + 1)
    triangle = np.maximum(0.0, 1.0 - np.abs(d[None] - coarse[:, None]) / factor) / factor
    return triangle @ covariance @ triangle.T
