"""From a velocity along the line of sight to a wavelength, in three conventions, each by name.

A velocity is relative to the galaxy: a line of the rest wavelength l at redshift z is seen at
l (1 + z) d(v), and d is one of

    relativistic  sqrt((1 + v/c) / (1 - v/c))    what a motion along the line of sight does
    optical       1 + v/c
    radio         1 / (1 - v/c)

Greisen et al. 2006, A&A 446, 747, tables 1 and 3.
"""

from __future__ import annotations

from typing import Any, Literal

C_KM_S = 299_792.458
"""Speed of light, km/s."""

Convention = Literal["relativistic", "optical", "radio"]


def factor(velocity: Any, convention: Convention) -> Any:
    """Return the factor on the wavelength of a velocity in km/s, away from us positive; arrays or tensors."""
    beta = velocity / C_KM_S
    if convention == "optical":
        return 1 + beta
    if convention == "radio":
        return 1 / (1 - beta)
    return ((1 + beta) / (1 - beta)) ** 0.5


def velocity(ratio: Any, convention: Convention) -> Any:
    """Return the velocity in km/s of a wavelength over that of the galaxy at rest: inverse of `factor`."""
    if convention == "optical":
        return C_KM_S * (ratio - 1)
    if convention == "radio":
        return C_KM_S * (1 - 1 / ratio)
    return C_KM_S * (ratio**2 - 1) / (ratio**2 + 1)
