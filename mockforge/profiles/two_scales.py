"""A PSF at two scales: low frequencies on the whole stamp, high ones on a tile round a galaxy's centre.

What a galaxy has at high frequencies is its cusp, which is small; what is wide about it is smooth. So the
transfer functions are parted by a low pass W without an edge, 1 at the origin and 0 from the Nyquist
frequency on: with W they are needed at the frequencies of the padded stamp alone, for nothing folds back on
them; with 1 - W at those of a tile and at all that fold back on them, few since the tile is small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mockforge.observe.psf.transfer import Transfer, fading
from mockforge.profiles.lanes import VECTOR
from mockforge.profiles.zones import filled

_WHOLE = 0.2
"""Cycles a pixel along an axis up to which W is 1; it is 0 from the Nyquist frequency on."""
_CLASSES = (9, 21)
"""Zones of a tile: those next to its own, and those next to them; galaxies that need fewer get fewer."""
_LOOKED, _EVERY = 30, 4
"""Side of the tile at every so many-th of whose frequencies it is looked which a galaxy needs."""
_FAINT = 3.0
"""Transfer functions are followed so much farther down than where all fold back on the whole stamp."""
_TURNS = 3
"""Multiples of the sampling frequency on each side that may fold back on a tile."""


@dataclass(frozen=True)
class Wide:
    """The frequencies of a padded stamp, in rows of whole vectors."""

    ky: Tensor
    """(grid y,) radians per pixel."""
    kx: Tensor
    """(grid x // 2 + 1 and more,)"""
    basis: Tensor
    """(C, grid y, columns[, 2]): the bands' transfer functions times the pixel's and W; a real one twice."""


@dataclass(frozen=True)
class Tile:
    """The frequencies of a tile and what folds back on them, in rows of whole vectors; Z zones."""

    side: int
    """Pixels."""
    turns: Tensor
    """(Z, 2) multiples (y, x) of the sampling frequency."""
    ky: Tensor
    """(Z side columns,) radians per pixel."""
    kx: Tensor
    """(Z side columns,)"""
    own: tuple[Tensor, Tensor]
    """(side,) and (columns,) radians per pixel, of the tile itself."""
    reached: tuple[int, ...]
    """How many bands have light in each zone, the first ones when sorted."""
    order: Tensor
    """(C,) of each band, its place among them when the one that reaches farthest is first."""
    basis: tuple[Tensor, Tensor | None]
    """(C, Z, side columns) of the sorted bands, real and imaginary part; None where they are real."""

    def nearest(self, zones: int) -> Tile:
        """Return only so many zones, the lowest frequencies."""
        if zones >= len(self.reached):
            return self
        even, odd = (None if v is None else v[:, :zones] for v in self.basis)
        assert even is not None
        some = zones * even.shape[2]
        return replace(
            self, turns=self.turns[:zones], ky=self.ky[:some], kx=self.kx[:some],
            reached=self.reached[:zones], basis=(even, odd),
        )  # fmt: skip


@dataclass(frozen=True)
class Samples:
    """Frequencies at which it is looked which zones of tiles a component needs."""

    classes: tuple[int, ...]
    """Numbers of zones, growing: no tile, some, all."""
    ky: Tensor
    """(P,) radians per pixel, from the farthest on."""
    kx: Tensor
    """(P,)"""
    strength: Tensor
    """(P,) what the bands' PSFs and the pixel leave there at most, times the frequencies it stands for."""
    last: Tensor
    """(classes,) the place of the last one that each number of zones leaves out; the last of all."""

    def needed(self, light: Tensor, little: float) -> Tensor:
        """Return the least of `classes` (M,) that does for transforms of these sizes, (M, P)."""
        beyond = (light * self.strength).cumsum(dim=1)[:, self.last]
        enough = (beyond[:, :-1] > little * beyond[:, -1:]).sum(dim=1)
        return torch.tensor(self.classes, device=light.device)[enough]


def _low_pass(f: np.ndarray) -> np.ndarray:
    """W along an axis, of cycles a pixel."""
    t = np.clip((np.abs(f) - _WHOLE) / (0.5 - _WHOLE), 1e-9, 1 - 1e-9)
    return np.where(np.abs(f) >= 0.5, 0.0, np.where(np.abs(f) <= _WHOLE, 1.0, _step(1 - t)))


def _step(t: np.ndarray) -> np.ndarray:
    return t**4 * (35 - 84 * t + 70 * t**2 - 20 * t**3)


@lru_cache(maxsize=16)
def principal(psf: Transfer) -> Transfer:
    """Return the principal PSFs as if they were those of bands."""
    return replace(psf, mix=torch.eye(psf.mix.shape[1], device=psf.mix.device), _on={})


@lru_cache(maxsize=16)
def roomy(psf: Transfer) -> Transfer:
    """Return the same PSF with twice the padded grid."""
    return replace(psf, grid=(2 * psf.grid[0], 2 * psf.grid[1]), _on={})


@lru_cache(maxsize=16)
def wide(psf: Transfer) -> Wide:
    """Return the low frequencies of the bands."""
    y, x = np.fft.fftfreq(psf.grid[0])[:, None], np.fft.rfftfreq(psf.grid[1])[None]
    basis = _bands(psf, y, x) * (_low_pass(y) * _low_pass(x))
    columns = filled(x.size)
    basis = _there(np.pad(basis, ((0, 0), (0, 0), (0, columns - x.size))), psf)
    ky, kx = (_there(2 * math.pi * f, psf) for f in (y[:, 0], np.pad(x[0], (0, columns - x.size))))
    return Wide(ky, kx, basis if basis.is_complex() else torch.stack([basis, basis], dim=-1))


@lru_cache(maxsize=16)
def tile(psf: Transfer, side: int) -> Tile:
    """Return the high frequencies of the bands, for tiles of a side."""
    columns = filled(side // 2 + 1)
    turns = np.arange(-_TURNS, _TURNS + 1)
    own_y, own_x = np.fft.fftfreq(side), np.pad(np.fft.rfftfreq(side), (0, columns - side // 2 - 1))
    y = (turns[:, None] + own_y)[:, None, :, None]
    x = (turns[:, None] + own_x)[None, :, None, :]
    full = np.broadcast_shapes(y.shape, x.shape)
    basis = _bands(psf, y, x)
    inner = np.arange(columns) < side // 2 + 1
    basis = basis * fading(_FAINT * np.abs(basis)) * (inner * (1 - _low_pass(y) * _low_pass(x)))
    basis = basis.reshape(len(basis), -1, side * columns)
    reach = np.abs(basis).max(axis=2) > 0
    order = np.argsort(-reach.sum(axis=1), kind="stable")
    at = np.stack(np.meshgrid(turns, turns, indexing="ij"), axis=-1).reshape(-1, 2)
    zones = np.flatnonzero(reach.any(axis=0))
    zones = zones[np.argsort(np.hypot(*at[zones].T), kind="stable")]
    basis, reach = basis[order][:, zones], reach[order][:, zones]
    reached = tuple(int(np.flatnonzero(r).max()) + 1 for r in reach.T)
    ky, kx = (
        2 * math.pi * np.broadcast_to(v, full).reshape(-1, side * columns)[zones].ravel() for v in (y, x)
    )
    return Tile(
        side=side,
        turns=_there(at[zones].astype(np.float64), psf, np.float64),
        ky=_there(ky, psf),
        kx=_there(kx, psf),
        own=(_there(2 * math.pi * own_y, psf), _there(2 * math.pi * own_x, psf)),
        reached=reached,
        order=torch.from_numpy(np.argsort(order)).to(psf.mix.device),
        basis=(_there(np.real(basis), psf), _there(np.imag(basis), psf) if np.iscomplexobj(basis) else None),
    )


@lru_cache(maxsize=16)
def samples(psf: Transfer) -> Samples:
    """Return frequencies of the padded stamp and of tiles of one PSF, every so many-th."""
    low, fine = wide(psf), tile(psf, _LOOKED)
    if not fine.reached:
        nothing = low.ky[:0]
        return Samples((0,), nothing, nothing, nothing, nothing.long())
    zones, columns = len(fine.reached), len(fine.own[1])

    def every(values: Tensor) -> Tensor:
        """(zones, P) of (zones, side columns)."""
        return values.unflatten(1, (_LOOKED, columns))[:, ::_EVERY, ::_EVERY].flatten(1)

    even, odd = fine.basis
    size = even.abs() if odd is None else torch.hypot(even, odd)
    strength = [every(size.amax(dim=0)).flip(0) * (psf.grid[0] * psf.grid[1] / _LOOKED**2)]
    ky, kx = ([every(k.view(zones, -1)).flip(0)] for k in (fine.ky, fine.kx))
    per_zone = strength[0].shape[1]
    size = low.basis.abs() if low.basis.is_complex() else low.basis[..., 0].abs()
    strength = torch.cat([v.flatten() for v in (*strength, size.amax(dim=0)[::_EVERY, ::_EVERY])])
    shape = size[0, ::_EVERY, ::_EVERY].shape
    ky = torch.cat([*(v.flatten() for v in ky), low.ky[::_EVERY, None].expand(shape).flatten()])
    kx = torch.cat([*(v.flatten() for v in kx), low.kx[::_EVERY].expand(shape).flatten()])
    spare = -len(ky) % VECTOR
    ky, kx, strength = (torch.nn.functional.pad(v, (0, spare)) for v in (ky, kx, strength))
    classes = (0, *(n for n in _CLASSES if n < zones), zones)
    last = [(zones - n) * per_zone - 1 for n in classes[:-1]]
    return Samples(classes, ky, kx, strength, torch.tensor([*last, len(ky) - 1]).to(ky.device))


def _bands(psf: Transfer, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return each band's transfer function times the pixel's, (C, ...), at cycles a pixel."""
    unit = 2 * math.pi / psf.pixel_scale_arcsec
    y, x = np.broadcast_arrays(y, x)
    mix = psf.mix.cpu().numpy().astype(np.float64)
    return np.tensordot(mix, psf.optics.at(unit * x, unit * y)[1], axes=1) * (np.sinc(y) * np.sinc(x))


def _there(values: np.ndarray, psf: Transfer, dtype: Any = None) -> Tensor:
    dtype = dtype or (np.complex64 if np.iscomplexobj(values) else np.float32)
    return torch.from_numpy(np.ascontiguousarray(values, dtype)).to(psf.mix.device)
