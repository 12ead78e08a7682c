"""Correlated noise: what drizzling and resampling do to the noise of neighbouring pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np

from mockforge.config import Limit, Positive, config
from mockforge.errors import InputError


@config
class Drizzle:
    """Many dithered exposures, each pixel shrunk to a drop and laid onto a finer grid."""

    pixfrac: Annotated[float, Limit(gt=0, le=1)] = 1.0
    """Side of the drop over that of a detector pixel."""
    scale: Annotated[float, Limit(gt=0, le=4)] = 1.0
    """Side of an output pixel over that of a detector pixel."""

    def __post_init__(self) -> None:
        if self.pixfrac / self.scale > 8:
            raise ValueError(
                f"a drop of {self.pixfrac / self.scale:g} output pixels; pixfrac / scale should be <= 8"
            )


@config
class Correlation:
    """Exactly one of `drizzle`, `gaussian_fwhm_pixels`, `autocorrelation`."""

    drizzle: Drizzle | None = None
    """The closed form of drizzling with evenly spread dithers."""
    gaussian_fwhm_pixels: Positive | None = None
    """White noise smoothed by a Gaussian of this FWHM, in pixels."""
    autocorrelation: tuple[tuple[float, ...], ...] | None = None
    """Numbers, such as measured on a sky: an odd square with 1 at its centre, the lags around it."""

    def __post_init__(self) -> None:
        one_of(self, ("drizzle", "gaussian_fwhm_pixels", "autocorrelation"))
        rows = self.autocorrelation
        if rows is None:
            return
        n = len(rows)
        if n % 2 == 0 or any(len(row) != n for row in rows) or rows[n // 2][n // 2] != 1.0:
            raise ValueError(
                "autocorrelation should be an odd number of rows of as many numbers, 1 in the middle"
            )
        if any(rows[i][j] != rows[n - 1 - i][n - 1 - j] for i in range(n) for j in range(n)):
            raise ValueError("autocorrelation should be the same at opposite lags")


def one_of(choice: object, names: tuple[str, ...]) -> None:
    """ValueError unless exactly one of the fields `names` is given."""
    given = [name for name in names if getattr(choice, name) is not None]
    if len(given) != 1:
        raise ValueError(f"needs exactly one of {', '.join(names)}; found {', '.join(given) or 'none'}")


def autocorrelation_of(correlation: Correlation) -> np.ndarray:
    """Return the autocorrelation of the noise, (2L+1, 2L+1) float64, 1 at the centre."""
    if correlation.drizzle is not None:
        return drizzle_autocorrelation(correlation.drizzle.pixfrac / correlation.drizzle.scale)
    if correlation.gaussian_fwhm_pixels is not None:
        return gaussian_autocorrelation(correlation.gaussian_fwhm_pixels)
    return np.asarray(correlation.autocorrelation, dtype=np.float64)


def stacked(each: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Autocorrelations of several bands as (C, 2L+1, 2L+1); None where all of them are white."""
    lags = max((len(correlation) // 2 for correlation in each if correlation is not None), default=0)
    if lags == 0:
        return None
    out = np.zeros((len(each), 2 * lags + 1, 2 * lags + 1))
    for band, correlation in zip(out, each, strict=True):
        lag_map = np.ones((1, 1)) if correlation is None else correlation
        reach = len(lag_map) // 2
        band[lags - reach : lags + reach + 1, lags - reach : lags + reach + 1] = lag_map
    return out


def drizzle_autocorrelation(drop: float) -> np.ndarray:
    """Autocorrelation of drizzled noise for square drops of `drop` output pixels.

    An output pixel holds the share a(x) of a drop at distance x, the overlap of two boxes of
    sides 1 and `drop` in each axis; with drops everywhere alike, two pixels k apart covary as
    the integral of a(x) a(x + k). The sum over all lags is R^2 of Fruchter & Hook 2002,
    PASP 114, 144, equations 9 and 10. Returns (2L+1, 2L+1).
    """
    lags = math.ceil(drop)
    k = np.arange(-lags, lags + 1)
    row = _boxes(k, drop) / _boxes(np.zeros(1), drop)
    row[np.abs(row) < 1e-12] = 0.0
    return row[:, None] * row[None, :]


def _boxes(k: np.ndarray, drop: float) -> np.ndarray:
    """Boxes of sides 1, 1, drop, drop convolved, at k: a cubic spline, as differences of |x|^3 / 12.

    A box of side s is the step at -s/2 less that at s/2, and the fourth integral of a pulse is
    |x|^3 / 12 up to a cubic that the differences cancel.
    """
    signs = {0.0: -2.0, 1.0: 1.0, -1.0: 1.0}
    out = np.zeros(len(k))
    for a, wa in signs.items():
        for b, wb in signs.items():
            out += wa * wb * np.abs(k + a + b * drop) ** 3 / 12.0
    return out


def gaussian_autocorrelation(fwhm: float) -> np.ndarray:
    """Autocorrelation of white noise smoothed by a Gaussian of `fwhm` pixels: one wider by sqrt 2."""
    sigma = fwhm / (2.0 * math.sqrt(2.0 * math.log(2.0)))
    lags = max(1, math.ceil(2.0 * sigma * math.sqrt(2.0 * math.log(1e3))))
    k = np.arange(-lags, lags + 1)
    row = np.exp(-(k**2) / (4.0 * sigma**2))
    return row[:, None] * row[None, :]


def checked(autocorrelation: np.ndarray) -> np.ndarray:
    """Return the autocorrelation, where noise can have it: no power spectrum is negative.

    A dip of 2% of the peak is let through, as measured ones have; it is cut off when noise is
    made. Raises InputError for a deeper one.
    """
    padded = np.pad(autocorrelation, 2 * len(autocorrelation))
    power = np.fft.fft2(np.fft.ifftshift(padded)).real
    if power.min() < -0.02 * power.max():
        raise InputError(
            "correlation: no noise has this autocorrelation, its power spectrum falls to "
            f"{power.min() / power.max():.2g} of its peak; give every lag at which it is not 0"
        )
    return autocorrelation
