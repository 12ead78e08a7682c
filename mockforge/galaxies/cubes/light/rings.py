"""A disk as points on rings of its plane: few of them, where a PSF hides what is finer.

On a ring all that is asked of the gas is smooth and periodic in azimuth, so that points at equal steps find
its integral to any tolerance once they are closer than a PSF and a line can tell apart (Bessel's functions
fall faster than exponentially beyond their argument). Every ring is symmetric about its centre, where the
gas moves the other way; without flows along the radius or a bar also about its major axis, where it moves
alike: a quarter, or half, of it is enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mockforge.galaxies.cubes.body.disk import Disk, Physics
from mockforge.galaxies.cubes.body.motion import Places, along_sight, dispersion_squared, orientation
from mockforge.galaxies.cubes.body.profiles import EXPONENTIAL_HALF, RADIAL
from mockforge.galaxies.cubes.light.sight import FARTHEST, legendre

_BEND = {"exponential": 0.5, "gaussian": 2.0, "sersic": 0.2}
"""Radii are Gauss and Legendre's t, as t b / (1 + b - t): the smaller b, the more are in the middle."""


@dataclass(frozen=True, eq=False)
class Rings:
    """Points of the planes of disks, (B, N), each of them for what lies across the centre too."""

    light: Tensor
    """Flux of each point; the sum over all that it stands for is the disk's."""
    x: Tensor
    """On the sky, arcsec from the disk's centre."""
    y: Tensor
    mirror: tuple[Tensor, Tensor] | None
    """x, y across the major axis, which the point stands for too; None where the gas differs there."""
    velocity: Tensor
    """From that of the whole galaxy, km/s; the other way across the centre."""
    variance: Tensor
    """Square of the dispersion, (km/s)^2."""


def rings(disk: Disk, physics: Physics, radii: int, quarter: int) -> Rings:
    """Return disks without warps as points.

    Parameters
    ----------
    disk, physics : Disk, Physics
        B disks.
    radii : int
        Number of rings.
    quarter : int
        Points on a quarter of a ring.
    """
    like = disk.flux
    mirrored = not bool(((disk.v_radial != 0) | (disk.v_bar != 0)).any())
    t, weight = (torch.as_tensor(v).to(like) for v in legendre(radii))
    t, weight = 0.5 * (1 + t), 0.5 * weight
    farthest = disk.column("r_half", 1) * FARTHEST[physics.radial] / EXPONENTIAL_HALF
    bend = _BEND[physics.radial]
    r = farthest * t * bend / (1 + bend - t)  # (B, R)
    dr = farthest * weight * bend * (1 + bend) / (1 + bend - t) ** 2
    count = quarter if mirrored else 2 * quarter
    phase = (torch.arange(count).to(like) + 0.5) * (0.5 * math.pi / quarter)
    light = RADIAL[physics.radial](r, disk.column("r_half", 1), disk.column("n", 1))
    light = light * disk.column("flux", 1) * r * dr * (0.5 * math.pi / quarter)
    if disk.clumps is not None:
        light = light * (1 - disk.clumps.share.sum(dim=1, keepdim=True))
    shape = (len(disk), radii, count)
    inclination, angle = orientation(disk, r[..., None])
    along, across = r[..., None] * torch.cos(phase), r[..., None] * torch.sin(phase)
    at = Places(
        x=along, y=across, z=torch.zeros_like(along), r=r[..., None].expand(shape),
        sin_i=torch.sin(inclination), cos_i=torch.cos(inclination),
    )  # fmt: skip
    velocity = along_sight(disk, physics, at) - disk.column("velocity")
    variance = dispersion_squared(disk, physics, r)[..., None].expand(shape)
    up = across * at.cos_i * disk.column("spin")
    sin_a, cos_a = torch.sin(angle), torch.cos(angle)
    x, y, sideways, upwards = along * cos_a, along * sin_a, up * sin_a, up * cos_a
    return Rings(
        light[..., None].expand(shape).flatten(1),
        (x - sideways).flatten(1),
        (y + upwards).flatten(1),
        ((x + sideways).flatten(1), (y - upwards).flatten(1)) if mirrored else None,
        velocity.flatten(1),
        variance.flatten(1),
    )
