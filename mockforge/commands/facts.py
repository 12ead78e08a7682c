"""Facts about a thing in lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mockforge.data.card.describe import describe
from mockforge.data.reader import Reader


def in_lines(facts: Mapping[str, str]) -> list[str]:
    """Return a line for each fact that has something to say, aligned."""
    width = max((len(key) for key in facts), default=0)
    return [f"{key + ':':<{width + 2}}{value}" for key, value in facts.items() if value]


def dataset_lines(folder: str | Path) -> list[str]:
    """Lines about a dataset, and how to go on from it."""
    with Reader(folder) as reader:
        splits = reader.manifest.splits
    split = "train" if "train" in splits else next(iter(splits), None)
    load = f"mockforge.load({str(folder)!r}" + (f", split={split!r})" if split else ")")
    return in_lines({**describe(folder), "look at": str(Path(folder) / "preview.png"), "in Python": load})
