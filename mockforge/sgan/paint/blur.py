"""The blur that makes a sky's seeing worse: Gaussians on pixels, as narrow as requested."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from mockforge.sgan.lattice.instrument import FWHM_PER_SIGMA, full_precision

_REACH = 5.0
"""Sigmas to which a Gaussian is kept."""
_LEAST = 5
"""Pixels to which a narrow one is."""


class Blur:
    """Gaussians on a device, for images (B, bands, y, x)."""

    def __init__(self, kernels: tuple[tuple[float, ...], ...], device: torch.device | str = "cpu") -> None:
        self._rows = torch.tensor(kernels, dtype=torch.float32, device=device)

    def __call__(self, flux: Tensor) -> Tensor:
        """Convolved along both axes; the kernel's radius smaller on each side."""
        bands = len(self._rows)
        with full_precision(flux):
            across = conv2d(flux, self._rows[:, None, None, :], groups=bands)
            return conv2d(across, self._rows[:, None, :, None], groups=bands)


@lru_cache(maxsize=64)
def gaussian_kernels(fwhm_pix: tuple[float, ...]) -> tuple[tuple[float, ...], ...]:
    """Gaussians to convolve pixels with, (bands, 2 radius + 1), each of sum 1; empty where none blurs.

    The image holds pixels already: a Gaussian integrated over pixels would blur by one more, and a
    sampled one is wrong where it is narrower than a pixel. These are Gaussians of the frequency w,
    exp(-sigma^2 w^2 / 2), with w^2 as the series in u = 4 sin^2(w / 2) that finite differences of
    eighth order take, 2 sum of u^m / (m^2 binomial(2m, m)): right to 1e-4 sigma^2 wherever a
    sampled star has power, and short, for they have no edge at the Nyquist frequency.
    """
    widest = max(fwhm_pix) / FWHM_PER_SIGMA
    radius = max(_LEAST, math.ceil(_REACH * widest)) if widest > 0 else 0
    return tuple(_gaussian_kernel(f / FWHM_PER_SIGMA, radius) for f in fwhm_pix) if radius else ()


def _gaussian_kernel(sigma: float, radius: int) -> tuple[float, ...]:
    size = 8 * radius
    u = 4.0 * np.sin(np.pi * np.fft.rfftfreq(size)) ** 2
    square = 2.0 * sum(u**m / (m**2 * math.comb(2 * m, m)) for m in range(1, 5))
    row = np.fft.fftshift(np.fft.irfft(np.exp(-0.5 * sigma**2 * square), size))
    row = row[size // 2 - radius : size // 2 + radius + 1]
    return tuple((row / row.sum()).tolist())
