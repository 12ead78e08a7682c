"""A reduced shear: what it makes of ellipses, of points and of round knots of light."""

from __future__ import annotations

import math

import numpy as np


def sheared(
    q: np.ndarray, angle: np.ndarray, g1: float, g2: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stretch of the major axis, axis ratio and position angle (degrees) after a reduced shear.

    The ellipse is mapped by `lens`: ((1 + g1, g2), (g2, 1 - g1)) / sqrt(1 - g^2), which keeps its area
    (Bartelmann & Schneider 2001, Phys. Rep. 340, 291, section 4.2).
    """
    if g1 == 0.0 and g2 == 0.0:
        return np.ones_like(q), q, angle
    t = np.deg2rad(angle)
    axes = np.stack([np.stack([np.cos(t), -q * np.sin(t)], -1), np.stack([np.sin(t), q * np.cos(t)], -1)], -2)
    u, s, _ = np.linalg.svd(lens(g1, g2) @ axes)
    return s[:, 0], s[:, 1] / s[:, 0], np.degrees(np.arctan2(u[:, 1, 0], u[:, 0, 0])) % 180.0


def lens(g1: float, g2: float) -> np.ndarray:
    """(2, 2): where a reduced shear moves a point (x, y) of a galaxy, from its centre; keeps areas."""
    return np.array([[1 + g1, g2], [g2, 1 - g1]]) / math.sqrt(1 - g1**2 - g2**2)


def lensed_knots(knots: np.ndarray, g1: float, g2: float) -> np.ndarray:
    """Return the knots (N, J, 4) of a lensed galaxy, (N, 2 J, 4).

    A Gaussian drawn out by the shear is two round ones as narrow as its minor axis, so far apart that
    all second moments are those of the ellipse.
    """
    g = math.hypot(g1, g2)
    if g == 0.0:
        return knots
    x, y, (to_x, to_y) = knots[..., 0], knots[..., 1], lens(g1, g2)
    middle = np.stack([x * to_x[0] + y * to_x[1], x * to_y[0] + y * to_y[1]], axis=-1)
    turn = 0.5 * math.atan2(g2, g1)
    apart = knots[..., 2:3] * math.sqrt(4.0 * g / (1.0 - g**2)) * np.array([math.cos(turn), math.sin(turn)])
    narrow, half = knots[..., 2:3] * math.sqrt((1.0 - g) / (1.0 + g)), knots[..., 3:] / 2.0
    halves = [np.concatenate([middle + sign * apart, narrow, half], axis=2) for sign in (1, -1)]
    return np.concatenate(halves, axis=1)
