"""How wide a PSF is, and how finely it has to be sampled to be known between its samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_FINE = 8
"""Points a pixel at which the smooth curve through the pixels is looked at for its width."""
SAMPLED = 2.3
"""Pixels across the half maximum of a PSF that tell its light between them."""
_FINE_SAMPLED = 2.7
"""The same of samples that are finer than pixels: sharp PSFs have cusps."""
FINEST = 4
"""Samples along a pixel of a PSF that is sharper than its pixels, at most."""


def fwhm_of(band: np.ndarray) -> float:
    """Return the diameter of a circle as large as the places brighter than half the peak, pixels."""
    side = len(band)
    half = band > 0.5 * band.max()
    reach = (
        int(np.ceil(1.5 * np.sqrt(half.sum()))) + 2
    )  # a core far narrower than its image is looked at alone
    low, high = max(side // 2 - reach, 0), min(side // 2 + reach, side - 1)
    place = np.arange(low, high + 1e-9, 1.0 / _FINE)
    # The band-limited curve through the samples of an odd, periodic row (Dirichlet's kernel).
    apart = place[:, None] - np.arange(side)
    whole = np.abs(np.sin(np.pi * apart / side)) < 1e-9
    weight = np.where(
        whole, 1.0, np.sin(np.pi * apart) / (side * np.where(whole, 1.0, np.sin(np.pi * apart / side)))
    )
    fine = weight @ band.astype(np.float64) @ weight.T
    slope = np.maximum(np.hypot(*np.gradient(fine)), 1e-12 * fine.max())  # type: ignore
    inside = np.clip((fine - 0.5 * fine.max()) / slope + 0.5, 0.0, 1.0)  # of each point, the part above half
    return float(np.sqrt(4.0 / np.pi * inside.sum()) / _FINE)


def samples_wanted(core: Callable[[int], np.ndarray], most: int = FINEST) -> int:
    """Return the least number of samples a pixel that tells a PSF's light between them, up to `most`.

    `core(n)`: its middle (C, P, P) with n samples a pixel.
    """
    for n in range(1, min(most, FINEST)):
        if min(fwhm_of(band) for band in core(n)) >= (SAMPLED if n == 1 else _FINE_SAMPLED):
            return n
    return max(1, min(most, FINEST))
