"""Rotation curves: each a row of `CURVES`, a function of radius with its equation's source.

A curve is a shape s(x) of x = r / r_turn times v_max. What v_max and r_turn mean stands in each row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError, nearest

_TINY = 1e-6
"""Radii over r_turn below this are this: the shapes are even or linear there."""


@dataclass(frozen=True)
class Curve:
    """A rotation curve's shape, and what is to be known of it."""

    shape: Callable[[Tensor], Tensor]
    """s(x) of x = r / r_turn; v = v_max s."""
    v_max: str
    """What the speed is."""
    r_turn: str
    """What the radius is."""
    source: str


def _arctan(x: Tensor) -> Tensor:
    return (2 / math.pi) * torch.atan(x)


def _exponential(x: Tensor) -> Tensor:
    return -torch.expm1(-x)


def _flat(x: Tensor) -> Tensor:
    return torch.ones_like(x)


def _isothermal(x: Tensor) -> Tensor:
    x = x.clamp_min(1e-2)  # below, s = x / sqrt 3 to 1e-5, and the difference of two near ones is rounding
    return torch.sqrt(1 - torch.atan(x) / x)


def _nfw(x: Tensor) -> Tensor:
    peak = 0.21621659550187311  # of m(x) / x, at x = 2.16258
    x = x.clamp_min(1e-3)
    return torch.sqrt((torch.log1p(x) - x / (1 + x)) / x / peak)


def _freeman(x: Tensor) -> Tensor:
    return table_curve(*_freeman_table())(x)


@lru_cache(maxsize=1)
def _freeman_table() -> tuple[np.ndarray, np.ndarray]:
    """v / v_max of a thin exponential disk at x = r / R_d: torch has no derivatives of these functions."""
    from scipy.special import i0e, i1e, k0e, k1e

    x = np.concatenate([[0.0], np.geomspace(1e-3, 200.0, 1500)])
    y = np.maximum(x, 1e-12) / 2
    square = y**2 * (i0e(y) * k0e(y) - i1e(y) * k1e(y))
    return x, np.sqrt(np.where(x > 0, square, 0.0) / square.max())


def _universal(x: Tensor) -> Tensor:
    """V(r) / V(R_opt) of a galaxy of the luminosity L*; the fit itself is 1.024 there."""
    return torch.sqrt(_universal_square(x / 3.2) / _universal_square(torch.ones_like(x)))


def _universal_square(s: Tensor) -> Tensor:
    """Disk and halo of the universal curve at s = r / R_opt, R_opt = 3.2 R_d."""
    disk = 0.72 * 1.97 * s**1.22 / (s**2 + 0.78**2) ** 1.43
    return disk + 1.6 * math.exp(-0.4) * s**2 / (s**2 + 1.5**2)


CURVES = {
    "arctan": Curve(
        _arctan,
        "asymptote",
        "2/pi of it is halfway: v = (2/pi) v_max arctan(r/r_turn)",
        "Courteau 1997, AJ 114, 2402",
    ),
    "tanh": Curve(
        torch.tanh, "asymptote", "v = v_max tanh(r/r_turn)", "Andersen & Bershady 2013, ApJ 768, 41"
    ),
    "exponential": Curve(
        _exponential, "asymptote", "v = v_max (1 - exp(-r/r_turn))", "Feng & Gallo 2011, RAA 11, 1429"
    ),
    "flat": Curve(_flat, "everywhere", "not used", "v = v_max, Mestel 1963, MNRAS 126, 553"),
    "freeman": Curve(
        _freeman,
        "peak, at 2.15 r_turn",
        "scale length of a thin exponential disk of mass",
        "Freeman 1970, ApJ 160, 811, eq. 10: v^2 ~ y^2 (I0 K0 - I1 K1), y = r/(2 R_d)",
    ),
    "isothermal": Curve(
        _isothermal,
        "asymptote",
        "core radius of a pseudo-isothermal halo",
        "Begeman, Broeils & Sanders 1991, MNRAS 249, 523: v^2 = v_max^2 (1 - (r_c/r) arctan(r/r_c))",
    ),
    "nfw": Curve(
        _nfw,
        "peak, at 2.163 r_turn",
        "scale radius of the halo",
        "Navarro, Frenk & White 1996, ApJ 462, 563: v^2 ~ (ln(1+x) - x/(1+x)) / x",
    ),
    "universal": Curve(
        _universal,
        "at R_opt = 3.2 r_turn",
        "scale length of the stellar disk",
        "Persic, Salucci & Stel 1996, MNRAS 281, 27, eqs. 14-15 at L = L*",
    ),
}
"""Name -> rotation curve. `table`, a user's own, is `CurveTable`."""


