"""Disks and clumps through PSFs, from their transforms: batched, on any device, differentiable.

An image through a PSF is the product of transforms, folded on the frequencies of a padded stamp (as
`mockforge.profiles.through_psf` does for Sersic profiles). The stamp is padded until what comes back from
the other side is below `_OUTSIDE` of the disk's light.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.galaxies.disks.model import disk_transform, height_transform
from mockforge.galaxies.disks.plane import shear, to_sky
from mockforge.galaxies.disks.structure import StructureTransform
from mockforge.galaxies.shapes import radius_of_light
from mockforge.observe.psf.transfer import Transfer
from mockforge.profiles.lanes import each_transform
from mockforge.profiles.zones import frequencies

_OUTSIDE = 2e-4
"""Share of a disk's light that may fall beyond the padded stamp."""
_SIDES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 24.0, 32.0)
"""Sides of padded stamps over the stamp's: few, so that galaxies share their PSF's transforms."""
_LARGEST = 4096
"""Most pixels of a padded stamp's side."""


@dataclass(frozen=True)
class Disks:
    """Disks of flux 1, tensors (N,) of one dtype on one device; lengths in pixels, angles in degrees."""

    x: Tensor
    """Centre; pixel centres are integers."""
    y: Tensor
    r_half: Tensor
    """Half-light radius seen face-on, before the shear."""
    n: Tensor
    """Sersic index."""
    height: Tensor
    """Scale height h of sech^2(w / h)."""
    inclination: Tensor
    position_angle: Tensor
    g1: Tensor
    g2: Tensor

    def part(self, chosen: slice | Tensor) -> Disks:
        """Return some of them."""
        return Disks(**{name: value[chosen] for name, value in vars(self).items()})

    def moved(self, x: float, y: float) -> Disks:
        """Return them so many pixels farther."""
        return Disks(**{**vars(self), "x": self.x + x, "y": self.y + y})


@dataclass(frozen=True)
class SkyClumps:
    """Clumps of N galaxies on the stamp: centres (N, J) and sigma before the shear (N,), pixels."""

    x: Tensor
    y: Tensor
    weight: Tensor
    """(N, J) shares of the clumps' light."""
    sigma: Tensor

    def part(self, chosen: slice | Tensor) -> SkyClumps:
        """Return those of some galaxies."""
        return SkyClumps(**{name: value[chosen] for name, value in vars(self).items()})


def padded_sides(r_half: np.ndarray, n: np.ndarray, g: np.ndarray, stamp: int) -> np.ndarray:
    """Return the side (N,) of the padded stamp that each disk wants, pixels.

    `r_half` in pixels; `g` is the strength of the shear, which stretches by sqrt((1 + g) / (1 - g)).
    InputError for a galaxy too large for its stamp.
    """
    reach = (
        radius_of_light(np.full(len(n), 1 - _OUTSIDE), np.minimum(n, 2.0))
        * r_half
        * np.sqrt((1 + g) / (1 - g))
    )
    sides = np.unique(np.ceil(np.maximum(np.array(_SIDES) * stamp, 32)).astype(np.int64))
    sides = sides[sides <= max(_LARGEST, stamp)]
    place = np.searchsorted(sides, reach + stamp / 2)
    if (place == len(sides)).any():
        worst = int(np.argmax(reach))
        raise InputError(
            f"disk: a galaxy with a half-light radius of {r_half[worst]:.4g} pixels reaches"
            f" {reach[worst]:.4g} pixels from its centre, too far for stamps of {stamp}; let r_half be"
            " smaller, or make `stamp` larger"
        )
    return sides[place]


def disk_images(
    disks: Disks, psf: Transfer, stamp: tuple[int, int], structure: StructureTransform | None = None
) -> Tensor:
    """Paint disks of flux 1 through the principal PSFs of a `Transfer`.

    Parameters
    ----------
    disks : Disks
        N galaxies, on the coordinates of the stamp.
    psf : Transfer
        On their device, for stamps at least as large as `stamp`; the padding is what it has more.
    stamp : (int, int)
        Height and width of what is returned: the middle.
    structure : StructureTransform or None
        Their arms and bars.

    Returns
    -------
    Tensor, (N, J, height, width)
        Differentiable with respect to the numbers of `disks`; an image in band c is sum_j mix[c, j] of it.
    """
    window, disks = _window(psf, stamp), disks.moved(*_shift(psf, stamp))
    axes = to_sky(disks.inclination, disks.position_angle, disks.g1, disks.g2)[..., None, None]
    r_half = disks.r_half[:, None, None]

    def light(ky: Tensor, kx: Tensor) -> Tensor:
        u, v, w = (axes[:, 0, i] * kx + axes[:, 1, i] * ky[:, None] for i in range(3))
        u, v = u * r_half, v * r_half
        out = disk_transform(u**2 + v**2, disks.n).to(kx.dtype)
        if structure is not None:
            out = out + structure.at(u, v)
        return out * height_transform(w * disks.height[:, None, None])

    return _through(light, disks.x, disks.y, psf, window)


