"""The preview of pairs: input above target, with everything that was saved of their way."""

from __future__ import annotations

import numpy as np

from mockforge.data.preview.page import enlarged, joined, page, spread, window, written
from mockforge.data.preview.stretch import pictures
from mockforge.data.reader import Reader
from mockforge.field.picture import BALANCE

_ENDS = (("input", "z_in"), ("target", "z_out"))
_STATES = {"clean": "as it arrives", "psf": "through the PSF", "observed": "with noise"}
_SIDE = 184
"""Pixels of a picture at most."""


def pairs(reader: Reader) -> np.ndarray:
    """Return a page of galaxies, uint8 (y, x, 3): each the input above the target.

    Beside each other: without PSF and noise, through the PSF, with noise, as far as both ends
    have it; and what is learned (`input`, `target`) where that is none of them.
    """
    states = [s for s in _STATES if all(f"{end}_{s}" in reader.arrays for end, _ in _ENDS)]
    arrays = [f"{end}_{s}" for end, _ in _ENDS for s in states]
    redshifts = [z for _, z in _ENDS if z in reader.arrays]
    ends = [end for end, _ in _ENDS]
    few = 12 if not states else {1: 8, 2: 6}.get(len(states), 4)
    samples = [reader.read(i, [*ends, *arrays, *redshifts]) for i in spread(reader, few)]
    columns = [*(f"_{s}" for s in states)]
    if not all(_shown(samples[0], end, states) for end in ends):
        columns.append("")
    bands = reader.attributes.get("bands")
    panels = []
    for sample in samples:
        rows = []
        for end, z in _ENDS:
            images = [window(sample[end + c]) for c in columns]
            row = [enlarged(p, _SIDE) for p in pictures(images, bands)]
            row[0] = written(row[0], f"{end}, z = {float(sample[z]):.2f}" if z in sample else end)
            rows.append(joined(row, axis=1))
        panels.append(joined(rows, axis=0))
    across = min(len(panels), max(1, 6 // len(columns)))
    titles = [_STATES.get(c[1:], "learned") for c in columns] * across if states else []
    note = f"input above target, each with a stretch of its own; {BALANCE}"
    return page(reader, panels, across, titles, note)


def _shown(sample: dict[str, np.ndarray], end: str, states: list[str]) -> bool:
    """Whether an end's image is that of one of the states."""
    return any(np.array_equal(sample[end], sample[f"{end}_{s}"]) for s in states)
