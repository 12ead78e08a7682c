"""Convolution of cubes with a PSF, by its transfer function on a padded grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.observe.fourier import fast_size
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
    padded = tuple(fast_size(n + padding) for n in shape)
    ky = 2 * math.pi * np.fft.fftfreq(padded[0])[:, None] / scale
    kx = 2 * math.pi * np.fft.rfftfreq(padded[1])[None, :] / scale
    transfer = np.asarray(model.at(*np.broadcast_arrays(kx, ky)))
    return Blur(torch.as_tensor(transfer.astype(np.complex128)), (padded[0], padded[1]))
