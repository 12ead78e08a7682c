"""Random crops of a training field that hold no masked pixel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.rng import Stream


class Crops:
    """Draws square crops of an image (band, y, x), float32, where `mask` (y, x) is false."""

    def __init__(self, image: np.ndarray, mask: np.ndarray, sizes: tuple[int, ...]) -> None:
        self.image = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))
        self.corners = {size: _free_corners(mask, size) for size in sizes}

    def to(self, device: torch.device | str) -> None:
        """Keep the image on `device`."""
        self.image = self.image.to(device)

    def draw(self, size: int, n: int, stream: Stream) -> Tensor:
        """`n` crops (n, band, size, size), each at a random place, flipped and turned at random."""
        rng = stream.numpy()
        width = self.image.shape[2] - size + 1
        chosen = rng.choice(self.corners[size], n)
        turns = rng.integers(0, 8, n)
        out = [
            turned(self.image[:, c // width : c // width + size, c % width : c % width + size], t)
            for c, t in zip(chosen.tolist(), turns.tolist(), strict=True)
        ]
        return torch.stack(out)


def turned(image: Tensor, turn: int) -> Tensor:
    """One of the eight symmetries of a square, 0 to 7, of an image (..., y, x)."""
    if turn >= 4:
        image = image.flip(-1)
    return torch.rot90(image, turn % 4, (-2, -1))


def _free_corners(mask: np.ndarray, size: int) -> np.ndarray:
    """Flat indices (in the grid of possible corners) of the crops that touch no masked pixel."""
    height, width = mask.shape
    if height < size or width < size:
        raise InputError(f"the training field is {width} x {height} pixels, smaller than crops of {size}")
    summed = np.zeros((height + 1, width + 1), dtype=np.int64)
    summed[1:, 1:] = mask.cumsum(0, dtype=np.int64).cumsum(1)
    inside = summed[size:, size:] - summed[:-size, size:] - summed[size:, :-size] + summed[:-size, :-size]
    corners = np.flatnonzero(inside == 0)
    if len(corners) == 0:
        raise InputError(
            f"no {size} x {size} crop of the training field is free of masked pixels "
            f"({mask.mean():.0%} is masked); use smaller crops or mask less"
        )
    return corners
