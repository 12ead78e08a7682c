"""The `select` stage: keep the samples that pass its limits."""

from __future__ import annotations

import numpy as np

from mockforge.batch import Batch, Stage
from mockforge.config import Count, Fraction, Index, config
from mockforge.rng import Stream


@config
class Select(Stage):
    """Drop samples by their count of objects and their share of masked pixels.

    Dropped samples are drawn again, so that a dataset has the number of samples requested.
    """

    min_objects: Index = 0
    """Fewest objects with a pixel in the tile."""
    max_objects: Index | None = None
    """Most objects with a pixel in the tile; no limit by default."""
    max_masked_fraction: Fraction = 1.0
    """Largest share of the tile's pixels that may be masked."""
    min_object_pixels: Count = 1
    """Objects with fewer pixels in the tile are not counted."""

    def __post_init__(self) -> None:
        if self.max_objects is not None and self.max_objects < self.min_objects:
            raise ValueError(f"max_objects {self.max_objects} is below min_objects {self.min_objects}")

    def reads(self) -> frozenset[str]:
        """Arrays this stage needs."""
        return frozenset({"instances"})

    def writes(self) -> frozenset[str]:
        """Nothing new."""
        return frozenset()

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Return the samples that pass; the tile alone counts, not its margin."""
        tiles = batch.trimmed().arrays
        counts = np.array([self._objects(labels) for labels in tiles["instances"]], dtype=np.int64)
        chosen = counts >= self.min_objects
        if self.max_objects is not None:
            chosen &= counts <= self.max_objects
        if "mask" in tiles and len(batch):
            chosen &= np.asarray(tiles["mask"], dtype=bool).mean(axis=(1, 2)) <= self.max_masked_fraction
        return batch.keep(chosen)

    def _objects(self, labels: np.ndarray) -> int:
        return int(np.count_nonzero(np.bincount(labels.ravel())[1:] >= self.min_object_pixels))
