"""From the plane of a disk to the sky: inclination, position angle and a shear that keeps the flux."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_sky(inclination: Tensor, position_angle: Tensor, g1: Tensor, g2: Tensor) -> Tensor:
    """Return where a point of a galaxy is seen, matrices (N, 2, 3) of x, y from u, v, w.

    Parameters
    ----------
    inclination : Tensor, (N,)
        Degrees; 0 face-on. The disk is turned about its major axis u.
    position_angle : Tensor, (N,)
        Of the major axis u from +x towards +y before the shear, degrees.
    g1, g2 : Tensor, (N,)
        Reduced shear: ((1 + g1, g2), (g2, 1 - g1)) / sqrt(1 - g^2), which keeps areas and so the flux, and
        has no magnification (Bartelmann & Schneider 2001, Phys. Rep. 340, 291, section 4.2).

    Returns
    -------
    Tensor, (N, 2, 3)
        u and v lie in the disk's plane, w along its axis; lengths stay in their unit.
    """
    tilt, turn = torch.deg2rad(inclination), torch.deg2rad(position_angle)
    cos, sin, none = torch.cos(turn), torch.sin(turn), torch.zeros_like(turn)
    flat = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    project = torch.stack(
        [
            torch.stack([none + 1, none, none], -1),
            torch.stack([none, torch.cos(tilt), torch.sin(tilt)], -1),
        ],
        -2,
    )
    return shear(g1, g2) @ flat @ project


def shear(g1: Tensor, g2: Tensor) -> Tensor:
    """Return the matrices (N, 2, 2) of a reduced shear that keeps areas."""
    matrix = torch.stack([torch.stack([1 + g1, g2], -1), torch.stack([g2, 1 - g1], -1)], -2)
    return matrix / torch.sqrt(1 - g1**2 - g2**2)[:, None, None]


def ellipse(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the ellipse that matrices (N, 2, 2) make of a unit circle.

    Semi-major axis, minor over major axis, and position angle from +x towards +y in degrees, (N,) each.
    """
    u, s, _ = np.linalg.svd(matrix)
    return s[:, 0], s[:, 1] / s[:, 0], np.degrees(np.arctan2(u[:, 1, 0], u[:, 0, 0])) % 180.0
