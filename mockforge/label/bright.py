"""What must not be learned from: bright stars with their halos, ranges of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mockforge.field.robust import sigma_about
from mockforge.label.extract import extracted

_LOWER = "mask the brightest sources"


def without_columns(mask: np.ndarray, ranges: Sequence[tuple[int, int]], first: int = 0) -> None:
    """Set `mask` (y, x) in these ranges of columns [x0, x1); its own first column is `first`."""
    for left, right in ranges:
        mask[:, max(left - first, 0) : max(right - first, 0)] = True


def sources(flat: np.ndarray, mask: np.ndarray) -> tuple[Any, np.ndarray, float]:
    """Everything above 1.5 sigma on the mean of the bands: table, label image, rms."""
    mean = np.ascontiguousarray(flat.mean(axis=0))
    rms = float(sigma_about(mean[~mask], 0.0))
    table, labels = extracted(
        mean, 1.5, err=rms, mask=mask, minarea=5, deblend_nthresh=8, deblend_cont=0.05, lower=_LOWER
    )
    return table, labels, rms


def bright(flat: np.ndarray, labels: np.ndarray, above: float, grow: int) -> np.ndarray:
    """(y, x) true on objects of `labels` whose peak in any band exceeds `above`, and `grow` pixels around."""
    peak = np.zeros(int(labels.max()) + 1, dtype=np.float32)
    np.maximum.at(peak, labels.ravel(), flat.max(axis=0).ravel())
    peak[0] = 0.0
    return grown(peak[labels] > above, grow)


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """Return the mask grown by a disk."""
    from skimage.morphology import dilation, disk

    return dilation(mask, disk(pixels, decomposition="sequence")) if pixels else mask
