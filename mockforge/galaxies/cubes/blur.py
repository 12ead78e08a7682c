"""Convolution of cubes with a PSF, by its transfer function on a padded grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mockforge.observe.psf.models import PsfModel


@dataclass(frozen=True, eq=False)
class Blur:
    """A PSF's transfer function for images of one shape."""

    transfer: Tensor
    """(padded y, padded x // 2 + 1)."""
    padded: tuple[int, int]

    def __call__(self, images: Tensor) -> Tensor:
        """Return images (..., y, x) through the PSF, of the same shape."""
        y, x = images.shape[-2:]
        there = torch.fft.rfft2(images, s=self.padded)
        transfer = self.transfer.to(images.device, there.dtype)
        return torch.fft.irfft2(there * transfer, s=self.padded)[..., :y, :x]


def blur_of(model: PsfModel, shape: tuple[int, int], scale: float, padding: int) -> Blur:
    """Return the PSF for images of a shape and pixel scale in arcsec.

    `padding` pixels of zeros lie beside them. The images are means over pixels; the PSF is without the
    pixel, which so enters once.
    """
    padded = tuple(fast(n + padding) for n in shape)
    ky = 2 * math.pi * np.fft.fftfreq(padded[0])[:, None] / scale
    kx = 2 * math.pi * np.fft.rfftfreq(padded[1])[None, :] / scale
    transfer = np.asarray(model.at(*np.broadcast_arrays(kx, ky)))
    return Blur(torch.as_tensor(transfer.astype(np.complex128)), (padded[0], padded[1]))


@lru_cache(maxsize=64)
def fast(n: int) -> int:
    """Return the next size that Fourier transforms are fast at: even, factors 2, 3 and 5."""
    while True:
        rest = n
        for p in (2, 3, 5):
            while rest % p == 0:
                rest //= p
        if rest == 1 and n % 2 == 0:
            return n
        n += 1
