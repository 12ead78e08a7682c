"""Morphology of bright objects by statmorph: concentration, asymmetry, Gini, M20, sizes and shapes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from mockforge.evaluate.report.report import Section, Verdict
from mockforge.evaluate.sky.counts import FEWEST, MEAN, colours, ks_distance
from mockforge.evaluate.sky.floor import Compared, Settings
from mockforge.evaluate.sky.joint import (
    CORRELATIONS,
    ENERGY,
    Ranks,
    add,
    correlation_distance,
    energy_distance,
)
from mockforge.evaluate.sky.sample import Sample, cut_stamp
from mockforge.field.robust import sigma_about

PARAMETERS = {
    "half-light radius": "rhalf_ellip",
    "ellipticity": "ellipticity_asymmetry",
    "concentration": "concentration",
    "Gini": "gini",
    "M20": "m20",
    "asymmetry": "asymmetry",
}
MEAN_WASSERSTEIN = "mean Wasserstein"
JOINT = "morphology, magnitude and colours"
HOLZSCHUH = 5.98e-2
"""Mean Wasserstein distance Holzschuh et al. 2022 (MNRAS 515, 652) report for generated COSMOS galaxies."""
_FEWEST_PIXELS = 25


@dataclass(frozen=True)
class Morphology:
    """(objects, parameter) morphology and the object's block; only what statmorph measured soundly."""

    values: np.ndarray
    rows: np.ndarray


