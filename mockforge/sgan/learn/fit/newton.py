"""One step of the scene fit: every source by its own Gauss-Newton step, in the light of all others.

The sum of squared residuals of overlapping sources is bounded by a sum of one quadratic a source
whose curvature is divided by the source's share of the light in each pixel (a separable surrogate,
De Pierro 1995), so that blends neither overshoot nor need one large system.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.fit.windows import SHAPES, Window, derivatives

BOUNDS = {"log_radius": (-1.9, 4.2), "e": 0.8, "log_n": (float(np.log(0.42)), float(np.log(7.5)))}
"""ln px; |e|; ln n: what is fitted stays inside."""
_LARGEST = (0.7, 0.7, 0.4, 0.2, 0.2, 0.4)
"""Largest step of each shape mark."""
_LEAST_SHARE = 0.3
_NEAR = 1e-3
ROUND, INDEX = 0.24, (float(np.log(1.3)), 0.5)
"""Prior scatter of e1 and e2; mean and scatter of ln n."""
POINT = (BOUNDS["log_radius"][0], 0.0, 0.0, INDEX[0])
"""ln radius, e1, e2, ln n of what is fitted as a point."""
_FIXED = 1e10
"""Weight that holds what is not fitted."""


@dataclass(frozen=True)
class Prior:
    """Gaussian priors of the shape marks: `mean` and `weight` (1 / variance), (N, 6) each."""

    mean: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Light:
    """What a step looks at, (C, H, W) each: residual, weight (1 / variance, 0 where masked), model, rms."""

    residual: Tensor
    weight: Tensor
    model: Tensor
    rms: Tensor


def make_prior(start: Tensor, reach: Tensor, size: tuple[float, float, float], flux: Tensor,
               star: np.ndarray) -> Prior:  # fmt: skip
    """Return the priors of N sources.

    Parameters
    ----------
    start : Tensor
        (N, 2) places of detection; the prior's scatter about them is `reach` (N,) px.
    size : tuple
        ln radius at 1 nJy, its slope with ln flux, its scatter.
    flux : Tensor
        (N,) nJy, mean of the bands.
    star : ndarray
        (N,) bool: point sources, whose shape is held at the smallest radius.
    """
    n = len(start)
    mean = torch.zeros(n, SHAPES, dtype=torch.float64)
    weight = torch.empty_like(mean)
    mean[:, :2], weight[:, :2] = start, reach[:, None] ** -2
    mean[:, 2], weight[:, 2] = size[0] + size[1] * flux.clamp_min(1e-3).log(), size[2] ** -2
    weight[:, 3:5] = ROUND**-2
    mean[:, 5], weight[:, 5] = INDEX[0], INDEX[1] ** -2
    points = torch.from_numpy(star)
    mean[points, 2:] = torch.tensor(POINT, dtype=torch.float64)
    weight[points, 2:] = _FIXED
    return Prior(mean, weight)


def step(
    shape: Tensor, flux: Tensor, groups: list[Window], light: Light, prior: Prior, psf: PixelPsf
) -> tuple[Tensor, Tensor]:
    """Return the steps (N, 6 + C) that every source would take, and their lengths in sigma (N,)."""
    delta = torch.zeros(len(shape), SHAPES + flux.shape[1], dtype=torch.float64)
    length = torch.zeros(len(shape), dtype=torch.float64)
    for window in groups:
        rows = window.rows
        slopes = derivatives(shape, window, psf)
        weight, residual = window.of(light.weight), window.of(light.residual)
        own = flux[rows].float()[:, :, None, None] * slopes[:, :, 0]
        floor = 0.5 * window.of(light.rms) + 1e-30
        share = (own.clamp_min(0) + floor) / (window.of(light.model).clamp_min(0) + floor)
        curved = information(slopes, flux[rows], weight / share.clamp(_LEAST_SHARE, 1.0))
        pull = _pull(slopes, flux[rows], weight * residual)
        _add_prior(curved, pull, shape[rows], Prior(prior.mean[rows], prior.weight[rows]))
        delta[rows] = _inside(curved, pull, shape[rows])
        length[rows] = (delta[rows] * pull).sum(1).clamp_min(0).sqrt()
    return delta, length


def covariances(
    shape: Tensor, flux: Tensor, groups: list[Window], light: Light, prior: Prior, psf: PixelPsf
) -> tuple[Tensor, Tensor]:
    """Return variances (N, 6 + C) of every mark, all others free, and those of the fluxes alone (N, C).

    From the Fisher matrix of each source's own stamp, priors included.
    """
    both = torch.zeros(len(shape), SHAPES + flux.shape[1], dtype=torch.float64)
    alone = torch.zeros(len(shape), flux.shape[1], dtype=torch.float64)
    for window in groups:
        rows = window.rows
        slopes = derivatives(shape, window, psf)
        fisher = information(slopes, flux[rows], window.of(light.weight))
        none = torch.zeros(len(rows), fisher.shape[1], dtype=torch.float64)
        _add_prior(fisher, none, shape[rows], Prior(prior.mean[rows], prior.weight[rows]))
        diagonal = torch.diagonal(fisher, dim1=1, dim2=2)
        alone[rows] = 1.0 / diagonal[:, SHAPES:].clamp_min(1e-30)
        both[rows] = variances(fisher)
    return both, alone


def information(slopes: Tensor, flux: Tensor, weight: Tensor) -> Tensor:
    """Fisher matrices (n, 6 + C, 6 + C) float64 of the marks, from derivatives (n, C, 7, S, S)."""
    n, bands = flux.shape
    flat = slopes.flatten(3)
    products = torch.matmul(flat * weight.flatten(2)[:, :, None], flat.transpose(2, 3)).double()
    out = torch.zeros(n, SHAPES + bands, SHAPES + bands, dtype=torch.float64)
    for b in range(bands):
        f = flux[:, b]
        out[:, :SHAPES, :SHAPES] += (f * f)[:, None, None] * products[:, b, 1:, 1:]
        out[:, SHAPES + b, :SHAPES] = out[:, :SHAPES, SHAPES + b] = f[:, None] * products[:, b, 0, 1:]
        out[:, SHAPES + b, SHAPES + b] = products[:, b, 0, 0]
    return out


def _pull(slopes: Tensor, flux: Tensor, weighted: Tensor) -> Tensor:
    """Slope (n, 6 + C) of half the negative chi2 along every mark."""
    along = torch.matmul(slopes.flatten(3), weighted.flatten(2)[..., None])[..., 0].double()  # (n, C, 7)
    return torch.cat([(flux[:, :, None] * along[:, :, 1:]).sum(1), along[:, :, 0]], dim=1)


def _add_prior(curved: Tensor, pull: Tensor, shape: Tensor, prior: Prior) -> None:
    for i in range(SHAPES):
        curved[:, i, i] += prior.weight[:, i]
    pull[:, :SHAPES] += prior.weight * (prior.mean - shape)


def _inside(curved: Tensor, pull: Tensor, shape: Tensor) -> Tensor:
    """Solve for the step; a mark at its bound that would leave it is held, and the others solved for."""
    delta = solved(curved, pull)
    for i, (low, high) in ((2, BOUNDS["log_radius"]), (5, BOUNDS["log_n"])):
        leaves = (shape[:, i] + delta[:, i] < low) & (shape[:, i] < low + _NEAR)
        leaves |= (shape[:, i] + delta[:, i] > high) & (shape[:, i] > high - _NEAR)
        curved[leaves, i, i] += _FIXED
        pull[leaves, i] = 0.0
    return solved(curved, pull)


def solved(matrix: Tensor, right: Tensor) -> Tensor:
    """Return matrix^-1 right of each source, scaled by its diagonal; what nothing is known of moves not.

    `matrix` (n, P, P), `right` (n, P).
    """
    unit, scale = _scaled(matrix)
    return torch.linalg.solve(unit, (right * scale)[..., None])[..., 0] * scale


def variances(matrix: Tensor) -> Tensor:
    """(n, P): the diagonals of the inverses."""
    unit, scale = _scaled(matrix)
    return torch.diagonal(torch.linalg.inv(unit), dim1=1, dim2=2) * scale**2


def _scaled(matrix: Tensor) -> tuple[Tensor, Tensor]:
    scale = torch.diagonal(matrix, dim1=1, dim2=2).clamp_min(1e-30).rsqrt()
    unit = matrix * scale[:, :, None] * scale[:, None, :]
    return unit + 1e-6 * torch.eye(matrix.shape[1], dtype=matrix.dtype), scale


def moved(shape: Tensor, flux: Tensor, delta: Tensor, pace: Tensor) -> tuple[Tensor, Tensor]:
    """Return marks after a step of `pace` (N,) times `delta`; shorter where one would go too far at once."""
    most = torch.tensor(_LARGEST, dtype=torch.float64)
    pace = pace / (delta[:, :SHAPES].abs() * pace[:, None] / most).amax(1).clamp_min(1.0)
    new = shape + delta[:, :SHAPES] * pace[:, None]
    new[:, 2].clamp_(*BOUNDS["log_radius"])
    new[:, 5].clamp_(*BOUNDS["log_n"])
    e = torch.hypot(new[:, 3], new[:, 4])
    new[:, 3:5] *= (BOUNDS["e"] / e.clamp_min(1e-9)).clamp(max=1.0)[:, None]
    return new, flux + delta[:, SHAPES:] * pace[:, None]
