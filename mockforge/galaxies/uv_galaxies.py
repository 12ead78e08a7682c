"""Galaxies above z = 4 as published: luminosity function, slope and size in the rest-frame ultraviolet.

M_UV is the absolute AB magnitude at 1600 Angstrom, as it is observed (with dust).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

LF_COSMOLOGY = (70.0, 0.3)
"""H0 and Omega_m (flat) of the luminosity function: its densities are per volume of this universe."""

_SLOPES = np.array(
    [
        # z, beta at M_UV = -19.5, d beta / d M_UV
        [3.8, -1.85, -0.11],
        [5.0, -1.91, -0.14],
        [5.9, -2.00, -0.20],
        [7.0, -2.05, -0.20],
        [8.0, -2.13, -0.15],
    ]
)
"""Bouwens et al. 2014, ApJ 793, 115, table 4; constant beyond both ends."""

SLOPE_SCATTER = 0.35
"""Standard deviation of beta at one luminosity (Bouwens et al. 2014, section 4)."""

SIZE_SCATTER = 0.6
"""Standard deviation of ln r_e: 0.45 to 0.75 (Shibuya et al. 2015, ApJS 219, 15, section 4)."""


def luminosity_function(m_uv: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Galaxies per comoving Mpc^3 and magnitude, in the universe of LF_COSMOLOGY.

    Schechter functions whose parameters evolve as in Bouwens et al. 2021, AJ 162, 47 (table 5 and the
    relations of section 4, for z > 2.4); measured at z = 2 to 10.
    """
    away = np.asarray(z, dtype=np.float64) - 6.0
    knee = -21.03 - 0.04 * away
    number = 0.40e-3 * 10 ** (-0.33 * away - 0.024 * away**2)
    alpha = -1.94 - 0.11 * away
    x = 10 ** (-0.4 * (np.asarray(m_uv, dtype=np.float64) - knee))
    return 0.4 * np.log(10.0) * number * x ** (alpha + 1.0) * np.exp(-x)


def uv_slope(m_uv: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Mean beta, f_lambda ~ lambda^beta, of galaxies of M_UV at z (Bouwens et al. 2014)."""
    at, change = (np.interp(z, _SLOPES[:, 0], column) for column in _SLOPES.T[1:])
    return at + change * (np.asarray(m_uv, dtype=np.float64) + 19.5)


def effective_radius(m_uv: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Median r_e in kpc, circularised: 6.9 (1 + z)^-1.20 (L / L(M_UV = -21))^0.27.

    Shibuya, Ouchi & Harikane 2015, ApJS 219, 15, section 4: star-forming galaxies at z = 0 to 8.
    """
    light = 10 ** (-0.4 * (np.asarray(m_uv, dtype=np.float64) + 21.0))
    return 6.9 * (1.0 + np.asarray(z, dtype=np.float64)) ** -1.20 * light**0.27


def spectra_of_slope(slope: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Probability (..., M) of each spectrum, of slope (M,), where beta is normal about its `mean` (..., M).

    A drawn beta goes to the two spectra about it, nearer the likelier, so that its mean is kept;
    beyond the bluest and the reddest, to those.
    """
    order = np.argsort(slope, kind="stable")
    b, middle = slope[order], mean[..., order]

    def twice(at: np.ndarray) -> np.ndarray:
        x = (at - middle) / SLOPE_SCATTER
        return SLOPE_SCATTER * (x * ndtr(x) + np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi))

    # the second integral of the normal density: an integral over a hat is a difference of its slopes
    below, above = np.concatenate([b[:1] - 1.0, b[:-1]]), np.concatenate([b[1:], b[-1:] + 1.0])
    at_node = twice(b)
    rise = (at_node - twice(below)) / np.maximum(b - below, 1e-9)
    fall = (twice(above) - at_node) / np.maximum(above - b, 1e-9)
    rise[..., 0], fall[..., -1] = 0.0, 1.0
    out = np.empty_like(at_node)
    out[..., order] = np.maximum(fall - rise, 0.0)
    return out
