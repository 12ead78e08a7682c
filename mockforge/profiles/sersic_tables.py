"""Functions of a Sersic profile that have no closed form, tabulated once in a process.

Two variables remain once lengths are in units of r_e: the index n and the logarithm of a radius or
a frequency. For each galaxy the table is first brought to its n (four-point Lagrange in log n);
what is left is a function of one variable: cubics of equal slopes where they meet, on intervals a
step of `_STEP` wide, or for transforms straight lines between so many points that the bits of a
float32 say which.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mockforge.profiles.lanes import spared

_N = np.exp(np.linspace(np.log(0.28), np.log(8.5), 72))
"""The indices tabulated."""
_LOW, _STEP, _COUNT = -7.0, 1 / 20, 280
"""ln(R / r_e) or ln(k r_e) from -7 to 7."""


_BITS = 18
"""Low bits of a float32 within an interval of a transform: 32 intervals an octave of (k r_e)^2."""
_LEAST, _MOST = 2.0**-14, 2.0**20
"""Squares (k r_e)^2 tabulated; at the lower end transforms are straight, at the upper they are gone."""


@lru_cache(maxsize=16)
def _table(kind: str, device: str, dtype: torch.dtype) -> Tensor:
    """(n, ...) growth: cubic coefficients of each interval, the constant first; else values."""
    if kind != "growth":
        low, high = (int(np.float32(end).view(np.int32)) for end in (_LEAST, _MOST))
        square = np.arange(low, high + 2 ** (_BITS + 1), 2**_BITS, dtype=np.int32).view(np.float32)
        u = 0.5 * np.log(square.astype(np.float64))
        return torch.from_numpy(_hankel(u, int(kind[-1]))).to(device=device, dtype=dtype)
    y = _growth(_LOW + _STEP * np.arange(-3, _COUNT + 4))
    v = [y[:, i : i + _COUNT + 1] for i in range(7)]  # each and its three neighbours on either side
    slope = (45 * (v[4] - v[2]) - 9 * (v[5] - v[1]) + v[6] - v[0]) / 60  # times the step
    first, last = slope[:, :-1], slope[:, 1:]
    rise = np.diff(v[3], axis=1)
    cubic = np.stack([v[3][:, :-1], first, 3 * rise - 2 * first - last, first + last - 2 * rise], axis=-1)
    return torch.from_numpy(cubic).to(device=device, dtype=dtype)


def rows(kind: str, n: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a table brought to the index of each galaxy.

    `kind` "growth", ln of the flux inside: (galaxy, interval, 4) for `look_up`; "hankel0" or
    "hankel1", transforms: (galaxy, interval) complex, value and step, for `transform`.
    """
    table = _table(kind, str(n.device), dtype)
    step = float(np.log(_N[1] / _N[0]))
    place = (torch.log(spared(n.double()))[: len(n)] - float(np.log(_N[0]))) / step
    first = (place.floor().long() - 1).clamp(0, len(_N) - 4)
    t = (place - first).to(dtype).view(-1, *[1] * (table.dim() - 1))
    out = -(t - 1) * (t - 2) * (t - 3) / 6 * table[first]
    out += t * (t - 2) * (t - 3) / 2 * table[first + 1]
    out -= t * (t - 1) * (t - 3) / 2 * table[first + 2]
    out += t * (t - 1) * (t - 2) / 6 * table[first + 3]
    return out if kind == "growth" else torch.complex(out[:, :-1], out.diff(dim=1) * 2.0**-_BITS)


def transform(table: Tensor, square: Tensor) -> Tensor:
    """Return a transform at (k r_e)^2 = `square` (galaxy, ...), float32, linear between its values.

    The bits of a float32 grow with it, in a straight line within an octave and from one octave to
    the next: high bits are the interval, low ones the place in it.
    """
    bits = square.clamp(_LEAST, _MOST).view(torch.int32)
    first = int(np.float32(_LEAST).view(np.int32)) >> _BITS
    interval = (bits >> _BITS).sub_(first).long()
    part = torch.view_as_real(torch.gather(table, 1, interval.flatten(1)).view(square.shape))
    place = bits.bitwise_and_(2**_BITS - 1).float()
    return torch.addcmul(part[..., 0], place, part[..., 1])


def look_up(table: Tensor, galaxy: Tensor, u: Tensor) -> Tensor:
    """Return the function at ln R or ln k = `u`; `galaxy` is the row of `table` for each, and broadcasts."""
    place = ((u - _LOW) * (1 / _STEP)).clamp_(0, _COUNT - 1e-3)
    interval = place.to(torch.int32)
    t = place - interval
    c = table.flatten(0, 1)[interval + galaxy * _COUNT]
    return ((c[..., 3] * t + c[..., 2]) * t + c[..., 1]) * t + c[..., 0]


def _growth(u: np.ndarray) -> np.ndarray:
    """ln of the flux inside the radius, (radius, n) transposed: (n, radius)."""
    from scipy.special import gammainc, gammaincinv, gammaln

    n = _N[:, None]
    b = gammaincinv(2 * n, 0.5)
    tau = b * np.exp(u / n)
    with np.errstate(divide="ignore"):
        log = np.log(gammainc(2 * n, tau))
    # where it underflows, its series: tau^a exp(-tau) / Gamma(a + 1) (1 + tau / (a + 1) + ...)
    start = 2 * n * np.log(tau) - tau - gammaln(2 * n + 1) + np.log1p(tau / (2 * n + 1))
    return np.where(tau < 1e-4, start, log)


def _hankel(u: np.ndarray, order: int) -> np.ndarray:
    """Return the transform 2 pi integral f(R) J_order(k R) R dR of a profile of flux 1, (n, frequency).

    By Mellin and Parseval: the transforms of exp(-rho^(1/n)) and of the Bessel function are Gamma
    functions (Gradshteyn & Ryzhik 6.561.14), and the integral along Re s = 3/4 converges
    exponentially, so that equal steps give it to rounding.
    """
    from scipy.special import gammaincinv, loggamma

    n = _N[:, None]
    t = np.arange(0, 620) * (2 * np.pi / 48)
    s = 0.75 + 1j * t
    bessel = (s - 1) * np.log(2) + loggamma((order + s) / 2) - loggamma(1 + (order - s) / 2)
    profile = loggamma(n * (2 - s)) - loggamma(2 * n) + s * n * np.log(gammaincinv(2 * n, 0.5))
    kernel = np.exp(bessel + profile)
    kernel[:, 0] *= 0.5
    waves = np.exp(-np.outer(s, u))
    return (kernel @ waves).real * 2 / 48
