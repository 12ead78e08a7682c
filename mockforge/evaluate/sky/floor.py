"""The floor: how much two parts of the real field differ, beside which every number is read.

The report's column "real, apart" is another thing: the rest of the field against the reference,
drift and all. A network cannot be nearer to the reference than what it was trained on.

Parts are sets of blocks. A field's depth drifts across it, so the two sets of a floor are
interleaved: of each run of neighbouring blocks one goes to either set. Generated and real sets
have as many blocks as the sets of the floor, since most distances shrink with size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mockforge.config import Count, Fraction, Index, Positive, config
from mockforge.evaluate.report.report import Row, Verdict
from mockforge.evaluate.sky.sample import Sample


@config
class Settings:
    """How thorough an evaluation is."""

    block: Count = 128
    """Side in pixels of the blocks that are drawn, at least 64; a multiple of 16."""
    splits: Count = 40
    """Interleaved pairs of real sets that make the floor."""
    bootstraps: Count = 100
    """Draws of blocks, with replacement, behind the error of a number."""
    margin: Positive = 1.5
    """A distance passes up to this many times the floor's 95th percentile."""
    morphology_objects: Index = 100
    """Most objects of each kind measured by statmorph, which takes 0.1 s for each; 0 leaves it out."""
    morphology_snr: Positive = 40.0
    """Least isophotal signal-to-noise of those objects."""
    memory_snr: Positive = 40.0
    """Least isophotal signal-to-noise of the objects looked for in the training field."""
    classifier_blocks: Index = 120
    """Most blocks of each kind the classifier sees; 0 leaves it out."""
    classifier_seeds: Count = 3
    """Times the classifier is trained and tested, by other seeds and on other halves."""
    source_snr: Positive = 30.0
    """Least signal-to-noise of the sources whose features are compared one by one."""
    source_seeds: Index = 4
    """Times those are compared, on other patches of real sky and in other folds; 0 leaves them out."""
    source_area: Positive = 4.0
    """A model paints so many times the reference's area for them, up to the whole field's."""
    classifier_epochs: Count = 15
    """Passes over the classifier's training blocks."""
    classifier_folds: Count = 4
    """Parts of the cross-validation."""
    auc: Fraction = 0.70
    """The classifier's AUC passes up to this value."""
    controls: Index = 1024
    """Side in pixels of the skies a model's depth, seeing and density are tried on; 0 leaves them out."""
    pictures: bool = True
    """Draw the report's pictures."""


@dataclass(frozen=True)
class Pick:
    """Some blocks of a sample; a block may be there twice."""

    sample: Sample
    blocks: np.ndarray

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of the sample's table that lie in these blocks."""
        return np.concatenate([self.sample.rows[b] for b in self.blocks])

    def column(self, name: str) -> np.ndarray:
        """Return a column of the objects in these blocks, float64."""
        return self.sample.table[name][self.rows].astype(np.float64)

    def again(self, rng: np.random.Generator) -> Pick:
        """As many blocks drawn from these with replacement."""
        return Pick(self.sample, rng.choice(self.blocks, len(self.blocks)))


Measure = Callable[[Pick, Pick], float]
"""A distance between a real set and another one (generated, or real for the floor); inf where undefined."""
Pairs = list[tuple[Pick, Pick]]


@dataclass(frozen=True)
class Splits:
    """Pairs of sets of equal size: (reference, generated), (real, real), (reference, rest of the field)."""

    generated: Pairs
    floor: Pairs
    apart: Pairs


