"""Random crops of a training field that hold no masked pixel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.field.symmetries import QUARTER_TURNS, turned
from mockforge.rng import Stream


class FieldCrops:
    """Draws square crops of an image (band, y, x), float32, where `mask` (y, x) is false."""

    def __init__(self, image: np.ndarray, mask: np.ndarray, sizes: tuple[int, ...]) -> None:
        self.image = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))
        self.corners = {size: _free_corners(mask, size) for size in sizes}

    def to(self, device: torch.device | str) -> None:
        """Keep the image on `device`."""
        self.image = self.image.to(device)

    def places(self, size: int, n: int, stream: Stream) -> np.ndarray:
        """Corners (n, 2) y, x of `n` crops, each free corner as likely."""
        chosen = stream.numpy().choice(self.corners[size], n)
        return np.stack(np.divmod(chosen, self.image.shape[2] - size + 1), axis=1)

    def draw(self, size: int, places: np.ndarray, turns: np.ndarray) -> Tensor:
        """Return crops (n, band, size, size) at these corners, each turned by one of the eight symmetries."""
        out = [
            turned(self.image[:, y : y + size, x : x + size], QUARTER_TURNS[t])
            for (y, x), t in zip(places.tolist(), turns.tolist(), strict=True)
        ]
        return torch.stack(out)


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
