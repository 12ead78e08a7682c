"""The unit of every pixel and every flux, the nanojansky (nJy): from magnitudes, and in electrons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

ZEROPOINT_NJY = 31.4
"""AB magnitude of 1 nJy: m = 31.4 - 2.5 lg(f_nu / nJy) (Oke & Gunn 1983, ApJ 266, 713)."""


def flux_njy(magnitude: float) -> float:
    """Return the flux of an AB magnitude in nJy."""
    return 10.0 ** (-0.4 * (magnitude - ZEROPOINT_NJY))


def electrons_per_njy(zeropoint_e: ArrayLike, exposure_s: ArrayLike) -> np.ndarray:
    """Return the electrons counted per nJy in `exposure_s`; `zeropoint_e` is the AB magnitude of 1 e/s."""
    return 10.0 ** (-0.4 * (ZEROPOINT_NJY - np.asarray(zeropoint_e))) * np.asarray(exposure_s)
