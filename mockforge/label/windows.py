"""Windows of a field: which objects are a window's own, and how far beyond it pixels must be known for them.

An object belongs to the window that its brightest pixel lies in, so each is counted once. It is that of the
whole field where all connected pixels of it are in the region that was searched, and where the apertures
that it is measured in reach no pixel near the region's edge, whose labels may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mockforge.label.apertures import KRON_FACTOR, SMALLEST_KRON

WINDOW = 1024
"""Pixels; side of a window."""
MARGIN = 128
"""Pixels beyond a window that are searched at first; as much again and again where an object needs it."""
LARGEST_MARGIN = 1024
"""Pixels; an object that needs more is an error."""
_FLUX_REACH = 6.0
"""Semi-major axes within which sep measures Kron and half-light radii."""


@dataclass(frozen=True)
class Region:
    """A window of a field and the pixels around it that are searched."""

    window: tuple[int, int, int, int]
    """(y0, y1, x0, x1)"""
    shape: tuple[int, int]
    """(y, x) of the field."""
    margin: int

    @property
    def ends(self) -> tuple[int, int, int, int]:
        """Return (y0, y1, x0, x1) of what is searched."""
        y0, y1, x0, x1 = self.window
        m, (ny, nx) = self.margin, self.shape
        return max(y0 - m, 0), min(y1 + m, ny), max(x0 - m, 0), min(x1 + m, nx)

    def owned(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return which places, counted from the region's first pixel, lie in the window."""
        (y0, y1, x0, x1), (top, _, left, _) = self.window, self.ends
        return (y + top >= y0) & (y + top < y1) & (x + left >= x0) & (x + left < x1)

    def safe(self, depth: int) -> tuple[int, int, int, int]:
        """Return (y0, y1, x0, x1), from the region's first pixel, of what its own edges leave as it is.

        Edges that are the field's change nothing.
        """
        y0, y1, x0, x1 = self.ends
        ny, nx = self.shape
        return (
            depth if y0 > 0 else 0,
            y1 - y0 - (depth if y1 < ny else 0),
            depth if x0 > 0 else 0,
            x1 - x0 - (depth if x1 < nx else 0),
        )


def windows_of(shape: tuple[int, int], side: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (y0, y1, x0, x1) of every window of a field, row by row."""
    for y0 in range(0, shape[0], side):
        for x0 in range(0, shape[1], side):
            yield y0, min(y0 + side, shape[0]), x0, min(x0 + side, shape[1])


def cut_by_edge(region: Region, instances: np.ndarray, depth: int) -> bool:
    """Whether connected pixels of the window go on to within `depth` of an edge of the region."""
    from scipy.ndimage import label

    y0, y1, x0, x1 = region.safe(depth)
    near = np.ones(instances.shape, dtype=bool)
    near[y0:y1, x0:x1] = False
    if not near.any() or not instances[near].any():
        return False
    parts = np.zeros(instances.shape, dtype=np.int32)
    label(instances > 0, structure=np.ones((3, 3)), output=parts)
    (top, bottom, left, right), (first, _, start, _) = region.window, region.ends
    own = parts[top - first : bottom - first, left - start : right - start]
    outer = np.unique(parts[near])
    return bool(np.isin(np.unique(own[own > 0]), outer).any())


def reach_beyond(region: Region, table: dict[str, np.ndarray], depth: int) -> bool:
    """Whether an aperture of these objects, places from the region's first pixel, leaves what is safe."""
    y0, y1, x0, x1 = region.safe(depth)
    kron = KRON_FACTOR * table["kron_radius"].astype(np.float64)
    reach = np.maximum(np.maximum(kron, _FLUX_REACH) * table["a"], 2.0 * SMALLEST_KRON) + 1.0
    x, y = table["x"], table["y"]
    # beyond the field there is nothing to know: an aperture is cut there as in the whole
    low = ((x - reach < x0) & (x0 > 0)) | ((y - reach < y0) & (y0 > 0))
    ny, nx = region.ends[1] - region.ends[0], region.ends[3] - region.ends[2]
    high = ((x + reach > x1 - 1) & (x1 < nx)) | ((y + reach > y1 - 1) & (y1 < ny))
    return bool((low | high).any())
