"""What a stage may return: checked after each, since a stage may be of an installed package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mockforge.batch import Batch


def problem_of(given: Batch, returned: Any) -> str:
    """Return what is wrong with what a stage returned, as the end of a sentence; empty where nothing is.

    Parameters
    ----------
    given
        The batch that the stage was called on.
    returned
        What it returned: a batch of some or all of those samples, each once, with an array's row for each
        of them and tables that know no others.
    """
    if not isinstance(returned, Batch):
        return f"should return a mockforge.batch.Batch, and returned {_kind(returned)}"
    return next(_problems(given, returned), "")


def _problems(given: Batch, returned: Batch) -> Iterator[str]:
    samples = np.asarray(returned.sample)
    if strangers := _first(samples[~np.isin(samples, given.sample)]):
        yield f"returned {strangers}, which it was not given"
    numbers, times = np.unique(samples, return_counts=True)
    if doubled := _first(numbers[times > 1]):
        yield f"returned {doubled} more than once"
    for name, array in {"draw": returned.draw, "split": returned.split, **returned.arrays}.items():
        if not isinstance(array, np.ndarray) or array.ndim == 0:
            yield f"made {name!r} {_kind(array)}; should be a numpy array, samples along the first axis"
        elif len(array) != len(samples):
            yield f"made {len(array)} rows of {name!r} for {len(samples)} samples"
    for name, table in returned.tables.items():
        if "sample" not in table:
            yield f"made the table {name!r} without the column 'sample', which says whose row it is"
        elif len({len(column) for column in table.values()}) > 1:
            rows = ", ".join(f"{len(column)} of {key!r}" for key, column in table.items())
            yield f"made the table {name!r} with columns of unequal length: {rows}"
        elif strangers := _first(np.setdiff1d(table["sample"], samples)):
            yield f"made the table {name!r} with rows of {strangers}, which its batch does not hold"


def _first(samples: np.ndarray) -> str:
    """`sample 7`, or `sample 7 and 3 others`; empty for none."""
    others = f" and {len(samples) - 1} others" if len(samples) > 1 else ""
    return f"sample {samples[0]}{others}" if len(samples) else ""


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
