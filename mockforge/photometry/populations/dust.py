"""Dust: Charlot & Fall 2000 (ApJ 539, 718)."""

from __future__ import annotations

import numpy as np

CLOUD_LIFE_YR = 1e7
"""Stars leave the cloud that they were born in at this age."""

_ISM_SHARE = 0.3
"""Part of the optical depth that old stars see (their mu)."""

_SLOPE = -0.7


def attenuation(wave: np.ndarray, a_v: float) -> tuple[np.ndarray, np.ndarray]:
    """Fractions of light (W,) that leave from young and from old stars; `wave` in Angstrom.

    tau = tau_V (wave / 5500)^-0.7 for stars younger than 10 Myr and 0.3 of it for older ones (eq. 1
    to 6), with tau_V = `a_v` / 1.086: the attenuation of the young stars at 5500 Angstrom.
    """
    depth = a_v * (0.4 * np.log(10.0)) * (wave / 5500.0) ** _SLOPE
    return np.exp(-depth), np.exp(-_ISM_SHARE * depth)
