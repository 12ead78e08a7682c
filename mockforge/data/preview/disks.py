"""The preview of disk galaxies: as observed, without noise, and each part of it."""

from __future__ import annotations

import numpy as np

from mockforge.data.preview.page import enlarged, joined, page, spread, window, written
from mockforge.data.preview.stretch import pictures
from mockforge.data.reader import Reader
from mockforge.field.picture import BALANCE

_SHOWN = {
    "truth": "without noise",
    "truth_disk": "disk",
    "truth_bulge": "bulge",
    "truth_clumps": "clumps",
    "image": "image",
}
"""Arrays and their titles; the least noisy first, as a stretch is found from it."""
_SIDE = 130
"""Pixels of a picture at most."""


def disks(reader: Reader) -> np.ndarray:
    """Return a page of galaxies, uint8 (y, x, 3), two a row: the image, and beside it what it is made of."""
    names = [name for name in _SHOWN if name in reader.arrays]
    chosen = spread(reader, 12)
    inclination = _inclinations(reader)
    bands = reader.attributes.get("bands")
    panels = []
    for i in chosen:
        sample = reader.read(i, names)
        row = [enlarged(p, _SIDE) for p in pictures([window(sample[name]) for name in names], bands)]
        row = row[-1:] + row[:-1]  # the image is seen first
        if (number := int(reader.sample[i])) in inclination:
            row[0] = written(row[0], f"i = {inclination[number]:.0f}\N{DEGREE SIGN}")
        panels.append(joined(row, axis=1))
    titles = [_SHOWN[name] for name in names[-1:] + names[:-1]]
    columns = 2 if len(panels) > 1 else 1
    return page(
        reader, panels, columns, titles * columns, f"each galaxy with a stretch of its own; {BALANCE}"
    )


def _inclinations(reader: Reader) -> dict[int, float]:
    """Sample -> inclination, degrees."""
    if "galaxy" not in reader.tables:
        return {}
    table, _ = reader.table("galaxy")
    if "inclination" not in table:
        return {}
    return dict(zip(table["sample"].tolist(), table["inclination"].tolist(), strict=True))
