"""Noise that an image already has, and the noise that is missing from it on the way to a survey's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mockforge.field.robust import sigma_about, sigma_mad
from mockforge.observe.measure import noise_autocorrelation

_LAGS = 4
"""Pixels up to which the correlation of an image's own noise is measured."""
_SMALLEST = 48
"""Pixels on a side; smaller images give no reliable correlation."""


@dataclass(frozen=True)
class OwnNoise:
    """The noise of one band of an image."""

    rms: float
    """Of a pixel of empty sky."""
    autocorrelation: np.ndarray | None
    """(2M+1, 2M+1), 1 at the centre; None: white."""


@dataclass(frozen=True)
class Missing:
    """Noise to be added to one band."""

    rms: float
    """Of a pixel; 0 where nothing is missing."""
    autocorrelation: np.ndarray | None
    """(2L+1, 2L+1), 1 at the centre; None: white."""
    excess: float
    """By how much the noise in the end exceeds what is wanted: its rms over that, less 1."""


def own_noise(images: np.ndarray, rms: Sequence[float] | np.ndarray | None = None) -> list[OwnNoise]:
    """Return the noise of each band of images (N,C,H,W), measured where there is no source.

    Source-free pixels lie below 4 sigma (of the median absolute deviation), and the means of their
    neighbourhoods below 3.5. `rms` (C,) is taken where it is given.
    """
    return [_own(images[:, c], None if rms is None else float(rms[c])) for c in range(images.shape[1])]


def _own(planes: np.ndarray, rms: float | None) -> OwnNoise:
    from scipy.ndimage import uniform_filter

    correlations, spread = [], []
    for plane in planes.astype(np.float64):
        middle = np.median(plane)
        sky = plane - middle
        sigma = sigma_about(sky, 0.0)
        smooth = uniform_filter(sky, 5)
        calm = sigma_mad(smooth)
        free = (sky < 4 * sigma) & (smooth < 3.5 * calm)  # sources are bright; noise is not to be cut
        values = sky[free] if free.sum() > 100 else sky.ravel()
        spread.append(sigma_mad(values))
        if min(plane.shape) >= _SMALLEST and free.sum() > 0.2 * free.size:
            correlations.append(noise_autocorrelation(np.where(free, sky - values.mean(), 0.0), free, _LAGS))
    correlation = np.mean(correlations, axis=0) if correlations else None
    return OwnNoise(float(np.median(spread)) if rms is None else rms, correlation)


def missing(there: np.ndarray, wanted: np.ndarray, whiten: bool) -> Missing:
    """Return what to add to noise of one autocovariance to have another.

    `there` and `wanted` are autocovariances (2L+1, 2L+1) of any sizes, the variance at their
    centres. `whiten`: the power spectra are to agree, and what is missing at each frequency is
    added; else the variances are, and what is added hangs together as the wanted noise does.
    Noise is never taken away: where there is too much, at a frequency or in all, none is added.
    """
    have, want = _centre(there), _centre(wanted)
    if not whiten:
        shape = None if wanted.shape[0] == 1 else wanted / want
        return Missing(float(np.sqrt(max(want - have, 0.0))), shape, _above(have, want))
    lags = max(there.shape[0], wanted.shape[0]) // 2
    ring = _ringed(wanted, lags) - _ringed(there, lags)
    power = np.fft.rfft2(ring).real.clip(0.0)
    filled = np.fft.irfft2(power, s=ring.shape)
    variance = float(filled[0, 0])
    if variance <= 0:
        return Missing(0.0, None, _above(have, want))
    index = np.arange(-lags, lags + 1)
    shape = filled[np.ix_(index, index)] / variance
    return Missing(float(np.sqrt(variance)), shape, _above(have + variance, want))


def _above(variance: float, wanted: float) -> float:
    return max(0.0, float(np.sqrt(variance / wanted)) - 1.0) if wanted > 0 else 0.0


def _centre(covariance: np.ndarray) -> float:
    return float(covariance[covariance.shape[0] // 2, covariance.shape[1] // 2])


def _ringed(covariance: np.ndarray, lags: int) -> np.ndarray:
    """Return an autocovariance on a periodic grid with room for `lags` on each side."""
    size = 4 * lags + 2
    ring = np.zeros((size, size))
    reach = covariance.shape[0] // 2
    index = np.arange(-reach, reach + 1) % size
    ring[np.ix_(index, index)] = covariance
    return ring