def wasserstein(a: np.ndarray, b: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Per parameter, the 1-D Wasserstein distance of (n, k) and (m, k) in units of `scale` (k,)."""
    from scipy.stats import wasserstein_distance

    if min(len(a), len(b)) < FEWEST:
        return np.full(len(scale), np.inf)
    pairs = zip(a.T, b.T, scale, strict=True)
    return np.array([wasserstein_distance(x, y) / max(s, 1e-12) for x, y, s in pairs])


def measure_shapes(sample: Sample, chosen: np.ndarray) -> Morphology:
    """Measure the objects of the table's rows `chosen` on the mean of the bands.

    Objects that statmorph flags as bad, or that have a value that is not finite, are left out.
    """
    means = [image.mean(axis=0) for image in sample.images]
    noise = [
        float(sigma_about(m[f], 0.0)) if f.any() else 1.0 for m, f in zip(means, sample.free, strict=True)
    ]
    parameters, rows = [], []
    for row in chosen:
        values = _one(sample, means, noise, int(row))
        if values is not None:
            parameters.append(values)
            rows.append(row)
    return Morphology(np.array(parameters).reshape(-1, len(PARAMETERS)), np.array(rows, dtype=int))


def eligible(
    sample: Sample, blocks: np.ndarray, settings: Settings, rng: np.random.Generator, most: int
) -> np.ndarray:
    """Up to `most` rows of bright objects in the blocks, drawn at random."""
    t = sample.table
    measurable = (
        np.isin(t["block"], blocks) & (t["snr"] >= settings.morphology_snr) & (t["area"] >= _FEWEST_PIXELS)
    )
    rows = np.flatnonzero(measurable)
    return np.sort(rng.permutation(rows)[:most])


def morphology_section(
    real: Sample,
    made: Sample,
    settings: Settings,
    rng: np.random.Generator,
    told: Callable[[int], None] | None = None,
) -> tuple[Section, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """KS and Wasserstein distances of the morphology; also both distributions, for the figure."""
    most = settings.morphology_objects
    reference, rest = np.flatnonzero(real.reference), np.flatnonzero(~real.reference)
    in_reference = eligible(real, reference, settings, rng, most if len(rest) else 2 * most)
    in_rest = eligible(real, rest, settings, rng, most) if len(rest) else in_reference[:0]
    in_made = eligible(made, np.arange(len(made.blocks)), settings, rng, most)
    of_reference, of_rest, of_generated = (
        measure_shapes(s, r) for s, r in ((real, in_reference), (real, in_rest), (made, in_made))
    )
    section = Section(
        "Morphology",
        "By statmorph (Rodriguez-Gomez et al. 2019) on the mean of the bands: "
        f"{len(of_generated.values)} generated and {len(of_reference.values)} real objects, "
        f"{len(of_rest.values)} more of the rest of the field, with a signal-to-noise above "
        f"{settings.morphology_snr:g} and {_FEWEST_PIXELS} pixels or more. The mean "
        "Wasserstein distance is over the parameters in units of their real scatter; "
        f"Holzschuh et al. 2022 report {HOLZSCHUH:.3g} for generated COSMOS galaxies (far more objects: a "
        "Wasserstein distance shrinks with their number, so read it beside the floor). The last rows ask how "
        "morphology, magnitude and colours go together: see Joint distributions.",
    )
    pool = np.concatenate([of_reference.values, of_rest.values])
    if min(len(of_generated.values), len(pool) // 2) < 2 * FEWEST:
        rule = (
            f"{len(of_generated.values)} generated, {len(pool)} real objects; {2 * FEWEST} of each are needed"
        )
        enough_real = len(pool) // 2 >= 2 * FEWEST
        section.verdicts += [Verdict("bright objects", False, rule)] if enough_real else []
        section.text += "" if enough_real else f"\n\nNot measured: {rule}."
        return section, {}
    groups = Groups.of(
        *(with_colours(s, m) for s, m in ((real, of_reference), (real, of_rest), (made, of_generated))),
        settings, rng,  # type: ignore
    )  # fmt: skip
    _compare(section, groups, settings)
    names = list(PARAMETERS)
    return section, {n: (of_reference.values[:, i], of_generated.values[:, i]) for i, n in enumerate(names)}


def with_colours(sample: Sample, found: Morphology) -> np.ndarray:
    """Return (objects, parameters, then magnitude and colours).

    What is not known in a band is the median of the others.
    """
    names = [MEAN, *(f"{a}-{b}" for a, b in colours(sample.bands))]
    columns = []
    for name in names:
        values = sample.table[name][found.rows] if len(found.rows) else np.zeros(0)
        known = values[np.isfinite(values)]
        columns.append(np.where(np.isfinite(values), values, np.median(known) if len(known) else 0.0))
    return np.concatenate([found.values, np.stack(columns, axis=1)], axis=1)


@dataclass(frozen=True)
class Groups:
    """Objects (n, column) that are compared: the reference's, the rest's, and pairs and halves of them."""

    one: np.ndarray
    other: np.ndarray
    pool: np.ndarray
    pairs: list[tuple[np.ndarray, np.ndarray]]
    """Reference and generated, of equal number."""
    again: list[tuple[np.ndarray, np.ndarray]]
    """The same, drawn with replacement."""
    halves: list[tuple[np.ndarray, np.ndarray]]
    """Of the pool, of equal number."""

    @classmethod
    def of(
        cls,
        one: np.ndarray,
        other: np.ndarray,
        two: np.ndarray,
        settings: Settings,
        rng: np.random.Generator,
    ) -> Groups:
        """Draw pairs and halves of the reference's (`one`), the rest's and the generated objects (`two`)."""
        pool = np.concatenate([one, other])
        n = min(len(two), len(pool) // 2)
        halves = [np.split(rng.permutation(len(pool))[: 2 * n], 2) for _ in range(settings.splits)]
        size = min(n, len(one))
        pairs = [
            (one[rng.permutation(len(one))[:size]], two[rng.permutation(len(two))[:size]]) for _ in range(9)
        ]
        drawn = (pairs * settings.bootstraps)[: settings.bootstraps]
        return cls(
            one, other, pool, pairs,
            [(a[_draw(a, rng)], b[_draw(b, rng)]) for a, b in drawn],
            [(pool[a], pool[b]) for a, b in halves],
        )  # fmt: skip

    def compared(self, distance: Callable[[np.ndarray, np.ndarray], float]) -> Compared:
        """Return a distance of generated objects, its bootstrapped error, its floor and that of the rest."""
        size = len(self.pairs[0][0])
        apart = len(self.other) >= 2 * FEWEST
        return Compared(
            float(np.median([distance(a, b) for a, b in self.pairs])),
            float(np.std([distance(a, b) for a, b in self.again])),
            np.array([distance(a, b) for a, b in self.halves]),
            distance(self.one[:size], self.other[:size]) if apart else float("nan"),
        )


def _compare(section: Section, groups: Groups, settings: Settings) -> None:
    k = len(PARAMETERS)
    scale, ranks = _scatter(groups.pool[:, :k]), Ranks.of(groups.pool)

    def wide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return wasserstein(a[:, :k], b[:, :k], scale)

    for i, name in enumerate(PARAMETERS):
        add(
            section,
            groups.compared(lambda a, b, i=i: ks_distance(a[:, i], b[:, i])),
            f"{name}, KS D",
            settings.margin,
        )
        by_width = groups.compared(lambda a, b, i=i: float(wide(a, b)[i]))
        section.rows.append(by_width.row(f"{name}, Wasserstein"))
    add(section, groups.compared(lambda a, b: float(wide(a, b).mean())), MEAN_WASSERSTEIN, settings.margin)
    for title, joint in ((CORRELATIONS, correlation_distance), (ENERGY, energy_distance)):
        found = groups.compared(lambda a, b, d=joint: d(ranks.scores(a), ranks.scores(b)))
        add(section, found, f"{JOINT}: {title}", settings.margin)


@lru_cache(maxsize=1)
def _statmorph() -> Any:
    """statmorph's SourceMorphology without the quantities not used here, which take half of its time."""
    import statmorph

    unasked = ["multimode", "intensity", "deviation", "outer_asymmetry", "shape_asymmetry", "rms_asymmetry2"]
    unasked += [f"sersic_{q}" for q in ("amplitude", "rhalf", "n", "xc", "yc", "ellip", "theta")]
    unasked += [f"sersic_{q}" for q in ("chi2_dof", "aic", "bic")]
    return type("Asked", (statmorph.SourceMorphology,), dict.fromkeys(unasked, float("nan")))


def _scatter(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation per parameter within its 1st to 99th percentile, against failed fits."""
    low, high = np.percentile(values, [1, 99], axis=0)
    return np.clip(values, low, high).std(axis=0)


def _draw(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, len(values), len(values))


def _one(sample: Sample, means: list[np.ndarray], noise: list[float], row: int) -> list[float] | None:
    """Return the parameters of one object, or None."""
    t, part = sample.table, int(sample.table["part"][row])
    y, x = round(float(t["y"][row])), round(float(t["x"][row]))
    half = int(
        min(
            100,
            max(20, 1.5 * max(t["bbox_x1"][row] - t["bbox_x0"][row], t["bbox_y1"][row] - t["bbox_y0"][row])),
        )
    )
    box = (y - half, x - half, 2 * half + 1)
    image, labels = cut_stamp(means[part], *box), cut_stamp(sample.labels[part], *box)
    object_pixels = labels == t["label"][row]
    hidden = ((labels > 0) & ~object_pixels) | cut_stamp(sample.masks[part], *box)
    if np.count_nonzero(object_pixels) < _FEWEST_PIXELS:
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            morphology = _statmorph()(
                image.astype(np.float64), object_pixels.astype(np.int32), label=1, mask=hidden,
                weightmap=np.full(image.shape, noise[part]), sersic_fitting_args={"maxiter": 1},
            )  # fmt: skip
            values = [float(getattr(morphology, name)) for name in PARAMETERS.values()]
        except (ValueError, IndexError, ZeroDivisionError, AssertionError, RuntimeError):
            return None  # statmorph gives up on a few odd shapes; they are left out on both sides
    return values if morphology.flag <= 1 and np.isfinite(values).all() else None
