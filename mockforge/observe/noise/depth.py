"""From a survey's limiting magnitude to the noise of a pixel, in closed form.

A flux is measured as a weighted sum of pixels. For white noise its error is
    sigma_flux = sigma_pixel sqrt(A) / s,
with s the side of a pixel and A the effective area of the weights: 1 over the integral of the
squared profile for PSF-weighted photometry (King 1983, PASP 95, 163; 4 pi sigma^2 for a
Gaussian), the area of the circle for an aperture. Noise that is correlated multiplies the
variance by the sum over lags of its autocorrelation times that of the weights.
Lengths in arcsec, fluxes in nJy. A PSF's FWHM is that of the image, pixel included, unless a
function is told of a pixel to add.
"""

from __future__ import annotations

import math

import numpy as np

from mockforge.units import flux_njy


def effective_area(fwhm: float, beta: float | None = None, pixel: float = 0.0) -> float:
    """1 / integral of P^2 over the sky, arcsec^2: of a Gaussian, or of a Moffat of index `beta`.

    For a Gaussian 4 pi sigma^2 = 2.266 FWHM^2, the n_eff of Ivezic et al. 2019, ApJ 873, 111.
    With `pixel`, P is the Gaussian averaged over square pixels of that side: in each axis
    1 / integral = pixel / (erf(a) - (1 - exp(-a^2)) / (a sqrt(pi))), a = pixel / (2 sigma).
    """
    if beta is not None:
        alpha = _moffat_alpha(fwhm, beta)
        return math.pi * alpha**2 * (2.0 * beta - 1.0) / (beta - 1.0) ** 2
    if pixel == 0.0:
        return math.pi * fwhm**2 / (2.0 * math.log(2.0))
    if fwhm < 1e-3 * pixel:
        return pixel**2
    a = math.sqrt(2.0 * math.log(2.0)) * pixel / fwhm
    if a < 1e-3:
        return effective_area(fwhm)
    return (pixel / (math.erf(a) - (1.0 - math.exp(-(a**2))) / (a * math.sqrt(math.pi)))) ** 2


def with_pixel(fwhm: float, pixel: float, sign: int = 1) -> float:
    """FWHM of a PSF after a square pixel (`sign` 1) or before it (-1): variances add, side^2 / 12."""
    square = fwhm**2 + sign * 8.0 * math.log(2.0) / 12.0 * pixel**2
    return math.sqrt(max(square, 0.01 * fwhm**2))


def _moffat_alpha(fwhm: float, beta: float) -> float:
    return 0.5 * fwhm / math.sqrt(2.0 ** (1.0 / beta) - 1.0)


def encircled(radius: float, fwhm: float, beta: float | None = None) -> float:
    """Share of a point source's flux within `radius`, for a Gaussian or a Moffat PSF."""
    if beta is None:
        return 1.0 - 2.0 ** (-((2.0 * radius / fwhm) ** 2))
    alpha = _moffat_alpha(fwhm, beta)
    return 1.0 - (1.0 + (radius / alpha) ** 2) ** (1.0 - beta)


def rms_of_psf_depth(
    magnitude: float,
    pixel_scale: float,
    fwhm: float,
    *,
    sigma: float = 5.0,
    beta: float | None = None,
    pixel: float = 0.0,
    autocorrelation: np.ndarray | None = None,
) -> float:
    """Rms of a pixel, nJy, where a point source of `magnitude` has `sigma` by PSF photometry.

    The weights are the PSF's, which is optimal for faint sources in white noise.
    `autocorrelation` (2L+1, 2L+1) is that of the noise in pixels of this scale, 1 at its centre.
    """
    area = effective_area(fwhm, beta, pixel)
    return rms_of_area_depth(magnitude, pixel_scale, area, sigma=sigma, autocorrelation=autocorrelation)


def rms_of_area_depth(
    magnitude: float,
    pixel_scale: float,
    area: float,
    *,
    sigma: float = 5.0,
    autocorrelation: np.ndarray | None = None,
) -> float:
    """As `rms_of_psf_depth`, for a PSF of the effective area `area` in arcsec^2, pixel included."""
    # A PSF correlated with itself falls off as a Gaussian of 4 sigma^2 = area / pi.
    overlap = None if autocorrelation is None else _gaussian_overlap(autocorrelation, area, pixel_scale)
    error = flux_njy(magnitude) / sigma
    return error * pixel_scale / math.sqrt(area * _excess(autocorrelation, overlap))


def rms_of_aperture_depth(
    magnitude: float,
    pixel_scale: float,
    diameter: float,
    *,
    sigma: float = 5.0,
    autocorrelation: np.ndarray | None = None,
) -> float:
    """Rms of a pixel, nJy, where a flux of `magnitude` in an aperture of `diameter` has `sigma`.

    The magnitude is that of the flux in the aperture: for a limit in total magnitudes of point
    sources multiply the flux by `encircled` first.
    """
    area = math.pi * (0.5 * diameter) ** 2
    error = flux_njy(magnitude) / sigma
    overlap = None if autocorrelation is None else _circle_overlap(autocorrelation, diameter, pixel_scale)
    return error * pixel_scale / math.sqrt(area * _excess(autocorrelation, overlap))


def _lags(autocorrelation: np.ndarray, pixel_scale: float) -> np.ndarray:
    """Length of every lag in arcsec."""
    most = autocorrelation.shape[0] // 2
    y, x = np.mgrid[-most : most + 1, -most : most + 1]
    return pixel_scale * np.hypot(x, y)


def _gaussian_overlap(autocorrelation: np.ndarray, area: float, pixel_scale: float) -> np.ndarray:
    return np.exp(-math.pi * _lags(autocorrelation, pixel_scale) ** 2 / area)


def _circle_overlap(autocorrelation: np.ndarray, diameter: float, pixel_scale: float) -> np.ndarray:
    """Share of a circle's area that it has in common with itself moved by each lag."""
    t = np.clip(_lags(autocorrelation, pixel_scale) / diameter, 0.0, 1.0)
    return 2.0 / math.pi * (np.arccos(t) - t * np.sqrt(1.0 - t**2))


def _excess(autocorrelation: np.ndarray | None, overlap: np.ndarray | None) -> float:
    """Variance of the weighted sum over that in white noise of the same rms."""
    return 1.0 if autocorrelation is None or overlap is None else float((autocorrelation * overlap).sum())
