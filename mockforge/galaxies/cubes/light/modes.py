"""Cubes of disks by way of the waves that a PSF leaves: cos and sin along x and y of a periodic field.

With x, y from the centre of a disk, light f_n at points n that all have one across the centre, whose
channels differ, gives to the wave (k, l)

    sum_n (f_n + g_n) cos(k x_n + l y_n) - i (f_n - g_n) sin(k x_n + l y_n)

with g_n the light across the centre: real products of matrices. What else happens to light is a factor on
each wave: a disk's height across its major axis (the vertical profile's own transform, for the gas turns on
cylinders), the PSF, the pixel, and where the centre is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mockforge.galaxies.cubes.body.disk import Disk, Physics
from mockforge.galaxies.cubes.body.motion import orientation
from mockforge.galaxies.cubes.body.profiles import VERTICAL
from mockforge.galaxies.cubes.light.rings import Rings
from mockforge.observe.psf.models import PsfModel


@dataclass(frozen=True, eq=False)
class Modes:
    """The waves of a field."""

    period: tuple[float, float]
    """Arcsec, y and x."""
    count: tuple[int, int]
    """Waves along y and x, from the constant one."""
    transfer: Tensor
    """(2, ky, kx) complex: what PSF and pixel leave of the waves with ky >= 0 and ky <= 0."""
    basis_y: Tensor
    """(2 ky, y): cos and then sin in the middle of each spaxel."""
    basis_x: Tensor
    """(2 kx, x)."""
    clear: tuple[float, float]
    """Farther than so from the middle, arcsec, light would come back on the other side of the field."""

    def waves(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return the wave numbers along y and x, radian per arcsec."""
        y, x = (
            torch.arange(n).to(like) * (2 * math.pi / p) for n, p in zip(self.count, self.period, strict=True)
        )
        return y, x


@lru_cache(maxsize=8)
def modes_of(
    psf: PsfModel, shape: tuple[int, int], wide: tuple[int, int], scale: float, padding: int, faintest: float
) -> Modes:
    """Return the waves of which PSF and pixel leave more than `faintest`.

    Parameters
    ----------
    psf : PsfModel
        Without the pixel.
    shape, wide : tuple of int
        Spaxels (y, x), without and with the margin.
    scale : float
        Spaxel, arcsec.
    padding : int
        Spaxels of nothing between a field and its next image.
    faintest : float
        Of the flux.
    """
    period = ((wide[0] + padding) * scale, (wide[1] + padding) * scale)
    ky, kx = (2 * math.pi / p * np.arange(math.ceil(4 * p / scale)) for p in period)
    count = (_kept(psf, ky, 0, scale, faintest), _kept(psf, kx, 1, scale, faintest))
    ky, kx = ky[: count[0], None], kx[None, : count[1]]
    pixel = np.sinc(ky * scale / (2 * math.pi)) * np.sinc(kx * scale / (2 * math.pi))
    left = np.stack([psf.at(*np.broadcast_arrays(kx, sign * ky)) for sign in (1, -1)]) * pixel
    twice = np.where(np.arange(count[1]) > 0, 2.0, 1.0) * np.where(np.arange(count[0]) > 0, 1.0, 0.5)[:, None]
    left = left * twice * (scale**2 / (period[0] * period[1]))
    clear = ((wide[0] / 2 + 0.75 * padding) * scale, (wide[1] / 2 + 0.75 * padding) * scale)
    return Modes(
        period,
        count,
        torch.as_tensor(left.astype(np.complex128)),
        _basis(ky[:, 0], shape[0], scale),
        _basis(kx[0], shape[1], scale),
        clear,
    )


def _basis(k: np.ndarray, count: int, scale: float) -> Tensor:
    """Return cos and then sin in the middle of each spaxel, (2 k, spaxels)."""
    phase = k[:, None] * (np.arange(count) - (count - 1) / 2) * scale
    return torch.as_tensor(np.concatenate([np.cos(phase), np.sin(phase)]))


