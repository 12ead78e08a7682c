"""Clumps that turn with their disk: Gaussians in its plane, moving as the gas does where they are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mockforge.galaxies.cubes.body.disk import Disk, Physics
from mockforge.galaxies.cubes.body.motion import Places, along_sight, orientation
from mockforge.galaxies.cubes.light.channels import Spectrum, profiles


def clump_places(disk: Disk) -> tuple[Tensor, Tensor, Places]:
    """Return where on the sky the clumps are, arcsec (B, K), and their places in the disk."""
    clumps = disk.clumps
    assert clumps is not None
    azimuth = clumps.azimuth * math.pi / 180
    x, y = clumps.radius * torch.cos(azimuth), clumps.radius * torch.sin(azimuth)
    inclination, angle = orientation(disk, clumps.radius)
    sin_i, cos_i = torch.sin(inclination), torch.cos(inclination)
    across = y * cos_i * disk.column("spin", 1)
    sky_x = disk.column("x", 1) + x * torch.cos(angle) - across * torch.sin(angle)
    sky_y = disk.column("y", 1) + x * torch.sin(angle) + across * torch.cos(angle)
    places = Places(x=x, y=y, z=torch.zeros_like(x), r=clumps.radius, sin_i=sin_i, cos_i=cos_i)
    return sky_x, sky_y, places


def clump_light(
    disk: Disk, physics: Physics, x_edges: Tensor, y_edges: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return each clump's flux in pixels as a product of (B, K, Y) and (B, K, X), and its velocity (B, K)."""
    clumps = disk.clumps
    assert clumps is not None
    sky_x, sky_y, at = clump_places(disk)
    root = math.sqrt(2) * clumps.size[..., None]

    def inside(edges: Tensor, middle: Tensor) -> Tensor:
        return 0.5 * torch.erf((edges - middle[..., None]) / root).diff(dim=-1)

    flux = (clumps.share * disk.column("flux", 1))[..., None]
    return flux * inside(y_edges, sky_y), inside(x_edges, sky_x), along_sight(disk, physics, at)


def clump_spectra(disk: Disk, velocity: Tensor, spectrum: Spectrum) -> Tensor:
    """Return the spectrum of each clump, (B, K, C), of flux 1 where all lines lie in the channels."""
    clumps = disk.clumps
    assert clumps is not None
    return profiles(velocity, clumps.sigma**2, spectrum).transpose(1, 2)
