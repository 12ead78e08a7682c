"""Where the detections are: clustering by pairs, and the fingerprint of a network's stride."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from mockforge.evaluate.report.report import Section, Verdict
from mockforge.evaluate.sky.floor import Compared, Pick, Settings, Splits, compare
from mockforge.evaluate.sky.sample import PERIOD, Sample

SEPARATIONS = np.array([4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0])
"""Edges in pixels of the separations at which pairs are counted."""
_RANDOMS = 10
"""Random points per detection."""
_FEWEST_PAIRS = 5


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
    """Two-point correlation in the bins of SEPARATIONS, and the pairs expected by chance, (2, bin).

    `points` (n, 2) as y, x per image, `masks` (y, x) true where nothing can be found. Landy &
    Szalay 1993, ApJ 412, 64: w = (DD - 2 DR + RR) / RR with normalised pair counts.
    """
    random = [_random(mask, _RANDOMS * max(len(p), 100), rng) for p, mask in zip(points, masks, strict=True)]
    dd, nd = _pairs(points, points)
    dr, nx = _pairs(points, random)
    rr, nr = _pairs(random, random)
    if min(nd, nx, nr) <= 0:
        return np.stack([np.full(len(dd), np.nan), np.zeros(len(dd))])
    with np.errstate(divide="ignore", invalid="ignore"):
        w = (dd / nd - 2 * dr / nx + rr / nr) / (rr / nr)
    return np.stack([w, rr / nr * nd / 2])


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """chi^2 per bin of two correlations as `clustering` returns them; inf without any bin.

    The variance is Poisson's, (1 + w) / expected pairs with the mean w of both, so that a bin
    that happens to hold few pairs is not taken for a sure one. Bins with fewer than five
    expected pairs on a side are left out.
    """
    reliable = np.isfinite(a[0]) & np.isfinite(b[0]) & (np.minimum(a[1], b[1]) >= _FEWEST_PAIRS)
    if not reliable.any():
        return float("inf")
    (wa, na), (wb, nb) = a[:, reliable], b[:, reliable]
    mean = np.maximum(1 + (wa * na + wb * nb) / (na + nb), 1 / (na + nb))
    return float(((wa - wb) ** 2 / (mean * (1 / na + 1 / nb))).mean())


def error(correlation: np.ndarray) -> np.ndarray:
    """Poisson errors of `clustering`'s w."""
    w, pairs = correlation
    return np.sqrt(np.maximum(1 + w, 1 / np.maximum(pairs, 1)) / np.maximum(pairs, 1e-9))


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
    """Return the left and the right half of every window."""
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
        f"{SEPARATIONS[0]:.0f} to {SEPARATIONS[-1]:.0f} pixels: chi^2 per bin of the difference, with "
        "Poisson errors; its floor are all pairs of halves of strips of the real field, each strip as high "
        f"as the reference.\n\nPositions modulo {PERIOD} pixels: chi^2 per degree of freedom "
        "against uniform, the fingerprint of a stride; here both columns are of one sample each.",
    )
    compared, curves = _two_point(real, made, rng)
    section.rows.append(compared.row("two-point correlation, chi^2 per bin"))
    section.verdicts.append(compared.verdict("two-point correlation", settings.margin, 2.5))
    for axis in "xy":
        comparison = compare(lambda a, b, k=axis: modulo(phase(b, k)), splits, settings, rng)
        section.rows.append(comparison.row(f"{axis} modulo {PERIOD}, chi^2 per degree of freedom"))
        section.verdicts.append(comparison.verdict(f"{axis} modulo {PERIOD}", settings.margin))
    if not len(made.table["x"]):
        section.verdicts.append(Verdict("detections", False, "nothing was detected on the generated pixels"))
    return section, curves


def _two_point(
    real: Sample, made: Sample, rng: np.random.Generator
) -> tuple[Compared, dict[str, np.ndarray]]:
    reference, rest = strips(real, True), strips(real, False)
    all_made = [(i, 0, m.shape[0], 0, m.shape[1]) for i, m in enumerate(made.masks)]
    of_real, of_generated = clustering_in(real, reference, rng), clustering_in(made, all_made, rng)
    parts = [clustering_in(real, half, rng) for half in halves(reference)]
    parts += [clustering_in(real, half, rng) for w in rest for half in halves([w])]
    others = [clustering_in(real, [w], rng) for w in rest]
    floor = [difference(a, b) for a, b in combinations(parts, 2)]
    finite = [f for f in floor if np.isfinite(f)] or [float("inf")]
    to_rest = float(np.median([difference(of_real, w) for w in others])) if others else float("nan")
    value = Compared(difference(of_real, of_generated), float("nan"), np.array(finite), to_rest)
    return value, {"real": of_real, "generated": of_generated}


def _random(mask: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Points spread evenly over the unmasked pixels, (m, 2)."""
    points = rng.uniform(0, 1, (n, 2)) * mask.shape
    y, x = np.minimum(points.astype(int), np.array(mask.shape) - 1).T
    return points[~mask[y, x]]


def _pairs(a: list[np.ndarray], b: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Ordered pairs per bin of separation, and how many there are in all; pairs within one image only."""
    from scipy.spatial import KDTree

    counts, total = np.zeros(len(SEPARATIONS) - 1), 0.0
    for points_a, points_b in zip(a, b, strict=True):
        if len(points_a) and len(points_b):
            counts += np.diff(KDTree(points_a).count_neighbors(KDTree(points_b), SEPARATIONS))
            total += len(points_a) * len(points_b) - (len(points_a) if points_a is points_b else 0)
    return counts, total
