"""Whether crops are copies of others: the nearest in all orientations, and shares that lie too near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.field.symmetries import QUARTER_TURNS, turned

SHIFT = 1
"""Pixels by which a crop is also moved, in both directions."""
SHARE = 0.05
"""Crops of the floor nearer than the limit of near copies."""


@dataclass(frozen=True)
class NearCopies:
    """Whether n crops lie nearer to what was trained on than those of a floor do."""

    share: float
    """Of the crops nearer than the floor's nearest 5%."""
    most: float
    """Share that chance allows: 5% and three standard errors."""
    closest: float
    """ln of the least distance over the usual one."""
    allowed: float
    """Least that it should be: a third of the floor's least."""


def nearest_crops(
    wide: np.ndarray, crops: np.ndarray, apart: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of each crop to the nearest of others, and which that is.

    Parameters
    ----------
    wide
        (n, C, S + 2, S + 2): crops with a rim, in units of their noise.
    crops
        (m, C, S, S): the others; they are compared in all eight symmetries, shifted by a pixel.
    apart
        (n, m) bool: pairs that do not count.

    Returns
    -------
    (n,) float and (n,) int
        rms of the difference over the rms of the crop, and rows of `crops`.
    """
    side, n = crops.shape[-1], len(wide)
    shifts = range(2 * SHIFT + 1)
    queries = [wide[..., y : y + side, x : x + side].reshape(n, -1) for y in shifts for x in shifts]
    norms = (queries[len(queries) // 2] ** 2).sum(axis=1)
    best, match = np.full(n, np.inf), np.zeros(n, dtype=int)
    for symmetry in QUARTER_TURNS:
        templates = turned(crops, symmetry).reshape(len(crops), -1)
        square = (templates**2).sum(axis=1)
        for shifted in queries:
            distance = square[None] - 2 * shifted @ templates.T + (shifted**2).sum(axis=1)[:, None]
            if apart is not None:
                distance[apart] = np.inf
            closest = distance.argmin(axis=1)
            value = distance[np.arange(n), closest]
            better = value < best
            best[better], match[better] = value[better], closest[better]
    return np.sqrt(np.maximum(best, 0.0) / np.maximum(norms, 1e-30)), match


def near_copies(
    distance: np.ndarray, snr: np.ndarray, floor_distance: np.ndarray, floor_snr: np.ndarray
) -> NearCopies:
    """Judge distances (n,) by those of a floor (m,): the floor's trend with signal to noise is taken off."""
    trend = np.polyfit(np.log(floor_snr), np.log(floor_distance), 1)

    def excess(value: np.ndarray, of: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(value, 1e-6)) - np.polyval(trend, np.log(of))

    generated, real = excess(distance, snr), excess(floor_distance, floor_snr)
    limit = float(np.percentile(real, 100 * SHARE))
    error = float(np.sqrt(SHARE * (1 - SHARE) * (1 / len(generated) + 1 / len(real))))
    return NearCopies(
        share=float((generated < limit).mean()),
        most=SHARE + 3 * error,
        closest=float(generated.min()),
        allowed=float(real.min()) - np.log(3.0),
    )
