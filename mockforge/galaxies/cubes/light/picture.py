"""Light of disks from pictures: each pixel laid in the plane, turned at its radius, seen through the height.

A pixel at (x', y') from the centre, along and across the line of nodes, lies in the plane at
X = x', Y = y' / cos i. Heights move its light by Z sin i across the line of nodes and leave its velocity: a
cube is that of the thin plane, shifted and summed over the vertical profile. Pixels are shared out among
fine pixels by the area that they have in common, so that no light is lost or made.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mockforge.galaxies.cubes.body.disk import Disk, Physics, Picture
from mockforge.galaxies.cubes.body.motion import Places, along_sight, dispersion_squared, orientation
from mockforge.galaxies.cubes.body.profiles import VERTICAL
from mockforge.galaxies.cubes.light.sight import Sight, legendre

_FLAT = 1e-3
"""Part of a fine pixel below which heights move no light."""


def picture_sight(disk: Disk, physics: Physics, inside: int) -> Sight:
    """Return the light of each pixel of the pictures, (B, Y X, inside^2): its flux, not a brightness."""
    picture = disk.picture
    assert picture is not None
    nodes, weights = legendre(inside)
    u = torch.as_tensor(0.5 * nodes).to(picture.light)
    rows, ny, nx = picture.light.shape
    x, y = (
        picture.steps(axis, (torch.arange(n).to(u)[:, None] + u)[None]) for axis, n in (("x", nx), ("y", ny))
    )
    shape = (rows, ny, nx, inside, inside)
    dx = x[:, None, :, None, :].expand(shape).reshape(rows, ny * nx, -1)
    dy = y[:, :, None, :, None].expand(shape).reshape(rows, ny * nx, -1)
    weight = torch.as_tensor(0.25 * np.outer(weights, weights)).to(u).reshape(1, 1, -1)
    light = picture.light.reshape(rows, -1, 1) * weight * disk.column("flux")
    if disk.clumps is not None:
        light = light * (1 - disk.clumps.share.sum(dim=1).reshape(-1, 1, 1))
    at = in_plane(disk, dx, dy)
    variance = dispersion_squared(disk, physics, at.r).expand_as(light)
    return Sight(light, along_sight(disk, physics, at), variance)


def in_plane(disk: Disk, dx: Tensor, dy: Tensor) -> Places:
    """Return where in their planes disks are seen at (dx, dy) arcsec from their centres, (B, ...)."""
    inclination, angle = orientation(disk, dx)
    sin_a, cos_a = torch.sin(angle), torch.cos(angle)
    x = dx * cos_a + dy * sin_a
    cos_i = torch.cos(inclination)
    y = (dy * cos_a - dx * sin_a) * disk.column("spin", dx.ndim - 1) / cos_i
    r = torch.sqrt(x**2 + y**2 + 1e-16)
    return Places(x=x, y=y, z=torch.zeros_like(x), r=r, sin_i=torch.sin(inclination), cos_i=cos_i)


def on_sky(
    values: Tensor, disk: Disk, physics: Physics, x_edges: Tensor, y_edges: Tensor, nodes: int
) -> Tensor:
    """Return what lies in the pictures' pixels (B, K, Y X) in fine pixels (B, K, y, x), through the height.

    `nodes` heights on each side of the plane.
    """
    picture = disk.picture
    assert picture is not None
    rows, ny, nx = picture.light.shape
    values = values.reshape(rows, -1, ny, nx)
    inclination, angle = orientation(disk, disk.column("x", 0))
    reach = disk.height * torch.sin(inclination)
    if float(reach.detach().max()) < _FLAT * float(x_edges[1] - x_edges[0]):
        heights, weights = np.zeros(1), torch.ones(1).to(values)
    else:
        at, weight = legendre(nodes)
        vertical = VERTICAL[physics.vertical]
        heights = 0.5 * vertical.reach * np.concatenate([-1 - at[::-1], at + 1])
        density = vertical.density(torch.as_tensor(heights), torch.ones(1, dtype=torch.float64))
        weights = density * torch.as_tensor(np.concatenate([weight[::-1], weight]))
        weights = (weights / weights.sum()).to(values)
    out: Tensor | float = 0.0
    for height, weight in zip(heights.tolist(), weights, strict=True):
        x = _shared(picture, "x", disk.x - height * reach * torch.sin(angle), x_edges, nx)
        y = _shared(picture, "y", disk.y + height * reach * torch.cos(angle), y_edges, ny)
        out = out + weight * (y[:, None] @ values @ x[:, None].transpose(-1, -2))
    assert isinstance(out, Tensor)
    return out


def _shared(picture: Picture, axis: str, centre: Tensor, edges: Tensor, count: int) -> Tensor:
    """Return which part of each pixel lies in each fine pixel, (B, fine, count)."""
    ends = picture.steps(axis, torch.arange(count + 1).to(edges)[None] - 0.5) + centre[:, None]
    low = torch.maximum(ends[:, None, :-1], edges[None, :-1, None])
    high = torch.minimum(ends[:, None, 1:], edges[None, 1:, None])
    return (high - low).clamp_min(0) / picture.pixel[:, None, None]
