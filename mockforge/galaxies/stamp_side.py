"""How large a stamp has to be to hold the light of a recipe's galaxies."""

from __future__ import annotations

import numpy as np

from mockforge.errors import InputError
from mockforge.galaxies.shapes import Shapes

MOST = 1024
"""Largest side in pixels that is chosen by default."""
GALAXIES = 0.99
"""Share of the galaxies that a stamp is made for; a few are larger than any stamp."""


def holding_radius(shapes: Shapes, light: float) -> np.ndarray:
    """Radius (N,), in r_e of the main body, of a circle about it with at least a share `light` of all.

    A circle of radius R holds what an ellipse of semi-major axis R does, P(2n, b (R / r_e)^(1/n))
    (Graham & Driver 2005, PASA 22, 118, equation 2), and a part at a distance d what R - d does.
    """
    from scipy.special import gammainc, gammaincinv

    b = gammaincinv(2 * shapes.n, 0.5)
    away = np.hypot(shapes.x, shapes.y)
    knots = np.hypot(shapes.knot_x, shapes.knot_y)

    def inside(radius: np.ndarray) -> np.ndarray:
        reach = np.maximum(radius[:, None] - away, 0.0) / shapes.r_e
        parts = shapes.weight[:, :-1] * gammainc(2 * shapes.n, b * reach ** (1.0 / shapes.n))
        near = np.maximum(radius[:, None] - knots, 0.0) / np.maximum(shapes.knot_size[:, None], 1e-9)
        knotted = (shapes.knot_weight * -np.expm1(-0.5 * near**2)).sum(axis=1)
        return parts.sum(axis=1) + shapes.weight[:, -1] * knotted

    low, high = np.zeros(len(shapes.x)), np.full(len(shapes.x), 1e4)
    for _ in range(60):
        middle = 0.5 * (low + high)
        enough = inside(middle) >= light
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def side_for(radius: np.ndarray, jitter: float, least: int, light: float) -> int:
    """Side in pixels of stamps that hold circles (N,), in pixels; as odd or even as `least`, and no less.

    InputError above MOST.
    """
    half = float(np.quantile(radius, GALAXIES)) + jitter
    side = max(least, int(np.ceil(2.0 * half)) + 1)
    side += (side - least) % 2
    if side > MOST:
        raise InputError(
            f"enclose: {light:g} of the light of {GALAXIES:.0%} of the galaxies needs stamps of {side}"
            f" pixels, and {MOST} is the most; let r_e or n be smaller, z_in larger, or the pixels larger"
        )
    return side
