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
"""Steps of a table, linear between them: off by less than 1e-6 where the polynomials are."""
_AT_ONCE = 2**14
"""Frequencies whose intermediate values stay in the processor's cache."""
_COARSE = (2**9, 2**15)
"""Steps, least and most, at which the function itself is called; doubled until half as many would do."""
_ERROR = 1e-6
"""Largest error of the polynomials between, absolute; transfer functions are 1 at the origin."""


@dataclass(frozen=True, eq=False)
class Radial:
    """L functions of |k|, tabulated; 0 beyond `highest`."""

    highest: float
    """Radians per arcsec."""
    values: np.ndarray
    """(steps + 1, L) at equal steps of u."""

    def __call__(self, square: np.ndarray) -> np.ndarray:
        """(..., L) at |k|^2 = `square`, in (radians per arcsec)^2."""
        flat = np.reshape(square, -1)
        out = np.empty((flat.size, self.values.shape[1]))
        for i in range(0, flat.size, _AT_ONCE):
            self._fill(out[i : i + _AT_ONCE], flat[i : i + _AT_ONCE])
        return out.reshape(*np.shape(square), out.shape[1])

    def _fill(self, out: np.ndarray, square: np.ndarray) -> None:
        steps = len(self.values) - 1
        place = np.sqrt(np.sqrt(np.sqrt(square / self.highest**2))) * steps
        first = np.minimum(place, steps - 1).astype(np.intp)
        part = np.minimum(place - first, 1.0)[:, None]
        np.multiply(np.take(self.values, first, axis=0), 1.0 - part, out=out)
        out += np.take(self.values, first + 1, axis=0) * part
        out[place > steps] = 0.0

    def falling(self) -> Radial:
        """Return the largest of the functions' sizes at or beyond each |k|."""
        largest = np.abs(self.values).max(axis=1, keepdims=True)
        return Radial(self.highest, np.maximum.accumulate(largest[::-1])[::-1])

    def mixed(self, matrix: np.ndarray) -> Radial:
        """`matrix` (M, L) times the functions."""
        return Radial(self.highest, np.ascontiguousarray(self.values @ matrix.T))


def tabulated(function: Callable[[np.ndarray], np.ndarray], highest: float) -> Radial:
    """T(|k|) up to `highest`, |k| in radians per arcsec, to 1e-6 of T(0) = 1."""

    def at(u: np.ndarray) -> np.ndarray:
        return np.asarray(function(highest * u**4), dtype=np.float64)

    count, most = _COARSE
    values = at(np.linspace(0.0, 1.0, count + 1))
    while count < most:
        between = at((np.arange(count) + 0.5) / count)
        off = np.abs(_refined(values, 2)[1::2] - between)
        twice = np.empty(2 * count + 1)
        twice[::2], twice[1::2] = values, between
        values, count = twice, 2 * count
        if off[len(off) // 32 :].max() < _ERROR:  # nearer the origin no grid has a frequency
            break
    return Radial(highest, _refined(values, _STEPS // count)[:, None])


def _refined(values: np.ndarray, times: int) -> np.ndarray:
    """Return a function at `times` as many equal steps, by the polynomial through six of its values.

    It is even about the first; at the other end the last six values serve.
    """
    nodes, part = range(-2, 4), np.arange(times) / times
    end = values[-6:]
    for _ in range(2):  # the same polynomial, continued
        end = np.append(end, [6, -15, 20, -15, 6, -1] @ end[:-7:-1])
    around = np.concatenate([values[2:0:-1], values[:-6], end])
    out = np.zeros((len(values) - 1, times))
    for j in nodes:
        weight = np.prod([(part - m) / (j - m) for m in nodes if m != j], axis=0)
        out += np.multiply.outer(around[j + 2 : j + 1 + len(values)], weight)
    return np.append(out, values[-1])


def together(tables: Sequence[Radial]) -> Radial:
    """Several tables as one of as many functions."""
    highest = max(table.highest for table in tables)
    square = (highest * np.linspace(0.0, 1.0, _STEPS + 1) ** 4) ** 2
    return Radial(highest, np.concatenate([table(square) for table in tables], axis=1))
