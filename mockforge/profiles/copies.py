"""Light beyond a padded stamp, which a periodic image brings back on its other side.

An image from a transform on a grid is the sum of copies of the galaxy, a grid apart. What the copies add to a
stamp is the far wings of a profile: so smooth that neither the PSF nor the pixel matters, and that its values
at a few places of the stamp tell them all.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mockforge.profiles.lanes import spared
from mockforge.profiles.sersic import flux_inside

_LITTLE = 5e-4
"""Copies that hold less of a galaxy's light than this are left."""
_NODES = (8, 16)
"""Chebyshev nodes along a side of the stamp; all pixels where a copy is too thin for as many."""
_RELATIVE = 3e-3
"""Error of interpolation, relative to what the copies add."""
_TOGETHER = 8
"""Copies worked on at once."""
_RAYS = 8
"""Rays along which it is seen how much light is still farther out."""
_FAR = 3
"""Copies on each side that are added up one by one; those beyond are even light."""


def copies(
    part: dict[str, Tensor], form: dict[str, Tensor], grid: tuple[int, int], shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return which components have copies that matter, and what these add to the stamp, (those, H, W).

    `part` holds x, y (pixels of the stamp), r_e, n and axis_ratio, (M,) float64, and `form` what the rules of
    `mockforge.profiles.sersic` work with.
    """
    count = len(part["x"])
    part = {name: spared(value) for name, value in part.items()}
    x, y, q = part["x"], part["y"], part["axis_ratio"]
    near = nearest(y, x, grid, shape)
    side = min(grid)
    outside = [1 - flux_inside(d, part["r_e"], part["n"]) for d in (near, near + side)]
    chosen = torch.nonzero(outside[0][:count] > _LITTLE)[:, 0]
    thin = q * near / (0.5 * max(shape))
    nodes = -math.log(_RELATIVE) / torch.asinh(thin)
    kind = (nodes[:, None] > torch.tensor(_NODES, device=x.device)).sum(dim=1)
    out = torch.empty((len(chosen), *shape), dtype=torch.float32, device=x.device)
    far = outside[1] > _LITTLE
    for i in range(len(_NODES) + 1):
        for wide in (False, True):
            own = torch.nonzero((kind[chosen] == i) & (far[chosen] == wide))[:, 0]
            if len(own):
                some = chosen[own]
                out[own] = _added(
                    form, spared(some), len(some), (grid, shape), _NODES[i] if i < len(_NODES) else None
                )
                if wide:
                    even = _outside({k: v[some] for k, v in form.items()}, (_FAR + 0.5) * side) / (
                        grid[0] * grid[1]
                    )
                    out[own] += even.float()[:, None, None] + _added(
                        form, spared(some), len(some), (grid, shape), _NODES[0], _FAR
                    )
    return chosen, out


def nearest(y: Tensor, x: Tensor, grid: tuple[int, int], shape: tuple[int, int]) -> Tensor:
    """Distance from the stamp to the nearest copy of each centre, pixels."""
    edges = [torch.minimum(grid[i] - shape[i] + 0.5 + at, grid[i] - 0.5 - at) for i, at in enumerate((y, x))]
    return torch.minimum(edges[0], edges[1]).clamp_min(0.5)


def _outside(form: dict[str, Tensor], half: float) -> Tensor:
    """Return the share of a galaxy's light outside a square, from rays to its edge; (M,) float64."""
    angle = torch.arange(_RAYS, device=form["q"].device, dtype=torch.float64)[:, None] * (math.pi / _RAYS)
    along, across = torch.cos(angle), form["q"] * torch.sin(angle)
    cos, sin = form["major_x"], form["major_y"]
    exits = half / torch.maximum((along * cos - across * sin).abs(), (along * sin + across * cos).abs())
    tau = torch.exp(form["log_b"] + 2 * form["p"] * torch.log(exits))
    out = torch.zeros_like(form["q"])
    for ray in spared(tau.T).T.contiguous():
        out += torch.special.gammaincc(spared(2 * form["n"]), ray)[: len(out)] / _RAYS
    return out


def _added(
    form: dict[str, Tensor],
    some: Tensor,
    count: int,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    nodes: int | None,
    far: int = 1,
) -> Tensor:
    """Return what copies add, (count, H, W): the eight nearest ones, or those beyond them up to `far`."""
    grid, shape = sizes
    device = some.device
    y, x = (torch.from_numpy(_places(n, nodes)).to(device) for n in shape)
    turns = range(-far, far + 1)
    at = [(v, u) for v in turns for u in turns if max(abs(v), abs(u)) > (1 if far > 1 else 0)]
    v, u = torch.tensor(at, dtype=torch.float64, device=device).unbind(dim=1)
    dy = (y[:, None] - v[:, None, None] * grid[0]).expand(len(at), len(y), len(x)).reshape(-1)
    dx = (x[None, :] - u[:, None, None] * grid[1]).expand(len(at), len(y), len(x)).reshape(-1)
    g = {name: form[name][some].float()[:count, None] for name in _NAMES if name in form}
    own_y, own_x = (form[name][some][:count, None] for name in ("y", "x"))
    total = torch.zeros((count, len(y) * len(x)), dtype=torch.float32, device=device)
    for first in range(0, len(at), _TOGETHER):
        part = slice(first * total.shape[1], (first + _TOGETHER) * total.shape[1])
        for light in (
            _brightness(g, (dy[part] - own_y).float(), (dx[part] - own_x).float())
            .view(count, -1, total.shape[1])
            .unbind(dim=1)
        ):
            total += light
    values = total.view(count, len(y), len(x))
    if nodes is None:
        return values
    across, along = (torch.from_numpy(_between(n, nodes)).to(device) for n in shape)
    return torch.stack([across @ (own.clone() @ along.T) for own in values])


def _brightness(g: dict[str, Tensor], y: Tensor, x: Tensor) -> Tensor:
    """Return the light of a pixel at distances from the centre, (M, P) float32."""
    square = (g["xx"] * x).mul_(x).addcmul_(g["yy"] * y, y).addcmul_(2 * g["xy"] * x, y).clamp_(min=0.25)
    light = torch.log(square).mul_(g["p"]).add_(g["log_b"]).exp_()
    light = torch.sub(g["log_peak"], light, out=light).exp_()
    if "s" in g:
        light *= 1 - g["s"] * (g["bright_x"] * x + g["bright_y"] * y) * torch.rsqrt(square)
    return light


_NAMES = ("xx", "xy", "yy", "p", "log_b", "log_peak", "s", "bright_x", "bright_y")


def _places(size: int, nodes: int | None) -> np.ndarray:
    if nodes is None:
        return np.arange(size, dtype=np.float64)
    return (size - 1) / 2 + size / 2 * np.cos((2 * np.arange(nodes) + 1) * np.pi / (2 * nodes))


@lru_cache(maxsize=32)
def _between(size: int, nodes: int) -> np.ndarray:
    """(size, nodes) from values at Chebyshev nodes to values at pixels."""
    angle = (2 * np.arange(nodes) + 1) * np.pi / (2 * nodes)
    t = (np.arange(size) - (size - 1) / 2) / (size / 2)
    order = np.arange(nodes)
    weight = np.where(order == 0, 1.0, 2.0) / nodes
    cosines = np.cos(np.outer(np.arccos(t), order)) * weight
    return np.ascontiguousarray(cosines @ np.cos(np.outer(order, angle)), dtype=np.float32)
