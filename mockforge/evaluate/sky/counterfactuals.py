"""Counterfactuals: a sky with one source removed, moved, dimmed, sheared or added, all else the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mockforge.evaluate.report.report import Row
from mockforge.sgan.paint.sky import Sky

_DIM = 0.3
_MOVE = 6.5
"""Pixels."""
_SHEAR = 0.2
_FLUX_ERROR = 1e-3
"""Of the flux that is removed or dimmed away: light beyond the window and float32 sums."""


def counterfactual_rows(sky: Sky, side: int) -> Iterator[Row]:
    """Change the brightest source near the middle of a window, and count the pixels that change elsewhere."""
    window = (0, side, 0, side)
    table = sky.sources(*window)
    bands = sky.model.bands
    flux = np.mean([np.asarray(table[f"flux_{b}"], dtype=float) for b in bands], axis=0)
    x, y = (np.asarray(table[a], dtype=float) for a in "xy")
    middle = (np.abs(x - side / 2) < side / 4) & (np.abs(y - side / 2) < side / 4)
    if not middle.any():
        return
    row = int(np.argmax(np.where(middle, flux, -np.inf)))
    name = str(table["id"][row])
    before = sky.pixels(*window)
    added = {"x": [x[row] + 20.0], "y": [y[row] + 20.0], **{f"flux_{b}": [flux[row]] for b in bands}}
    tries: dict[str, tuple[Sky, float]] = {
        "removed": (sky.without(name), 1.0),
        "dimmed": (sky.edit({"id": [name], "flux_factor": [_DIM]}), 1.0 - _DIM),
        "moved": (sky.edit({"id": [name], "x": [x[row] + _MOVE]}), 0.0),
        "sheared": (sky.edit({"id": [name], "g1": [_SHEAR]}), 0.0),
        "added": (sky.edit(added), -1.0),
    }
    for what, (other, share) in tries.items():
        after = other.pixels(*window)
        touched = _touched(sky, other, window, name)
        same = (before[0] == after[0]).all(axis=0)
        yield _row(
            f"source {what}: pixels changed elsewhere", 0.0, float(np.count_nonzero(~same & ~touched)), 0.0
        )
        lost = float((before[1].astype(np.float64) - after[1]).mean(axis=0).sum()) / flux[row]  # type: ignore
        yield _row(f"source {what}: part of its flux that is gone", share, lost, 10 * _FLUX_ERROR)


def _touched(sky: Sky, other: Sky, window: tuple[int, int, int, int], name: str) -> np.ndarray:
    """(y, x) bool: where the source has light in the one sky or the other; new sources of the other too."""
    side = (window[1] - window[0], window[3] - window[2])
    out = np.zeros(side, dtype=bool)
    known = set(map(str, sky.sources(*window)["id"]))
    for each in (sky, other):
        ids = [str(i) for i in each.sources(*window)["id"]]
        for layer in each.layers(*window):
            if ids[layer.row] == name or ids[layer.row] not in known:
                out[layer.y, layer.x] = True
    return out


def _row(control: str, asked: float, obtained: float, allowed: float) -> dict[str, Any]:
    return {
        "control": control, "band": None, "asked": asked, "obtained": obtained, "error": float("nan"),
        "allowed": allowed,
    }  # fmt: skip
