"""Morphology's latent z given the marks: that of a source with like marks, smoothed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError

NEIGHBOURS = 8
"""A source takes after one of so many with the nearest marks."""
KEPT = 0.96
"""Correlation of a drawn z with its neighbour's; the rest is N(mean, covariance) of all."""


@dataclass(frozen=True, eq=False)
class Latents:
    """M sources with latents: what z is drawn from."""

    points: np.ndarray
    """(M, P) their marks, in the population's coordinates with |e| for e."""
    z: np.ndarray
    """(M, Z)."""
    above: float
    """nJy: galaxies of so large a mean flux or more have a learned morphology."""

    def __post_init__(self) -> None:
        for name in ("points", "z"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        if self.points.ndim != 2 or self.z.ndim != 2 or len(self.points) != len(self.z) or not len(self.z):
            raise InputError(
                f"latents: as many marks as z are needed, one at least; found {self.points.shape} and "
                f"{self.z.shape}"
            )
        if not (np.isfinite(self.points).all() and np.isfinite(self.z).all() and self.above >= 0):
            raise InputError("latents: marks, z and the least flux should be finite")

    @property
    def length(self) -> int:
        """Numbers in a z."""
        return self.z.shape[1]

    def draw(self, rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
        """Return z (N, Z) float32 of sources at `points` (N, P): smoothed bootstrap among neighbours.

        z keeps its mean and covariance: a neighbour's z is drawn towards the mean by as much as the
        noise that is added widens it.
        """
        scale = np.maximum(self.points.std(axis=0), 1e-6)
        ours, theirs = points / scale, self.points / scale
        k = min(NEIGHBOURS, len(theirs))
        chosen = np.empty(len(points), dtype=np.int64)
        which = rng.integers(0, k, len(points))
        for rows in np.array_split(np.arange(len(points)), max(1, -(-len(points) // 512))):
            away = ((ours[rows, None] - theirs) ** 2).sum(axis=2)
            chosen[rows] = np.argsort(away, axis=1, kind="stable")[np.arange(len(rows)), which[rows]]
        mean = self.z.mean(axis=0)
        spread = (
            np.atleast_2d(np.cov(self.z, rowvar=False)) if len(self.z) > 1 else np.zeros((self.length,) * 2)
        )
        root = np.linalg.cholesky(spread + 1e-9 * np.eye(self.length))
        noise = np.einsum("ij,nj->ni", root, rng.standard_normal((len(points), self.length)))
        return (mean + KEPT * (self.z[chosen] - mean) + np.sqrt(1 - KEPT**2) * noise).astype(np.float32)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model's file keeps, float32."""
        arrays = {"points": self.points, "z": self.z, "above": np.array([self.above])}
        return {name: values.astype(np.float32) for name, values in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Latents:
        """Return the inverse of `to_arrays`; InputError where an array is missing or absurd."""
        missing = [name for name in ("points", "z", "above") if name not in arrays]
        if missing:
            raise InputError(f"latents need the array {missing[0]}, found {', '.join(sorted(arrays))}")
        return cls(arrays["points"], arrays["z"], float(np.ravel(arrays["above"])[0]))
