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

from mockforge.observe.psf.transfer import Transfer
from mockforge.profiles.lanes import each_spectrum, each_transform, spared, whole
from mockforge.profiles.sersic import Sersics, flux_inside, sersic
from mockforge.profiles.sersic_tables import rows, transform
from mockforge.profiles.zones import ROW, add, frequencies, put, times, within

_OUTSIDE = 3e-3
"""A galaxy with less light than this beyond the grid is drawn from its transform alone."""
_PASS = 6.0
"""Lowest half-width of the low pass, in units of 1 / (distance from the centre to the edge)."""
_PASSED = 3e-4
"""Where the low pass is below this, nothing is passed."""
_BLOCK = 2**18
"""Pixels of padded stamps transformed at once."""
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
    """Return what components, centred on the padded grid's coordinates, need of the frequencies."""
    count = len(part["x"])
    more = {name: spared(value) for name, value in part.items()}
    edge = _edge(more, psf)
    outside = 1 - flux_inside(edge.clamp_min(0.5), more["r_e"], more["n"])
    wide = ((outside > _OUTSIDE) | (edge < 0.25 * min(psf.grid)))[:count]
    width = _width(more, psf)
    steep = torch.sqrt(math.log(_PASSED) / width.double()) / (2 * math.pi * more["r_e"])
    cos, sin = (f(torch.deg2rad(more["position_angle"])) for f in (torch.cos, torch.sin))
    extent = (torch.hypot(sin, cos / more["axis_ratio"]), torch.hypot(cos, sin / more["axis_ratio"]))
    low = [(steep * e * n).clamp_max(n // 2).ceil().long() for e, n in zip(extent, psf.grid, strict=True)]
    width, low = width[:count], torch.stack(low, dim=1)[:count]
    table = rows("hankel0", part["n"], torch.float32)
    g = {key: value[..., 0] for key, value in stretched(part).items() if key in ("ax", "ay", "bx", "by")}
    sampled = _samples(psf)
    light = _transform(g, [table], *sampled.frequency)[0].abs() * sampled.strength
    total = light[:, : sampled.main].cumsum(dim=1)[:, -1]
    high = []
    for order, last in zip(sampled.order, sampled.last, strict=True):
        beyond = light[:, order].cumsum(dim=1)[:, last]  # from the highest frequency on, one by one
        steps = (beyond > _LITTLE * total[:, None]).sum(dim=1) * _SAMPLED
        high.append((steps / _FADING).ceil().long())
    near = torch.zeros((count, len(_NEAR)), dtype=torch.bool, device=total.device)
    if bool(wide.any()):
        g = {key: value[wide, :, None] for key, value in g.items()}
        light, square = _transform(g, [table[wide]], *sampled.near_frequency)
        low_pass = torch.exp(square[:, :1] * width[wide, None, None])
        adds = (light[:, 1:].abs() * low_pass * sampled.near_strength).cumsum(dim=2)[..., -1]
        near[wide] = adds > _LITTLE * total[wide, None]
    return Needs(torch.stack(high, dim=1), torch.where(wide[:, None], low, -1), near, table)


@dataclass(frozen=True)
class _Samples:
    """Frequencies at which it is looked what a component needs, in whole vectors."""

    frequency: tuple[Tensor, Tensor]
    """(P,) y and x, those of all zones, the grid's own first."""
    main: int
    """How many are the grid's own."""
    strength: Tensor
    """(P,) what the PSF and the pixel leave there."""
    order: tuple[Tensor, Tensor]
    """(P,) for y and x: the frequencies from the highest to the lowest."""
    last: tuple[Tensor, Tensor]
    """(L,) the last place in this order of each frequency over `_SAMPLED`, from the lowest on."""
    near_frequency: tuple[Tensor, Tensor]
    """(1 + 8, Q) y and x, the grid's own and the zones `_NEAR`."""
    near_strength: Tensor
    """(8, Q) what the pixel of the zone and the PSF leave there."""


@lru_cache(maxsize=8)
def _samples(psf: Transfer) -> _Samples:
    frequency = frequencies(psf)
    ky, kx = frequency.ky[: psf.grid[0]], frequency.kx[: psf.grid[1] // 2 + 1]
    every = slice(None, None, _SAMPLED)
    along, across, strength = [], [], []
    for zone in psf.zones:
        part = zone.strength[every, every]
        y = (ky[zone.rows, None][every] + 2 * math.pi * zone.g[0]).expand_as(part).flatten()
        x = (kx[zone.columns][every] + 2 * math.pi * zone.g[1]).expand_as(part).flatten()
        end = (0, whole(len(y)) - len(y))  # frequency 0, and no strength
        for values, flat in ((along, y), (across, x), (strength, part.flatten())):
            values.append(torch.nn.functional.pad(flat, end))
    main, joined = len(along[0]), torch.cat(strength)
    order, last = [], []
    for k, size in ((torch.cat(along), psf.grid[0]), (torch.cat(across), psf.grid[1])):
        level = (k.abs() * (size / (2 * math.pi) / _SAMPLED)).round().long()
        order.append(torch.argsort(level, descending=True, stable=True))
        last.append(torch.bincount(level).flip(0).cumsum(0).flip(0) - 1)
    g = torch.tensor([(0, 0), *_NEAR], device=ky.device, dtype=torch.float32) * 2 * math.pi
    y, x = along[0] + g[:, :1], across[0] + g[:, 1:]
    pixel = (torch.sinc(y / (2 * math.pi)) * torch.sinc(x / (2 * math.pi))).abs()
    return _Samples(
        (torch.cat(along), torch.cat(across)),
        main,
        joined,
        (order[0], order[1]),
        (last[0], last[1]),
        (y, x),
        pixel[1:] * strength[0],
    )


def _edge(part: dict[str, Tensor], psf: Transfer) -> Tensor:
    """Distance from the centre to the nearest edge of the padded grid, pixels; below 0 outside."""
    across = torch.minimum(part["x"] + 0.5, psf.grid[1] - 0.5 - part["x"])
    return torch.minimum(across, torch.minimum(part["y"] + 0.5, psf.grid[0] - 0.5 - part["y"]))


def draw_at_once(
    s: dict[str, Tensor], knots: dict[str, Tensor] | None, weights: Tensor, psf: Transfer, out: Tensor
) -> None:
    """Draw galaxies into `out` as `mockforge.profiles.seen.draw_seen`, in few steps: for a GPU."""
    count, components = s["x"].shape
    shape = (out.shape[2], out.shape[3])
    top, left = (psf.grid[0] - shape[0]) // 2, (psf.grid[1] - shape[1]) // 2
    window = (slice(top, top + shape[0]), slice(left, left + shape[1]))
    padded = {name: value.reshape(-1) for name, value in s.items()}
    padded |= {"x": padded["x"] + left, "y": padded["y"] + top}
    convolved = out.new_empty((count * components, psf.mix.shape[1], *shape))
    need = needs(padded, psf)
    order, beyond = need.order(), need.low[:, 0] >= 0
    size = max(1, _BLOCK // (psf.grid[0] * psf.grid[1]))
    for chosen, far in ((order[~beyond[order]], False), (order[beyond[order]], True)):
        for i in range(0, len(chosen), size):
            some = chosen[i : i + size]
            part = {name: value[some] for name, value in padded.items()}
            pixels = sersic(Sersics(**part), psf.grid) if far else None
            convolved[some] = seen_sersics(part, psf, need[some], pixels, window)
    convolved = convolved.unflatten(0, (count, components))
    if knots is not None:
        knots = knots | {"x": knots["x"] + left, "y": knots["y"] + top}
        parts = [{name: v[i : i + size] for name, v in knots.items()} for i in range(0, count, size)]
        through = torch.cat([seen_knots(part, psf, window) for part in parts])
        convolved = torch.cat([convolved, through[:, None]], dim=1)
    out.copy_(torch.einsum("nck,cj,nkjyx->ncyx", weights, psf.mix, convolved))


def seen_sersics(
    part: dict[str, Tensor], psf: Transfer, need: Needs, pixels: Tensor | None, window: tuple[slice, slice]
) -> Tensor:
    """Components through the principal PSFs, (M, J, y, x) float32 in a window of the grid.

    `part` holds x, y (pixels of the padded grid), r_e, n, axis_ratio, position_angle and, for
    lopsided ones, asymmetry and asymmetry_angle, each (M,), and `need` is what they need; `pixels`
    (M, grid y, grid x) are the pixels without PSF where light lies beyond the grid, else None.
    """
    g = stretched(part)
    tables = [need.table]
    if "s" in g:
        tables.append(rows("hankel1", part["n"], torch.float32))
    frequency = frequencies(psf)
    ky, kx = frequency.ky, frequency.kx
    waves = {(0, 0): phase_of(part["y"], ky), (1, 0): phase_of(part["x"], kx)}

    def wave(axis: int, turns: int) -> Tensor:
        """Return the phase along an axis, (M, k), so many multiples of the sampling frequency away."""
        if (axis, turns) not in waves:
            k, high = (ky, kx)[axis] + 2 * math.pi * turns, need.high[:, axis]
            waves[axis, turns] = waves[axis, 0] * _shift(k, turns, psf.grid[axis], part["yx"[axis]], high)
        return waves[axis, turns]

    main = frequency.zones[0]
    phase = wave(0, 0)[:, main.rows, None] * wave(1, 0)[:, None, main.columns]
    light, square = _transform(g, tables, ky[main.rows, None], kx[main.columns])
    out = phase.new_empty((len(phase), len(psf.basis), *phase.shape[1:]))
    put(out, times(phase, light), main.basis)
    most = [
        high * 2 * math.pi / size for high, size in zip(need.high.amax(dim=0).tolist(), psf.grid, strict=True)
    ]
    for zone in frequency.zones[1:]:
        y, x = ky[zone.rows] + 2 * math.pi * zone.g[0], kx[zone.columns] + 2 * math.pi * zone.g[1]
        box = (within(y, most[0], 2), within(x, most[1], ROW))
        if box[0] is None or box[1] is None:
            continue
        along = wave(0, zone.g[0])[:, zone.rows][:, box[0], None]
        across = wave(1, zone.g[1])[:, None, zone.columns][..., box[1]]
        light = _transform(g, tables, y[box[0], None], x[box[1]])[0]
        target = out[:, :, zone.rows, zone.columns][(..., *box)]
        add(target, times(along * across, light), zone.basis[(slice(None), *box)])
    if pixels is not None:
        _add_pixels(out, part, psf, need, pixels, (g, tables, square, phase))
    return each_transform(out[..., : psf.grid[1] // 2 + 1], psf.grid, window)


def _add_pixels(
    out: Tensor, part: dict[str, Tensor], psf: Transfer, need: Needs, pixels: Tensor,
    made: tuple[dict[str, Tensor], list[Tensor], Tensor, Tensor],
) -> None:  # fmt: skip
    """Take the lowest frequencies from the pixels."""
    g, tables, square, phase = made
    frequency = frequencies(psf)
    ky, kx, size = frequency.ky, frequency.kx, psf.grid[0]
    most = need.low.amax(dim=0).tolist()
    upper, columns = min(most[0] + 1, size // 2), min(-(-(most[1] + 1) // ROW) * ROW, frequency.columns)
    row = torch.cat([torch.arange(upper), torch.arange(size - upper, size)]).to(out.device)
    own = (_steps(size, ky)[row] <= need.low[:, :1])[:, :, None]
    own = own & (_steps(psf.grid[1], kx)[:columns] <= need.low[:, 1:])[:, None]
    square, phase = (v[:, row, :columns] for v in (square, phase))
    folded = torch.zeros_like(phase)
    for i, at in enumerate(((0, 0), *_NEAR)):
        if i > 0 and not bool(need.near[:, i - 1].any()):
            continue
        y, x = ky + 2 * math.pi * at[0], kx + 2 * math.pi * at[1]
        light = _transform(g, tables, y[row, None], x[:columns])[0]
        light = light * (_pixel(y)[row, None] * _pixel(x)[:columns])
        if i > 0:
            turned = _turned(part, at) * need.near[:, i - 1, None, None]
            light = times(turned.expand_as(phase), light)
        folded += light
    width = _width({name: spared(value) for name, value in part.items()}, psf)[: len(square), None, None]
    spectrum = each_spectrum(pixels)[:, row, :columns]
    spectrum = torch.nn.functional.pad(spectrum, (0, columns - spectrum.shape[2]))
    rest = times(spectrum - folded * phase, torch.exp(square * width) * own)
    basis = frequency.basis[:, row, :columns]
    add(out[:, :, :upper, :columns], rest[:, :upper], basis[:, :upper])
    add(out[:, :, size - upper : size, :columns], rest[:, upper:], basis[:, upper:])


def seen_knots(knots: dict[str, Tensor], psf: Transfer, window: tuple[slice, slice]) -> Tensor:
    """Return the knots of each galaxy, (N, J) each, through the principal PSFs, (N, J, y, x) in a window."""
    frequency = frequencies(psf)
    ky, kx = frequency.ky, frequency.kx
    weight = (knots["weight"] * (_edge(knots, psf) > 0)).float()[..., None]
    sigma = knots["sigma"].float()[..., None]
    waves: dict[tuple[int, int], Tensor] = {}

    def wave(axis: int, turns: int) -> Tensor:
        """Return the transform of each knot along an axis, (N, J, k)."""
        if (axis, turns) not in waves:
            k = (ky, kx)[axis] + 2 * math.pi * turns
            size = torch.exp(-0.5 * (sigma * k) ** 2) * (1.0 if axis else weight)
            waves[axis, turns] = torch.polar(size, -_turns(knots["yx"[axis]], k))
        return waves[axis, turns]

    out = torch.zeros(())
    for zone in frequency.zones:
        along = wave(0, zone.g[0])[:, :, zone.rows, None]
        across = wave(1, zone.g[1])[:, :, None, zone.columns]
        light = along[:, 0] * across[:, 0]
        for j in range(1, along.shape[1]):
            light.addcmul_(along[:, j], across[:, j])
        if zone.g == (0, 0):
            out = light.new_empty((len(light), len(psf.basis), *light.shape[1:]))
            put(out, light, zone.basis)
        else:
            add(out[:, :, zone.rows, zone.columns], light, zone.basis)
    return each_transform(out[..., : psf.grid[1] // 2 + 1], psf.grid, window)


def _turns(place: Tensor, k: Tensor) -> Tensor:
    """k times a place, brought into one turn in float64, as float32."""
    return torch.remainder(place.double()[..., None] * k.double(), 2 * math.pi).float()


def stretched(part: dict[str, Tensor]) -> dict[str, Tensor]:
    """(M, 1, 1) float32: k r_e in the frame where isophotes are circles is (ax kx + ay ky, bx kx + by ky)."""
    count, part = len(part["x"]), {name: spared(value) for name, value in part.items()}
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
    return {key: value.float()[:count, None, None] for key, value in out.items()}


def transformed(g: dict[str, Tensor], tables: list[Tensor], ky: Tensor, kx: Tensor) -> Tensor:
    """Transform of each profile about its own centre, where all meet; complex for lopsided ones."""
    return _transform(g, tables, ky, kx)[0]


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
    """Return the factor f of the low pass exp((k r_e)^2 f): wide for what is large and has no sharp cusp."""
    edge = _edge(part, psf)
    away = edge < 0.25 * min(psf.grid)  # little is known of light that comes from beyond
    edge = edge.clamp_min(0.25 * min(psf.grid))
    wide = torch.clamp(128 * part["r_e"] / (edge * part["n"]), min=_PASS)
    wide = torch.where(away, torch.full_like(wide, 1e4), wide)
    return (-0.5 * (edge / (wide * part["r_e"])) ** 2).float()


def _pixel(k: Tensor) -> Tensor:
    """Return what the side of a pixel leaves of frequencies along it."""
    return torch.sinc(k / (2 * math.pi))


def _steps(size: int, k: Tensor) -> Tensor:
    """Frequencies in steps of the grid's, without sign."""
    return (k.abs() * (size / (2 * math.pi))).round().long()


def _shift(k: Tensor, g: int, size: int, place: Tensor, high: Tensor) -> Tensor:
    """Return the phase (M, k) that a zone has beside the grid's own along an axis; fades out at the highest.

    An edge would ring along the axis; the fading begins in the zones, never in the grid's own.
    """
    turns = torch.remainder(g * spared(place), 1.0)[: len(place)]
    phase = torch.polar(torch.ones_like(turns), -2 * math.pi * turns).to(torch.complex64)
    last = high[:, None] + 0.5
    first = (_FADING * last).clamp_min(size // 2)
    steps = k.abs() * (size / (2 * math.pi))
    faded = torch.where(steps > last, 1.0, (steps - first) / (last - first).clamp_min(0.5))
    whole_wave = phase[:, None].expand(-1, len(k))
    return times(whole_wave, 0.5 * (1 + torch.cos(math.pi * faded.clamp(0, 1))).float())


def _turned(part: dict[str, Tensor], at: tuple[int, int]) -> Tensor:
    """Return the phase that a zone has beside the grid's own, (M, 1, 1)."""
    turns = torch.remainder(spared(at[0] * part["y"] + at[1] * part["x"]), 1.0)[: len(part["x"])]
    return torch.polar(torch.ones_like(turns), -2 * math.pi * turns).to(torch.complex64)[:, None, None]


def phase_of(place: Tensor, k: Tensor) -> Tensor:
    """Return the phase of the centre along an axis, (M, k)."""
    turns = _turns(place, k)
    return torch.polar(torch.ones_like(turns), -turns)
