"""Sersic profiles on a pixel grid: exact total flux, integrated over each pixel, in batches.

A pixel holds the integral of the profile over its square. Rules of increasing cost share
the work, chosen by the elliptical radius from a bound on the error:

- far out, the value at the centre plus its Laplacian over 24 (one exponential a pixel);
- nearer, 3 x 3 or 5 x 5 Gauss-Legendre points;
- round the cusp, the divergence theorem. With E(R) the flux inside the elliptical radius R,
  a pixel holds the integral of E over the angle along its four edges, divided by 2 pi, so the
  cusp is never sampled and the pixels of a galaxy always add up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.profiles.lanes import spared, summed, whole
from mockforge.profiles.sersic_tables import look_up, rows
from mockforge.torch_state import steadily

_TOLERANCE = 2e-4
"""Bound on the error of a pixel, relative to its value."""
_FAINT = 1e-4
"""Below this fraction of the mean brightness inside r_e the bound is absolute."""
_CORE = 0.6
"""A pixel whose squared size over distance is above this is integrated along its edges."""
_FOURTH = 4000.0
"""The rule of the centre is off by the fourth derivative over this, at most."""
_RADII = np.geomspace(0.5, 2000, 48)
"""Squares of elliptical radii at which the bound is looked at, in units of 1 + 1 / q^2."""
_BLOCK = 2**16
"""Pixels worked on at once where all are: they then stay in a core's cache."""
_POINTS = {3: 4.96e-7, 5: 3.94e-13, 8: 1.7e-23}
"""Gauss-Legendre points a side, and their error in terms of the derivative of twice that order."""
_EDGE = np.polynomial.legendre.leggauss(12)


def sersic_b(n: Tensor) -> Tensor:
    """Return the constant b(n) that makes r_e hold half the light: P(2n, b) = 1/2, to 1e-12.

    `n` is any shape, float64, above 0.1. Start: Ciotti & Bertin 1999, A&A 352, 447, equation 18
    (a cruder power below n = 0.4); then Newton on the regularised incomplete gamma function.
    """
    n = n.double()
    series = 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2)
    b = torch.where(n > 0.4, series, 0.5 * (2 * n) ** 1.5)
    log_gamma = torch.lgamma(2 * n)
    for _ in range(8):
        density = torch.exp((2 * n - 1) * torch.log(b) - b - log_gamma)
        step = (torch.special.gammainc(2 * n, b) - 0.5) / density
        b = torch.maximum(b - step, 0.2 * b)
    return b


def flux_inside(radius: Tensor, r_e: Tensor, n: Tensor) -> Tensor:
    """Fraction of the total flux inside the elliptical (semi-major) radius; same unit as `r_e`.

    Any shape; the last bits may depend on how many there are (`mockforge.profiles.lanes`).
    """
    return torch.special.gammainc(2 * n, sersic_b(n) * (radius / r_e) ** (1 / n))


@dataclass(frozen=True)
class Sersics:
    """Sersic components, tensors of one shape on one device."""

    x: Tensor
    """Centre, pixels; pixel centres are integers."""
    y: Tensor
    """Centre, pixels."""
    r_e: Tensor
    """Semi-major axis of the ellipse that holds half the light, pixels."""
    n: Tensor
    """Sersic index, 0.3 to 8."""
    axis_ratio: Tensor
    """Minor over major axis: ellipticity is 1 - axis_ratio."""
    position_angle: Tensor
    """Of the major axis, degrees from +x towards +y."""
    asymmetry: Tensor | None = None
    """s of the factor (1 - s cos(phi - phi_0)), 0 to 1, which keeps the flux of every ellipse; phi is the
    azimuth in the ellipse made round, turned so that it is the angle from +x towards +y on the major axis
    (and everywhere for a round galaxy). None: even."""
    asymmetry_angle: Tensor | None = None
    """phi_0, degrees: the faint side."""


