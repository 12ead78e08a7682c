"""The two-point function of sources on a masked field, by pairs of sources and of random points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError


@dataclass(frozen=True, eq=False)
class TwoPoint:
    """w(theta) in bins of separation."""

    edges: np.ndarray
    """(B + 1,) px, growing."""
    w: np.ndarray
    """(B,) excess of pairs over random ones."""
    error: np.ndarray
    """(B,) Poisson: sqrt((1 + w) / pairs)."""
    random_share: np.ndarray
    """(B,) share of the random pairs of the field, for the integral constraint."""

    @property
    def middle(self) -> np.ndarray:
        """Separations (B,) px: the geometric middle of the bins."""
        return np.sqrt(self.edges[1:] * self.edges[:-1])


def two_point(
    y: np.ndarray,
    x: np.ndarray,
    mask: np.ndarray,
    edges: np.ndarray,
    rng: np.random.Generator,
    times: int = 8,
) -> TwoPoint:
    """Return w(theta) of sources at `y`, `x` (N,) px on a field, w = (DD - 2 DR + RR) / RR.

    Random points, `times` as many as sources, lie where `mask` (y, x) is false, and only sources there
    count. Raises InputError with fewer than thirty.

    References
    ----------
    Landy & Szalay 1993, ApJ 412, 64, equation 47.
    """
    from scipy.spatial import cKDTree  # type: ignore

    rows, columns = (
        np.clip(np.rint(v).astype(int), 0, n - 1) for v, n in zip((y, x), mask.shape, strict=True)
    )
    data = np.column_stack([y, x])[~mask[rows, columns]]
    if len(data) < 30:
        raise InputError(
            f"{len(data)} sources outside the mask are too few to see how they cluster; 30 are needed"
        )
    free = np.flatnonzero(~mask.ravel())
    cell = rng.choice(free, max(times * len(data), 5000))
    randoms = np.column_stack(np.divmod(cell, mask.shape[1])) + rng.random((len(cell), 2)) - 0.5
    sources, points = cKDTree(data), cKDTree(randoms)
    n, m = len(data), len(randoms)
    dd = np.diff(sources.count_neighbors(sources, edges)).astype(np.float64)
    dr = np.diff(sources.count_neighbors(points, edges)).astype(np.float64)
    rr = np.diff(points.count_neighbors(points, edges)).astype(np.float64)
    pairs = np.maximum(rr, 1.0)
    w = (dd * (m * (m - 1.0)) / (n * (n - 1.0)) - 2.0 * dr * (m - 1.0) / n + rr) / pairs
    error = np.sqrt((1.0 + np.maximum(w, 0.0)) / np.maximum(dd / 2.0, 1.0))
    return TwoPoint(np.asarray(edges, dtype=np.float64), w, error, rr / (m * (m - 1.0)))
