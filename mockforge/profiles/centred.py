"""Galaxies in the middle of their stamps, through a PSF: all parts of one in one spectrum a band.

Bulge and disk of a galaxy lie on one centre and have one shape, so that their transforms are functions of
the same elliptical frequency, and real. With R_c(k) the sum of their transforms times fluxes and the PSF of
the band c, and x_0 the centre, a pixelated image has the transform

    exp(-i k.x_0) sum_g exp(-2 pi i g.x_0) R_c(k + 2 pi g),

and there is one inverse transform a band, whatever the number of parts. How far the frequencies g reach
is what a galaxy needs: what is left out adds less than `LITTLE` of its peak to any pixel.
Light beyond the padded grid comes back on the other side; galaxies with more of it than `BEYOND` are drawn
by `mockforge.profiles.draw.draw_seen`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mockforge.observe.psf.transfer import Transfer
from mockforge.profiles.lanes import spared, whole
from mockforge.profiles.sersic import flux_inside
from mockforge.profiles.sersic_tables import rows, transform
from mockforge.torch_state import steadily

LITTLE = 3e-4
"""Frequencies that add less than this to the peak of a galaxy are left out, however their phases meet."""
BEYOND = 3e-3
"""Share of a galaxy's light, in any band, beyond the padded grid: with less it is drawn here."""
_CUTS = (0.25, 0.5, 0.75, 1.0, 1.4, 2.0, 2.8, math.inf)
"""Highest frequencies that galaxies are drawn to, in units of the highest of the grid's."""
_FADING = 0.85
"""Frequencies fade out from this part of the highest on."""
_WHOLE = 1.2
"""From so high a frequency on, in units of the highest of the grid's, its own rows are taken whole."""
_ANGLES = 8
_RINGS = 64
_WORK = 2**20
"""Frequencies in all bands, or pixels, of a batch."""


@dataclass(frozen=True)
class Centred:
    """N galaxies of K Sersic components and J knots on stamps, float64."""

    x: Tensor
    """(N,) centres, pixels of the stamp, near its middle."""
    y: Tensor
    r_e: Tensor
    """(N, K) semi-major axes that hold half the light, pixels."""
    n: Tensor
    """(N, K) Sersic indices."""
    axis_ratio: Tensor
    """(N,) of all components."""
    position_angle: Tensor
    """(N,) degrees from +x towards +y."""
    knots: Tensor
    """(N, J, 4) x, y from the centre and sigma in pixels, and weight; those without weight come last."""
    sed: Tensor
    """(N, C, K + 1) nJy, knots last."""

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, chosen: Tensor) -> Centred:
        """Return some of them."""
        return Centred(**{name: value[chosen] for name, value in vars(self).items()})


@dataclass(frozen=True)
class _Box:
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
class _Reach:
    """Frequencies up to a highest one, in one list of P, filled up to whole vectors."""

    boxes: tuple[_Box, ...]
    squares: Tensor
    """(3, P): kx^2, 2 kx ky, ky^2."""
    through: Tensor
    """(C, P): transfer functions of the bands, times the pixel's."""
    lines: tuple[_Line, _Line]
    """Along y and x."""


@dataclass(frozen=True)
class _Line:
    """Frequencies along one axis that the boxes have, zone after zone."""

    k: Tensor
    """(K,) radians per pixel, float64, filled up to whole vectors."""
    first: dict[int, int]
    """Of each multiple g of the sampling frequency: the place that its frequency 0 has or would have."""

    def part(self, g: int, some: slice) -> slice:
        """Return the places of some of the grid's frequencies, g sampling frequencies away."""
        return slice(self.first[g] + some.start, self.first[g] + some.stop)


@dataclass(frozen=True)
class _Rings:
    """Rings in the plane of frequencies, to see how far a galaxy has to be followed."""

    k: Tensor
    """(R,) radians per pixel."""
    weight: Tensor
    """(R,) area of each ring over (2 pi)^2, times the largest transfer function there."""
    first: Tensor
    """(L,) the first ring that each of `_CUTS` leaves out."""


