"""Components through a PSF, without the cusps of galaxies ever being sampled.

An image through a PSF is band-limited, and the transform of a Sersic profile is known: a function
of the elliptical frequency alone. So the image's transform is the product, folded on the
frequencies of the grid (as galsim draws). What that cannot do is light beyond the grid, which
would come back on the other side; it is smooth, so the lowest frequencies are taken from the
pixels instead. With p the transform of the pixels, P that of the profile and w a low pass,

    image = sum_g P(k + 2 pi g) T(k + 2 pi g) + w (p - sum_g P(k + 2 pi g)) T(k).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mockforge.observe.psf import Transfer
from mockforge.sky.sersic import flux_inside
from mockforge.sky.sersic_tables import rows, transform

_OUTSIDE = 3e-3
"""A galaxy with less light than this beyond the grid is drawn from its transform alone."""
_PASS = 6.0
"""Lowest half-width of the low pass, in units of 1 / (distance from the centre to the edge)."""


_NEAR = ((0, 0), *((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)))
"""What of the profile's transform is folded into that of its pixels, up to little."""


def spreads(part: dict[str, Tensor], psf: Transfer) -> Tensor:
    """Which components, centred on the padded grid's coordinates, have light beyond the grid."""
    edge = _edge(part, psf)
    outside = 1 - flux_inside(edge.clamp_min(0.5), part["r_e"], part["n"])
    return (outside > _OUTSIDE) | (edge < 0.25 * min(psf.grid))


def _edge(part: dict[str, Tensor], psf: Transfer) -> Tensor:
    """Distance from the centre to the nearest edge of the padded grid, pixels; below 0 outside."""
    across = torch.minimum(part["x"] + 0.5, psf.grid[1] - 0.5 - part["x"])
    return torch.minimum(across, torch.minimum(part["y"] + 0.5, psf.grid[0] - 0.5 - part["y"]))


def seen_sersics(part: dict[str, Tensor], psf: Transfer, pixels: Tensor | None) -> Tensor:
    """Components through the principal PSFs, (M, J, grid y, grid x) float32.

    `part` holds x, y (pixels of the padded grid), r_e, n, axis_ratio, position_angle and, for
    lopsided ones, asymmetry and asymmetry_angle, each (M,); `pixels` (M, grid y, grid x) are the
    pixels without PSF where light lies beyond the grid, else None.
    """
    g = _stretched(part)
    tables = [rows("hankel0", part["n"], torch.float32)]
    if "s" in g:
        tables.append(rows("hankel1", part["n"], torch.float32))
    ky, kx = _frequencies(psf.grid, part["x"].device)
    zones = {zone.g: zone for zone in psf.zones}
    out = torch.zeros((), device=kx.device)
    folded, square = None, None
    near = _NEAR if pixels is not None else ()
    for at in sorted({*zones, *near}, key=lambda z: (z != (0, 0), z)):
        zone = zones.get(at)
        whole = at in near or zone is None or at == (0, 0)
        box = (slice(None), slice(None)) if whole or zone is None else (zone.rows, zone.columns)
        turned = (ky[box[0]] + 2 * math.pi * at[0], kx[box[1]] + 2 * math.pi * at[1])
        light, radius = _transform(g, tables, *turned)
        if at == (0, 0):
            assert zone is not None
            square, out = radius, light[:, None] * zone.basis
            if near:
                folded = light * _pixel(*turned)
            continue
        light = light * _shift(part, at)
        if at in near:
            assert folded is not None
            folded = folded + light * _pixel(*turned)
        if zone is not None:
            inner = light[:, zone.rows, zone.columns] if whole else light
            out[:, :, zone.rows, zone.columns] += inner[:, None] * zone.basis
    phase = _phase(part, ky, kx)
    out *= phase[:, None]
    if pixels is not None and folded is not None and square is not None:
        low = torch.exp(square * _width(part, psf)[:, None, None])
        rest = (torch.fft.rfft2(pixels) - folded * phase) * low
        out += rest[:, None] * psf.basis
    return torch.fft.irfft2(out, s=psf.grid)


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
    """Transform of each profile about its own centre, (M, y, x), and (k r_e)^2.

    A factor cos(phi - phi_0) turns the Bessel function of order 0 into -i cos(theta - phi_0)
    times that of order 1, theta being the direction of k.
    """
    a = g["ax"] * kx + g["ay"] * ky[:, None]
    b = g["bx"] * kx + g["by"] * ky[:, None]
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
    return torch.sinc(ky / (2 * math.pi))[:, None] * torch.sinc(kx / (2 * math.pi))


def _shift(part: dict[str, Tensor], at: tuple[int, int]) -> Tensor:
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
