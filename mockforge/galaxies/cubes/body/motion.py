"""How the gas moves: rotation, radial flow, a bar's streaming, dispersion; and how a warp tilts it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mockforge.galaxies.cubes.body.disk import Disk, Physics

_DEGREE = math.pi / 180
WARP_STEPS = 4.0
"""A warp stops growing this many r_half beyond its start."""


@dataclass(frozen=True, eq=False)
class Places:
    """Points of the disks, in each disk's own frame, arcsec: (B, ...)."""

    x: Tensor
    """In the plane, along the line of nodes."""
    y: Tensor
    """In the plane, 90 degrees from it."""
    z: Tensor
    """From the plane."""
    r: Tensor
    """In the plane."""
    sin_i: Tensor
    cos_i: Tensor


def along_sight(disk: Disk, physics: Physics, at: Places) -> Tensor:
    """Return the velocity along the line of sight, km/s, away from us positive.

    v = v_sys + sin i (v_phi cos t + v_R sin t), t the azimuth from the receding line of nodes, and of a
    bar the streaming of Spekkens & Sellwood 2007, ApJ 664, 204, eq. 5, with equal radial and tangential
    amplitude v_bar (R/R_b) exp(1 - R/R_b).
    """
    axes = at.r.ndim - 1
    r = at.r.clamp_min(1e-6)
    cos_t, sin_t = at.x / r, at.y / r
    across = physics.rotation(r, disk.column("v_max", axes), disk.column("r_turn", axes))
    outwards = disk.column("v_radial", axes)
    if bool((disk.v_bar != 0).any()):
        ratio = r / disk.column("r_bar", axes)
        bar = disk.column("v_bar", axes) * ratio * torch.exp(1 - ratio)
        phase = 2 * (torch.atan2(at.y, at.x) - disk.column("bar_angle", axes) * _DEGREE)
        across = across - bar * torch.cos(phase)
        outwards = outwards - bar * torch.sin(phase)
    return disk.column("velocity", axes) + at.sin_i * (across * cos_t + outwards * sin_t)


def dispersion_squared(disk: Disk, physics: Physics, r: Tensor) -> Tensor:
    """Return the square of the dispersion at radii `r` (B, ...), (km/s)^2.

    sigma^2 = sigma_0(r)^2 + floor^2 + (h v/r)^2 [thick] + v^2 h/r [thin]; Binney & Tremaine 2008, section
    4.4.3, and Genzel et al. 2008, ApJ 687, 59, as Bouche et al. 2015, AJ 150, 92 have them. Both hold for
    r >> h: r is sqrt(r^2 + h^2) there, so that they stay finite in the middle.
    """
    axes = r.ndim - 1
    sigma = disk.column("sigma", axes)
    if physics.profile is not None:
        sigma = physics.profile(r)
    elif bool((disk.sigma_scale > 0).any()):
        scale = disk.column("sigma_scale", axes)
        sigma = sigma * torch.exp(-torch.where(scale > 0, r / scale.clamp_min(1e-6), torch.zeros_like(r)))
    square = sigma**2 + disk.column("sigma_floor", axes) ** 2
    if physics.thick or physics.thin:
        v = physics.rotation(r, disk.column("v_max", axes), disk.column("r_turn", axes))
        ratio = disk.column("height", axes) / torch.sqrt(r**2 + disk.column("height", axes) ** 2)
        square = square + physics.thick * (v * ratio) ** 2 + physics.thin * v**2 * ratio
    return square


def orientation(disk: Disk, r: Tensor) -> tuple[Tensor, Tensor]:
    """Return inclination and position angle in radians at a distance `r` (B, ...) from the centre.

    Tilted rings (Rogstad, Lockhart & Wright 1974, ApJ 193, 309): both change linearly beyond `warp_start`.
    """
    axes = r.ndim - 1
    inclination = disk.column("inclination", axes) * _DEGREE
    angle = disk.column("position_angle", axes) * _DEGREE
    if not warped(disk):
        return inclination, angle
    steps = (r / disk.column("r_half", axes) - disk.column("warp_start", axes)).clamp(0, WARP_STEPS)
    tilt = disk.column("warp_inclination", axes) * _DEGREE
    turn = disk.column("warp_angle", axes) * _DEGREE
    return inclination + steps * tilt, angle + steps * turn


def warped(disk: Disk) -> bool:
    """Whether any of the disks is warped."""
    return bool(((disk.warp_inclination != 0) | (disk.warp_angle != 0)).any())
