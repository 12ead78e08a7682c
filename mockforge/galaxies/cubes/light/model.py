"""Cubes of turning disks: lines of sight, spectra, clumps, pixels, PSF; and the maps of their truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from mockforge.galaxies.cubes.body.disk import Disk, Physics
from mockforge.galaxies.cubes.light.binned import binned_spectra, one_dispersion
from mockforge.galaxies.cubes.light.channels import Spectrum, spectra
from mockforge.galaxies.cubes.light.clumps import clump_light, clump_spectra
from mockforge.galaxies.cubes.light.grid import Grid, Sampling
from mockforge.galaxies.cubes.light.picture import on_sky, picture_sight
from mockforge.galaxies.cubes.light.ringed import ring_cubes, ring_moments, ringed, rings_do
from mockforge.galaxies.cubes.light.sight import Sight, legendre, through

_MOST = 4_000_000
"""Numbers of a line-of-sight tensor at once."""
_FAINT = Sampling(rings=1.7, faintest=1e-4)
"""Of maps by rings: velocities are asked for where there is little light."""
MAPS = Sampling(inside=2, nodes=8)
"""Of maps without a PSF, where those with it are by rings: to 0.2% of the peak and 0.3 km/s."""


def cubes(
    disk: Disk, physics: Physics, grid: Grid, spectrum: Spectrum, sampling: Sampling | None = None
) -> Tensor:
    """Return the flux of disks in every spaxel and channel, without noise.

    Parameters
    ----------
    disk, physics : Disk, Physics
        B disks; derivatives with respect to their parameters may be taken.
    grid, spectrum : Grid, Spectrum
        Spaxels and channels.
    sampling : Sampling, optional
        How finely; see `converged`.

    Returns
    -------
    Tensor
        (B, C, y, x), in the unit of the disks' flux.
    """
    sampling = sampling or Sampling()
    if rings_do(disk, grid):
        how = ringed(disk, physics, grid, sampling, spectrum)
        rows = max(1, _MOST // how.numbers)
        parts = (slice(i, i + rows) for i in range(0, len(disk), rows))
        return torch.cat([ring_cubes(disk.rows(part), spectrum.rows(part), how) for part in parts])
    blur = grid.blur(sampling.fine)
    rows = max(1, _MOST // (_points(disk, grid, sampling) * (spectrum.channels + 1)))
    out = []
    for first in range(0, len(disk), rows):
        which = slice(first, first + rows)
        part, its = disk.rows(which), spectrum.rows(which)
        flux = _lines(part, physics, grid, its, sampling)
        out.append(_in_pixels(flux if blur is None else blur(flux), grid, sampling.fine))
    return torch.cat(out)


def _points(disk: Disk, grid: Grid, sampling: Sampling) -> int:
    """Return the points on the lines of sight of one cube."""
    y, x = (n * sampling.fine for n in grid.wide)
    lines = x * y * 2 * sampling.nodes if disk.picture is None else disk.picture.light[0].numel()
    return lines * sampling.inside**2


def _lines(disk: Disk, physics: Physics, grid: Grid, spectrum: Spectrum, sampling: Sampling) -> Tensor:
    """Return (B, C, fine y, fine x) before the PSF."""
    fine, like = sampling.fine, disk.flux
    y_edges, x_edges = grid.edges(fine, like)
    sight, laid = _sampled(disk, physics, x_edges, y_edges, sampling)
    turn = binned_spectra if sight.light.device.type == "cpu" and one_dispersion(sight) else spectra
    flux = laid(turn(sight, spectrum).transpose(1, 2))
    if disk.clumps is not None:
        rows, columns, velocity = clump_light(disk, physics, x_edges, y_edges)
        lines = clump_spectra(disk, velocity, spectrum)
        flux = flux + torch.einsum("bkc,bky,bkx->bcyx", lines, rows, columns)
    return flux


def _sampled(
    disk: Disk, physics: Physics, x_edges: Tensor, y_edges: Tensor, sampling: Sampling
) -> tuple[Sight, Callable[[Tensor], Tensor]]:
    """Return lines of sight, and what lays sums over them (B, K, P) on fine pixels (B, K, y, x)."""
    if disk.picture is not None:
        sight = picture_sight(disk, physics, sampling.inside)
        return sight, lambda sums: on_sky(sums, disk, physics, x_edges, y_edges, sampling.nodes)
    area = (x_edges[1] - x_edges[0]) * (y_edges[1] - y_edges[0])
    shape = (len(disk), -1, len(y_edges) - 1, len(x_edges) - 1)
    sight = _in_pixel(disk, physics, x_edges, y_edges, sampling)
    return sight, lambda sums: area * sums.reshape(shape)


def _in_pixel(disk: Disk, physics: Physics, x_edges: Tensor, y_edges: Tensor, sampling: Sampling) -> Sight:
    """Return the mean light of fine pixels, row by row: (B, pixels, points x nodes)."""
    nodes, weights = legendre(sampling.inside)
    u = torch.as_tensor(0.5 * (1 + nodes)).to(x_edges)
    x = x_edges[:-1, None] + u * x_edges.diff()[:, None]
    y = y_edges[:-1, None] + u * y_edges.diff()[:, None]
    shape = (len(y), len(x), len(u), len(u))
    xx = x[None, :, None, :].expand(shape).reshape(-1)
    yy = y[:, None, :, None].expand(shape).reshape(-1)
    weight = torch.as_tensor(0.25 * np.outer(weights, weights)).to(x).reshape(1, 1, -1, 1)
    sight = through(disk, physics, xx, yy, sampling.nodes)
    full = (len(disk), len(x) * len(y), len(u) ** 2, -1)
    light = (sight.light.reshape(full) * weight).flatten(2)
    return Sight(light, sight.velocity.reshape(light.shape), sight.variance.reshape(light.shape))


def _in_pixels(images: Tensor, grid: Grid, fine: int) -> Tensor:
    """Return fine pixels (..., y, x) summed to spaxels, without the margin."""
    y, x = grid.wide
    if fine > 1:
        images = images.reshape(*images.shape[:-2], y, fine, x, fine).sum(dim=(-3, -1))
    m = grid.margin
    return images[..., m : y - m, m : x - m]


def moments(disk: Disk, physics: Physics, grid: Grid, sampling: Sampling | None = None) -> Maps:
    """Return the maps of disks, as they are and through the PSF.

    Neither channels nor the line-spread function enter. The moments of a spaxel's light are sums, which
    the PSF blurs as it does the light: no line is fitted.
    """
    sampling = sampling or Sampling()
    how = None
    if rings_do(disk, grid):
        how = ringed(disk, physics, grid, _FAINT)
        sampling, grid = MAPS, replace(grid, margin=0)
    rows = max(1, _MOST // max(_points(disk, grid, sampling), 0 if how is None else how.numbers))
    found = []
    for first in range(0, len(disk), rows):
        part = disk.rows(slice(first, first + rows))
        before = _sums(part, physics, grid, sampling)
        seen = before if how is None else ring_moments(part, how)
        blur = grid.blur(sampling.fine) if how is None else None
        if blur is not None:
            seen = blur(seen)
        before, seen = (
            _in_pixels(m, grid, sampling.fine) if m.shape[-2:] != grid.shape else m for m in (before, seen)
        )
        found.append(Maps.of(before, seen))
    return Maps(**{f.name: torch.cat([getattr(m, f.name) for m in found]) for f in fields(Maps)})


def _sums(disk: Disk, physics: Physics, grid: Grid, sampling: Sampling) -> Tensor:
    """Return light, and light times v, v^2 + sigma^2 and sigma^2, (B, 4, fine y, fine x)."""
    y_edges, x_edges = grid.edges(sampling.fine, disk.flux)
    sight, laid = _sampled(disk, physics, x_edges, y_edges, sampling)
    maps = laid(_summed(sight))
    if disk.clumps is None:
        return maps
    rows, columns, v = clump_light(disk, physics, x_edges, y_edges)
    s2 = disk.clumps.sigma**2
    kinds = torch.stack([torch.ones_like(v), v, v**2 + s2, s2], dim=1)
    return maps + torch.einsum("bmk,bky,bkx->bmyx", kinds, rows, columns)


def _summed(sight: Sight) -> Tensor:
    """Return (B, 4, P): light, and light times v, v^2 + sigma^2 and sigma^2."""
    v = sight.velocity
    kinds = (torch.ones_like(v), v, v**2 + sight.variance, sight.variance)
    return torch.stack([(sight.light * kind).sum(dim=-1) for kind in kinds], dim=1)


@dataclass(frozen=True, eq=False)
class Maps:
    """What is true of each spaxel, (B, y, x): flux, mean velocity and dispersion in km/s."""

    flux: Tensor
    """Without the PSF."""
    velocity: Tensor
    dispersion: Tensor
    """Of the gas itself: the mean of the local dispersion, without what velocities differ within a spaxel."""
    flux_observed: Tensor
    """Through the PSF."""
    velocity_observed: Tensor
    dispersion_observed: Tensor
    """Through the PSF, with the velocities that it mixes; without the line-spread function."""

    @classmethod
    def of(cls, before: Tensor, after: Tensor) -> Maps:
        """Return the maps of the moments (B, 4, y, x) without and with the PSF."""

        def parts(m: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            flux = m[:, 0].clamp_min(0)
            there = flux > 1e-7 * flux.amax(dim=(1, 2), keepdim=True)
            scale = torch.where(there, flux, torch.ones_like(flux))
            mean = torch.where(there, m[:, 1] / scale, torch.zeros_like(flux))
            spread = torch.where(there, m[:, 2] / scale - mean**2, torch.zeros_like(flux)).clamp_min(0).sqrt()
            local = torch.where(there, m[:, 3] / scale, torch.zeros_like(flux)).clamp_min(0).sqrt()
            return flux, mean, spread, local

        flux, velocity, _, local = parts(before)
        seen, mean, spread, _ = parts(after)
        return cls(flux, velocity, local, seen, mean, spread)


def converged(
    disk: Disk,
    physics: Physics,
    grid: Grid,
    spectrum: Spectrum,
    tolerance: float = 1e-3,
    start: Sampling | None = None,
) -> tuple[Tensor, Sampling, float]:
    """Return cubes, refined until no channel of a spaxel changes by more than a tolerance.

    Parameters
    ----------
    disk, physics, grid, spectrum
        As of `cubes`.
    tolerance : float
        Largest change, as a fraction of the brightest channel of the cube.
    start : Sampling, optional
        Where to begin.

    Returns
    -------
    tuple
        The cubes of the last sampling, that sampling, and the largest change to it (an upper bound of its
        own error, which is smaller).
    """
    sampling = start or Sampling()
    before = cubes(disk, physics, grid, spectrum, sampling)
    change = float("inf")
    for _ in range(4):
        sampling = sampling.finer()
        after = cubes(disk, physics, grid, spectrum, sampling)
        change = float(((after - before).abs().amax(dim=(1, 2, 3)) / after.amax(dim=(1, 2, 3))).max())
        if change <= tolerance:
            break
        before = after
    return after, sampling, change
