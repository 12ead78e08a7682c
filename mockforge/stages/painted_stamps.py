"""What every stage says that paints stamps through an instrument of its own."""

from __future__ import annotations

from collections.abc import Iterable

from mockforge.batch import Bands, Stage
from mockforge.observe.problems import instrument_problems


class PaintedStamps(Stage):
    """A stage whose configuration has `bands`, the side `stamp` in pixels, PSFs and noises."""

    bands: tuple[str, ...]
    stamp: int

    def bands_after(self, bands: Bands) -> Bands:
        """Return the bands of its images."""
        return self.bands

    def problems(self, bands: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
        """Return the PSFs and noises that do not fit the bands."""
        return instrument_problems(self, bands)

    def pixels(self) -> int:
        """Return the pixels of a sample in all its bands."""
        return self.stamp**2 * len(self.bands)
