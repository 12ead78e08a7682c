"""Functions of the length of a frequency alone, tabulated once and then interpolated.

The transfer function of a round PSF is a function of |k|, costly where it is a Bessel function, and
needed at millions of frequencies. It is known here at equal steps of u = (|k| / highest)^(1/4): dense
near the origin, where PSFs with wings have a cusp, and as dense as they need elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_STEPS = 2**15
"""Steps of a table, linear between them: off by less than 1e-6 where its spline is."""
_COARSE = (2**9, 2**14)
"""Points, least and most, at which the function itself is called; doubled until the spline holds."""
_ERROR = 1e-6
"""Largest error of the spline, absolute; transfer functions are 1 at the origin."""


@dataclass(frozen=True, eq=False)
class Radial:
    """L functions of |k|, tabulated; 0 beyond `highest`."""

    highest: float
    """Radians per arcsec."""
    values: np.ndarray
    """(steps + 1, L) at equal steps of u."""

    def __call__(self, square: np.ndarray) -> np.ndarray:
        """(..., L) at |k|^2 = `square`, in (radians per arcsec)^2."""
        steps = len(self.values) - 1
        place = np.sqrt(np.sqrt(np.sqrt(square / self.highest**2))) * steps
        first = np.minimum(place, steps - 1).astype(np.int32)
        part = np.minimum(place - first, 1.0)[..., None]
        out = self.values[first] * (1.0 - part) + self.values[first + 1] * part
        out[place > steps] = 0.0
        return out

    def falling(self) -> Radial:
        """Return the largest of the functions' sizes at or beyond each |k|."""
        largest = np.abs(self.values).max(axis=1, keepdims=True)
        return Radial(self.highest, np.maximum.accumulate(largest[::-1])[::-1])

    def mixed(self, matrix: np.ndarray) -> Radial:
        """`matrix` (M, L) times the functions."""
        return Radial(self.highest, np.ascontiguousarray(self.values @ matrix.T))


def tabulated(function: Callable[[np.ndarray], np.ndarray], highest: float) -> Radial:
    """T(|k|) up to `highest`, |k| in radians per arcsec, to 1e-6 of T(0) = 1."""
    from scipy.interpolate import CubicSpline

    def at(u: np.ndarray) -> np.ndarray:
        return np.asarray(function(highest * u**4), dtype=np.float64)

    count, most = _COARSE
    while True:
        u = np.linspace(0.0, 1.0, count + 1)
        spline = CubicSpline(u, at(u))
        between = (u[1:] + u[:-1])[len(u) // 32 :] / 2  # nearer the origin no grid has a frequency
        if count >= most or np.abs(spline(between) - at(between)).max() < _ERROR:
            return Radial(highest, spline(np.linspace(0.0, 1.0, _STEPS + 1))[:, None])
        count *= 2


def together(tables: Sequence[Radial]) -> Radial:
    """Several tables as one of as many functions."""
    highest = max(table.highest for table in tables)
    square = (highest * np.linspace(0.0, 1.0, _STEPS + 1) ** 4) ** 2
    return Radial(highest, np.concatenate([table(square) for table in tables], axis=1))
