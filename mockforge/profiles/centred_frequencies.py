"""The frequencies that centred galaxies are drawn on: the grid's, and those beyond that fold back on them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mockforge.observe.psf.transfer import Transfer
from mockforge.profiles.lanes import whole

_CUTS = (0.25, 0.5, 0.75, 1.0, 1.4, 2.0, 2.8, math.inf)
"""Highest frequencies that galaxies are drawn to, in units of the highest of the grid's."""
_FADING = 0.85
"""Frequencies fade out from this part of the highest on."""
LOW = (0.35, 0.8)
"""What is drawn on the whole stamp where a small one in its middle is enough for all higher frequencies: it
fades out between these, in units of the highest of the grid's."""
FIRST_HIGH = 3
"""The first of `_CUTS` that is above them."""
_WHOLE = 1.2
"""From so high a frequency on, in units of the highest of the grid's, its own rows are taken whole."""
_RINGS = 64
"""Rings of frequencies by which it is seen how far a galaxy has to be followed."""


@dataclass(frozen=True)
class Box:
    """Frequencies k + 2 pi g of a rectangle of the grid's."""

    g: tuple[int, int]
    rows: slice
    columns: slice
    first: int
    """Place of the first of them in the list of all."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return how many rows and columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    @property
    def flat(self) -> slice:
        """Return their places in the list of all, row by row."""
        return slice(self.first, self.first + self.shape[0] * self.shape[1])


@dataclass(frozen=True)
class Reach:
    """Frequencies up to a highest one, in one list of P, filled up to whole vectors."""

    boxes: tuple[Box, ...]
    squares: Tensor
    """(3, P): kx^2, 2 kx ky, ky^2."""
    through: Tensor
    """(C, P): transfer functions of the bands, times the pixel's."""
    lines: tuple[Line, Line]
    """Along y and x."""


@dataclass(frozen=True)
class Line:
    """Frequencies along one axis that the boxes have, zone after zone."""

    k: Tensor
    """(K,) radians per pixel, float64, filled up to whole vectors."""
    first: dict[int, int]
    """Of each multiple g of the sampling frequency: the place that its frequency 0 has or would have."""

    def part(self, g: int, some: slice) -> slice:
        """Return the places of some of the grid's frequencies, g sampling frequencies away."""
        return slice(self.first[g] + some.start, self.first[g] + some.stop)


@dataclass(frozen=True)
class Rings:
    """Rings in the plane of frequencies, to see how far a galaxy has to be followed."""

    k: Tensor
    """(R,) radians per pixel."""
    weight: Tensor
    """(R,) area of each ring over (2 pi)^2, times the largest transfer function there."""
    first: Tensor
    """(L,) the first ring that each of `_CUTS` leaves out."""


@lru_cache(maxsize=32)
def rings_of(psf: Transfer) -> Rings:
    """`psf` is on its device."""
    k, strength = [], []
    for zone in psf.zones:
        ky, kx = grid_frequencies(psf.grid, zone.g)
        size = torch.hypot(ky[zone.rows, None], kx[zone.columns])
        k.append(size.flatten())
        strength.append(zone.strength.double().flatten())
    every = torch.cat(k)
    step = float(every.max()) * (1 + 1e-6) / _RINGS
    most = torch.zeros(_RINGS, dtype=torch.float64)
    most.scatter_reduce_(0, (every / step).long(), torch.cat(strength), "amax")
    middle = step * (torch.arange(_RINGS, dtype=torch.float64) + 0.5)
    highest = torch.tensor(_CUTS, dtype=torch.float64) * math.pi * _FADING
    first = (highest / step).clamp_max(_RINGS).floor().long()
    return Rings(middle, most * middle * step / (2 * math.pi), first)


