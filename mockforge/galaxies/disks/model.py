"""The light of inclined disks as functions of frequency: exactly known, also edge-on.

A disk of density f(R) g(w) in its plane and along its axis has the transform F(k_u, k_v) G(k_w) on the
sky, where (k_u, k_v, k_w) are the sky's frequencies along the galaxy's own axes: the projection of a body
is a slice of its transform. So thickness is a factor, and nothing is integrated along the line of sight.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mockforge.profiles.sersic_tables import rows, transform

LENGTHS_IN_R_HALF = 1.6783469900166612
"""Half-light radius of an exponential disk over its scale length: b(1) of Sersic's law."""


def disk_transform(square: Tensor, n: Tensor) -> Tensor:
    """Return the transform of Sersic disks of flux 1 at (k r_half)^2 = `square`.

    Parameters
    ----------
    square : Tensor, (N, ...)
        Square of frequency in the disk's plane times half-light radius, radians.
    n : Tensor, (N,)
        Sersic index; where all are 1 the exponential's own (1 + (k h)^2)^(-3/2), else tables.

    Returns
    -------
    Tensor, as `square`
        1 at 0.

    References
    ----------
    Freeman 1970, ApJ 160, 811 (exponential disks).
    """
    if bool((n == 1).all()):
        return (1 + square / LENGTHS_IN_R_HALF**2) ** -1.5
    return transform(rows("hankel0", n, torch.float32), square.float().contiguous())


def height_transform(k_height: Tensor) -> Tensor:
    """Return the transform of sech^2(w / h) / (2 h) at k_w h: x / sinh(x), x = pi k_w h / 2.

    van der Kruit & Searle 1981, A&A 95, 105: the isothermal sheet.
    """
    x = (0.5 * math.pi * k_height).abs()
    safe = x.clamp(1e-2, 80.0)
    near = 1 - x**2 / 6 + 7 * x**4 / 360
    return torch.where(x < 1e-2, near, 2 * safe * torch.exp(-safe) / (1 - torch.exp(-2 * safe)))
