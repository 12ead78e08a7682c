"""Tails heavier than a Gaussian's: noise whose local rms is log-normal.

Values are x = exp(tau g - tau^2) z with g and z of N(0,1): mean square 1, kurtosis 3 exp(4 tau^2).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

_TAUS = np.linspace(0.0, 0.6, 61)
_SHARE = 0.005
"""Of the values, below which the tail is looked at."""
_LEAST = 0.04
"""A smaller scatter is not told from none."""


def tail_of(values: np.ndarray) -> float:
    """Return tau of values with zero median: from the half percent lowest over their robust scatter.

    0 where they are no heavier than a Gaussian's, by three times the error, or there are under 2,000.
    """
    if len(values) < 2000:
        return 0.0
    scatter = 1.4826 * np.median(np.abs(values))
    if not scatter > 0:
        return 0.0
    depth = -float(np.quantile(values, _SHARE)) / scatter
    error = 3.0 * np.sqrt(_SHARE / len(values)) / 0.0145  # of the quantile: its density there is 0.0145
    ratios, _ = _table()
    if depth < ratios[0] + error:
        return 0.0
    tau = float(np.interp(depth, ratios, _TAUS))
    return tau if tau >= _LEAST else 0.0


def width_of(tau: np.ndarray | float) -> np.ndarray:
    """Return the robust scatter (1.4826 MAD) of such values, whose rms is 1."""
    return np.interp(tau, _TAUS, _table()[1])


@lru_cache(maxsize=1)
def _table() -> tuple[Any, Any]:
    """Of each tau the depth of the half percent over the robust scatter, and that scatter."""
    from scipy.special import ndtr

    g, weight = np.polynomial.hermite_e.hermegauss(40)
    weight = weight / weight.sum()
    x = np.linspace(0.0, 12.0, 6001)
    depths, widths = [], []
    for tau in _TAUS:
        below = ndtr(-x[:, None] / np.exp(tau * g - tau**2)) @ weight  # P(value < -x), falling
        width = 1.4826 * float(np.interp(-0.25, -below, x))
        depths.append(float(np.interp(-_SHARE, -below, x)) / width)
        widths.append(width)
    return np.array(depths), np.array(widths)