def _kept(psf: PsfModel, k: np.ndarray, axis: int, scale: float, faintest: float) -> int:
    """Return how many waves along an axis are kept: no later one matters."""
    zero = np.zeros_like(k)
    left = abs(np.asarray(psf.at(zero, k) if axis == 0 else psf.at(k, zero)))
    left = left * abs(np.sinc(k * scale / (2 * math.pi)))
    return int(np.flatnonzero(left > faintest)[-1]) + 1


def circles(place: Tensor, step: float, count: int) -> tuple[Tensor, Tensor]:
    """Return cos and sin of so many multiples of `step` times places (B, N): (B, count, N).

    By Chebyshev's recurrence, two multiplications each.
    """
    phase = place * step
    cos, sin = [torch.ones_like(phase)], [torch.zeros_like(phase)]
    c, s = torch.cos(phase), torch.sin(phase)
    for _ in range(count - 1):
        a, b = cos[-1], sin[-1]
        cos.append(a * c - b * s)
        sin.append(a * s + b * c)
    return torch.stack(cos, dim=1), torch.stack(sin, dim=1)


def waves_of(points: Rings, here: Tensor, across: Tensor, modes: Modes) -> Tensor:
    """Return the waves of points' light, (2, B, K, ky, kx) complex, about the disks' centres.

    `here` and `across` are (B, K, N): light of K kinds where the points are, and across the centre.
    """
    (cy, cx), (step_y, step_x) = modes.count, (2 * math.pi / p for p in modes.period)
    places = [(points.x, points.y)] if points.mirror is None else [(points.x, points.y), points.mirror]
    sums: list[Tensor] = []
    for x, y in places:
        cos_x, sin_x = (v[:, None] for v in circles(x, step_x, cx))
        cos_y, sin_y = (v[:, :, None] for v in circles(y, step_y, cy))
        factors = ((cos_y, cos_x), (sin_y, sin_x), (cos_y, sin_x), (sin_y, cos_x))
        if not sums:
            sums = [a * b for a, b in factors]
        else:
            sums = [torch.addcmul(s, a, b) for s, (a, b) in zip(sums, factors, strict=True)]
    cc, ss, cs, sc = (s.flatten(1, 2).transpose(1, 2) for s in sums)  # (B, N, waves)
    even, odd = here + across, here - across
    cc, ss, cs, sc = even @ cc, even @ ss, odd @ cs, odd @ sc
    out = torch.stack([torch.complex(cc - ss, -cs - sc), torch.complex(cc + ss, sc - cs)])
    return out.unflatten(-1, (cy, cx))


def heights(disk: Disk, physics: Physics, modes: Modes) -> Tensor:
    """Return what disks' heights leave of the waves, (2, B, 1, ky, kx)."""
    inclination, angle = orientation(disk, disk.column("r_half", 3))
    ky, kx = modes.waves(disk.flux)
    ky = torch.stack([ky, -ky]).reshape(2, 1, 1, -1, 1)
    across = (ky * torch.cos(angle) - kx * torch.sin(angle)) * torch.sin(inclination)
    return VERTICAL[physics.vertical].transform(across * disk.column("height", 3))


def centred(disk: Disk, modes: Modes) -> Tensor:
    """Return the factors that move waves to where the disks' centres are, (2, B, 1, ky, kx) complex."""
    ky, kx = modes.waves(disk.flux)
    x = disk.column("x", 2) * kx
    y = disk.column("y", 2) * ky[:, None]
    phase = torch.stack([x + y, x - y])[:, :, None]
    return torch.complex(torch.cos(phase), -torch.sin(phase))


def in_spaxels(waves: Tensor, modes: Modes) -> Tensor:
    """Return waves (2, B, K, ky, kx), through PSF and pixel, in spaxels: (B, K, y, x)."""
    up, down = waves * modes.transfer.to(waves)[:, None, None]
    plus, minus = up + down, up - down
    # Re sum F exp(i (k x + l y)) over l of both signs, as cos and sin of each
    first = torch.cat([plus.real, -minus.imag], dim=-2)  # cos_y, sin_y with cos_x
    second = torch.cat([-plus.imag, -minus.real], dim=-2)
    both = torch.cat([first, second], dim=-1)  # (B, K, 2 ky, 2 kx)
    along = both @ modes.basis_x.to(both)
    return modes.basis_y.to(both).T @ along
