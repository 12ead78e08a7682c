"""Lines of sight through disks: where on them the light comes from, how much, and how fast it moves.

On the sky (x, y) and away from us (s), with x along the receding line of nodes, a point of the disk (X, Y, Z)
lies at

    x = X,  y = Y cos i + Z sin i,  s = Y sin i - Z cos i

so that Y = y cos i + s sin i and Z = y sin i - s cos i. The integral along s is taken about the place where
the light of a line of sight is strongest, in s = s_c + w sinh t, with Gauss and Legendre's nodes in t on each
side of it: profiles that have a cusp in the plane have it between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mockforge.galaxies.cubes.body.disk import Disk, Physics
from mockforge.galaxies.cubes.body.motion import Places, along_sight, dispersion_squared, orientation, warped
from mockforge.galaxies.cubes.body.profiles import EXPONENTIAL_HALF, RADIAL, VERTICAL

_FLATTEST = 1e-3
"""cos i and sin i are at least this where they divide."""
FARTHEST = {"exponential": 12.0, "gaussian": 6.0, "sersic": 25.0}
"""Where lines of sight along the plane end, in scale lengths r_half / 1.678."""


@dataclass(frozen=True, eq=False)
class Sight:
    """Light along lines of sight, (B, P, S): P lines, S nodes."""

    light: Tensor
    """Flux per square arcsec at each node; the sum over S is the surface brightness."""
    velocity: Tensor
    """km/s."""
    variance: Tensor
    """Square of the dispersion, (km/s)^2."""


@lru_cache(maxsize=64)
def legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss and Legendre's nodes and weights on -1 to 1."""
    return np.polynomial.legendre.leggauss(count)


def through(disk: Disk, physics: Physics, x: Tensor, y: Tensor, nodes: int) -> Sight:
    """Return the light along the lines of sight at the places x, y.

    Parameters
    ----------
    disk : Disk
        B disks.
    physics : Physics
        Their profiles and curve.
    x, y : Tensor
        (P,) arcsec from the middle of the field.
    nodes : int
        Nodes on each side of the brightest place of each line of sight.
    """
    dx, dy = x[None] - disk.column("x", 1), y[None] - disk.column("y", 1)
    s, weight = _nodes(disk, physics, dx, dy, nodes)
    far = torch.sqrt((dx**2 + dy**2)[..., None] + s**2) if warped(disk) else s[..., :1]
    inclination, angle = orientation(disk, far)
    at = places(disk, inclination, angle, dx[..., None], dy[..., None], s)
    h = disk.column("height")
    light = RADIAL[physics.radial](at.r, disk.column("r_half"), disk.column("n"))
    light = light * VERTICAL[physics.vertical].density(at.z, h) * weight
    if disk.clumps is not None:
        light = light * (1 - disk.clumps.share.sum(dim=1).reshape(-1, 1, 1))
    return Sight(
        light * disk.column("flux"),
        along_sight(disk, physics, at),
        dispersion_squared(disk, physics, at.r).expand_as(light),
    )


def places(disk: Disk, inclination: Tensor, angle: Tensor, dx: Tensor, dy: Tensor, s: Tensor) -> Places:
    """Return points on the sky (dx, dy) and away from us (s) in the frames of the disks."""
    sin_a, cos_a = torch.sin(angle), torch.cos(angle)
    along = dx * cos_a + dy * sin_a
    across = (dy * cos_a - dx * sin_a) * disk.column("spin", dx.ndim - 1)
    sin_i, cos_i = torch.sin(inclination), torch.cos(inclination)
    y = across * cos_i + s * sin_i
    return Places(
        x=along,
        y=y,
        z=across * sin_i - s * cos_i,
        r=torch.sqrt(along**2 + y**2 + 1e-16),
        sin_i=sin_i,
        cos_i=cos_i,
    )


def _nodes(disk: Disk, physics: Physics, dx: Tensor, dy: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return s and ds of each node, (B, P, 2 count).

    A line of sight is bounded by the disk's height, |s - y tan i| ~ h / cos i, and by its size,
    |s + y cot i| ~ r / sin i: the nodes lie about the mean of the two centres, weighted as two Gaussians
    would be.
    """
    with torch.no_grad():  # where nodes lie does not matter to the integral
        inclination, angle = _tilt(disk, torch.sqrt(dx**2 + dy**2))
        for again in (True, True, False) if warped(disk) else (False,):
            across = (dy * torch.cos(angle) - dx * torch.sin(angle)) * disk.column("spin", 1)
            along = dx * torch.cos(angle) + dy * torch.sin(angle)
            sin_i, cos_i = torch.sin(inclination), torch.cos(inclination).clamp_min(_FLATTEST)
            height = (cos_i / disk.column("height", 1)) ** 2
            size = (sin_i / (disk.column("r_half", 1) / EXPONENTIAL_HALF + 0.5 * along.abs())) ** 2
            total = height + size
            share = height / total
            if physics.vertical == "exponential":  # the brightest place is on one of the two edges
                share = (share > 0.5).to(share)
            middle = across * (share * sin_i / cos_i - (1 - share) * cos_i / sin_i.clamp_min(_FLATTEST))
            if again:
                inclination, angle = _tilt(disk, torch.sqrt(dx**2 + dy**2 + middle**2))
        width = 1 / torch.sqrt(total)
        reach = (height * VERTICAL[physics.vertical].reach + size * FARTHEST[physics.radial]) / total
        nodes, weights = legendre(count)
        top = torch.asinh(torch.as_tensor(reach))[..., None]
        t = top * torch.as_tensor(0.5 * np.concatenate([-1 - nodes[::-1], nodes + 1])).to(dx)
        dt = top * torch.as_tensor(0.5 * np.concatenate([weights[::-1], weights])).to(dx)
        grow = torch.exp(t)  # sinh and cosh of it, which cost more by themselves
        width = 0.5 * width[..., None]
        return middle[..., None] + width * (grow - 1 / grow), width * (grow + 1 / grow) * dt


def _tilt(disk: Disk, r: Tensor) -> tuple[Tensor, Tensor]:
    """Return inclination and position angle (B, P) at distances r (B, P)."""
    inclination, angle = orientation(disk, r)
    return inclination.expand_as(r), angle.expand_as(r)
