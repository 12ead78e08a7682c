"""Galaxies on stamps: components times their spectra, with and without the PSF, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mockforge.observe.psf import Transfer
from mockforge.sky.sersic import sersic

_CHUNK = 2**17
"""Pixels worked on at once: they then stay in a core's cache."""


@dataclass(frozen=True)
class Sersics:
    """Sersic components, each (N, K) float64 on one device: component k of galaxy i."""

    x: Tensor
    """Centre, pixels; pixel centres are integers."""
    y: Tensor
    """Centre, pixels."""
    r_e: Tensor
    """Semi-major axis of the ellipse that holds half the light, pixels."""
    n: Tensor
    """Sersic index, 0.3 to 8."""
    axis_ratio: Tensor
    """Minor over major axis."""
    position_angle: Tensor
    """Of the major axis, degrees from +x towards +y."""
    asymmetry: Tensor
    """s of the factor (1 - s cos(phi - phi_0)), 0 to 1; phi is the azimuth in the ellipse, turned so
    that it is the angle from +x towards +y on the major axis (and everywhere for a round galaxy)."""
    asymmetry_angle: Tensor
    """phi_0, degrees: the faint side."""


@dataclass(frozen=True)
class Knots:
    """Gaussian knots, each (N, J) float64; those of a galaxy share one spectrum."""

    x: Tensor
    """Centre, pixels."""
    y: Tensor
    """Centre, pixels."""
    sigma: Tensor
    """Standard deviation, pixels."""
    weight: Tensor
    """Fraction of the knots' flux; 0 for a knot that is not there. A galaxy's add up to 1."""


@dataclass(frozen=True)
class Drawn:
    """What `draw` returns, float32."""

    clean: Tensor
    """(N, C, H, W) nJy, before the PSF."""
    psf: Tensor | None
    """(N, C, H, W) nJy, seen through the PSF."""
    profile: Tensor
    """(N, K[+1], H, W) fraction of a component's flux in each pixel, before the PSF; knots last."""


def draw(
    sersics: Sersics, knots: Knots | None, sed: Tensor, shape: tuple[int, int], psf: Transfer | None = None
) -> Drawn:
    """Paint galaxies on stamps of `shape` (height, width).

    `sed` (N, C, K[+1]) is the total flux in nJy of each component in each band, knots last. With
    `psf`, made by `mockforge.observe.psf.transfer` for this shape and these bands, the image
    through it as well; light from beyond the stamp comes in as far as the PSF reaches.
    """
    size = max(1, _CHUNK // (shape[0] * shape[1]))
    parts = [_draw(sersics, knots, sed, shape, psf, slice(i, i + size)) for i in range(0, sed.shape[0], size)]
    return Drawn(
        torch.cat([p.clean for p in parts]),
        None if psf is None else torch.cat([p.psf for p in parts if p.psf is not None]),
        torch.cat([p.profile for p in parts]),
    )


def _draw(
    sersics: Sersics,
    knots: Knots | None,
    sed: Tensor,
    shape: tuple[int, int],
    psf: Transfer | None,
    part: slice,
) -> Drawn:
    wide = shape if psf is None else psf.grid
    top, left = (wide[0] - shape[0]) // 2, (wide[1] - shape[1]) // 2
    s = {key: value[part] for key, value in vars(sersics).items()}
    count, components = s["x"].shape
    flat = {key: value.reshape(-1) for key, value in s.items()}
    profile = sersic(
        flat["x"] + left,
        flat["y"] + top,
        flat["r_e"],
        flat["n"],
        flat["axis_ratio"],
        flat["position_angle"],
        wide,
    ).reshape(count, components, *wide)
    if knots is not None:
        profile = torch.cat([profile, _knots(knots, part, wide, top, left)[:, None]], dim=1)
    weights = sed[part].float()
    inner = profile[:, :, top : top + shape[0], left : left + shape[1]].contiguous()
    clean = torch.bmm(weights, inner.flatten(2)).unflatten(2, shape)
    if psf is None:
        return Drawn(clean, None, inner)
    mix, basis = psf.on(weights.device)
    seen = torch.fft.irfft2(torch.fft.rfft2(profile)[:, :, None] * basis[0], s=wide)
    seen = seen[..., top : top + shape[0], left : left + shape[1]].flatten(3).flatten(1, 2)
    both = (weights[:, :, :, None] * mix[:, None, :]).flatten(2)
    return Drawn(clean, torch.bmm(both, seen).unflatten(2, shape), inner)


def _knots(knots: Knots, part: slice, shape: tuple[int, int], top: int, left: int) -> Tensor:
    """The knots of each galaxy on a grid, (N, H, W), each pixel integrated."""
    edge = [torch.arange(n + 1, device=knots.x.device, dtype=torch.float64) - 0.5 for n in shape]
    scale = 0.5**0.5 / knots.sigma[part][..., None]
    x = torch.erf((edge[1] - left - knots.x[part][..., None]) * scale).diff(dim=-1) / 2
    y = torch.erf((edge[0] - top - knots.y[part][..., None]) * scale).diff(dim=-1) / 2
    return torch.einsum("nj,njy,njx->nyx", knots.weight[part], y, x).float()
