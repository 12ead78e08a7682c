"""What a painter multiplies spectra with: the PSF on the grid of a stamp, and on finer grids."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.stamps import SMOOTHING

_SEEN = 1e-3
"""A transfer function below this is taken to be 0: no frequencies are folded for it."""
_ALIASED = 1e-2
"""Most of a source's spectrum that may come in from beyond the frequencies of its samples."""
_SHARPENED = 1.2
"""Most by which light that was smoothed may be sharpened at any frequency after it was modulated."""
_FINEST = 8
_LOOKED_AT = 64
"""Side in pixels of the grid on which is found out how fine grids have to be."""


@dataclass(frozen=True)
class Fineness:
    """How light is sampled before it is taken at pixels' centres."""

    image: int
    """Points a pixel, along a side, of images: several where the PSF passes frequencies above the pixels'."""
    shape: int
    """Points a pixel of modulated profiles, before the PSF; a multiple of `image`."""
    smoothing: float
    """Sigma in pixels of the Gaussian through which profiles are seen that are modulated."""


def fineness(psf: PixelPsf, pixels_per_psf: float, pixels_per_native: float) -> Fineness:
    """Return how finely light is to be sampled, from what the PSF passes of each frequency.

    Profiles are modulated as in training, smoothed by `SMOOTHING` native pixels, whatever the sky's
    pixels; but by 0.35 pixels of the sky at least, and for a PSF that is sharper than this by a half, a
    quarter, ... of it.
    """
    image = 1
    most = psf.samples / pixels_per_psf  # beyond, the PSF says nothing
    while image < most and image < _FINEST:
        beyond = np.abs(transfer(psf, _LOOKED_AT, pixels_per_psf, 2 * image))[:, :, _LOOKED_AT * image // 2 :]
        if beyond.max() < _SEEN:
            break
        image = min(2 * image, math.ceil(most - 1e-6))
    k = np.fft.rfftfreq(_LOOKED_AT * image) * image  # cycles per pixel
    passed = np.abs(transfer(psf, _LOOKED_AT, pixels_per_psf, image))[:, 0].max(axis=0)
    smoothing = SMOOTHING * max(pixels_per_native, 0.5)
    while (passed > _SHARPENED * _gaussian(smoothing, k)).any() and smoothing > SMOOTHING / _FINEST:
        smoothing /= 2
    shape = image
    # of samples `shape` a pixel the frequency k has what was at shape - k as well
    while (
        shape < 4 * image
        and (passed * _gaussian(smoothing, shape - k) > _ALIASED * _gaussian(smoothing, k)).any()
    ):
        shape *= 2
    return Fineness(image, shape, smoothing)


def _gaussian(sigma: float, frequency: np.ndarray) -> np.ndarray:
    return np.exp(-2 * (math.pi * sigma * frequency) ** 2)


def transfer(psf: PixelPsf, side: int, pixels_per_psf: float, fine: int = 1) -> np.ndarray:
    """Return what the PSF with the sky's pixel leaves of the frequencies of a grid `fine` times finer.

    (C, fine S, fine S / 2 + 1) complex64. The PSF's own has the response of the fine grid's pixels: it
    is brought to that of the sky's.
    """
    out = psf.transfer(side * fine, pixels_per_psf * fine)
    if fine == 1:
        return out
    k = (np.fft.fftfreq(side * fine), np.fft.rfftfreq(side * fine))
    y, x = (np.sinc(f * fine) / np.sinc(f) for f in k)
    return (out * np.outer(y, x)).astype(np.complex64)


class Kernels:
    """The PSF's transfer functions by side, kept; tensors to be read only."""

    def __init__(self, psf: PixelPsf, pixels_per_psf: float, pixels_per_native: float) -> None:
        self.psf, self.scale = psf, pixels_per_psf
        self.fine = fineness(psf, pixels_per_psf, pixels_per_native)
        self._kept: dict[tuple[str, int], Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Of what is sent to another process, what is kept stays here."""
        return {**vars(self), "_kept": {}}

    def image(self, side: int) -> Tensor:
        """(C, F S, F S / 2 + 1) for spectra of profiles, F = `fine.image`."""
        return self._get("image", side, lambda: torch.from_numpy(self._transfer(side)))

    def shape(self, side: int) -> Tensor:
        """Return the same, divided by the Gaussian that modulated profiles are smoothed by."""
        return self._get("shape", side, lambda: torch.from_numpy(self._sharpened(side)))

    def _get(self, kind: str, side: int, make: Callable[[], Tensor]) -> Tensor:
        if (kind, side) not in self._kept:
            self._kept[kind, side] = make()
        return self._kept[kind, side]

    def _transfer(self, side: int) -> np.ndarray:
        return transfer(self.psf, side, self.scale, self.fine.image).copy()

    def _sharpened(self, side: int) -> np.ndarray:
        size = side * self.fine.image
        sigma = self.fine.smoothing * self.fine.image
        y, x = (_gaussian(sigma, k) for k in (np.fft.fftfreq(size), np.fft.rfftfreq(size)))
        return (self._transfer(side) / np.maximum(np.outer(y, x), 1e-6)).astype(np.complex64)
