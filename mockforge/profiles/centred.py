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

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mockforge.observe.psf.transfer import Transfer
from mockforge.profiles.centred_frequencies import (
    FIRST_HIGH,
    LOW,
    Box,
    Reach,
    filled,
    grid_frequencies,
    reach_of,
    rings_of,
)
from mockforge.profiles.lanes import VECTOR, spared
from mockforge.profiles.sersic import flux_inside, sersic_b
from mockforge.profiles.sersic_tables import rows, transform
from mockforge.torch_state import steadily

LITTLE = 3e-4
"""Frequencies that add less than this to the peak of a galaxy are left out, however their phases meet."""
BEYOND = 3e-3
"""Share of a galaxy's light, in any band, beyond the padded grid: with less it is drawn here."""
_MARGIN = 4
"""Pixels at the edges of a small grid that are not added to a stamp."""
_AROUND = 10.0
"""Pixels about a knot that its high frequencies have light in."""
_CUSP = 0.95
"""Index from which a profile is as an exponential: its high frequencies come from the cusp in its middle."""
_ANGLES = 8
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


@steadily()
def draw_centred(
    galaxies: Centred, side: int, psf: Transfer, least: Tensor, core: Transfer | None = None
) -> Tensor:
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
    core : Transfer, optional
        The same PSF on a smaller grid: all but the lowest frequencies of a galaxy are drawn on it where
        they have light in its middle alone.
    """
    out = torch.from_numpy(np.empty((len(galaxies), len(psf.mix), side, side), dtype=np.float32))
    psf = psf.on("cpu")
    tables = [_tables(n) for n in galaxies.n.unbind(dim=1)]
    level = _levels(galaxies, tables, psf, least)
    narrow = torch.zeros(len(galaxies), dtype=torch.bool)
    if core is not None and core.grid[0] < side:
        narrow = (level >= FIRST_HIGH) & _high_within(galaxies, 0.5 * (core.grid[0] - 2 * _MARGIN))
    _draw(galaxies, tables, level, psf, "whole", ~narrow, out)
    if core is not None and narrow.any():
        _draw(galaxies, tables, torch.zeros_like(level), psf, "low", narrow, out)
        n = core.grid[0] - 2 * _MARGIN
        middle = slice(side // 2 - n // 2, side // 2 + n // 2)
        galaxies = replace(galaxies, y=galaxies.y - middle.start, x=galaxies.x - middle.start)
        _draw(galaxies, tables, level, core.on("cpu"), "high", narrow, out[:, :, middle, middle])
    return out


def _draw(
    galaxies: Centred,
    tables: list[Tensor],
    level: Tensor,
    psf: Transfer,
    part: str,
    which: Tensor,
    out: Tensor,
) -> None:
    """Draw some of the galaxies, up to their level; those of the high part are added to what there is."""
    side = out.shape[-1]
    start = psf.grid[0] // 2 - side // 2
    galaxies = replace(galaxies, y=galaxies.y + start, x=galaxies.x + start)
    knots = (galaxies.knots[..., 3] > 0).sum(dim=1) * (galaxies.sed[:, :, -1] > 0).any(dim=1)
    there = (galaxies.sed[:, :, :-1] > 0).any(dim=1).long()
    kinds = torch.cat([level[:, None], there, (knots > 0).long()[:, None]], dim=1)
    for kind in torch.unique(kinds[which], dim=0):
        alike = torch.nonzero((kinds == kind).all(dim=1) & which)[:, 0]
        alike = alike[torch.argsort(knots[alike], stable=True)]
        reach = reach_of(psf, int(kind[0]), part)
        most = max(1, _WORK // max(reach.through.numel(), out[0].numel()))
        for some in alike.split(most):
            parts = zip(tables, kind[1:], strict=False)
            own = [table[some] if is_there else None for table, is_there in parts]
            number = knots[some].tolist() if bool(kind[-1]) else None
            for i, spectrum in zip(
                some.tolist(), _spectra(galaxies.rows(some), own, psf, reach, number), strict=True
            ):
                image = torch.fft.irfft2(spectrum.clone(), s=psf.grid)[
                    :, start : start + side, start : start + side
                ]
                out[i] = image + out[i] if part == "high" else image


def _high_within(galaxies: Centred, half: float) -> Tensor:
    """Whether galaxies have no light of high frequencies farther from their centres than this, (N,) bool.

    What is elongated changes fast across its major axis, by a part exp(-k q x) at a distance x along it
    for profiles that fall as an exponential or slower; others are told by their own transform.
    """
    k, q = math.pi * LOW[0], galaxies.axis_ratio[:, None]
    count = len(q)
    r, n = spared(galaxies.r_e), spared(galaxies.n)
    falls = torch.exp(-sersic_b(n) * ((half / r) ** (1 / n)))[:count]
    across = torch.exp(spared(-k * q * half).expand(-1, n.shape[1]))[:count]
    square = ((k * q * galaxies.r_e) ** 2).float()
    smooth = torch.stack(
        [
            transform(_tables(v), own[:, None].repeat(1, VECTOR))[:, 0].abs()  # whole vectors
            for v, own in zip(galaxies.n.unbind(dim=1), square.unbind(dim=1), strict=True)
        ],
        dim=1,
    )
    across = torch.where(galaxies.n < _CUSP, torch.maximum(across, smooth.double()), across)
    sersics = ((falls * across < LITTLE) | (galaxies.sed[:, :, :-1] <= 0).all(dim=1)).all(dim=1)
    x, y, sigma, weight = galaxies.knots.unbind(dim=2)
    near = torch.maximum(x.abs(), y.abs()) < half - _AROUND
    knots = (near | (sigma * k > 4.0) | (weight <= 0)).all(dim=1) | (galaxies.sed[:, :, -1] <= 0).all(dim=1)
    return sersics & knots


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
    rings = rings_of(psf)
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


def _tables(n: Tensor) -> Tensor:
    """Return the transforms of profiles of these indices (M,), as `transform` takes them."""
    own, which = torch.unique(n, return_inverse=True)
    return rows("hankel0", own, torch.float32)[which]


def _spectra(
    galaxies: Centred, tables: list[Tensor | None], psf: Transfer, reach: Reach, knots: list[int] | None
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


def _turns(galaxies: Centred, boxes: tuple[Box, ...]) -> dict[tuple[int, int], tuple[Tensor, Tensor]]:
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


def _squares(galaxies: Centred, reach: Reach) -> Tensor:
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
        [v[:, : len(k)] for v in _wave(place, filled(k))]
        for place, k in zip((galaxies.y, galaxies.x), grid_frequencies(psf.grid, (0, 0)), strict=True)
    )
    y, x = [v.view(-1, 1, shape[0], 1) for v in y], [v.view(-1, 1, 1, shape[1]) for v in x]
    cos, sin = y[0] * x[0] - y[1] * x[1], y[0] * x[1] + y[1] * x[0]
    return torch.complex(real * cos - imaginary * sin, real * sin + imaginary * cos)


def _wave(place: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of -k times a place (...), (..., k) float32."""
    turns = torch.remainder(place[..., None] * k, 2 * math.pi).float()
    return torch.cos(turns), -torch.sin(turns)


def _knots(galaxies: Centred, reach: Reach, number: list[int]) -> tuple[Tensor, Tensor]:
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
