"""The joint density of the marks: measured noise and the fit's priors removed; two kinds compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mockforge.sgan.sources.coordinates import Coordinates
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.mixture import Deconvolution, Mixture, deconvolved

COMPONENTS = (1, 2, 4, 8)
"""Numbers of Gaussians that are tried; held-out marks choose."""
_OUTLIER = 5.0
"""Robust scatters from the median beyond which a source is no part of the population."""
_DRAWS = 8
JITTER = {"ln flux": 0.15, "colour": 0.06, "ln radius": 0.06, "e": 0.03, "ln n": 0.06}
"""Scatter added to a source that is drawn again: the baseline's."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """N sources as points with their noise."""

    points: np.ndarray
    """(N, D)."""
    noise: np.ndarray
    """(N, D, D) covariance of each point's error."""

    def __len__(self) -> int:
        return len(self.points)

    def rows(self, i: np.ndarray) -> Cloud:
        """Return some of them."""
        return Cloud(self.points[i], self.noise[i])


def without_prior(
    value: np.ndarray, error: np.ndarray, mean: np.ndarray | float, scatter: float, most: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the data alone say, value and error (N,), of a fit under a Gaussian prior.

    A fit that maximises likelihood times prior has 1 / error^2 = 1 / data^2 + 1 / scatter^2, and its
    value is the mean of both, so weighted. Left in, the prior would be taken for the population. NaN
    where the data's variance is more than `most` times the prior's: they say next to nothing.
    """
    weight = 1.0 / np.clip(error, 1e-4, None) ** 2 - scatter**-2
    told = weight > 1.0 / (most * scatter**2)
    weight = np.where(told, weight, 1.0)
    free = (value * (weight + scatter**-2) - mean / scatter**2) / weight
    return np.where(told, free, np.nan), np.where(told, np.sqrt(1.0 / weight), np.nan)


def lent(like: np.ndarray, columns: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return columns (N, M) whose NaN rows are those of a source that is alike in `like` (N, L).

    One of the ten nearest whose own are known; all of a row at once, a mark and its error together.
    """
    out, known = columns.copy(), ~np.isnan(columns).any(axis=1)
    rows = np.flatnonzero(~known)
    if not known.any() or not len(rows):
        return np.nan_to_num(out)
    scale = np.maximum(like.std(axis=0), 1e-6)
    theirs = like[known] / scale
    near = min(10, len(theirs))
    for row in rows:
        away = ((like[row] / scale - theirs) ** 2).sum(axis=1)
        donor = np.argpartition(away, near - 1)[:near][rng.integers(near)]
        out[row] = columns[known][donor]
    return out


def cloud(
    coordinates: Coordinates, marks: Marks, flux_err: np.ndarray, shape_err: np.ndarray | None
) -> Cloud:
    """Return sources as points with noise, without outliers."""
    points = coordinates.points(marks, stars=shape_err is None)
    out = Cloud(points, coordinates.noise(marks, flux_err, shape_err))
    middle = np.median(points, axis=0)
    sigma = 1.4826 * np.median(np.abs(points - middle), axis=0) + 1e-6
    spread = np.sqrt(sigma**2 + np.diagonal(out.noise, axis1=1, axis2=2))
    return out.rows((np.abs(points - middle)[:, 1:] < _OUTLIER * spread[:, 1:]).all(axis=1))  # type: ignore


def fitted_mixture(
    sources: Cloud, rule: Deconvolution, rng: np.random.Generator, tried: Sequence[int] = COMPONENTS
) -> tuple[Mixture, dict[int, float]]:
    """Return the mixture whose number of components does best on marks it has not seen, fitted to all.

    Also ln likelihood a held-out source by number of components: halves in turn. A larger number has to
    be better by more than 0.01.
    """
    tried = [k for k in tried if k == 1 or len(sources) >= 40 * k]
    halves = np.array_split(rng.permutation(len(sources)), 2)
    scores: dict[int, float] = {}
    for k in tried:
        score = 0.0
        for a, b in (halves, halves[::-1]):
            fit = deconvolved(*_arrays(sources.rows(a)), replace(rule, components=k, steps=50), rng)
            score += float(fit.log_density(*_arrays(sources.rows(b))).sum()) / len(sources)
        scores[k] = score
        if len(scores) > 2 and score < max(scores.values()) - 0.05:
            break
    best = next(k for k in scores if scores[k] > max(scores.values()) - 0.01)
    return deconvolved(*_arrays(sources), replace(rule, components=best), rng), scores


def resampled_mixture(sources: Cloud, jitter: np.ndarray) -> Mixture:
    """Return the baseline: a component a source, shrunk by its noise, with one covariance of `jitter` (D,).

    In bins of a hundred sources of like flux each mark is drawn towards its median until its variance is
    less by that of the noise, to no less than a tenth.
    """
    points = sources.points.copy()
    noise = np.diagonal(sources.noise, axis1=1, axis2=2)
    for rows in np.array_split(np.argsort(points[:, 0]), max(1, len(points) // 100)):
        middle = np.median(points[rows], axis=0)
        spread = 1.4826 * np.median(np.abs(points[rows] - middle), axis=0) + 1e-6
        kept = np.sqrt(np.clip(1.0 - np.median(noise[rows], axis=0) / spread**2, 0.1, 1.0))
        away = np.clip(points[rows] - middle, -3.0 * spread, 3.0 * spread)
        points[rows, 1:] = (middle + away * kept)[:, 1:]
    return Mixture(np.full(len(points), 1.0 / len(points)), points, np.diag(jitter**2)[None])


def jitter_of(coordinates: Coordinates) -> np.ndarray:
    """Return the baseline's scatters (D,) for galaxies."""
    colours = [JITTER["colour"]] * (coordinates.colours.stop - 1)
    return np.array(
        [JITTER["ln flux"], *colours, JITTER["ln radius"], JITTER["e"], JITTER["e"], JITTER["ln n"]]
    )


def compared(
    kinds: Mapping[str, Mixture], held_out: Cloud, names: Sequence[str], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Return how well each kind foretells marks it has not seen: a row a kind, for the run's page.

    ln likelihood a source; for each mark KS of the held-out ones against draws at the same fluxes, each
    seen through the noise of its source; and the largest difference of a correlation between two marks.
    """
    spread = np.subtract(*np.quantile(held_out.points, (0.84, 0.16), axis=0)) / 2.0
    rows, informed = [], spread**2  # a mark that noise hides tells nothing of its density
    for kind, mixture in kinds.items():
        known = np.full_like(held_out.points, np.nan)
        known[:, 0] = held_out.points[:, 0]
        draws = []
        for _ in range(_DRAWS):
            drawn = mixture.completed(rng, known)
            root = np.linalg.cholesky(held_out.noise + 1e-9 * np.eye(known.shape[1]))
            drawn[:, 1:] += np.einsum("nij,nj->ni", root, rng.standard_normal(known.shape))[:, 1:]
            draws.append(drawn)
        drawn = np.concatenate(draws)
        row: dict[str, Any] = {
            "kind": kind,
            "components": len(mixture),
            "ln likelihood": float(mixture.log_density(held_out.points, held_out.noise).mean()),
        }
        for i, name in enumerate(names[1:], 1):
            told = held_out.noise[:, i, i] < informed[i]
            parts = (held_out.points[told, i], drawn[np.tile(told, _DRAWS), i])
            row[f"KS {name}"] = _ks(*parts) if told.sum() > 20 else float("nan")
        told = (np.diagonal(held_out.noise, axis1=1, axis2=2) < informed).all(axis=1)
        both = [np.corrcoef(p, rowvar=False) for p in (held_out.points[told], drawn[np.tile(told, _DRAWS)])]
        row["largest difference of correlations"] = float(np.abs(both[0] - both[1]).max())
        rows.append(row)
    return rows


def _arrays(sources: Cloud) -> tuple[np.ndarray, np.ndarray]:
    return sources.points, sources.noise


def _ks(a: np.ndarray, b: np.ndarray) -> float:
    """Largest distance of two samples' cumulative distributions."""
    every = np.concatenate([a, b])
    first, second = (np.searchsorted(np.sort(v), every, side="right") / len(v) for v in (a, b))
    return float(np.abs(first - second).max())
