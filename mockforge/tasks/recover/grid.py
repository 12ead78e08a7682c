"""From coarse pixels to fine ones: interpolation that keeps flux.

The middles of both images fall together, as `mockforge.observe.degrade.degrader.coarse_grid` puts them:
fine row i lies at coarse row (i - (H - 1) / 2) / step + (h - 1) / 2, with `step` fine pixels to a
coarse one.
"""

from __future__ import annotations

import torch
from torch import Tensor


def fine_shape(shape: tuple[int, int], step: float) -> tuple[int, int]:
    """Return the fine pixels that fit whole into a coarse image of `shape` (height, width)."""
    return int(shape[0] * step + 1e-6), int(shape[1] * step + 1e-6)


def upsampled(image: Tensor, shape: tuple[int, int], step: float) -> Tensor:
    """Return a coarse image (...,h,w) on fine pixels (...,H,W): flux in a fine pixel.

    Cubic convolution (Keys 1981, equation 4, a = -1/2); beyond its edge the image is continued evenly.
    """
    rows = _along(image.transpose(-1, -2), shape[0], step).transpose(-1, -2)
    return _along(rows, shape[1], step) / step**2


def _along(image: Tensor, count: int, step: float) -> Tensor:
    """Return the last axis interpolated at `count` fine pixels."""
    size = image.shape[-1]
    fine = torch.arange(count, dtype=torch.float64, device=image.device)
    place = (fine - (count - 1) / 2) / step + (size - 1) / 2
    first = place.floor()
    part = (place - first).to(image.dtype)
    out = image.new_zeros((*image.shape[:-1], count))
    for tap in (-1, 0, 1, 2):
        index = (first.long() + tap).clamp(0, size - 1)
        out = out + image[..., index] * _keys((part - tap).abs())
    return out


def _keys(x: Tensor) -> Tensor:
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, far)
