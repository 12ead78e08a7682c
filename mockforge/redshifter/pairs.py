"""The pairs of a built dataset, in batches on the training device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.data.dataset import PAIR, Dataset

_IN_MEMORY = 8e9
"""Bytes up to which a split is read once and kept."""

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""input, target (N,C,H,W) in nJy, z_in, z_out (N,)."""


@dataclass
class Pairs:
    """One split of a dataset of pairs; small ones stay in memory, large ones are read as asked."""

    data: Dataset

    def __post_init__(self) -> None:
        self.data.needs(PAIR, "a redshifter")
        self.device = torch.device("cpu")
        size = 8.0 * len(self) * np.prod(self.data.arrays["input"])
        self.kept = self._read(np.arange(len(self))) if size < _IN_MEMORY else None

    def __len__(self) -> int:
        return len(self.data)

    def to(self, device: torch.device) -> None:
        """Give batches on `device`."""
        self.device = device
        if self.kept is not None and device.type == "cuda":
            self.kept = tuple(part.to(device) for part in self.kept)  # type: ignore[assignment]

    def batch(self, rows: np.ndarray) -> Batch:
        """The pairs in these rows of the split."""
        if self.kept is not None:
            index = torch.from_numpy(rows).to(self.kept[0].device)
            found = tuple(part[index] for part in self.kept)
        else:
            found = self._read(rows)
        return tuple(part.to(self.device) for part in found)  # type: ignore[return-value]

    def _read(self, rows: np.ndarray) -> Batch:
        samples = [self.data.sample(int(row), *PAIR) for row in rows]
        return tuple(torch.stack([s[name] for s in samples]) for name in PAIR)  # type: ignore[return-value]


def turned(image: Tensor, turns: Tensor) -> Tensor:
    """Each image (N,C,H,W) in one of the square's eight orientations; `turns` (N,) is 0 to 7."""
    out = torch.where((turns % 2 == 1)[:, None, None, None], image.flip(3), image)
    out = torch.where((turns // 2 % 2 == 1)[:, None, None, None], out.flip(2), out)
    if image.shape[2] != image.shape[3]:
        return out
    return torch.where((turns // 4 == 1)[:, None, None, None], out.transpose(2, 3), out)