@steadily()
def draw_centred(galaxies: Centred, side: int, psf: Transfer, least: Tensor) -> Tensor:
    """Return galaxies through the PSF on square stamps, (N, C, side, side) float32 nJy.

    Parameters
    ----------
    galaxies : Centred
        Those that `fits` says.
    side : int
        Side of the stamps, pixels; `psf` may be made for smaller ones, if its grid is not smaller.
    psf : Transfer
        Of real transfer functions.
    least : Tensor, (N,)
        nJy: what adds less than this to any pixel may be left out too.
    """
    out = torch.from_numpy(np.empty((len(galaxies), len(psf.mix), side, side), dtype=np.float32))
    psf = psf.on("cpu")
    pad = [(n - side) // 2 for n in psf.grid]
    galaxies = replace(galaxies, y=galaxies.y + pad[0], x=galaxies.x + pad[1])
    tables = [_tables(n) for n in galaxies.n.unbind(dim=1)]
    level = _levels(galaxies, tables, psf, least)
    knots = (galaxies.knots[..., 3] > 0).sum(dim=1) * (galaxies.sed[:, :, -1] > 0).any(dim=1)
    there = (galaxies.sed[:, :, :-1] > 0).any(dim=1).long()
    kinds = torch.cat([level[:, None], there, (knots > 0).long()[:, None]], dim=1)
    for kind in torch.unique(kinds, dim=0):
        alike = torch.nonzero((kinds == kind).all(dim=1))[:, 0]
        alike = alike[torch.argsort(knots[alike], stable=True)]
        reach = _reach(psf, int(kind[0]))
        most = max(1, _WORK // max(reach.through.numel(), out[0].numel()))
        for some in alike.split(most):
            own = [
                table[some] if is_there else None for table, is_there in zip(tables, kind[1:], strict=False)
            ]
            number = knots[some].tolist() if bool(kind[-1]) else None
            spectra = _spectra(galaxies.rows(some), own, psf, reach, number)
            _images(spectra, psf.grid, side, some.tolist(), out)
    return out


def fits(galaxies: Centred, psf: Transfer) -> Tensor:
    """Whether `draw_centred` draws each galaxy as it is, (N,) bool: its light lies on the padded grid."""
    if psf.basis.dtype not in (np.float32, torch.float32):
        return torch.zeros(len(galaxies), dtype=torch.bool)
    share = (galaxies.sed / galaxies.sed.sum(dim=2, keepdim=True)).amax(dim=1)[:, :-1]
    edge = torch.full_like(galaxies.r_e, min(psf.grid) / 2 - 1.0)
    count = len(edge)
    inside = flux_inside(*(spared(v) for v in (edge, galaxies.r_e, galaxies.n)))[:count]
    return ((1 - inside) * share).sum(dim=1) < BEYOND


def _levels(galaxies: Centred, tables: list[Tensor], psf: Transfer, least: Tensor) -> Tensor:
    """Return which of `_CUTS` each galaxy is drawn to, (N,) int64."""
    rings = _rings(psf)
    share = (galaxies.sed / galaxies.sed.sum(dim=2, keepdim=True)).amax(dim=1)
    angle = math.pi / _ANGLES * (torch.arange(_ANGLES, dtype=torch.float64) + 0.5)
    stretch = (torch.cos(angle) ** 2 + galaxies.axis_ratio[:, None] ** 2 * torch.sin(angle) ** 2) ** 0.5
    square = ((rings.k[:, None] * stretch[:, None]) ** 2).flatten(1)  # (N, rings x angles)
    light = torch.zeros((len(galaxies), len(rings.k)))
    for k, table in enumerate(tables):
        own = (square * galaxies.r_e[:, k, None] ** 2).float()
        size = transform(table, own).abs().view(len(own), -1, _ANGLES)
        total = size[..., 0].clone()
        for i in range(1, _ANGLES):
            total += size[..., i]
        light += total / _ANGLES * share[:, k, None].float()
    sigma = galaxies.knots[..., 2].amin(dim=1)
    brightest = share[:, -1] * galaxies.knots[..., 3].amax(dim=1)
    blur = torch.exp(spared(-0.5 * (sigma[:, None] * rings.k) ** 2))[: len(sigma)]
    light = light.double() + brightest[:, None] * blur
    beyond = (light * rings.weight).flip(1).cumsum(dim=1).flip(1)
    little = torch.maximum(LITTLE * beyond[:, 0], least / galaxies.sed.sum(dim=2).amax(dim=1))
    left_out = torch.nn.functional.pad(beyond, (0, 1))[:, rings.first]
    return (left_out > little[:, None]).sum(dim=1)


@lru_cache(maxsize=16)
def _rings(psf: Transfer) -> _Rings:
    """`psf` is on its device."""
    k, strength = [], []
    for zone in psf.zones:
        ky, kx = _frequencies(psf.grid, zone.g)
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
    return _Rings(middle, most * middle * step / (2 * math.pi), first)


def _frequencies(grid: tuple[int, int], g: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Radians per pixel along y and x of a zone, float64."""
    y = 2 * math.pi * (torch.fft.fftfreq(grid[0], dtype=torch.float64) + g[0])
    x = 2 * math.pi * (torch.fft.rfftfreq(grid[1], dtype=torch.float64) + g[1])
    return y, x


@lru_cache(maxsize=128)
def _reach(psf: Transfer, level: int) -> _Reach:
    """Those of `psf`, which is on its device, up to one of `_CUTS`."""
    highest, half = _CUTS[level] * math.pi, psf.grid[0] // 2
    boxes, squares, through, first = [], [], [], 0
    for zone in psf.zones:
        ky, kx = _frequencies(psf.grid, zone.g)
        size = torch.hypot(ky[zone.rows, None], kx[zone.columns])
        basis = torch.einsum("cj,jyx->cyx", psf.mix.double(), zone.basis.double()) * _faded(size, highest)
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
            box = _Box(zone.g, rows, columns, first)
            first = box.flat.stop
            boxes.append(box)
            b, a = ky[rows, None].expand(box.shape), kx[columns].expand(box.shape)
            squares.append(torch.stack([a * a, 2 * a * b, b * b]).flatten(1))
            through.append(basis[:, y, x].flatten(1))
    fill = (0, whole(first) - first)
    k = torch.nn.functional.pad(torch.cat(squares, dim=1), fill).float()
    filled = torch.nn.functional.pad(torch.cat(through, dim=1), fill).float()
    return _Reach(tuple(boxes), k, filled, (_line(psf, boxes, 0), _line(psf, boxes, 1)))


def _line(psf: Transfer, boxes: list[_Box], axis: int) -> _Line:
    """Return the frequencies of boxes along an axis."""
    k, first, count = [], {}, 0
    for g in sorted({box.g[axis] for box in boxes}):
        parts = [(box.rows, box.columns)[axis] for box in boxes if box.g[axis] == g]
        some = slice(min(part.start for part in parts), max(part.stop for part in parts))
        k.append(_frequencies(psf.grid, (g, g))[axis][some])
        first[g] = count - some.start
        count += len(k[-1])
    return _Line(_filled(torch.cat(k)), first)


def _faded(k: Tensor, highest: float) -> Tensor:
    """1 to 0 from `_FADING` of the highest frequency to it, without a corner."""
    if math.isinf(highest):
        return torch.ones_like(k)
    place = ((k / highest - _FADING) / (1 - _FADING)).clamp(0, 1)
    return 0.5 * (1 + torch.cos(math.pi * place))


def _tables(n: Tensor) -> Tensor:
    """Return the transforms of profiles of these indices (M,), as `transform` takes them."""
    own, which = torch.unique(n, return_inverse=True)
    return rows("hankel0", own, torch.float32)[which]


def _spectra(
    galaxies: Centred, tables: list[Tensor | None], psf: Transfer, reach: _Reach, knots: list[int] | None
) -> Tensor:
    """Return the transforms of the images, (M, C, grid y, grid x // 2 + 1) complex64.

    `tables` are those of the components that have light, `knots` how many each galaxy has.
    """
    flux = galaxies.sed.float()[..., None]
    light = torch.zeros((len(galaxies), *reach.through.shape))
    squares = _squares(galaxies, reach)
    for k, table in enumerate(tables):
        if table is not None:
            size = (galaxies.r_e[:, k, None] ** 2).float()
            light += transform(table, squares * size)[:, None] * flux[:, :, k]
    light *= reach.through
    clumps = None if knots is None else _knots(galaxies, reach, knots)
    shape = (len(galaxies), len(reach.through), psf.grid[0], psf.grid[1] // 2 + 1)
    out = (torch.zeros(shape), torch.zeros(shape))
    turns = _turns(galaxies, reach.boxes)
    for box in reach.boxes:
        even, odd = light[..., box.flat].view(*shape[:2], *box.shape), None
        if clumps is not None:
            part = (reach.lines[0].part(box.g[0], box.rows), reach.lines[1].part(box.g[1], box.columns))
            weight = reach.through[:, box.flat].view(-1, *box.shape) * flux[:, :, -1:]
            even = even + weight * clumps[0][:, None, *part]
            odd = weight.mul_(clumps[1][:, None, *part])
        _fold([v[:, :, box.rows, box.columns] for v in out], even, odd, turns.get(box.g))
    return _placed(*out, galaxies, psf)


def _fold(out: list[Tensor], even: Tensor, odd: Tensor | None, turn: tuple[Tensor, Tensor] | None) -> None:
    """Add even + i odd, turned, to the real and the imaginary part of the grid's frequencies."""
    real, imaginary = out
    if turn is None:
        real += even
        if odd is not None:
            imaginary += odd
        return
    cos, sin = turn
    real += even * cos
    imaginary += even * sin
    if odd is not None:
        real -= odd * sin
        imaginary += odd * cos


def _turns(galaxies: Centred, boxes: tuple[_Box, ...]) -> dict[tuple[int, int], tuple[Tensor, Tensor]]:
    """Cosine and sine of the phase that each zone has beside the grid's own frequencies, (M, 1, 1, 1)."""
    zones = sorted({box.g for box in boxes} - {(0, 0)})
    if not zones:
        return {}
    g = torch.tensor(zones, dtype=torch.float64)
    place = g[:, :1] * galaxies.y + g[:, 1:] * galaxies.x
    angle = (torch.remainder(place, 1.0) * (-2 * math.pi)).flatten()
    both = (
        f(spared(angle))[: len(angle)].float().view(len(zones), -1, 1, 1, 1) for f in (torch.cos, torch.sin)
    )
    return dict(zip(zones, zip(*both, strict=True), strict=True))


def _squares(galaxies: Centred, reach: _Reach) -> Tensor:
    """Return the squares of the elliptical frequencies, along the major axis as they are, (M, P)."""
    angle, q = spared(torch.deg2rad(galaxies.position_angle)), spared(galaxies.axis_ratio)
    cos, sin = torch.cos(angle), torch.sin(angle)
    form = (cos**2 + (q * sin) ** 2, cos * sin * (1 - q**2), sin**2 + (q * cos) ** 2)
    xx, xy, yy = (v[: len(galaxies), None].float() for v in form)
    out = reach.squares[0] * xx
    out += reach.squares[1] * xy
    out += reach.squares[2] * yy
    return out


def _placed(real: Tensor, imaginary: Tensor, galaxies: Centred, psf: Transfer) -> Tensor:
    """Return the transforms with their centres at their places."""
    shape = real.shape[2:]
    y, x = (
        [v[:, : len(k)] for v in _wave(place, _filled(k))]
        for place, k in zip((galaxies.y, galaxies.x), _frequencies(psf.grid, (0, 0)), strict=True)
    )
    y, x = [v.view(-1, 1, shape[0], 1) for v in y], [v.view(-1, 1, 1, shape[1]) for v in x]
    cos, sin = y[0] * x[0] - y[1] * x[1], y[0] * x[1] + y[1] * x[0]
    return torch.complex(real * cos - imaginary * sin, real * sin + imaginary * cos)


def _filled(k: Tensor) -> Tensor:
    """Return frequencies, filled up to whole vectors."""
    return torch.nn.functional.pad(k, (0, whole(len(k)) - len(k)))


def _wave(place: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of -k times a place (...), (..., k) float32."""
    turns = torch.remainder(place[..., None] * k, 2 * math.pi).float()
    return torch.cos(turns), -torch.sin(turns)


def _knots(galaxies: Centred, reach: _Reach, number: list[int]) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the transform of the knots about the centre, (M, ky, kx) of the lines.

    A sum over knots of what each has along y times what it has along x: a product of matrices for each
    galaxy, always of the same shapes and from aligned addresses.
    """
    x, y, sigma, weight = galaxies.knots[:, : max(number)].unbind(dim=2)
    ys, xs = (_knot_waves(place, sigma, line.k) for place, line in zip((y, x), reach.lines, strict=True))
    ys = [v * weight[..., None].float() for v in ys]
    real, imaginary = torch.empty((2, len(galaxies), len(reach.lines[0].k), len(reach.lines[1].k)))
    for i, count in enumerate(number):
        cos_y, sin_y, cos_x, sin_x = (v[i, :count] for v in (*ys, *xs))
        torch.mm(torch.cat([cos_y, -sin_y]).T, torch.cat([cos_x, sin_x]), out=real[i])
        torch.mm(torch.cat([cos_y, sin_y]).T, torch.cat([sin_x, cos_x]), out=imaginary[i])
    return real, imaginary


def _knot_waves(place: Tensor, sigma: Tensor, k: Tensor) -> list[Tensor]:
    """Return the transforms of knots along an axis, real and imaginary part, (M, J, k)."""
    size = torch.exp((-0.5 * (sigma[..., None] * k) ** 2).float())
    return [v * size for v in _wave(place, k)]


def _images(spectra: Tensor, grid: tuple[int, int], side: int, places: list[int], out: Tensor) -> None:
    """Transform each galaxy back, and cut its stamp."""
    top, left = ((n - side) // 2 for n in grid)
    for i, own in zip(places, spectra, strict=True):
        image = torch.fft.irfft2(own.clone(), s=grid)
        out[i] = image[:, top : top + side, left : left + side]
