"""What a painted sky has of what was requested of it, measured on its pixels and on its list of sources."""

from __future__ import annotations

import math

import numpy as np

from mockforge.field.robust import sigma_mad
from mockforge.units import ZEROPOINT_NJY

FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
SIGMA = 5.0
"""A depth is the magnitude of a point source of so many sigma."""
_FINE = 8
"""Points a pixel at which a star's profile is looked at."""


def point_source_depth(noise: np.ndarray, fwhm_pix: float) -> tuple[float, float]:
    """AB magnitude of a point source at 5 sigma in `noise` (y, x) nJy, and its error.

    At every pixel the flux of a point source by PSF weights, sum(P d) / sum(P^2); their robust scatter is
    the error of a flux, however pixels are correlated. P is a Gaussian of `fwhm_pix`.
    """
    from scipy.ndimage import gaussian_filter

    # Of a Gaussian, sum(P^2) = 1 / (4 pi sigma^2) and weighting by it is filtering with it.
    sigma = fwhm_pix / FWHM
    area = 4.0 * math.pi * sigma**2
    reach = math.ceil(4 * sigma)
    flux = area * gaussian_filter(noise.astype(np.float64), sigma, truncate=4.0)[reach:-reach, reach:-reach]
    scatter = float(sigma_mad(flux))
    # Fluxes are correlated as exp(-r^2 / 4 sigma^2). A scatter from median deviations has the relative
    # variance 1.36 / n of n independent values; 37% of it goes with the sum of the correlation's
    # square, area / 2, and the rest with that of its fourth power, area / 4.
    variance = 1.36 * (0.37 * area / 2 + 0.63 * area / 4) / flux.size
    error = 2.5 / math.log(10.0) * math.sqrt(variance)
    return ZEROPOINT_NJY - 2.5 * math.log10(SIGMA * scatter), error


def star_fwhm(star: np.ndarray) -> float:
    """FWHM in pixels of a star without noise (y, x): of a circle as large as what is above half its peak."""
    from scipy.ndimage import zoom

    y, x = np.unravel_index(int(star.argmax()), star.shape)
    half = min(12, y, x, star.shape[0] - 1 - y, star.shape[1] - 1 - x)
    stamp = star[y - half : y + half + 1, x - half : x + half + 1].astype(np.float64)
    fine = zoom(stamp, _FINE, order=3, grid_mode=True, mode="nearest")
    return float(math.sqrt(4.0 / math.pi * np.count_nonzero(fine > 0.5 * fine.max())) / _FINE)  # type: ignore


def counts_slope(flux: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Slope s of N(>f) ~ f^-s between two fluxes by maximum likelihood, and its error.

    Of a power law between limits the mean of ln f is that of the data (Crawford, Jauncey & Murdoch 1970).
    """
    from scipy.optimize import brentq

    inside = np.log(flux[(flux >= low) & (flux < high)] / low)
    if len(inside) < 20:
        return float("nan"), float("nan")
    reach, mean = math.log(high / low), float(inside.mean())

    def excess(s: float) -> float:
        if abs(s * reach) < 1e-6:
            return reach / 2 - mean
        return 1.0 / s - reach / math.expm1(s * reach) - mean

    slope = float(brentq(excess, -8.0, 8.0))  # type: ignore[arg-type]
    # the variance of ln f between the limits is the information of one source
    step = 1e-3
    information = -(excess(slope + step) - excess(slope - step)) / (2 * step)
    return slope, float(1.0 / math.sqrt(len(inside) * max(information, 1e-12)))


def scale_between(one: np.ndarray, two: np.ndarray, guess: float, within: float) -> float:
    """Pixels of places `two` (m, 2) along a pixel of `one` (n, 2), by a straight line through the matches.

    Of each place the nearest to `guess` times it counts, where it lies within so many pixels.
    """
    apart = np.linalg.norm(guess * one[:, None] - two[None], axis=2)
    match = apart.argmin(axis=1)
    near = apart[np.arange(len(one)), match] <= within
    if np.count_nonzero(near) < 5:
        return float("nan")
    a, b = one[near], two[match[near]]
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return float((a * b).sum() / (a * a).sum())