@steadily()
def sersic(sersics: Sersics, shape: tuple[int, int], dtype: torch.dtype = torch.float32) -> Tensor:
    """Integrate Sersic profiles of total flux 1 over the pixels of stamps.

    I(R) ~ exp(-b (R / r_e)^(1/n)), b from `sersic_b`. It is not truncated: the sum over a stamp is the part
    of the flux that falls on it.

    Parameters
    ----------
    sersics : Sersics
        One component of each of N galaxies, (N,) each.
    shape : (int, int)
        Height and width of a stamp, pixels.
    dtype : torch.dtype
        Of the result and of the sums over pixels.

    Returns
    -------
    Tensor, (N, height, width)
        Share of the flux in each pixel, to 2e-4 of it.

    References
    ----------
    Sersic 1963, Boletin de la Asociacion Argentina de Astronomia 6, 41; Graham & Driver 2005, PASA 22, 118,
    equations 1 and 2.
    """
    count = len(sersics.x)
    if not count:
        return torch.empty((0, *shape), device=sersics.x.device, dtype=dtype)
    form = form_of(sersics)
    limits = _limits({name: value[: count + count % 2] for name, value in form.items()})[:, :count]
    form = {name: value[:count] for name, value in form.items()}
    out = torch.empty((count, *shape), device=sersics.x.device, dtype=dtype)
    place, rule = _far_out(form, limits, out)
    _near(form, place, rule, out)
    return out


@steadily()
def on_stamp(sersics: Sersics, shape: tuple[int, int]) -> Tensor:
    """Share of the flux of each of N components, (N,) each, on stamps (height, width): (N,) float64, to 1e-4.

    By the divergence theorem along the stamp's edges: no pixel is computed.
    """
    count, form = len(sersics.x), form_of(sersics)
    k = torch.arange(len(form["x"]), device=sersics.x.device)
    middle = (torch.full_like(form["y"], (shape[0] - 1) / 2), torch.full_like(form["x"], (shape[1] - 1) / 2))
    return _edges(form, (k, *middle), torch.float64, shape)[:count].clamp(max=1.0)


def form_of(sersics: Sersics) -> dict[str, Tensor]:
    """Return the numbers of each component that the rules work with, float64."""
    s = sersics
    form = _form(*(spared(v.double()) for v in (s.x, s.y, s.r_e, s.n, s.axis_ratio, s.position_angle)))
    if s.asymmetry is not None and s.asymmetry_angle is not None:
        side = spared(s.asymmetry_angle.double() - s.position_angle.double())
        form |= _lopsided(form, spared(s.asymmetry.double()), side)
    return form