@dataclass(frozen=True)
class Compared:
    """One measure of the generated sample, beside its floor."""

    value: float
    error: float
    floor: np.ndarray
    apart: float
    """The rest of the real field against the reference; NaN where the reference is the whole field."""

    def limit(self, margin: float, allowance: float = 0.0) -> float:
        """Return the largest value that passes."""
        return max(margin * self.percentile(95), allowance)

    def percentile(self, q: float) -> float:
        """Return that of the floor; inf where the measure is not defined on the real field."""
        return float(np.percentile(self.floor, q)) if np.isfinite(self.floor).all() else float("inf")

    def row(self, name: str, band: str | None = None) -> Row:
        """Return the measure as a row of a table."""
        low, middle, high = (self.percentile(q) for q in (25, 50, 95))
        row: Row = {"measure": name} | ({"band": band} if band else {})
        row |= {"generated": self.value, "error": self.error}
        return row | {"floor 25%": low, "floor 50%": middle, "floor 95%": high, "real, apart": self.apart}

    def verdict(self, name: str, margin: float, allowance: float = 0.0) -> Verdict:
        """Whether the value is at most `margin` times the floor's 95th percentile, or `allowance`."""
        limit = self.limit(margin, allowance)
        rule = f"{self.value:.3g} against at most {limit:.3g}"
        return Verdict(name, bool(self.value <= limit), rule)


def interleaved(real: Sample, made: Sample, settings: Settings, rng: np.random.Generator) -> Splits:
    """Return sets of blocks of equal size; see the module's docstring."""
    reference, rest = np.flatnonzero(real.reference), np.flatnonzero(~real.reference)
    group = max(2, round(len(real.blocks) / len(reference)))
    halves = [_two(real, group, rng) for _ in range(settings.splits)]
    n = max(1, min(len(halves[0][0]), len(reference), len(made.blocks)))
    floor = [(Pick(real, a[:n]), Pick(real, b[:n])) for a, b in halves]
    all_blocks = np.arange(len(made.blocks))
    times = 1 if n == len(reference) == len(all_blocks) else 9
    generated = [
        (Pick(real, _some(reference, n, rng)), Pick(made, _some(all_blocks, n, rng))) for _ in range(times)
    ]
    apart = [
        (Pick(real, _some(reference, m, rng)), Pick(real, _some(rest, m, rng)))
        for m in [min(n, len(rest))] * 9
        if m
    ]
    return Splits(generated, floor, apart)


def compare(measure: Measure, splits: Splits, settings: Settings, rng: np.random.Generator) -> Compared:
    """Return the measure of the generated sample (median over its pairs), bootstrapped error and floor."""
    real, generated = splits.generated[0]
    draws = [measure(real.again(rng), generated.again(rng)) for _ in range(settings.bootstraps)]
    finite = [d for d in draws if np.isfinite(d)]
    return Compared(
        value=float(np.median([measure(a, b) for a, b in splits.generated])),
        error=float(np.std(finite)) if len(finite) > 1 else float("nan"),
        floor=_finite(np.array([measure(a, b) for a, b in splits.floor])),
        apart=float(np.median([measure(a, b) for a, b in splits.apart])) if splits.apart else float("nan"),
    )


def snake(blocks: np.ndarray) -> np.ndarray:
    """Return an order of blocks (n, 3) in which the next one is a neighbour: along rows, to and fro."""
    _, row = np.unique(blocks[:, :2], axis=0, return_inverse=True)
    row = row.ravel()
    return np.lexsort((np.where(row % 2, -blocks[:, 2], blocks[:, 2]), row))


def _two(real: Sample, group: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved sets: of every `group` neighbours one each, in random order."""
    order = snake(real.blocks)
    runs = order[: len(order) // group * group].reshape(-1, group)
    if not len(runs):  # a single block stands for both sets
        return order, order
    shuffled = rng.permuted(rng.permutation(runs), axis=1)
    return shuffled[:, 0], shuffled[:, 1]


def _some(blocks: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(blocks, n, replace=False))


def _finite(values: np.ndarray) -> np.ndarray:
    """Return the floor without what is not defined.

    One infinite value where nothing is, so that nothing fails.
    """
    finite = values[np.isfinite(values)]
    return finite if len(finite) else np.array([np.inf])
