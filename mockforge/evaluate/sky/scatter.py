"""A number that hangs on chance (first weights, folds, draws of halves): its mean and scatter over seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.evaluate.report.report import Row

FEATURE_SIGMAS = 2.0
"""Sigmas above its floor within which the AUC of sources one by one is to be."""
FIELD_SIGMAS = 1.0
"""The same of the field's classifier."""


CHANCE = 0.5
"""An AUC that nothing can be told by."""


@dataclass(frozen=True)
class Scatter:
    """The same measure once a seed."""

    values: tuple[float, ...]
    least: float = 0.0
    """Scatter known otherwise, e.g. from the folds of one seed: that over a few seeds is never below it."""

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.values))

    @property
    def sigma(self) -> float:
        """Scatter of one seed's value; NaN of a single seed of which nothing else is known."""
        over_seeds = float(np.std(self.values, ddof=1)) if len(self.values) > 1 else float("nan")
        return max(over_seeds, self.least) if self.least > 0 else over_seeds

    def row(self, compared: str) -> Row:
        """Return one row of a table of AUCs."""
        seeds = [round(v, 4) for v in self.values]
        return {"compared": compared, "AUC": self.mean, "sigma": self.sigma, "seeds": seeds}

    @classmethod
    def of_row(cls, row: Row) -> Scatter:
        """Return the inverse of `row`."""
        return cls(tuple(row["seeds"]), 0.0 if np.isnan(row["sigma"]) else float(row["sigma"]))


def limit(found: Scatter, floor: Scatter, sigmas: float) -> float:
    """Largest AUC that lies within so many sigma of the floor's: of the scatter of both together.

    A floor below chance, which cross-validation of few blocks can give, is chance.
    """
    scatter = float(np.hypot(*np.nan_to_num([found.sigma, floor.sigma])))
    return max(floor.mean, CHANCE) + sigmas * scatter