def grid_frequencies(grid: tuple[int, int], g: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Radians per pixel along y and x of a zone, float64."""
    y = 2 * math.pi * (torch.fft.fftfreq(grid[0], dtype=torch.float64) + g[0])
    x = 2 * math.pi * (torch.fft.rfftfreq(grid[1], dtype=torch.float64) + g[1])
    return y, x


@lru_cache(maxsize=128)
def reach_of(psf: Transfer, level: int, kept: str = "whole") -> Reach:
    """Those of `psf`, which is on its device, up to one of `_CUTS`; of these the "low" or the "high" part."""
    highest, half = _CUTS[level] * math.pi, psf.grid[0] // 2
    if kept == "low":
        highest = LOW[1] * math.pi
    boxes, squares, through, first = [], [], [], 0
    for zone in psf.zones:
        ky, kx = grid_frequencies(psf.grid, zone.g)
        size = torch.hypot(ky[zone.rows, None], kx[zone.columns])
        weight = _faded(size, highest, LOW[0] / LOW[1] if kept == "low" else _FADING)
        if kept == "high":
            weight = weight * (1 - _faded(size, LOW[1] * math.pi, LOW[0] / LOW[1]))
        basis = torch.einsum("cj,jyx->cyx", psf.mix.double(), zone.basis.double()) * weight
        # where ky changes its sign the rows of small |k| lie at both ends
        ends = (0, half, psf.grid[0]) if zone.g[0] == 0 and highest < math.pi * _WHOLE else (0, psf.grid[0])
        for start, stop in itertools.pairwise(ends):
            start, stop = max(start, zone.rows.start), min(stop, zone.rows.stop)
            part = slice(start - zone.rows.start, max(stop, start) - zone.rows.start)
            there = size[part] < highest
            if not there.any():
                continue
            y, x = (torch.nonzero(there.any(dim=d))[:, 0] for d in (1, 0))
            y = slice(part.start + int(y[0]), part.start + int(y[-1]) + 1)
            x = slice(int(x[0]), int(x[-1]) + 1)
            rows = slice(zone.rows.start + y.start, zone.rows.start + y.stop)
            columns = slice(zone.columns.start + x.start, zone.columns.start + x.stop)
            box = Box(zone.g, rows, columns, first)
            first = box.flat.stop
            boxes.append(box)
            b, a = ky[rows, None].expand(box.shape), kx[columns].expand(box.shape)
            squares.append(torch.stack([a * a, 2 * a * b, b * b]).flatten(1))
            through.append(basis[:, y, x].flatten(1))
    fill = (0, whole(first) - first)
    k = torch.nn.functional.pad(torch.cat(squares, dim=1), fill).float()
    filled = torch.nn.functional.pad(torch.cat(through, dim=1), fill).float()
    return Reach(tuple(boxes), k, filled, (_line(psf, boxes, 0), _line(psf, boxes, 1)))


def _line(psf: Transfer, boxes: list[Box], axis: int) -> Line:
    """Return the frequencies of boxes along an axis."""
    k, first, count = [], {}, 0
    for g in sorted({box.g[axis] for box in boxes}):
        parts = [(box.rows, box.columns)[axis] for box in boxes if box.g[axis] == g]
        some = slice(min(part.start for part in parts), max(part.stop for part in parts))
        k.append(grid_frequencies(psf.grid, (g, g))[axis][some])
        first[g] = count - some.start
        count += len(k[-1])
    return Line(filled(torch.cat(k)), first)


def _faded(k: Tensor, highest: float, from_part: float) -> Tensor:
    """1 to 0 from a part of the highest frequency to it, so smoothly that it does not ring far out."""
    if math.isinf(highest):
        return torch.ones_like(k)
    place = ((k / highest - from_part) / (1 - from_part)).clamp(0, 1)
    return 0.5 * (1 + torch.cos(math.pi * place**2 * (3 - 2 * place)))


def filled(k: Tensor) -> Tensor:
    """Return frequencies, filled up to whole vectors."""
    return torch.nn.functional.pad(k, (0, whole(len(k)) - len(k)))
