"""The pairs of a built dataset, in batches on the training device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mockforge.data.dataset import PAIR
from mockforge.train.dataset import Split


class Pairs(Split):
    """One split of a dataset of pairs.

    Its batches are input and target (N,C,H,W) in nJy, z_in and z_out (N,).
    """

    large = PAIR[:2]

    def __post_init__(self) -> None:
        self.data.needs(PAIR, "a redshifter")
        super().__post_init__()

    def _read(self, rows: np.ndarray) -> tuple[Tensor, ...]:
        samples = [self.data.sample(int(row), *PAIR) for row in rows]
        return tuple(torch.stack([s[name] for s in samples]) for name in PAIR)


def turned(image: Tensor, turns: Tensor) -> Tensor:
    """Each image (N,C,H,W) in one of the square's eight orientations; `turns` (N,) is 0 to 7."""
    out = torch.where((turns % 2 == 1)[:, None, None, None], image.flip(3), image)
    out = torch.where((turns // 2 % 2 == 1)[:, None, None, None], out.flip(2), out)
    if image.shape[2] != image.shape[3]:
        return out
    return torch.where((turns // 4 == 1)[:, None, None, None], out.transpose(2, 3), out)
