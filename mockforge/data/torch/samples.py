"""The samples of a split: what is asked of it, how one is chosen, and what transforms find."""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from mockforge.errors import InputError

Sample = dict[str, Any]


class Samples(Protocol):
    """What datasets of another form ask of the split whose samples they give: a `Dataset`."""

    path: Path
    transform: Callable[..., Any] | None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Array -> shape of one sample, of all arrays that the dataset holds."""
        ...

    @property
    def kinds(self) -> dict[str, str]:
        """Array -> NumPy's letter for the kind of its numbers."""
        ...

    @property
    def units(self) -> dict[str, str]:
        """Array -> its unit."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Any: ...

    def sample(self, index: int, *arrays: str) -> dict[str, Any]:
        """Arrays of one sample, without the transform."""
        ...

    def wanted(self, arrays: tuple[str, ...]) -> tuple[str, ...]:
        """Return what is read of a sample to make another form of `arrays`: also what a transform sees."""
        ...

    def needs(self, arrays: tuple[str, ...], what: str) -> None:
        """InputError naming the arrays that `what` needs and the split lacks."""
        ...


class NotANumber(InputError, TypeError):
    """What stands where the number of a sample is wanted."""


def whole_number(index: Any) -> int:
    """Return an index as an int: also NumPy's and torch's whole numbers, and nothing else.

    Raises InputError (and TypeError) for booleans, fractions, lists and names.
    """
    message = (
        f"a sample is chosen by a whole number, or several by a slice such as data[2:5]; found {index!r}"
    )
    if isinstance(index, torch.Tensor):
        index = index.numpy()
    if isinstance(index, np.ndarray):
        if index.ndim:
            raise NotANumber(f"{message}; for a list of numbers use torch.utils.data.Subset(data, numbers)")
        index = index[()]
    if isinstance(index, (bool, np.bool_)):
        raise NotANumber(message)
    try:
        return operator.index(index)
    except TypeError:
        hint = "; for a list of numbers use torch.utils.data.Subset(data, numbers)"
        raise NotANumber(message + hint * isinstance(index, (list, tuple))) from None


def typed(sample: Sample) -> Sample:
    """Return the sample with images (..., C,H,W) as tv_tensors.Image, labels and masks as tv_tensors.Mask."""
    from torchvision import tv_tensors

    kinds = {name: value for name, value in sample.items() if isinstance(value, torch.Tensor)}
    return sample | {
        name: (tv_tensors.Image if value.is_floating_point() and value.ndim > 2 else tv_tensors.Mask)(
            value, device=value.device
        )
        for name, value in kinds.items()
        if value.ndim >= 2
    }
