"""What a model knows of its sources, and what a user may ask of them instead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError
from mockforge.sgan.sources.counts import Counts
from mockforge.sgan.sources.density import DensityField
from mockforge.sgan.sources.population import Population
from mockforge.units import ZEROPOINT_NJY


@dataclass(frozen=True)
class Asked:
    """What may be asked of a sky's sources; what is None or 1 stays as in the training field."""

    density: float = 1.0
    """Factor on the number of all sources."""
    counts_slope: float | None = None
    """Of galaxies' N(>f) ~ f^-slope below the limit to which they were measured."""
    faintest_mag: float | None = None
    """AB of the mean flux over the bands: no source is fainter."""
    brightest_mag: float | None = None
    """AB: no source is brighter."""
    star_fraction: float | None = None
    """Stars over all sources within the limits, their sum kept."""
    clustering: float = 1.0
    """Factor on the two-point function of galaxies; 0 puts them anywhere."""
    colour_shift: tuple[float, ...] | None = None
    """Magnitudes added to each band, each source's mean flux kept."""


@dataclass(frozen=True, eq=False)
class SourceModel:
    """Sources of a learned sky: what they look like, how many there are, how they cluster.

    Counts are per px of the model's native grid. Stars are spread evenly.
    """

    population: Population
    galaxies: Counts
    stars: Counts | None
    density: DensityField

    @property
    def number(self) -> float:
        """Sources per native px."""
        return self.galaxies.number() + (self.stars.number() if self.stars else 0.0)

    @property
    def star_fraction(self) -> float:
        """Stars over all sources."""
        return (self.stars.number() if self.stars else 0.0) / self.number

    def asked(self, asked: Asked) -> SourceModel:
        """Return the model as a user asks for it.

        Raises InputError where a number cannot be had: a star fraction of a field without stars, limits
        without a flux between them, a slope or a factor out of range.
        """
        galaxies, stars = self.galaxies, self.stars
        if asked.counts_slope is not None:
            galaxies = galaxies.sloped(asked.counts_slope)
        low, high = (
            None if mag is None else 10 ** (-0.4 * (mag - ZEROPOINT_NJY))
            for mag in (asked.faintest_mag, asked.brightest_mag)
        )
        galaxies = _between(galaxies, low, high)
        stars = _between(stars, low, high) if stars else None
        if asked.star_fraction is not None:
            galaxies, stars = _with_share(galaxies, stars, asked.star_fraction)
        population = self.population
        if asked.colour_shift is not None:
            population = population.shifted(asked.colour_shift)
        density = self.density if asked.clustering == 1.0 else self.density.clustered(asked.clustering)
        return SourceModel(
            population, galaxies.times(asked.density), stars.times(asked.density) if stars else None, density
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model's file keeps, float32, without the model's prefix."""
        parts = {"marks": self.population, "galaxies": self.galaxies, "density": self.density}
        if self.stars is not None:
            parts["stars"] = self.stars
        return {f"{name}.{key}": v for name, part in parts.items() for key, v in part.to_arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> SourceModel:
        """Return the inverse of `to_arrays`; InputError where an array is missing or absurd."""
        parts: dict[str, dict[str, np.ndarray]] = {"marks": {}, "galaxies": {}, "stars": {}, "density": {}}
        for name, values in arrays.items():
            part, _, key = name.partition(".")
            if part not in parts or not key:
                raise InputError(f"sources: unknown array {name!r}")
            parts[part][key] = values
        return cls(
            Population.from_arrays(parts["marks"]),
            Counts.from_arrays(parts["galaxies"]),
            Counts.from_arrays(parts["stars"]) if parts["stars"] else None,
            DensityField.from_arrays(parts["density"]),
        )


def _between(counts: Counts, low: float | None, high: float | None) -> Counts:
    """Return counts within limits in nJy: a fainter limit continues the law, a brighter one cuts."""
    brightest = counts.brightest if high is None else min(high, counts.brightest)
    return counts.limited(counts.faintest if low is None else low, brightest)


def _with_share(galaxies: Counts, stars: Counts | None, share: float) -> tuple[Counts, Counts | None]:
    """Return counts with `share` of stars among as many sources as before."""
    if not 0 <= share <= 1:
        raise InputError(f"star fraction {share:g}: a fraction is between 0 and 1")
    if stars is None or not stars.number():
        if share > 0:
            raise InputError(
                f"star fraction {share:g}: the training field had too few stars to learn from; ask for 0"
            )
        return galaxies, None
    total = galaxies.number() + stars.number()
    return (
        galaxies.times((1.0 - share) * total / galaxies.number()),
        stars.times(share * total / stars.number()),
    )
