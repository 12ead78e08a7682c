"""Where a disk's light lies: radial and vertical profiles of total 1, each a row with its source."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

EXPONENTIAL_HALF = 1.6783469900166605
"""r_1/2 / R_d of an exponential disk: (1 + x) exp(-x) = 1/2."""


def exponential(r: Tensor, r_half: Tensor, n: Tensor) -> Tensor:
    """Surface density of an exponential disk (Freeman 1970), per area; `n` is not used."""
    scale = r_half / EXPONENTIAL_HALF
    return torch.exp(-r / scale) / (2 * math.pi * scale**2)


def gaussian(r: Tensor, r_half: Tensor, n: Tensor) -> Tensor:
    """Surface density of a Gaussian disk, per area; `n` is not used."""
    square = r_half**2 / (2 * math.log(2))
    return torch.exp(-0.5 * r**2 / square) / (2 * math.pi * square)


def sersic(r: Tensor, r_half: Tensor, n: Tensor) -> Tensor:
    """Surface density of a Sersic disk of index `n` in 0.36 to 10, per area.

    b_n of Ciotti & Bertin 1999, A&A 352, 447, eq. 18; total flux of Graham & Driver 2005, PASA 22, 118.
    """
    b = 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3)
    b = b - 2194697 / (30690717750 * n**4)
    log_total = math.log(2 * math.pi) + torch.log(n * r_half**2) - 2 * n * torch.log(b) + torch.lgamma(2 * n)
    return torch.exp(-b * (r / r_half).clamp_min(1e-6) ** (1 / n) - log_total)


RADIAL: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "exponential": exponential,
    "gaussian": gaussian,
    "sersic": sersic,
}
"""Name -> surface density (r, r_half, n) of total 1."""


@dataclass(frozen=True)
class Vertical:
    """Density across the plane, of integral 1, and how many heights it reaches."""

    density: Callable[[Tensor, Tensor], Tensor]
    """(z, h) -> per length."""
    reach: float
    """|z| / h beyond which there is less than 1e-5 of the light."""
    transform: Callable[[Tensor], Tensor]
    """Its Fourier transform at k h, 1 at 0."""


def _gaussian(z: Tensor, h: Tensor) -> Tensor:
    return torch.exp(-0.5 * (z / h) ** 2) / (math.sqrt(2 * math.pi) * h)


def _exponential(z: Tensor, h: Tensor) -> Tensor:
    return torch.exp(-z.abs() / h) / (2 * h)


def _sech2(z: Tensor, h: Tensor) -> Tensor:
    # sech^2 u = 4 e^-2u / (1 + e^-2u)^2, which does not overflow
    e = torch.exp(-2 * z.abs() / h)
    return 2 * e / ((1 + e) ** 2 * h)


def _sech2_transform(q: Tensor) -> Tensor:
    # u / sinh u with u = pi q / 2, as 2 u e^-u / (1 - e^-2u)
    u = (0.5 * math.pi * q).abs().clamp_min(1e-3)
    return 2 * u * torch.exp(-u) / (-torch.expm1(-2 * u))


VERTICAL = {
    "gaussian": Vertical(_gaussian, 4.5, lambda q: torch.exp(-0.5 * q**2)),
    "exponential": Vertical(_exponential, 12.0, lambda q: 1 / (1 + q**2)),
    "sech2": Vertical(_sech2, 6.5, _sech2_transform),
}
"""Name -> vertical profile; sech2 is the self-gravitating sheet of Spitzer 1942, ApJ 95, 329."""
