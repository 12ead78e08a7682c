"""Cubes of smooth disks through a PSF: points on rings, the waves of their light, spaxels.

Nothing finer is made than the PSF and the lines show, so that an error is a matter of how many rings, points
and waves there are, and falls exponentially with it. Pictures, warps and fields without a PSF go along lines
of sight, and so do PSFs so narrow that their waves are many; see `model`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.galaxies.cubes.body.disk import Disk, Physics
from mockforge.galaxies.cubes.body.doppler import C_KM_S
from mockforge.galaxies.cubes.body.motion import along_sight, warped
from mockforge.galaxies.cubes.light.channels import Spectrum, profiles, reached
from mockforge.galaxies.cubes.light.clumps import clump_places
from mockforge.galaxies.cubes.light.grid import Grid, Sampling
from mockforge.galaxies.cubes.light.modes import (
    Modes,
    centred,
    circles,
    heights,
    in_spaxels,
    modes_of,
    waves_of,
)
from mockforge.galaxies.cubes.light.rings import Rings, rings

_RADII = (1.0, 0.7)
"""Rings for each radian of the finest wave across r_half, and for each width of a line in v."""
_QUARTER = (0.45, 0.4)
"""Points on a quarter of a ring, likewise."""
_FEWEST = (8, 4)
_MOST_NUMBERS = 2_000_000
"""Points times waves of a cube, above which lines of sight are faster."""
_FAINTEST = 1e-3
"""Waves that they are counted with."""
_CURVE = 12
"""Radii at which a rotation curve is looked for its fastest gas."""


@dataclass(frozen=True, eq=False)
class Ringed:
    """How disks are painted by rings."""

    physics: Physics
    modes: Modes
    shape: tuple[int, int]
    radii: int
    quarter: int

    @property
    def numbers(self) -> int:
        """How many numbers of a cube there are at once."""
        return 4 * math.prod(self.modes.count) * self.radii * self.quarter


def rings_do(disk: Disk, grid: Grid) -> bool:
    """Whether rings can paint all of the disks, and do it faster than lines of sight."""
    if grid.psf is None or disk.picture is not None or warped(disk):
        return False
    modes = _modes(grid, _FAINTEST)
    across = _across(disk, modes)
    points = math.prod(a * across for a in (_RADII[0], _QUARTER[0]))
    return 4 * math.prod(modes.count) * points < _MOST_NUMBERS


def ringed(
    disk: Disk, physics: Physics, grid: Grid, sampling: Sampling, spectrum: Spectrum | None = None
) -> Ringed:
    """Return how finely disks are painted by rings, in channels or, without a spectrum, in maps."""
    modes = _modes(grid, sampling.faintest)
    across = _across(disk, modes)
    lines = 0.0 if spectrum is None else _widths(disk, physics, spectrum)
    radii, quarter = (
        max(least, math.ceil(sampling.rings * (a * across + b * lines)))
        for least, (a, b) in zip(_FEWEST, (_RADII, _QUARTER), strict=True)
    )
    return Ringed(physics, modes, grid.shape, radii, quarter)


def _modes(grid: Grid, faintest: float) -> Modes:
    assert grid.psf is not None
    return modes_of(grid.psf, grid.shape, grid.wide, grid.scale, grid.padding, faintest)


def _across(disk: Disk, modes: Modes) -> float:
    """Return the radians of the finest wave across the largest half-light radius."""
    finest = max(2 * math.pi * n / p for n, p in zip(modes.count, modes.period, strict=True))
    return finest * float(disk.r_half.detach().max())


def _widths(disk: Disk, physics: Physics, spectrum: Spectrum) -> float:
    """Return the largest speed of a disk over its narrowest line in channels."""
    with torch.no_grad():
        r = disk.column("r_half", 1) * torch.linspace(0.1, 4, _CURVE).to(disk.flux)
        v = physics.rotation(r, disk.column("v_max", 1), disk.column("r_turn", 1)).amax(dim=1)
        v = v + disk.v_radial.abs() + disk.v_bar.abs()
        square = disk.sigma_floor**2
        if physics.profile is None:
            square = square + torch.where(disk.sigma_scale > 0, 0.1 * disk.sigma, disk.sigma) ** 2
        step = spectrum.edges[:, 1] - spectrum.edges[:, 0]
        rest = spectrum.at_rest
        own = (C_KM_S / rest) ** 2 * (spectrum.lsf_sigma**2 + step[:, None] ** 2 / 12)
        return float((v / torch.sqrt(square + torch.as_tensor(own.min(axis=1)).to(v))).max())


def ring_cubes(disk: Disk, spectrum: Spectrum, how: Ringed) -> Tensor:
    """Return the flux of disks in every spaxel and channel, (B, C, y, x)."""
    points = rings(disk, how.physics, how.radii, how.quarter)
    light = _inside(points, disk, how.modes)
    systemic = disk.column("velocity", 1)
    velocity = torch.cat([systemic + points.velocity, systemic - points.velocity], dim=1)
    variance = points.variance.repeat(1, 2)
    seen = reached(velocity, variance, spectrum)
    clump_velocity = None
    if disk.clumps is not None:
        clump_velocity = along_sight(disk, how.physics, clump_places(disk)[2])
        seen = np.union1d(seen, reached(clump_velocity, disk.clumps.sigma**2, spectrum))
    out = disk.flux.new_zeros((len(disk), spectrum.channels, *how.shape))
    if not len(seen):
        return out
    first, end = int(seen[0]), int(seen[-1]) + 1
    some = spectrum.between(first, end)
    lines = profiles(velocity, variance, some) * light.repeat(1, 2)[:, None]
    of_clumps = None
    if disk.clumps is not None and clump_velocity is not None:
        of_clumps = profiles(clump_velocity, disk.clumps.sigma**2, some)
    out[:, first:end] = _seen(disk, points, lines, of_clumps, how)
    return out


def ring_moments(disk: Disk, how: Ringed) -> Tensor:
    """Return light, and light times v, v^2 + sigma^2 and sigma^2, through the PSF: (B, 4, y, x)."""
    points = rings(disk, how.physics, how.radii, how.quarter)
    light = _inside(points, disk, how.modes)
    systemic = disk.column("velocity", 1)
    velocity = torch.cat([systemic + points.velocity, systemic - points.velocity], dim=1)
    kinds = _kinds(velocity, points.variance.repeat(1, 2)) * light.repeat(1, 2)[:, None]
    of_clumps = None
    if disk.clumps is not None:
        v = along_sight(disk, how.physics, clump_places(disk)[2])
        of_clumps = _kinds(v, disk.clumps.sigma**2)
    return _seen(disk, points, kinds, of_clumps, how)


def _kinds(v: Tensor, variance: Tensor) -> Tensor:
    return torch.stack([torch.ones_like(v), v, v**2 + variance, variance], dim=1)


def _inside(points: Rings, disk: Disk, modes: Modes) -> Tensor:
    """Return the light of points that would not come back on the other side of the field."""
    there = torch.ones_like(points.light, dtype=torch.bool)
    for x, y in ((points.x, points.y), *(() if points.mirror is None else (points.mirror,))):
        for axis, (clear, place) in enumerate(zip(modes.clear, (y, x), strict=True)):
            centre = disk.column("yx"[axis], 1)
            there = there & (place.abs() + centre.abs() < clear)
    return torch.where(there, points.light, torch.zeros_like(points.light))


def _seen(disk: Disk, points: Rings, kinds: Tensor, of_clumps: Tensor | None, how: Ringed) -> Tensor:
    """Return kinds of light (B, K, 2 N) and of clumps (B, K, clumps) in spaxels, (B, K, y, x)."""
    here, across = kinds.chunk(2, dim=-1)
    modes = how.modes
    waves = waves_of(points, here, across, modes) * (centred(disk, modes) * heights(disk, how.physics, modes))
    if of_clumps is not None:
        waves = waves + _clumps(disk, of_clumps, modes)
    return in_spaxels(waves, modes)


def _clumps(disk: Disk, kinds: Tensor, modes: Modes) -> Tensor:
    """Return the waves (2, B, K, ky, kx) of kinds of light (B, K, clumps): round Gaussians on the sky."""
    clumps = disk.clumps
    assert clumps is not None
    x, y, _ = clump_places(disk)
    waves = []
    for place, k, period, count in zip(
        (y, x), modes.waves(disk.flux), modes.period, modes.count, strict=True
    ):
        cos, sin = circles(place, 2 * math.pi / period, count)
        left = torch.exp(-0.5 * (k[:, None] * clumps.size[:, None]) ** 2)
        waves.append(torch.complex(cos * left, -sin * left))
    of_y, of_x = waves  # (B, k, clumps)
    flux = kinds * (clumps.share * disk.column("flux", 1))[:, None]
    left = torch.einsum("bkn,bxn->bkxn", flux.to(of_x.dtype), of_x)
    return torch.stack([torch.einsum("byn,bkxn->bkyx", o, left) for o in (of_y, of_y.conj())])
