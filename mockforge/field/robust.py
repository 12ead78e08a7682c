"""Robust scatter: the standard deviation of a Gaussian from the median absolute deviation."""

from __future__ import annotations

import numpy as np

SIGMA_PER_MAD = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation, 1 / Phi^-1(3/4)."""


def sigma_mad(values: np.ndarray, axis: int | tuple[int, ...] | None = None) -> np.ndarray:
    """Scatter of values about their median, little moved by a minority of outliers.

    Parameters
    ----------
    values : ndarray
        Numbers of any unit, none of them NaN.
    axis : int or tuple of int, optional
        The axes over which to measure; all of them by default.

    Returns
    -------
    ndarray
        1.4826 times the median absolute deviation from the median, in the unit of `values`; the
        standard deviation, where they are Gaussian.
    """
    return sigma_about(values, np.median(values, axis=axis, keepdims=axis is not None), axis)


def sigma_about(
    values: np.ndarray, level: float | np.ndarray, axis: int | tuple[int, ...] | None = None
) -> np.ndarray:
    """Scatter of values about a known level, such as 0 for noise after the sky is taken off.

    Parameters
    ----------
    values : ndarray
        Numbers of any unit, none of them NaN.
    level : float or ndarray
        What they scatter about, broadcast against `values`.
    axis : int or tuple of int, optional
        The axes over which to measure; all of them by default.
    """
    return SIGMA_PER_MAD * np.median(np.abs(values - level), axis=axis)
