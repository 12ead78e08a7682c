"""The same spectra by way of fine velocity bins: some times faster where all the gas has one dispersion.

Each node's light is put on four neighbouring velocities, by Lagrange's cubic weights, which keep the sum,
the mean and the width of what is put there; one matrix then turns every velocity into its lines in channels.
The error is below 4e-4 of a line's peak (a bin is a quarter of its standard deviation).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mockforge.galaxies.cubes.light.channels import Spectrum, line_units, to_edges
from mockforge.galaxies.cubes.light.sight import Sight

_BINS_A_SIGMA = 4.0
_REACH = 5.0
"""Standard deviations of a line beyond the channels from where its wings still matter."""
_ONE_WIDTH = 1e-4
"""Relative difference of dispersions that count as one."""


def one_dispersion(sight: Sight) -> bool:
    """Whether each galaxy's gas has one dispersion."""
    low, high = sight.variance.detach().aminmax(dim=-1)
    low, high = low.amin(dim=-1), high.amax(dim=-1)
    return bool((high - low <= _ONE_WIDTH * high + 1e-6).all())


def binned_spectra(sight: Sight, spectrum: Spectrum) -> Tensor:
    """Return what `channels.spectra` does, (B, P, C), for gas of one dispersion a galaxy."""
    rows = len(sight.light)
    variance = sight.variance[:, :1, :1]  # (B, 1, 1)
    lines = [line_units(spectrum, line, sight.light) for line in range(spectrum.at_rest.shape[1])]
    widths = torch.stack([torch.sqrt(variance + width**2).expand(rows, 1, 1) for _, width, _ in lines])
    step = float(widths.detach().amin()) / _BINS_A_SIGMA
    far = _REACH * float(widths.detach().amax())
    x = to_edges(sight.velocity, spectrum.convention)
    low = max(min(float(edges.min()) for edges, _, _ in lines) - far, float(x.detach().min())) - 2 * step
    high = min(max(float(edges.max()) for edges, _, _ in lines) + far, float(x.detach().max())) + 2 * step
    count = max(4, math.ceil((high - low) / step) + 1)
    light = _on_bins(sight.light, (x - low) / step, count)
    at = low + step * torch.arange(count, dtype=x.dtype, device=x.device)
    kernel: Tensor | float = 0.0
    for (edges, _, share), width in zip(lines, widths, strict=True):
        depth = (edges[:, None, :] - at[None, :, None]) / (math.sqrt(2) * width)
        kernel = kernel + 0.5 * share * torch.erf(depth).diff(dim=-1)
    assert isinstance(kernel, Tensor)
    return light @ kernel.expand(rows, -1, -1)


def _on_bins(light: Tensor, place: Tensor, count: int) -> Tensor:
    """Return light (B, P, S) at fractional bins put on (B, P, count), without what lies outside."""
    rows, pixels, _ = light.shape
    there = (place > 1) & (place < count - 2)
    light = torch.where(there, light, torch.zeros_like(light))
    first = place.detach().floor().clamp(1, count - 3)
    f = place - first
    f = torch.where(there, f, torch.zeros_like(f))
    a, b, c = f + 1, f - 1, f - 2
    weights = (-f * b * c / 6, a * b * c / 2, -a * f * c / 2, a * f * b / 6)
    start = torch.arange(rows * pixels, device=light.device).reshape(rows, pixels, 1) * count
    index = (start + first.to(torch.int64)).reshape(-1)
    out = torch.zeros(rows * pixels * count, dtype=light.dtype, device=light.device)
    for shift, weight in zip((-1, 0, 1, 2), weights, strict=True):
        out.index_add_(0, index + shift, (light * weight).reshape(-1))
    return out.reshape(rows, pixels, count)