def _far_out(form: dict[str, Tensor], limits: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
    """Fill `out` by the rule of the centre; return the pixels that want another rule, and which."""
    shape, dtype = (out.shape[1], out.shape[2]), out.dtype
    area = shape[0] * shape[1]
    places, rules = [], []
    g = {name: value.to(dtype)[:, None, None] for name, value in form.items()}
    for i in range(0, len(out), size := max(1, _BLOCK // area)):
        part = slice(i, i + size)
        s = _smooth({k: v[part] for k, v in form.items()}, {k: v[part] for k, v in g.items()}, out[part])
        place = torch.nonzero((s < limits[0, part, None, None].to(dtype)).view(-1))[:, 0]
        s, place = s.view(-1)[place], place + i * area
        galaxy = torch.div(place, area, rounding_mode="floor")
        places.append(place)
        rules.append((s < limits[1:, galaxy].to(dtype)).sum(dim=0))
    return torch.cat(places), torch.cat(rules)


def _near(form: dict[str, Tensor], place: Tensor, rule: Tensor, out: Tensor) -> None:
    """Fill the pixels at `place` by Gauss-Legendre points or along their edges, as `rule` says."""
    shape, dtype, flat = (out.shape[1], out.shape[2]), out.dtype, out.view(-1)
    for i, points in enumerate((*_POINTS, 0)):
        chosen = place[rule == i]
        if not len(chosen):
            continue
        some = _place(spared(chosen), shape)
        light = _gauss(form, some, points, dtype) if points else _edges(form, some, dtype)
        flat[chosen] = light[: len(chosen)]


def _place(index: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Galaxy, row and column of a place in the flattened stamps."""
    line = torch.div(index, shape[1], rounding_mode="floor")
    galaxy = torch.div(line, shape[0], rounding_mode="floor")
    return galaxy, line - galaxy * shape[0], index - line * shape[1]


def _lopsided(form: dict[str, Tensor], s: Tensor, angle: Tensor) -> dict[str, Tensor]:
    """s, and R cos(phi - phi_0) = bright_x dx + bright_y dy; `angle` is phi_0 from the major axis."""
    along, across = torch.cos(torch.deg2rad(angle)), torch.sin(torch.deg2rad(angle))
    cos, sin = form["major_x"], form["major_y"]
    return {
        "s": s,
        "along": along,
        "across": across,
        "bright_x": along * cos - across * sin / form["q"],
        "bright_y": along * sin + across * cos / form["q"],
    }


def _form(x: Tensor, y: Tensor, r_e: Tensor, n: Tensor, q: Tensor, angle: Tensor) -> dict[str, Tensor]:
    """Return what the rules need of each galaxy: brightness = exp(log_peak - exp(log_b + p log R^2))."""
    cos, sin = torch.cos(torch.deg2rad(angle)), torch.sin(torch.deg2rad(angle))
    b, p = sersic_b(n), 0.5 / n
    log_area = math.log(2 * math.pi) + torch.log(n * q) + 2 * torch.log(r_e) - 2 * n * torch.log(b)
    return {
        "x": x,
        "y": y,
        "n": n,
        "log_r_e": torch.log(r_e),
        "p": p,
        "log_b": torch.log(b) - 2 * p * torch.log(r_e),
        "log_peak": -log_area - torch.lgamma(2 * n),
        "bright": 0.5 / (math.pi * q * r_e**2),
        "xx": cos**2 + (sin / q) ** 2,  # R^2 = xx dx^2 + 2 xy dx dy + yy dy^2
        "xy": cos * sin * (1 - 1 / q**2),
        "yy": sin**2 + (cos / q) ** 2,
        "major_x": cos,
        "major_y": sin,
        "q": q,
    }


def _limits(form: dict[str, Tensor]) -> Tensor:
    """R^2 of each galaxy beyond which each of the rules but the last will do, (rule, galaxy)."""
    p = form["p"][:, None]
    trace = 1 + 1 / form["q"][:, None] ** 2
    s = trace * torch.as_tensor(_RADII, device=p.device)
    tau = torch.exp(form["log_b"][:, None] + p * torch.log(s))
    f = torch.exp(form["log_peak"][:, None] - tau)
    slope, near = 2 * tau * p, trace / s  # -d ln f / d ln R; (pixel size / distance)^2
    if "s" in form:
        slope = slope + (form["s"] != 0)[:, None].double()
    allowed = _TOLERANCE * torch.maximum(f, _FAINT * form["bright"][:, None]) / f
    core = near > _CORE
    order, derivative = 0, torch.ones_like(s)  # f's derivative of this order, over f
    out = []
    for highest, error in ((4, 1 / _FOURTH), *((2 * k, e) for k, e in _POINTS.items())):
        for i in range(order, highest):
            derivative = derivative * (slope + i) * near**0.5
        order = highest
        out.append((s * (core | (derivative * error > allowed))).amax(dim=1))
    out[-1] = (s * core).amax(dim=1)  # most points: what is steep and faint cancels in the edges
    return torch.stack(out) * (_RADII[1] / _RADII[0])  # it lies between two radii: the outer is safe


def _smooth(form: dict[str, Tensor], g: dict[str, Tensor], out: Tensor) -> Tensor:
    """Every pixel by its centre and Laplacian, into `out`; returns R^2. `g` is `form` as `out` has it.

    With dx along the major axis and dy across, over q, brightness depends on R^2 = dx^2 + dy^2.
    """
    x = torch.arange(out.shape[2], device=out.device, dtype=torch.float64) - form["x"][:, None]
    y = torch.arange(out.shape[1], device=out.device, dtype=torch.float64) - form["y"][:, None]
    cos, sin, q = (form[name][:, None] for name in ("major_x", "major_y", "q"))
    x, y = x[:, None, :], y[:, :, None]
    cos, sin, q = cos[..., None], sin[..., None], q[..., None]
    area, shape, image = out.shape[1] * out.shape[2], out.shape, out
    if (wide := whole(area)) > area:  # a galaxy's pixels fill whole vectors
        out = out.new_empty((len(out), 1, wide))
    dx = _filled((x * cos).to(out.dtype) + (y * sin).to(out.dtype), out.shape)
    dy = _filled((x * (-sin / q)).to(out.dtype) + (y * (cos / q)).to(out.dtype), out.shape)
    across = dy * dy
    s = torch.addcmul(across, dx, dx).clamp_(min=1e-6)
    tau = torch.log(s).mul_(g["p"]).add_(g["log_b"]).exp_()
    torch.sub(g["log_peak"], tau, out=out).exp_()
    spread = across.mul_(1 / g["q"] ** 2 - 1).add_(s)  # the square of half the gradient of R^2
    inverse = torch.reciprocal(s)
    w = tau.mul_(g["p"]).mul_(inverse)  # -d ln f / d R^2
    bend = torch.addcmul(w, inverse, 1 - g["p"]).mul_(spread).mul_(2)
    trace = 1 + 1 / g["q"] ** 2
    bend.sub_(trace).mul_(w).mul_(1 / 12)  # the Laplacian over 24 f
    factor = torch.addcmul(bend, bend, bend, value=0.3).add_(1)  # and what follows, were f exponential
    if "s" in g:  # the same for f cos(phi - phi_0) = (f / R) (R cos)
        u = -(w + 0.5 * inverse)  # d ln(f / R) / d R^2
        second = u * u + (w * (1 - g["p"]) + 0.5 * inverse) * inverse
        cosine = g["along"] * dx + g["across"] * dy
        lap = cosine * (2 * u * trace + 4 * second * spread)
        lap = lap + 4 * u * (g["along"] * dx + g["across"] * dy / g["q"] ** 2)
        factor = factor - g["s"] * torch.rsqrt(s) * (cosine + lap / 24)
    out.mul_(factor)
    if wide > area:
        image.copy_(out[:, 0, :area].view(shape))
        s = s[:, 0, :area].clone(memory_format=torch.contiguous_format).view(shape)
    return s


def _filled(values: Tensor, shape: torch.Size) -> Tensor:
    """(M, H, W) as (M, 1, more) where that is the shape, ones beyond."""
    if values.shape == shape:
        return values
    out = values.new_ones(shape)
    out[:, 0, : values[0].numel()] = values.flatten(1)
    return out


def _gauss(form: dict[str, Tensor], pixels: tuple[Tensor, ...], points: int, dtype: torch.dtype) -> Tensor:
    """Chosen pixels by so many Gauss-Legendre points a side."""
    k, row, column = pixels
    nodes, weights = np.polynomial.legendre.leggauss(points)
    node = torch.as_tensor(nodes / 2, device=k.device, dtype=dtype)
    weight = torch.as_tensor(weights / 2, device=k.device, dtype=dtype)
    names = [name for name in _POINT if name in form]
    values = torch.stack([form[name].to(dtype) for name in names]).index_select(1, k)
    g = dict(zip(names, values, strict=True))
    dx = (column.to(dtype) - g["x"]) + node[:, None, None]  # points first: then pixels are in a row
    dy = (row.to(dtype) - g["y"]) + node[:, None]
    s = torch.addcmul(g["yy"] * dy * dy, dx, torch.add(g["xx"] * dx, g["xy"] * dy, alpha=2.0))
    f = torch.log(s).mul_(g["p"]).add_(g["log_b"]).exp_()
    f = torch.sub(g["log_peak"], f, out=f).exp_()
    if "s" in g:
        f = f * (1 - g["s"] * (g["bright_x"] * dx + g["bright_y"] * dy) * torch.rsqrt(s))
    return summed(f.flatten(0, 1), (weight[:, None] * weight).flatten())


_POINT = ("x", "y", "xx", "xy", "yy", "log_peak", "log_b", "p", "s", "bright_x", "bright_y")


def _edges(
    form: dict[str, Tensor], pixels: tuple[Tensor, ...], dtype: torch.dtype, size: tuple[int, int] = (1, 1)
) -> Tensor:
    """Chosen pixels, or rectangles of so many, by the divergence theorem along their four edges.

    In coordinates where the isophotes are circles, an edge at the distance d from the centre
    gives the integral of E(R) over its angle. With the way along the edge d sinh(u) that is
    the integral of E(d cosh u) / cosh u over u: smooth however near the edge passes. A factor
    that depends on the angle alone is carried along unchanged.
    """
    k, row, column = pixels
    corner_x = torch.tensor([-0.5, 0.5, 0.5, -0.5], device=k.device, dtype=torch.float64) * size[1]
    corner_y = torch.tensor([-0.5, -0.5, 0.5, 0.5], device=k.device, dtype=torch.float64) * size[0]
    dx = (column - form["x"][k]) + corner_x[:, None]  # corners first: then pixels are in a row
    dy = (row - form["y"][k]) + corner_y[:, None]
    cos, sin, q = (form[name][k] for name in ("major_x", "major_y", "q"))
    ax, ay = dx * cos + dy * sin, (dy * cos - dx * sin) / q
    bx, by = ax.roll(-1, 0), ay.roll(-1, 0)
    length = torch.hypot(bx - ax, by - ay)
    ex, ey = (bx - ax) / length, (by - ay) / length
    d = (ax * by - ay * bx) / length
    side = torch.sign(d)  # an edge through the centre gives nothing: its sign is 0
    floor = d.abs().clamp_min(1e-9)
    start = torch.asinh((ax * ex + ay * ey) / floor)
    end = torch.asinh((bx * ex + by * ey) / floor)
    log_d = torch.log(floor) - form["log_r_e"][k]
    edge = {"log_d": log_d, "galaxy": k.expand_as(d)}
    if "s" in form:  # s cos(phi - phi_0) = (foot + slide sinh u) / cosh u
        s, along, across = (form[name][k] for name in ("s", "along", "across"))
        edge |= {"foot": s * side * (ey * along - ex * across), "slide": s * (ex * along + ey * across)}
    table = rows("growth", form["n"], dtype)
    middle = torch.where((start < 0) & (end > 0), torch.zeros_like(end), end)
    total = _angle(table, edge, start, middle, dtype)
    rest = torch.nonzero(middle < end)  # edges that pass their nearest point
    if len(rest):
        some, rest = spared(rest).unbind(1), rest.unbind(1)
        edge = {name: value[some] for name, value in edge.items()}
        total[rest] += _angle(table, edge, middle[some], end[some], dtype)[: len(rest[0])]
    flux = (side.to(dtype) * total).sum(dim=0) / (2 * math.pi)
    return flux.clamp_min(0.0)  # the edges of an empty pixel cancel to rounding only


def _angle(table: Tensor, edge: dict[str, Tensor], start: Tensor, end: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the integral of E(d cosh u) / cosh u, times the asymmetry, from `start` to `end`."""
    node = torch.as_tensor(_EDGE[0], device=start.device, dtype=dtype)
    weight = torch.as_tensor(_EDGE[1], device=start.device, dtype=dtype)
    half = ((end - start) / 2).to(dtype)
    u = ((end + start) / 2).to(dtype) + half * node.view(-1, *[1] * half.dim())
    grown = torch.exp(u)
    cosh = 0.5 * (grown + 1 / grown)
    log = edge["log_d"].to(dtype) + torch.log(cosh)
    inside = torch.exp(look_up(table, edge["galaxy"], log)) / cosh
    if "foot" in edge:
        sinh = 0.5 * (grown - 1 / grown)
        foot, slide = (edge[name].to(dtype) for name in ("foot", "slide"))
        inside = inside * (1 - (foot + slide * sinh) / cosh)
    return half * summed(inside, weight)
