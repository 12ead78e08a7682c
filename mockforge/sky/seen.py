"""Components through a PSF, without the cusps of galaxies ever being sampled.

An image through a PSF is band-limited, and the transform of a Sersic profile is known: a function
of the elliptical frequency alone. So the image's transform is the product, folded on the
frequencies of the grid (as galsim draws). What that cannot do is light beyond the grid, which
would come back on the other side; it is smooth, so the lowest frequencies are taken from the
pixels instead. With p the transform of the pixels, P that of the profile and w a low pass,

    image = sum_g P(k + 2 pi g) T(k + 2 pi g) + w (p - sum_g P(k + 2 pi g)) T(k).

Of this a galaxy is given what it needs: the zones g in which it has light, and the frequencies
that w leaves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mockforge.observe.psf import Transfer
from mockforge.sky.sersic import flux_inside
from mockforge.sky.sersic_tables import rows, transform

_OUTSIDE = 3e-3
"""A galaxy with less light than this beyond the grid is drawn from its transform alone."""
_PASS = 6.0
"""Lowest half-width of the low pass, in units of 1 / (distance from the centre to the edge)."""
_PASSED = 3e-4
"""Where the low pass is below this, nothing is passed."""
_LITTLE = 1e-4
"""What adds less than this to the peak of an image is left out of it: high frequencies along y,
along x, and each of the zones that are folded into the pixels' transform."""
_FADING = 0.8
"""What is folded is whole up to this part of the highest frequency, and fades out from there."""
_SAMPLED = 4
"""How much is added is estimated at every so many-th frequency, along y and x."""

_NEAR = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
"""What of the profile's transform is folded into that of its pixels, up to little."""


@dataclass(frozen=True)
class Needs:
    """What of the frequencies each of M components needs; they are counted in steps of the grid's."""

    high: Tensor
    """(M, 2) int64: the highest frequency along y and x at which it has light."""
    low: Tensor
    """(M, 2) int64: the highest one along y and x that is taken from the pixels; -1 for a component
    that is drawn from its transform alone."""
    near: Tensor
    """(M, 8) bool: which of `_NEAR` it has light in."""
    table: Tensor
    """(M, ...): its transform, as `sersic_tables.transform` takes it."""

    def __getitem__(self, chosen: Tensor) -> Needs:
        return Needs(*(value[chosen] for value in vars(self).values()))

    def order(self) -> Tensor:
        """Components in an order in which neighbours need alike."""
        work = self.high.prod(dim=1) + (self.low + 1).prod(dim=1) * (4 + self.near.sum(dim=1))
        return torch.argsort(work, stable=True)


