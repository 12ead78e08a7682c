"""The eight symmetries of a square: every way in which an image of the sky is as likely as another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Pixels = TypeVar("Pixels", np.ndarray, "Tensor")

QUARTER_TURNS = (0, 5, 3, 6, 1, 4, 2, 7)
"""The symmetries as 0 to 3 quarter turns counter-clockwise (`rot90` of rows and columns), and the same
after x is flipped."""


def turned(image: Pixels, symmetry: int) -> Pixels:
    """Turn an image (..., y, x), an array or a tensor, by one of the symmetries.

    `symmetry` is 0 to 7: its bit 1 flips x, 2 flips y, 4 then exchanges them. An array is a view.
    """
    out: Any = image
    for bit, axis in ((1, -1), (2, -2)):
        if symmetry & bit:
            out = np.flip(out, axis) if isinstance(out, np.ndarray) else out.flip(axis)
    return out.swapaxes(-1, -2) if symmetry & 4 else out


def each_turned(images: Tensor, symmetries: Tensor) -> Tensor:
    """Turn each image (N, C, y, x) by its own of `symmetries` (N,); those not square are only flipped."""
    import torch

    def where(bit: int, turned: Tensor, others: Tensor) -> Tensor:
        return torch.where((symmetries // bit % 2 == 1)[:, None, None, None], turned, others)

    out = where(1, images.flip(3), images)
    out = where(2, out.flip(2), out)
    return where(4, out.transpose(2, 3), out) if images.shape[2] == images.shape[3] else out
