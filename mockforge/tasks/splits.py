"""A built dataset as what a network learns from: its splits, their batches, and what is noted of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from mockforge.data.manifest import MANIFEST
from mockforge.data.torch.dataset import Dataset, load
from mockforge.errors import InputError

_IN_MEMORY = 8e9
"""Bytes up to which a split is read once and kept."""
_OF_SPLIT = " of split "

Sample = Mapping[str, Tensor]
OfSample = Callable[[Sample], tuple[Tensor, ...]]
"""The tensors that a network takes of one sample."""


class Split:
    """One split of a dataset in batches; a small one stays in memory, a large one is read as needed.

    Parameters
    ----------
    data
        The split.
    arrays
        What is read of each sample.
    of_sample
        The tensors that become a batch, of one sample's arrays; by default these arrays in their order.

    Raises
    ------
    InputError
        Where the dataset lacks one of the arrays.
    """

    def __init__(
        self, data: Dataset, arrays: tuple[str, ...], what: str, of_sample: OfSample | None = None
    ) -> None:
        data.needs(arrays, what)
        self.data, self.arrays = data, arrays
        self.device = torch.device("cpu")
        self._of_sample = of_sample or (lambda sample: tuple(sample[name] for name in arrays))
        first = self._read(np.arange(min(1, len(self))))
        size = 4.0 * len(self) * sum(part.numel() for part in first)
        self.kept = self._read(np.arange(len(self))) if 0 < size < _IN_MEMORY else None

    def __len__(self) -> int:
        return len(self.data)

    def to(self, device: torch.device) -> None:
        """Give batches on `device`."""
        self.device = device
        if self.kept is not None and device.type == "cuda":
            self.kept = tuple(part.to(device) for part in self.kept)

    def batch(self, rows: np.ndarray) -> tuple[Tensor, ...]:
        """Return these rows of the split, stacked: a tensor (N, ...) for each of a sample, on the device."""
        if self.kept is None:
            parts = self._read(rows)
        else:
            index = torch.from_numpy(rows).to(self.kept[0].device)
            parts = tuple(part[index] for part in self.kept)
        return tuple(part.to(self.device) for part in parts)

    def _read(self, rows: np.ndarray) -> tuple[Tensor, ...]:
        samples = [self._of_sample(self.data.sample(int(row), *self.arrays)) for row in rows]
        return tuple(torch.stack(parts) for parts in zip(*samples, strict=True))


def splits(folder: str, split: str, held_out: str) -> tuple[Dataset, Dataset | None]:
    """Return what is learned, and what is held out (None where the dataset has no such split).

    Raises InputError where there is nothing to learn from.
    """
    data = load(folder, split)
    if not len(data):
        raise InputError(f"{folder}: split {split!r} is empty; nothing to learn from")
    has_held_out = data.splits.get(held_out, 0) and held_out != split
    return data, load(folder, held_out) if has_held_out else None


def about(data: Dataset, what: str) -> dict[str, object]:
    """Return what a model's card says of the split `data` of so many `what`."""
    return {
        "dataset": f"{data.path.name}, {len(data)} {what}{_OF_SPLIT}{data.split}",
        "dataset_sha256": dataset_digest(data),
        "dataset_seed": dataset_seed(data),
    }


def dataset_digest(data: Dataset) -> str:
    """sha256 of a dataset's manifest, which names the bytes of all its shards."""
    return hashlib.sha256((data.path / MANIFEST).read_bytes()).hexdigest()


def dataset_seed(data: Dataset) -> int | None:
    """Return the seed of the recipe that a dataset was built with, None where it does not say."""
    match = re.search(r"^seed: *(\d+)", str(data.attributes.get("recipe", "")), re.MULTILINE)
    return int(match.group(1)) if match else None


def learned_split(training: Mapping[str, object]) -> str:
    """Return the split that a network's record says it learned; `train` where it says none."""
    return str(training.get("dataset", "")).rpartition(_OF_SPLIT)[2] or "train"


def validation(count: int, losses: Callable[[np.ndarray], Mapping[str, Tensor]]) -> dict[str, float]:
    """Means of the losses of batches of rows, over `count` samples held out."""
    sums: dict[str, float] = {}
    for start in range(0, count, 64):
        rows = np.arange(start, min(start + 64, count))
        for name, value in losses(rows).items():
            sums[name] = sums.get(name, 0.0) + float(value) * len(rows) / count
    return {name.replace("loss/", "validation "): round(value, 5) for name, value in sums.items()}
