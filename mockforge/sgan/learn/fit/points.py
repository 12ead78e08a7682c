"""Stars among fitted sources: those that a point fits as well as a galaxy does."""

from __future__ import annotations

import torch
from torch import Tensor

from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.fit.newton import POINT, Light, solved
from mockforge.sgan.learn.fit.windows import Window, derivatives

_ROUNDS = 3


def as_points(
    shape: Tensor, flux: Tensor, groups: list[Window], light: Light, psf: PixelPsf
) -> tuple[Tensor, Tensor, Tensor]:
    """Fit a point source to each source of the windows, the light of all others taken off.

    Returns the chi2 (N,) that the point has more than the source as it is, which has four marks more;
    the shape (N, 6) and flux (N, C) nJy of the points.
    """
    worse = torch.full((len(shape),), torch.inf, dtype=torch.float64)
    points, lights = shape.clone(), flux.clone()
    points[:, 2:] = torch.tensor(POINT, dtype=points.dtype)
    for window in groups:
        rows = window.rows
        own = flux[rows].float()[:, :, None, None] * derivatives(shape, window, psf)[:, :, 0]
        weight, residual = window.of(light.weight), window.of(light.residual)
        alone = residual + own
        for _ in range(_ROUNDS):
            slopes = derivatives(points, window, psf)[:, :, :3]
            f = lights[rows]
            left = alone - f.float()[:, :, None, None] * slopes[:, :, 0]
            change = _step(slopes, f, weight, left)
            points[rows, :2] += change[:, :2].clamp(-0.5, 0.5)
            lights[rows] += change[:, 2:]
        left = alone - lights[rows].float()[:, :, None, None] * derivatives(points, window, psf)[:, :, 0]
        worse[rows] = (weight * (left**2 - residual**2)).sum((1, 2, 3)).double()
    return worse, points, lights


def _step(slopes: Tensor, flux: Tensor, weight: Tensor, left: Tensor) -> Tensor:
    """Gauss-Newton step (n, 2 + C) of x, y and the fluxes of points."""
    n, bands = flux.shape
    flat = slopes.flatten(3)
    weighted = flat * weight.flatten(2)[:, :, None]
    products = (weighted @ flat.transpose(2, 3)).double()
    pull = (weighted @ left.flatten(2)[..., None])[..., 0].double()
    matrix = torch.zeros(n, 2 + bands, 2 + bands, dtype=torch.float64)
    right = torch.cat([(flux[:, :, None] * pull[:, :, 1:]).sum(1), pull[:, :, 0]], dim=1)
    matrix[:, :2, :2] = (flux[:, :, None, None] ** 2 * products[:, :, 1:, 1:]).sum(1)
    for b in range(bands):
        matrix[:, 2 + b, 2 + b] = products[:, b, 0, 0]
        matrix[:, :2, 2 + b] = matrix[:, 2 + b, :2] = flux[:, b, None] * products[:, b, 0, 1:]
    return solved(matrix, right)
