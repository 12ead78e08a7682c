"""The frequencies of a padded stamp and of what folds back on them, in rows of whole vectors.

Rows are filled up with frequencies at which a PSF has nothing, so that each is worked on in full vectors
from an aligned address, by the same code whatever the batch (see `mockforge.profiles.lanes`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mockforge.observe.psf.transfer import Transfer

ROW = 16
"""Complex numbers that rows are filled up to: two of the widest vectors."""


@dataclass(frozen=True)
class Band:
    """A zone of `mockforge.observe.psf.transfer.Transfer` in whole vectors."""

    g: tuple[int, int]
    """Multiples (y, x) of the sampling frequency."""
    rows: slice
    """Of the grid's frequencies along y: an even number."""
    columns: slice
    """Of the filled rows."""
    basis: Tensor
    """(J, rows, columns[, 2]): a real one twice, for the real and the imaginary part it multiplies."""


@dataclass(frozen=True)
class Frequencies:
    """Of one Transfer on one device."""

    ky: Tensor
    """(grid y and more,) radians per pixel, float32, filled up with 0."""
    kx: Tensor
    """(grid x // 2 + 1 and more,)"""
    columns: int
    """Of a filled row; `kx` may have more."""
    zones: tuple[Band, ...]
    """The grid's own frequencies, whole, then what folds back on them."""
    basis: Tensor
    """(J, grid y, columns[, 2]) without the pixel, at the grid's own frequencies."""


def filled(count: int, to: int = ROW) -> int:
    """Return the next multiple."""
    return -(-count // to) * to


@lru_cache(maxsize=8)
def frequencies(psf: Transfer) -> Frequencies:
    """Those of a Transfer, which is on its device."""
    device = psf.mix.device
    y = 2 * math.pi * torch.fft.fftfreq(psf.grid[0], device=device, dtype=torch.float32)
    x = 2 * math.pi * torch.fft.rfftfreq(psf.grid[1], device=device, dtype=torch.float32)
    ky, kx = (torch.nn.functional.pad(k, (0, filled(len(k), 2 * ROW) - len(k))) for k in (y, x))
    columns = filled(len(x))
    zones = []
    for zone in psf.zones:
        rows = slice(zone.rows.start // 2 * 2, filled(zone.rows.stop, 2))
        across = slice(zone.columns.start // ROW * ROW, filled(zone.columns.stop))
        basis = zone.basis.new_zeros((len(zone.basis), rows.stop - rows.start, across.stop - across.start))
        first = (zone.rows.start - rows.start, zone.columns.start - across.start)
        size = zone.basis.shape[1:]
        basis[:, first[0] : first[0] + size[0], first[1] : first[1] + size[1]] = zone.basis
        zones.append(Band(zone.g, rows, across, _twice(basis)))
    own = torch.nn.functional.pad(psf.basis, (0, columns - len(x)))
    return Frequencies(ky, kx, columns, tuple(zones), _twice(own))


def _twice(basis: Tensor) -> Tensor:
    return basis if basis.is_complex() else torch.stack([basis, basis], dim=-1)


def within(k: Tensor, high: float, to: int) -> slice | None:
    """Return the frequencies up to the highest that is needed, in multiples of `to`.

    None where there are none.
    """
    needed = torch.nonzero(k.abs() <= high * (1 + 1e-5))[:, 0].tolist()
    return slice(needed[0] // to * to, min(filled(needed[-1] + 1, to), len(k))) if needed else None


def put(out: Tensor, light: Tensor, basis: Tensor) -> None:
    """Complex light (M, y, x) times each principal PSF, into `out` (M, J, y, x)."""
    if basis.is_complex():
        torch.mul(light[:, None], basis, out=out)
    else:
        torch.mul(torch.view_as_real(light)[:, None], basis, out=torch.view_as_real(out))


def add(out: Tensor, light: Tensor, basis: Tensor) -> None:
    """Add complex light (M, y, x) times each principal PSF to `out` (M, J, y, x)."""
    if basis.is_complex():
        out.addcmul_(light[:, None], basis)
    else:
        torch.view_as_real(out).addcmul_(torch.view_as_real(light)[:, None], basis)


def times(wave: Tensor, light: Tensor) -> Tensor:
    """Complex `wave` times `light`, real or complex, of one shape."""
    if light.is_complex():
        return wave * light
    return torch.view_as_complex(torch.view_as_real(wave) * light[..., None])
