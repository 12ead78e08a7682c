"""Joint distributions: how magnitude, colours, sizes and morphology go together, not each for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mockforge.evaluate.report.report import Section
from mockforge.evaluate.sky.counts import FEWEST, MEAN, colours
from mockforge.evaluate.sky.floor import Compared, Pick, Settings, Splits, compare
from mockforge.evaluate.sky.sample import Sample

TITLE = "Joint distributions"
CORRELATIONS, ENERGY = "correlations, rms difference", "energy distance"
_FEWEST = 4 * FEWEST


@dataclass(frozen=True)
class Ranks:
    """Normal scores by the ranks in the real sample: no unit, no outlier and no skewness counts."""

    sorted_values: Sequence[np.ndarray]

    @classmethod
    def of(cls, values: np.ndarray) -> Ranks:
        """Take the ranks from (n, k) real values."""
        return cls([np.sort(column) for column in values.T])

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Return the normal scores of (n, k) values."""
        from scipy.special import ndtri

        columns = []
        for known, column in zip(self.sorted_values, values.T, strict=True):
            share = np.searchsorted(known, column, side="left") + np.searchsorted(known, column, side="right")
            columns.append(ndtri(np.clip(share / (2.0 * len(known)), 0.5 / len(known), 1 - 0.5 / len(known))))
        return np.stack(columns, axis=1)


def correlations(values: np.ndarray) -> np.ndarray:
    """Pearson correlations (k, k) of (n, k) values; 0 of a column that does not vary."""
    centred = values - values.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    scaled = centred / np.where(norm > 0, norm, np.inf)
    return scaled.T @ scaled + np.diag((norm == 0).astype(float))


def correlation_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Rms difference of the correlations of (n, k) and (m, k); inf with too few."""
    if min(len(a), len(b)) < _FEWEST:
        return float("inf")
    above = np.triu_indices(a.shape[1], 1)
    return float(np.sqrt(np.mean((correlations(a)[above] - correlations(b)[above]) ** 2)))


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Energy distance of (n, k) and (m, k): sqrt(2 E|A - B| - E|A - A'| - E|B - B'|); inf with too few.

    Szekely & Rizzo 2013, J. Stat. Plan. Inference 143, 1249: 0 only of two equal distributions.
    """
    from scipy.spatial.distance import cdist

    if min(len(a), len(b)) < _FEWEST:
        return float("inf")
    squared = 2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()
    return float(np.sqrt(max(squared, 0.0)))


def joint_columns(bands: tuple[str, ...]) -> list[str]:
    """Columns of the table whose joint distribution is compared: magnitude, colours, size, ellipticity."""
    return [MEAN, *(f"{a}-{b}" for a, b in colours(bands)), "flux_radius", "ellipticity"]


def joint_section(
    real: Sample, splits: Splits, limit: float, settings: Settings, rng: np.random.Generator
) -> Section:
    """Compare the joint distribution of the detected objects to the completeness limit of their mean."""
    names = joint_columns(real.bands)
    ranks = Ranks.of(_complete(np.stack([real.table[n] for n in names], axis=1), limit))

    def scores(pick: Pick) -> np.ndarray:
        return ranks.scores(_complete(np.stack([pick.column(n) for n in names], axis=1), limit))

    section = Section(
        TITLE,
        f"Of {', '.join(names)}, of the objects to the completeness limit of the mean of the bands, each as "
        "its normal score in the real sample: the rms difference of all correlations, and the energy "
        "distance, which is 0 only where the whole joint distribution is the same. The same of "
        "morphology, colours and magnitude of the bright objects stands under Morphology.",
    )
    for title, distance in ((CORRELATIONS, correlation_distance), (ENERGY, energy_distance)):
        found = compare(lambda a, b, d=distance: d(scores(a), scores(b)), splits, settings, rng)
        add(section, found, title, settings.margin)
    return section


def add(section: Section, found: Compared, title: str, margin: float) -> None:
    """Append a comparison and its verdict."""
    section.rows.append(found.row(title))
    section.verdicts.append(found.verdict(title, margin))


def _complete(values: np.ndarray, limit: float) -> np.ndarray:
    """Rows whose magnitude, the first column, is above the limit, and that are known in every column."""
    return values[np.isfinite(values).all(axis=1) & (values[:, 0] < limit)]
