"""Redshift pairs as tuples."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import torch

from mockforge.data.torch.samples import Samples, typed

PAIR = ("input", "target", "z_in", "z_out")
"""The arrays of a pair."""


class PairDataset(torch.utils.data.Dataset[tuple[torch.Tensor, ...]]):
    """A redshifting set as tuples (input, target, z_in, z_out).

    `input` and `target` are float32 (C,H,W) in nJy; `z_in` and `z_out` float32 scalars.

    Parameters
    ----------
    base
        The split; its own `transform` is applied to the dict before.
    transforms
        Called last, as transforms(input, target) on tv_tensors.Image, so that torchvision's transforms.v2
        turn and crop both alike.
    transform, target_transform
        Called as transform(input) and target_transform(target).

    Raises
    ------
    InputError
        Where the dataset lacks one of the arrays.
    """

    def __init__(
        self,
        base: Samples,
        transforms: Callable[..., Any] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
    ) -> None:
        base.needs(PAIR, "as_pairs()")
        self.base = base
        self.transforms, self.transform, self.target_transform = transforms, transform, target_transform

    def __len__(self) -> int:
        return len(self.base)

    def __repr__(self) -> str:
        return f"<as_pairs() of {self.base!r}>"

    def __getitem__(self, index: Any) -> Any:
        """Return the tuple of one sample; of a slice, a PairDataset of those samples."""
        if isinstance(index, slice):
            part = copy(self)
            part.base = self.base[index]
            return part
        sample = self.base.sample(index, *self.base.wanted(PAIR))
        if self.base.transform is not None:
            sample = self.base.transform(typed(sample))
        first, second, z_in, z_out = (sample[name] for name in PAIR)
        if self.transform is not None:
            first = self.transform(first)
        if self.target_transform is not None:
            second = self.target_transform(second)
        if self.transforms is not None:
            from torchvision import tv_tensors

            first, second = self.transforms(
                tv_tensors.Image(first, device=first.device), tv_tensors.Image(second, device=second.device)
            )
        return first, second, z_in, z_out
