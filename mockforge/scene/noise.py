"""Noise of a parametric sky: every random number belongs to a pixel."""

from __future__ import annotations

import numpy as np

from mockforge.observe.noise.spec import PixelNoise
from mockforge.rng import Stream
from mockforge.scene.clustering import CELL
from mockforge.sky.plane import NoisePlane


class NoiseOfPlaces:
    """Adds noise to windows: Gaussian of the variance of sky and sources, correlated where the noise is.

    Parameters
    ----------
    noise
        Its rms, correlation and electrons.
    stream
        The sky's.
    bands
        How many.
    block
        Side of the squares that it is drawn in, pixels.
    """

    def __init__(self, noise: PixelNoise, stream: Stream, bands: int, block: int = CELL) -> None:
        self.noise = noise
        self._white = NoisePlane(stream.child("noise"), bands, block)
        self._photons = NoisePlane(stream.child("photons"), bands, block)

    def observed(self, truth: np.ndarray, y0: int, x0: int) -> np.ndarray:
        """Return a noiseless window (C, h, w) nJy, whose first pixel is (y0, x0), with noise, float32."""
        tied, variance = self.noise.autocorrelation, (self.noise.rms**2)[:, None, None]
        noise = _correlated(self._white, tied, y0, x0, truth.shape[1:])
        if self.noise.electrons is None:
            return truth + (noise * np.sqrt(variance)).astype(np.float32)
        photons = np.maximum(truth, 0.0) / self.noise.electrons[:, None, None]
        if tied is None:
            return truth + (noise * np.sqrt(variance + photons)).astype(np.float32)
        shot = _correlated(self._photons, None, y0, x0, truth.shape[1:])
        return truth + (noise * np.sqrt(variance) + shot * np.sqrt(photons)).astype(np.float32)


def _correlated(
    plane: NoisePlane, autocorrelation: np.ndarray | None, y0: int, x0: int, shape: tuple[int, ...]
) -> np.ndarray:
    """Noise of variance 1 at a place, (C, h, w): white, or white times the root of its power spectrum.

    `autocorrelation` (n, n) of all bands, or (C, n, n).
    """
    h, w = shape
    if autocorrelation is None:
        return plane.window(y0, y0 + h, x0, x0 + w)
    from scipy.ndimage import convolve

    own = np.broadcast_to(autocorrelation, (plane.channels, *autocorrelation.shape[-2:]))
    kernels = [root_kernel(lag_map).astype(np.float32) for lag_map in own]
    r = max(len(kernel) for kernel in kernels) // 2
    white = plane.window(y0 - r, y0 + h + r, x0 - r, x0 + w + r)
    pairs = zip(white, kernels, strict=True)
    return np.stack([convolve(band, kernel, mode="constant")[r : r + h, r : r + w] for band, kernel in pairs])


def root_kernel(autocorrelation: np.ndarray) -> np.ndarray:
    """Return the symmetric kernel, squares summing to 1, that gives white noise this autocorrelation.

    The transform of the root of the power spectrum, cut where it has fallen to 1e-3 of its peak.
    """
    lags, size = len(autocorrelation) // 2, 64 + 8 * len(autocorrelation)
    ring = np.zeros((size, size))
    k = np.arange(-lags, lags + 1) % size
    ring[np.ix_(k, k)] = autocorrelation
    kernel = np.fft.fftshift(np.fft.ifft2(np.sqrt(np.fft.fft2(ring).real.clip(0.0))).real)
    middle = size // 2
    large = np.argwhere(np.abs(kernel) > 1e-3 * kernel.max()) - middle
    r = int(np.abs(large).max())
    kernel = kernel[middle - r : middle + r + 1, middle - r : middle + r + 1]
    return kernel / np.sqrt((kernel**2).sum())
