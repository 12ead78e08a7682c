"""The photon noise of a real field's sources, from fluctuations too fine for its PSF to pass."""

from __future__ import annotations

import numpy as np

LEAST_FWHM_PIX = 2.5
"""A sharper PSF passes light at the finest scales, where it cannot be told from noise."""
_BRIGHTEST = 60.0  # rms: beyond, what leaks through the filter is no longer small


def electrons_per_unit(
    image: np.ndarray, masked: np.ndarray, sky: np.ndarray, rms: float, psf_fwhm_pix: float
) -> float:
    """Measure detected electrons per unit of flux; 0 where the field does not show them.

    `image` (y, x) with zero sky of noise `rms`, `masked` (y, x) true where pixels are not to be
    used, `sky` (y, x) true where there is no source. A checkerboard under a Gaussian window
    passes noise at the highest frequencies alone: its mean square grows with the flux under the
    window as rms^2 + flux / gain, whatever the sources' shapes. Zero for a PSF sharper than
    2.5 pixels and where the growth is under three times its error.
    """
    if not psf_fwhm_pix >= LEAST_FWHM_PIX:
        return 0.0
    from scipy.ndimage import convolve1d

    steps = np.arange(-5, 6)
    window = np.exp(-0.5 * (steps / 1.5) ** 2)
    wave = window * (1.0 - 2.0 * (steps % 2))

    def both(array: np.ndarray, line: np.ndarray) -> np.ndarray:
        return convolve1d(convolve1d(array, line, axis=0), line, axis=1)

    used = both(masked.astype(np.float32), np.ones(11)) < 0.5
    fine = both(image.astype(np.float64), wave) ** 2
    flux = both(image.astype(np.float64), window**2) / (window**2).sum() ** 2
    base = float(fine[used & sky].mean())
    chosen = used & (flux > rms) & (flux < _BRIGHTEST * rms)
    if chosen.sum() < 500 or base <= 0:
        return 0.0
    return _gain(fine[chosen] / base - 1.0, flux[chosen] / rms**2)


def _gain(growth: np.ndarray, flux: np.ndarray) -> float:
    """Gain of growth = flux / gain, the mean growth in bins of flux weighted by its own error."""
    edges = np.unique(np.quantile(flux, np.linspace(0.0, 1.0, 21)))
    bin_of = np.clip(np.searchsorted(edges, flux, side="right") - 1, 0, len(edges) - 2)
    n = np.bincount(bin_of).astype(float)
    x, y = np.bincount(bin_of, flux) / n, np.bincount(bin_of, growth) / n
    error = (1.0 + np.maximum(y, 0.0)) * np.sqrt(2.0 * 10.0 / n)  # neighbours within 10 pixels are one
    weight = x / error**2
    slope, sigma = (weight * y).sum() / (weight * x).sum(), 1.0 / np.sqrt((weight * x).sum())
    return float(1.0 / slope) if slope > 3.0 * sigma else 0.0
