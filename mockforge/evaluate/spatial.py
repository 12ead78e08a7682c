"""Where the detections are: clustering by pairs, and the fingerprint of a network's stride."""

from __future__ import annotations

import numpy as np

from mockforge.evaluate.floor import Compared, Pick, Settings, Splits, compare
from mockforge.evaluate.report import Section, Verdict
from mockforge.evaluate.sample import PERIOD, Sample

SEPARATIONS = np.array([4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0])
"""Edges in pixels of the separations at which pairs are counted."""
_RANDOMS = 10
"""Random points per detection."""


def modulo(position: np.ndarray, period: int = PERIOD) -> float:
    """chi^2 per degree of freedom of positions modulo `period` against uniform; 1 is uniform.

    inf with fewer positions than bins.
    """
    if len(position) < period:
        return float("inf")
    counts = np.bincount(np.floor(position % period).astype(int) % period, minlength=period)
    expected = len(position) / period
    return float(((counts - expected) ** 2 / expected).sum() / (period - 1))


def phase(pick: Pick, axis: str) -> np.ndarray:
    """Positions of the objects along x or y, in pixels of the sky the images were cut from."""
    s = pick.sample
    return pick.column(axis) + s.offsets[s.table["part"][pick.rows], 0 if axis == "y" else 1] + 0.5


def clustering(points: list[np.ndarray], masks: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Two-point correlation in the bins of SEPARATIONS and its Poisson error, (2, bin).

    `points` (n, 2) as y, x per image, `masks` (y, x) true where nothing can be found. Landy &
    Szalay 1993, ApJ 412, 64: w = (DD - 2 DR + RR) / RR with normalised pair counts. NaN where
    there is no pair.
    """
    random = [_random(mask, _RANDOMS * max(len(p), 20), rng) for p, mask in zip(points, masks, strict=True)]
    dd, nd = _pairs(points, points)
    dr, nx = _pairs(points, random)
    rr, nr = _pairs(random, random)
    if min(nd, nx, nr) <= 0:
        return np.full((2, len(SEPARATIONS) - 1), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        w = np.where(dd > 0, (dd / nd - 2 * dr / nx + rr / nr) / (rr / nr), np.nan)
        error = (1 + w) / np.sqrt(dd / 2)
    return np.stack([w, np.where(dd > 0, error, np.nan)])


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over the bins of (w_a - w_b)^2 over the sum of their squared errors; inf without any bin."""
    known = np.isfinite(a).all(axis=0) & np.isfinite(b).all(axis=0)
    if not known.any():
        return float("inf")
    return float((((a[0] - b[0]) ** 2) / (a[1] ** 2 + b[1] ** 2))[known].mean())


def strips(sample: Sample, reference: bool) -> list[tuple[int, int, int, int, int]]:
    """Windows (part, y0, y1, x0, x1) of the reference's height: the reference, or strips of the rest."""
    kind = sample.blocks[sample.reference == reference]
    height = int(np.ptp(sample.blocks[sample.reference][:, 1])) + sample.side
    out = []
    for part in np.unique(kind[:, 0]):
        y = kind[kind[:, 0] == part][:, 1]
        width = sample.images[part].shape[2]
        for y0 in range(int(y.min()), int(y.max()) + sample.side - height + 1, height):
            out.append((int(part), y0, y0 + height, 0, width))
    return out


def clustering_in(
    sample: Sample, windows: list[tuple[int, int, int, int, int]], rng: np.random.Generator
) -> np.ndarray:
    """`clustering` of the objects in the windows, taken together."""
    t, points, masks = sample.table, [], []
    for part, y0, y1, x0, x1 in windows:
        inside = (t["part"] == part) & (t["y"] >= y0) & (t["y"] < y1) & (t["x"] >= x0) & (t["x"] < x1)
        points.append(np.stack([t["y"][inside] - y0, t["x"][inside] - x0], axis=1))
        masks.append(sample.masks[part][y0:y1, x0:x1])
    return clustering(points, masks, rng)


def halves(windows: list[tuple[int, int, int, int, int]]) -> list[list[tuple[int, int, int, int, int]]]:
    """The left and the right half of every window."""
    left = [(p, y0, y1, x0, (x0 + x1) // 2) for p, y0, y1, x0, x1 in windows]
    right = [(p, y0, y1, (x0 + x1) // 2, x1) for p, y0, y1, x0, x1 in windows]
    return [left, right]


def spatial_section(
    real: Sample, made: Sample, splits: Splits, settings: Settings, rng: np.random.Generator
) -> tuple[Section, dict[str, np.ndarray]]:
    """Two-point correlation and positions modulo 16; also the correlations themselves, for the figure."""
    section = Section(
        "Positions",
        "Two-point correlation (Landy & Szalay 1993) of the detections from "
        f"{SEPARATIONS[0]:.0f} to {SEPARATIONS[-1]:.0f} pixels: mean squared difference over Poisson errors; "
        "its floor is the left against the right half of the reference and, where there is a rest of the "
        f"field, its strips against the reference.\n\nPositions modulo {PERIOD} pixels: chi^2 per degree of "
        "freedom against uniform, the fingerprint of a stride; here both columns are of one sample each.",
    )
    compared, curves = _two_point(real, made, rng)
    section.rows.append(compared.row("two-point correlation, chi^2 per bin"))
    section.verdicts.append(compared.verdict("two-point correlation", settings.margin, 2.0))
    for axis in "xy":
        found = compare(lambda a, b, k=axis: modulo(phase(b, k)), splits, settings, rng)
        section.rows.append(found.row(f"{axis} modulo {PERIOD}, chi^2 per degree of freedom"))
        section.verdicts.append(found.verdict(f"{axis} modulo {PERIOD}", settings.margin))
    if not len(made.table["x"]):
        section.verdicts.append(Verdict("detections", False, "nothing was detected on the generated pixels"))
    return section, curves


def _two_point(
    real: Sample, made: Sample, rng: np.random.Generator
) -> tuple[Compared, dict[str, np.ndarray]]:
    reference, rest = strips(real, True), strips(real, False)
    all_made = [(i, 0, m.shape[0], 0, m.shape[1]) for i, m in enumerate(made.masks)]
    one, two = clustering_in(real, reference, rng), clustering_in(made, all_made, rng)
    parts = [clustering_in(real, half, rng) for half in halves(reference)]
    others = [clustering_in(real, [w], rng) for w in rest]
    floor = [difference(*parts), *(difference(one, w) for w in others)]
    finite = [f for f in floor if np.isfinite(f)] or [float("inf")]
    apart = float(np.median([difference(one, w) for w in others])) if others else float("nan")
    value = Compared(difference(one, two), float("nan"), np.array(finite), apart)
    return value, {"real": one, "generated": two}


def _random(mask: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Points spread evenly over the unmasked pixels, (m, 2)."""
    points = rng.uniform(0, 1, (n, 2)) * mask.shape
    y, x = np.minimum(points.astype(int), np.array(mask.shape) - 1).T
    return points[~mask[y, x]]


def _pairs(a: list[np.ndarray], b: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Ordered pairs per bin of separation, and how many there are in all; pairs within one image only."""
    from scipy.spatial import KDTree

    counts, total = np.zeros(len(SEPARATIONS) - 1), 0.0
    for one, two in zip(a, b, strict=True):
        if len(one) and len(two):
            counts += np.diff(KDTree(one).count_neighbors(KDTree(two), SEPARATIONS))
            total += len(one) * len(two) - (len(one) if one is two else 0)
    return counts, total