def speed(name: str, r: Tensor, v_max: Tensor, r_turn: Tensor) -> Tensor:
    """Return the rotation speed in the unit of `v_max` at radii `r`, in the unit of `r_turn`.

    Parameters
    ----------
    name : str
        A key of `CURVES`.
    r, v_max, r_turn : Tensor
        They broadcast; r >= 0.

    Raises
    ------
    InputError
        For an unknown name.
    """
    if name not in CURVES:
        raise InputError(f"unknown rotation curve {name!r}{nearest(name, [*CURVES, 'table'])}")
    return v_max * CURVES[name].shape((r / r_turn).clamp_min(_TINY))


def table_curve(x: np.ndarray, y: np.ndarray) -> Callable[[Tensor], Tensor]:
    """Return a smooth function through (x, y), which rises or falls only where the points do.

    Piecewise cubic Hermite (Fritsch & Carlson 1980, SIAM J. Numer. Anal. 17, 238); the last value beyond
    the last x, and from the first downwards the first. Differentiable in its argument.
    """
    from scipy.interpolate import pchip_interpolate

    slope = np.asarray(pchip_interpolate(x, y, x, der=1))
    at, values, slopes = (torch.as_tensor(np.asarray(a, dtype=np.float64)) for a in (x, y, slope))

    def through(r: Tensor) -> Tensor:
        knots, v, s = (a.to(r) for a in (at, values, slopes))
        inside = r.clamp(float(x[0]), float(x[-1]))
        i = torch.searchsorted(knots, inside.detach().contiguous(), right=True).clamp(1, len(x) - 1) - 1
        step = knots[i + 1] - knots[i]
        t = (inside - knots[i]) / step
        rest = 1 - t
        return (
            v[i] * (1 + 2 * t) * rest**2
            + v[i + 1] * t**2 * (3 - 2 * t)
            + step * t * rest * (s[i] * rest - s[i + 1] * t)
        )

    return through


@lru_cache(maxsize=32)
def read_profile(path: Path, what: str) -> tuple[Any, Any]:
    """Return a user's profile: radii in arcsec and speeds in km/s, from two columns of text.

    Parameters
    ----------
    path : Path
        Text of two columns; # begins a comment.
    what : str
        What the second column is, for messages: "rotation curve".

    Raises
    ------
    InputError
        A missing file, other than two columns of finite numbers, fewer than two rows, radii that do not
        rise or are negative, negative speeds.
    """
    try:
        rows = np.loadtxt(path, ndmin=2, dtype=np.float64)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        reason = "there is no such file" if not path.exists() else str(error).splitlines()[0]
        raise InputError(f"{what} {path}: {reason}; it is text of two columns, arcsec and km/s") from None
    if rows.shape[1:] != (2,) or len(rows) < 2 or not np.isfinite(rows).all():
        raise InputError(
            f"{what} {path}: found {rows.shape[0]} rows of {rows.shape[1] if rows.ndim > 1 else 0} columns;"
            " wanted two columns of finite numbers, arcsec and km/s, and two rows or more"
        )
    r, v = rows.T
    falls = np.flatnonzero(np.diff(r) <= 0)
    if len(falls):
        i = int(falls[0])
        raise InputError(
            f"{what} {path}: the radius falls back from {r[i]:g} to {r[i + 1]:g} arcsec in row {i + 2};"
            " sort the rows by radius, each radius once"
        )
    if r[0] < 0 or (v < 0).any():
        raise InputError(f"{what} {path}: radii and speeds should be >= 0, found {min(r[0], v.min()):g}")
    return r, v