def needs(part: dict[str, Tensor], psf: Transfer) -> Needs:
    """What components, centred on the padded grid's coordinates, need of the frequencies."""
    edge = _edge(part, psf)
    outside = 1 - flux_inside(edge.clamp_min(0.5), part["r_e"], part["n"])
    wide = (outside > _OUTSIDE) | (edge < 0.25 * min(psf.grid))
    width = _width(part, psf)
    steep = torch.sqrt(math.log(_PASSED) / width.double()) / (2 * math.pi * part["r_e"])
    cos, sin = (f(torch.deg2rad(part["position_angle"])) for f in (torch.cos, torch.sin))
    extent = (torch.hypot(sin, cos / part["axis_ratio"]), torch.hypot(cos, sin / part["axis_ratio"]))
    low = [(steep * e * n).clamp_max(n // 2).ceil().long() for e, n in zip(extent, psf.grid, strict=True)]
    table = rows("hankel0", part["n"], torch.float32)
    g = {key: value[..., 0] for key, value in _stretched(part).items() if key in ("ax", "ay", "bx", "by")}
    sampled = _samples(psf)
    light = _transform(g, [table], *sampled.frequency)[0].abs()
    total = light[:, : sampled.main] @ sampled.strength[: sampled.main]
    high = []
    for share in sampled.share:
        beyond = (light @ share).flip(1).cumsum(1).flip(1)
        whole = (beyond > _LITTLE * total[:, None]).sum(dim=1) * _SAMPLED
        high.append((whole / _FADING).ceil().long())
    near = torch.zeros((len(total), len(_NEAR)), dtype=torch.bool, device=total.device)
    if bool(wide.any()):
        g = {key: value[wide, :, None] for key, value in g.items()}
        light, square = _transform(g, [table[wide]], *sampled.near_frequency)
        low_pass = torch.exp(square[:, :1] * width[wide, None, None])
        adds = (light[:, 1:].abs() * low_pass * sampled.near_strength).sum(dim=2)
        near[wide] = adds > _LITTLE * total[wide, None]
    lowest = torch.where(wide[:, None], torch.stack(low, dim=1), -1)
    return Needs(torch.stack(high, dim=1), lowest, near, table)


@dataclass(frozen=True)
class _Samples:
    """Frequencies at which it is looked what a component needs."""

    frequency: tuple[Tensor, Tensor]
    """(P,) y and x, those of all zones, the grid's own first."""
    main: int
    """How many are the grid's own."""
    strength: Tensor
    """(P,) what the PSF and the pixel leave there."""
    share: tuple[Tensor, Tensor]
    """(P, L) for y and x: the strength, in the column of the frequency over `_SAMPLED`."""
    near_frequency: tuple[Tensor, Tensor]
    """(1 + 8, Q) y and x, the grid's own and the zones `_NEAR`."""
    near_strength: Tensor
    """(8, Q) what the pixel of the zone and the PSF leave there."""


@lru_cache(maxsize=8)
def _samples(psf: Transfer) -> _Samples:
    ky, kx = _frequencies(psf.grid, psf.mix.device)
    every = slice(None, None, _SAMPLED)
    along, across, strength = [], [], []
    for zone in psf.zones:
        part = zone.strength[every, every]
        along.append((ky[zone.rows, None][every] + 2 * math.pi * zone.g[0]).expand_as(part).flatten())
        across.append((kx[zone.columns][every] + 2 * math.pi * zone.g[1]).expand_as(part).flatten())
        strength.append(part.flatten())
    main, joined = len(along[0]), torch.cat(strength)
    share = []
    for k, size in ((torch.cat(along), psf.grid[0]), (torch.cat(across), psf.grid[1])):
        level = (k.abs() * (size / (2 * math.pi) / _SAMPLED)).round().long()
        share.append(torch.zeros((len(k), int(level.max()) + 1), device=k.device))
        share[-1].scatter_(1, level[:, None], joined[:, None])
    g = torch.tensor([(0, 0), *_NEAR], device=ky.device) * 2 * math.pi
    y, x = along[0] + g[:, :1], across[0] + g[:, 1:]
    pixel = (torch.sinc(y / (2 * math.pi)) * torch.sinc(x / (2 * math.pi))).abs()
    return _Samples(
        (torch.cat(along), torch.cat(across)),
        main,
        joined,
        (share[0], share[1]),
        (y, x),
        pixel[1:] * strength[0],
    )


def _edge(part: dict[str, Tensor], psf: Transfer) -> Tensor:
    """Distance from the centre to the nearest edge of the padded grid, pixels; below 0 outside."""
    across = torch.minimum(part["x"] + 0.5, psf.grid[1] - 0.5 - part["x"])
    return torch.minimum(across, torch.minimum(part["y"] + 0.5, psf.grid[0] - 0.5 - part["y"]))


def seen_sersics(part: dict[str, Tensor], psf: Transfer, need: Needs, pixels: Tensor | None) -> Tensor:
    """Components through the principal PSFs, (M, J, grid y, grid x) float32.

    `part` holds x, y (pixels of the padded grid), r_e, n, axis_ratio, position_angle and, for
    lopsided ones, asymmetry and asymmetry_angle, each (M,), and `need` is what they need; `pixels`
    (M, grid y, grid x) are the pixels without PSF where light lies beyond the grid, else None.
    """
    g = _stretched(part)
    tables = [need.table]
    if "s" in g:
        tables.append(rows("hankel1", part["n"], torch.float32))
    ky, kx = _frequencies(psf.grid, part["x"].device)
    phase = _phase(part, ky, kx)
    bases = _bases(psf)
    light, square = _transform(g, tables, ky[:, None], kx)
    out = _product(phase * light, bases[0])
    most = [
        high * 2 * math.pi / size for high, size in zip(need.high.amax(dim=0).tolist(), psf.grid, strict=True)
    ]
    for zone, basis in zip(psf.zones[1:], bases[1:], strict=True):
        y, x = ky[zone.rows] + 2 * math.pi * zone.g[0], kx[zone.columns] + 2 * math.pi * zone.g[1]
        box = [_within(k, high) for k, high in zip((y, x), most, strict=True)]
        if None in box:
            continue
        inner, cut = (..., *box), (y[box[0]], x[box[1]])
        shift = [
            _shift(k, g, size, part[name], high)
            for k, g, size, name, high in zip(
                cut, zone.g, psf.grid, ("y", "x"), need.high.unbind(1), strict=True
            )
        ]
        seen = phase[:, zone.rows, zone.columns][inner] * shift[0][:, :, None] * shift[1][:, None]
        seen = seen * _transform(g, tables, cut[0][:, None], cut[1])[0]
        basis = basis[inner] if basis.is_complex() else basis[(..., *box, slice(None))]
        _add(out[:, :, zone.rows, zone.columns][inner], seen, basis)
    if pixels is not None:
        _add_pixels(out, part, psf, need, pixels, (g, tables, light, square, phase))
    return torch.fft.irfft2(out, s=psf.grid)


def _add_pixels(
    out: Tensor, part: dict[str, Tensor], psf: Transfer, need: Needs, pixels: Tensor,
    known: tuple[dict[str, Tensor], list[Tensor], Tensor, Tensor, Tensor],
) -> None:  # fmt: skip
    """Take the lowest frequencies from the pixels."""
    g, tables, light, square, phase = known
    ky, kx = _frequencies(psf.grid, out.device)
    most = need.low.amax(dim=0).tolist()
    upper, columns = min(most[0] + 1, psf.grid[0] // 2), min(most[1] + 1, len(kx))
    row = torch.cat([torch.arange(upper), torch.arange(psf.grid[0] - upper, psf.grid[0])]).to(out.device)
    ky, kx = ky[row, None], kx[:columns]
    light, square, phase = (v[:, row, :columns] for v in (light, square, phase))
    folded = light * _pixel(ky, kx)
    for i, at in enumerate(_NEAR):
        if not bool(need.near[:, i].any()):
            continue
        y, x = ky + 2 * math.pi * at[0], kx + 2 * math.pi * at[1]
        turned = _turned(part, at) * need.near[:, i, None, None]
        folded = folded + turned * (_transform(g, tables, y, x)[0] * _pixel(y, x))
    low = torch.exp(square * _width(part, psf)[:, None, None])
    rest = (torch.fft.rfft2(pixels)[:, row, :columns] - folded * phase) * low
    basis = psf.basis[:, row, :columns]
    basis = basis if basis.is_complex() else torch.stack([basis, basis], dim=-1)
    _add(out[:, :, :upper, :columns], rest[:, :upper], basis[:, :upper])
    _add(out[:, :, -upper:, :columns], rest[:, upper:], basis[:, upper:])


@lru_cache(maxsize=8)
def _bases(psf: Transfer) -> tuple[Tensor, ...]:
    """The basis of each zone, a real one twice: for the real and the imaginary part it multiplies."""
    return tuple(z.basis if z.basis.is_complex() else torch.stack([z.basis] * 2, dim=-1) for z in psf.zones)


def _product(light: Tensor, basis: Tensor) -> Tensor:
    """Complex light (M, y, x) times each principal PSF, (M, J, y, x)."""
    if basis.is_complex():
        return light[:, None] * basis
    return torch.view_as_complex(torch.view_as_real(light)[:, None] * basis)


def _add(out: Tensor, light: Tensor, basis: Tensor) -> None:
    """Add complex light (M, y, x) times each principal PSF to `out` (M, J, y, x)."""
    if basis.is_complex():
        out.addcmul_(light[:, None], basis)
    else:
        torch.view_as_real(out).addcmul_(torch.view_as_real(light)[:, None], basis)


def seen_knots(knots: dict[str, Tensor], psf: Transfer) -> Tensor:
    """The knots of each galaxy, (N, J) each, through the principal PSFs, (N, J, grid y, grid x)."""
    ky, kx = _frequencies(psf.grid, knots["x"].device)
    inside = _edge(knots, psf) > 0
    weight = (knots["weight"] * inside).float()[..., None]
    sigma = knots["sigma"].float()[..., None]
    out = torch.zeros((), device=kx.device)
    for zone in psf.zones:
        y = ky[zone.rows] + 2 * math.pi * zone.g[0]
        x = kx[zone.columns] + 2 * math.pi * zone.g[1]
        along = torch.polar(weight * torch.exp(-0.5 * (sigma * y) ** 2), -_turns(knots["y"], y))
        across = torch.polar(torch.exp(-0.5 * (sigma * x) ** 2), -_turns(knots["x"], x))
        light = torch.bmm(along.transpose(1, 2), across)[:, None] * zone.basis
        if zone.g == (0, 0):
            out = light
        else:
            out[:, :, zone.rows, zone.columns] += light
    return torch.fft.irfft2(out, s=psf.grid)


def _turns(place: Tensor, k: Tensor) -> Tensor:
    """k times a place, brought into one turn in float64, as float32."""
    return torch.remainder(place.double()[..., None] * k.double(), 2 * math.pi).float()


def _stretched(part: dict[str, Tensor]) -> dict[str, Tensor]:
    """(M, 1, 1) float32: k r_e in the frame where isophotes are circles is (ax kx + ay ky, bx kx + by ky)."""
    angle = torch.deg2rad(part["position_angle"])
    r_e, q = part["r_e"], part["axis_ratio"]
    out = {
        "ax": r_e * torch.cos(angle),
        "ay": r_e * torch.sin(angle),
        "bx": -q * r_e * torch.sin(angle),
        "by": q * r_e * torch.cos(angle),
    }
    if "asymmetry" in part:
        side = torch.deg2rad(part["asymmetry_angle"] - part["position_angle"])
        out |= {
            "s": part["asymmetry"],
            "sx": part["asymmetry"] * torch.cos(side),
            "sy": part["asymmetry"] * torch.sin(side),
        }
    return {key: value.float()[:, None, None] for key, value in out.items()}


def _transform(g: dict[str, Tensor], tables: list[Tensor], ky: Tensor, kx: Tensor) -> tuple[Tensor, Tensor]:
    """Transform of each profile about its own centre, and (k r_e)^2, where `g`, `ky`, `kx` meet.

    A factor cos(phi - phi_0) turns the Bessel function of order 0 into -i cos(theta - phi_0)
    times that of order 1, theta being the direction of k.
    """
    a = g["ax"] * kx + g["ay"] * ky
    b = g["bx"] * kx + g["by"] * ky
    square = torch.addcmul(b * b, a, a).clamp_(min=1e-12)
    light = transform(tables[0], square)
    if "s" in g:
        odd = transform(tables[1], square) * torch.rsqrt(square) * (a * g["sx"] + b * g["sy"])
        light = torch.complex(light, odd)
    return light, square


def _width(part: dict[str, Tensor], psf: Transfer) -> Tensor:
    """The low pass is exp((k r_e)^2 times this): wide for what is large and has no sharp cusp."""
    edge = _edge(part, psf)
    away = edge < 0.25 * min(psf.grid)  # little is known of light that comes from beyond
    edge = edge.clamp_min(0.25 * min(psf.grid))
    wide = torch.clamp(128 * part["r_e"] / (edge * part["n"]), min=_PASS)
    wide = torch.where(away, torch.full_like(wide, 1e4), wide)
    return (-0.5 * (edge / (wide * part["r_e"])) ** 2).float()


def _frequencies(grid: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Radians per pixel along y and x of a real transform."""
    y, x = torch.fft.fftfreq(grid[0], device=device), torch.fft.rfftfreq(grid[1], device=device)
    return 2 * math.pi * y, 2 * math.pi * x


def _pixel(ky: Tensor, kx: Tensor) -> Tensor:
    return torch.sinc(ky / (2 * math.pi)) * torch.sinc(kx / (2 * math.pi))


def _within(k: Tensor, high: float) -> slice | None:
    """The frequencies up to the highest that is needed; None where there are none."""
    found = torch.nonzero(k.abs() <= high * (1 + 1e-5))[:, 0].tolist()
    return slice(found[0], found[-1] + 1) if found else None


def _shift(k: Tensor, g: int, size: int, place: Tensor, high: Tensor) -> Tensor:
    """The phase (M, k) that a zone has beside the grid's own along an axis; fades out at the highest.

    An edge would ring along the axis; the fading begins in the zones, never in the grid's own.
    """
    turns = torch.remainder(g * place, 1.0)
    phase = torch.polar(torch.ones_like(turns), -2 * math.pi * turns).to(torch.complex64)
    last = high[:, None] + 0.5
    first = (_FADING * last).clamp_min(size // 2)
    done = (k.abs() * (size / (2 * math.pi)) - first) / (last - first).clamp_min(0.5)
    return phase[:, None] * (0.5 * (1 + torch.cos(math.pi * done.clamp(0, 1)))).float()


def _turned(part: dict[str, Tensor], at: tuple[int, int]) -> Tensor:
    """The phase that a zone has beside the grid's own, (M, 1, 1)."""
    turns = torch.remainder(at[0] * part["y"] + at[1] * part["x"], 1.0)
    return torch.polar(torch.ones_like(turns), -2 * math.pi * turns).to(torch.complex64)[:, None, None]


def _phase(part: dict[str, Tensor], ky: Tensor, kx: Tensor) -> Tensor:
    """The phase of the centre, (M, y, x)."""
    along, across = _turns(part["y"], ky), _turns(part["x"], kx)
    one = torch.ones((), device=ky.device)
    return (
        torch.polar(one.expand_as(along), -along)[:, :, None]
        * torch.polar(one.expand_as(across), -across)[:, None]
    )
