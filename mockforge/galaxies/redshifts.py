"""Two redshifts of one galaxy: how they are drawn, on a grid or continuously, always z_out > z_in."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from mockforge.config import Limit, Positive, Varying, config
from mockforge.errors import InputError


@config
class RedshiftGrid:
    """Equally spaced redshifts, both ends included."""

    low: Positive = 0.1
    """First redshift."""
    high: Positive = 2.0
    """Last redshift."""
    count: Annotated[int, Limit(ge=2)] = 39
    """How many."""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} should be below high {self.high:g}")

    def redshifts(self) -> np.ndarray:
        """Return the grid, (count,)."""
        return np.linspace(self.low, self.high, self.count)

    def nearest(self, z: np.ndarray) -> np.ndarray:
        """Index of the nearest redshift; -1 where `z` is over half a step outside."""
        step = (self.high - self.low) / (self.count - 1)
        place = (np.asarray(z, dtype=np.float64) - self.low) / step
        inside = (place >= -0.5 - 1e-9) & (place <= self.count - 0.5 + 1e-9)
        index = np.clip(np.floor(place + 0.5), 0, self.count - 1)
        return np.where(inside, index, -1).astype(np.int64)


def check_redshifts(z_in: Varying, z_out: Varying, grid: RedshiftGrid | None) -> None:
    """ValueError where no draw can give z_out > z_in, or a bounded one leaves the grid."""
    lowest, highest = reach(z_in)[0], reach(z_out)[1]
    if grid is not None:
        lowest, highest = _on_grid(grid, z_in, z_out)
    if not lowest < highest:
        raise ValueError(
            f"z_out should be above z_in, and z_in starts at {lowest:g}, z_out ends at {highest:g}"
        )


def draw_redshifts(
    z_in: Varying, z_out: Varying, grid: RedshiftGrid | None, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`count` redshifts each with z_out > z_in, float64 values that float32 holds exactly.

    Pairs that do not fit are drawn again, both redshifts together. InputError where almost none
    fits.
    """
    out = np.zeros((2, count))
    missing = np.arange(count)
    for _ in range(2000):
        z = np.stack([v.draw(rng, len(missing)) for v in (z_in, z_out)])
        good = np.ones(len(missing), dtype=bool)
        if grid is not None:
            index = grid.nearest(z)
            good &= (index >= 0).all(axis=0)
            z = grid.redshifts()[index]
        z = z.astype(np.float32).astype(np.float64)
        good &= z[1] > z[0]
        out[:, missing[good]] = z[:, good]
        missing = missing[~good]
        if not len(missing):
            return out[0], out[1]
    raise InputError(
        f"z_in {_text(z_in)} and z_out {_text(z_out)} almost never give z_out > z_in"
        + (" on the redshift grid" if grid else "")
        + "; let z_out reach farther above z_in"
    )


def reach(value: Varying) -> tuple[float, float]:
    """Lowest and highest value that can be drawn."""
    if value.kind in ("fixed", "choice"):
        return min(value.values), max(value.values)
    if value.kind in ("normal", "lognormal"):
        return (0.0, math.inf) if value.values[1] > 0 else (value.values[0], value.values[0])
    return value.values[0], value.values[1]


def _on_grid(grid: RedshiftGrid, z_in: Varying, z_out: Varying) -> tuple[float, float]:
    """Lowest z_in and highest z_out on the grid; ValueError where a bounded one leaves it."""
    ends = []
    for key, value in (("z_in", z_in), ("z_out", z_out)):
        if value.kind in ("normal", "lognormal") and value.values[1] > 0:
            ends.append((grid.low, grid.high))  # draws off the grid are drawn again
            continue
        index = grid.nearest(np.array(reach(value)))
        if (index < 0).any():
            raise ValueError(
                f"{key} {_text(value)} leaves redshift_grid ({grid.low:g} to {grid.high:g}); "
                "widen the grid, or set redshift_grid: null for continuous redshifts"
            )
        ends.append(tuple(grid.redshifts()[index]))
    return ends[0][0], ends[1][1]


def _text(value: Varying) -> str:
    return f"{value.values[0]:g}" if value.kind == "fixed" else f"{{{value.kind}: {list(value.values)}}}"
