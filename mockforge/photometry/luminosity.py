"""From luminosity per Angstrom to nJy."""

from __future__ import annotations

import numpy as np

from mockforge.photometry.projection import Projection

SUN_ERG_S = 3.826e33
"""The solar luminosity of Bruzual & Charlot 2003, erg/s."""
_CM_PER_MPC = 3.0856775814913673e24
_LIGHT_ANGSTROM_S = 2.99792458e18
_NJY = 1e32
"""nJy in one erg / s / cm^2 / Hz."""

TEN_PC_MPC = 1e-5


def njy_per_luminosity(distance_mpc: np.ndarray | float) -> np.ndarray:
    """nJy of one solar luminosity per Angstrom times Angstrom^2 at a luminosity distance."""
    area = 4.0 * np.pi * (np.asarray(distance_mpc, dtype=np.float64) * _CM_PER_MPC) ** 2
    return SUN_ERG_S / area / _LIGHT_ANGSTROM_S * _NJY


def absolute_njy(wave: np.ndarray, luminosity: np.ndarray, band: str) -> np.ndarray:
    """Mean f_nu (M,) in nJy through a rest-frame band at 10 pc of spectra (M, W).

    InputError where the spectrum does not cover the band.
    """
    (weights,) = Projection(wave, (band,), "none").at(np.zeros(1))
    return weights.of(luminosity)[:, 0] * njy_per_luminosity(TEN_PC_MPC)
