"""Light lost to neutral hydrogen between a galaxy and us: the mean transmission.

Inoue, Shimizu, Iwata & Tanaka 2014 (MNRAS 442, 1805) with the Lyman-series coefficients of
their Table 2, and Madau 1995 (ApJ 441, 18).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

Igm = Literal["inoue2014", "madau1995", "none"]
"""Which mean transmission."""

LYMAN_LIMIT = 911.75
"""Angstrom, as in Inoue et al. 2014."""

_MADAU_LINES = ((1216.0, 3.6e-3), (1026.0, 1.7e-3), (973.0, 1.2e-3), (950.0, 9.3e-4))
"""Wavelength (Angstrom) and coefficient of Madau 1995, eq. 12 and 15."""


@cache
def lyman_series() -> np.ndarray:
    """Return table 2 of Inoue et al. 2014, (39, 6), from Lyman alpha down.

    Wavelength (Angstrom), three coefficients of the Lyman alpha forest, two of damped systems.
    """
    path = Path(__file__).with_name("data") / "inoue2014.txt"
    table = np.loadtxt(path)[:, 1:]
    table.flags.writeable = False
    return table


def breaks(model: str) -> np.ndarray:
    """Rest wavelengths (Angstrom, falling) at which the transmission of `model` jumps."""
    if model == "none":
        return np.empty(0)
    if model == "madau1995":
        return np.array([*(line for line, _ in _MADAU_LINES), 912.0])
    return np.append(lyman_series()[:, 0], LYMAN_LIMIT)


def transmission(rest: np.ndarray, z: np.ndarray, model: str = "inoue2014") -> np.ndarray:
    """Mean fraction of light that arrives: `rest` wavelengths in Angstrom of a source at `z`.

    Broadcasts `rest` and `z`. `model` is `inoue2014`, `madau1995` or `none` (1 everywhere).
    """
    rest, z = np.broadcast_arrays(np.asarray(rest, dtype=np.float64), np.asarray(z, dtype=np.float64))
    out = np.ones(rest.shape)
    if model == "none":
        return out
    blue = rest < breaks(model)[0]
    depth = _inoue if model == "inoue2014" else _madau
    out[blue] = np.exp(-depth(rest[blue], 1.0 + z[blue]))
    return out


def _inoue(rest: np.ndarray, one_z: np.ndarray) -> np.ndarray:
    """Optical depth, Inoue et al. 2014 eq. 20: forest and damped systems, series and continuum."""
    observed = rest * one_z
    table = lyman_series()
    forest = _series(rest, observed, table[:, 1:4], (2.2, 5.7), (1.2, 3.7, 5.5))
    damped = _series(rest, observed, table[:, 4:6], (3.0,), (2.0, 3.0))
    depth = forest + damped
    bluest = rest < LYMAN_LIMIT
    # Light seen below the limit was absorbed all the way here: the depth of the limit holds there.
    x = np.maximum(observed[bluest] / LYMAN_LIMIT, 1.0)
    depth[bluest] += np.maximum(_continuum_forest(x, one_z[bluest]), 0.0)
    depth[bluest] += np.maximum(_continuum_damped(x, one_z[bluest]), 0.0)
    return depth


def _series(
    rest: np.ndarray,
    seen: np.ndarray,
    coefficient: np.ndarray,
    ends: tuple[float, ...],
    power: tuple[float, ...],
) -> np.ndarray:
    """Sum over lines of A (seen / line)^power, where line < seen and rest < line (eq. 21 and 22).

    The power and A change where seen / line passes `ends`. Lines fall in wavelength, so that each
    power covers a run of them: its sum is a difference of two cumulative sums.
    """
    line = lyman_series()[:, 0]
    last = np.searchsorted(-line, -rest)  # lines redder than the rest wavelength come before
    start = np.searchsorted(-line, -seen, side="right")
    edges = [start, *(np.searchsorted(-line, -seen / end, side="left") for end in ends), last]
    total = np.zeros(rest.shape)
    for i, p in enumerate(power):
        sums = np.concatenate([[0.0], np.cumsum(coefficient[:, i] * line**-p)])
        low, high = np.minimum(edges[i], last), np.minimum(edges[i + 1], last)
        total += np.where(high > low, sums[high] - sums[low], 0.0) * seen**p
    return total


def _continuum_forest(x: np.ndarray, one_z: np.ndarray) -> np.ndarray:
    """Inoue et al. 2014 eq. 25 to 27; `x` is the wavelength seen over the Lyman limit."""
    low = 0.325 * (x**1.2 - one_z**-0.9 * x**2.1)
    near = x < 2.2
    middle = 2.55e-2 * one_z**1.6 * x**2.1 + np.where(
        near, 0.325 * x**1.2 - 0.250 * x**2.1, -2.55e-2 * x**3.7
    )
    far = np.where(x < 5.7, 0.218 * x**2.1 - 2.55e-2 * x**3.7, -5.22e-4 * x**5.5)
    high = 5.22e-4 * one_z**3.4 * x**2.1 + np.where(near, 0.325 * x**1.2 - 3.14e-2 * x**2.1, far)
    return np.where(one_z < 2.2, low, np.where(one_z < 5.7, middle, high))


def _continuum_damped(x: np.ndarray, one_z: np.ndarray) -> np.ndarray:
    """Inoue et al. 2014 eq. 28 and 29."""
    low = 0.211 * one_z**2 - 7.66e-2 * one_z**2.3 * x**-0.3 - 0.135 * x**2
    near = 0.634 - 0.135 * x**2 - 0.291 * x**-0.3
    high = 4.70e-2 * one_z**3 - 1.78e-2 * one_z**3.3 * x**-0.3 + np.where(x < 3.0, near, -2.92e-2 * x**3)
    return np.where(one_z < 3.0, low, high)


def _madau(rest: np.ndarray, one_z: np.ndarray) -> np.ndarray:
    """Optical depth, Madau 1995 eq. 12 and 15 for lines, footnote 3 for the continuum."""
    observed = rest * one_z
    depth = np.zeros(rest.shape)
    for line, strength in _MADAU_LINES:
        depth += np.where((rest < line) & (observed > line), strength * (observed / line) ** 3.46, 0.0)
    x = np.maximum(observed / 912.0, 1.0)
    continuum = (
        0.25 * x**3 * (one_z**0.46 - x**0.46)
        + 9.4 * x**1.5 * (one_z**0.18 - x**0.18)
        - 0.7 * x**3 * (x**-1.32 - one_z**-1.32)
        - 0.023 * (one_z**1.68 - x**1.68)
    )
    return depth + np.where(rest < 912.0, np.maximum(continuum, 0.0), 0.0)