def clump_images(clumps: SkyClumps, g1: Tensor, g2: Tensor, psf: Transfer, stamp: tuple[int, int]) -> Tensor:
    """Paint the clumps of each galaxy, of flux 1 together; arguments and result as `disk_images`."""
    window, (left, top) = _window(psf, stamp), _shift(psf, stamp)
    x, y = clumps.x + left, clumps.y + top
    inside = (x > -0.5) & (x < psf.grid[1] - 0.5) & (y > -0.5) & (y < psf.grid[0] - 0.5)
    weight = torch.where(inside, clumps.weight, torch.zeros_like(clumps.weight))
    matrix, sigma = shear(g1, g2), clumps.sigma[:, None, None]

    def light(ky: Tensor, kx: Tensor) -> Tensor:
        along = _phase(y, ky) * weight[..., None]
        across = _phase(x, kx)
        places = torch.einsum("njy,njx->nyx", along, across)
        m = matrix[..., None, None]
        a, b = (m[:, 0, i] * kx + m[:, 1, i] * ky[:, None] for i in range(2))
        return places * torch.exp(-0.5 * sigma**2 * (a**2 + b**2))

    return _through(light, None, None, psf, window)


def _through(light, x: Tensor | None, y: Tensor | None, psf: Transfer, window: tuple[slice, slice]) -> Tensor:
    """Return images of what has the transform `light(ky, kx)` (N, y, x) about the places x, y, (N,)."""
    out = None
    for rows, columns, ky, kx, basis in _zones(psf, torch.float32 if x is None else x.dtype):
        spectrum = light(ky, kx)
        if x is not None and y is not None:
            spectrum = spectrum * (_phase(y, ky)[:, :, None] * _phase(x, kx)[:, None, :])
        through = _times(spectrum, basis)
        if out is None:
            out = through  # the grid's own frequencies come first, and are all
        else:
            out[:, :, rows, columns] += through
    assert out is not None
    out = out[..., : psf.grid[1] // 2 + 1]
    if out.dtype == torch.complex64:
        return each_transform(out, psf.grid, window)
    return torch.fft.irfft2(out, s=psf.grid)[(..., *window)]


def _zones(psf: Transfer, dtype: torch.dtype) -> Iterator[tuple[slice, slice, Tensor, Tensor, Tensor]]:
    """Yield rows, columns, frequencies and principal PSFs of the grid's own and what folds back."""
    known = frequencies(psf)
    for zone in known.zones:
        ky = known.ky[zone.rows].to(dtype) + 2 * math.pi * zone.g[0]
        kx = known.kx[zone.columns].to(dtype) + 2 * math.pi * zone.g[1]
        yield zone.rows, zone.columns, ky, kx, zone.basis


def _times(spectrum: Tensor, basis: Tensor) -> Tensor:
    """(N, y, x) times each principal PSF, (N, J, y, x)."""
    if basis.is_complex():
        return spectrum[:, None] * basis.to(spectrum.dtype)
    real = torch.view_as_real(spectrum)
    return torch.view_as_complex(real[:, None] * basis.to(real.dtype))


def _phase(place: Tensor, k: Tensor) -> Tensor:
    """Return exp(-i k place), (..., k), the angle brought into one turn in float64."""
    angle = torch.remainder(place.double()[..., None] * k.double(), 2 * math.pi).to(k.dtype)
    return torch.polar(torch.ones_like(angle), -angle)


def _window(psf: Transfer, stamp: tuple[int, int]) -> tuple[slice, slice]:
    """Return where the stamp lies on the padded grid."""
    left, top = _shift(psf, stamp)
    return slice(top, top + stamp[0]), slice(left, left + stamp[1])


def _shift(psf: Transfer, stamp: tuple[int, int]) -> tuple[int, int]:
    """Return the stamp's first column and row on the padded grid."""
    return (psf.grid[1] - stamp[1]) // 2, (psf.grid[0] - stamp[0]) // 2
