"""Batches by their number of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mockforge.batch import Batch

IN_TURN = ("train", "train", "val", "test")
"""Splits of a small dataset: half of it train, a quarter val, a quarter test."""


def samples(
    numbers: int | Sequence[int],
    first: int = 0,
    splits: Mapping[str, float] | None = None,
    split: str | Sequence[str] | None = None,
    **more: Any,
) -> Batch:
    """A batch without arrays, or with what `more` gives: arrays, tables, attributes, margin.

    Parameters
    ----------
    numbers : int or sequence of int
        How many samples there are, counted from `first`, or the number of each.
    first : int
        The number of the first sample.
    splits : mapping of str to float, optional
        Every split and its share; all is `train` otherwise.
    split : str or sequence of str, optional
        The splits of the samples by their numbers, in turn; those of `splits` otherwise.
    """
    sample = np.arange(first, first + numbers) if isinstance(numbers, int) else np.array(numbers)
    splits = splits or {"train": 1.0}
    names = np.array([split] if isinstance(split, str) else list(split or splits))
    return Batch(sample, sample, names[sample % len(names)], splits, **more)
