"""What a model of galaxies does on galaxies that it has not learned from; and how long a critic helps.

Each fold of the galaxies is left out once: of the network, of the population and of the critic. Its
galaxies are then compared with generated ones of the model of the others, with as many steps against a critic
as were tried. A small classifier is trained on all folds but one, and tested on that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.field.copies import SHARE, near_copies
from mockforge.rng import Stream
from mockforge.sgan.learn.shapes.morphology import Morphology
from mockforge.sgan.learn.shapes.two_sample import FeatureAuc, feature_auc
from mockforge.sgan.single.compare import generated_galaxies
from mockforge.sgan.single.copies import distance_to
from mockforge.sgan.single.critic import with_shapes
from mockforge.sgan.single.learner import Learner
from mockforge.sgan.single.model import GalaxyModel
from mockforge.train.loop import Report

_MADE = 4
"""Generated galaxies for each real one."""
_HALVINGS = 8
"""Ways to halve the real galaxies."""
_LEAST = 40
"""Galaxies a side below which nothing is measured."""
SMOOTH = -1
"""In place of a number of steps: smooth profiles."""


@dataclass(frozen=True, eq=False)
class _Made:
    """Generated galaxies of the models of all folds, those of one number of steps."""

    features: np.ndarray
    fold: np.ndarray
    distance: np.ndarray
    """(M,) to the nearest galaxy that was trained on."""
    snr: np.ndarray


@dataclass(frozen=True, eq=False)
class Tested:
    """How models do on galaxies that they have not learned from."""

    steps: int
    """Against a critic, that are worth taking; 0: none."""
    facts: Mapping[str, Any]


def fold_of(learner: Learner) -> np.ndarray:
    """Return the fold (N,) in which each galaxy is left out."""
    n = len(learner.rows)
    fold = np.empty(n, dtype=np.int64)
    fold[learner.stream("folds").numpy().permutation(n)] = np.arange(n) % learner.recipe.folds
    return fold


def tested(learner: Learner, shapes: Sequence[Morphology | None], folder: Path, report: Report) -> Tested:
    """Learn from all folds but one, in turn, and measure on that.

    Parameters
    ----------
    learner
        Of all galaxies; its recipe says how many `folds`, and which steps against a critic are tried.
    shapes
        Those learned without each fold; None: smooth profiles.
    folder
        Of checkpoints: a run that was stopped goes on from there.
    """
    recipe, real = learner.recipe, learner.real
    n, fold = len(real.image), fold_of(learner)
    psf, rms = ([float(v) for v in values] for values in (learner.stamps.psf.fwhm_pix, learner.noise.rms_njy))
    made: dict[int, list[_Made]] = {}
    held_distance, chi2 = np.empty(n), []
    for k in range(recipe.folds):
        apart = fold == k
        trained = real.rows(~apart)
        held_distance[apart] = distance_to(trained, real.rows(apart))
        found = shapes[k]
        models = _models(learner, apart, found, folder / f"fold-{k}", report)
        chi2.append((int(apart.sum()), {} if found is None else found.facts))
        seed = int(learner.stream("folds").child("seed", k).numpy().integers(1 << 30))
        for step, model in models.items():
            shown = generated_galaxies(model, trained, _MADE * int(apart.sum()), learner.least_snr, seed)
            made.setdefault(step, []).append(
                _Made(
                    shown.measured(psf, rms),
                    np.full(len(shown.snr), k),
                    distance_to(trained, shown),
                    shown.snr,
                )
            )
    sets = {
        step: _Made(*(np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])))
        for step, parts in made.items()
    }
    facts: dict[str, Any] = {"folds": recipe.folds, "galaxies left out in turn": n, **_mean_chi2(chi2)}
    copies = {step: near_copies(s.distance, s.snr, held_distance, real.snr) for step, s in sets.items()}
    distances = [{"galaxies": "real, left out", "median distance": float(np.median(held_distance)),
                  "least distance": float(held_distance.min()), "share of near copies": SHARE}]  # fmt: skip
    distances += [
        {"galaxies": _name(step), "median distance": float(np.median(sets[step].distance)),
         "least distance": float(sets[step].distance.min()), "share of near copies": found.share,
         "by chance at most": found.most}
        for step, found in copies.items()
    ]  # fmt: skip
    table = {"distance to the nearest galaxy that was trained on": distances}
    if n < _LEAST:
        return Tested(0, facts | {"not measured": f"a feature AUC needs {_LEAST} real galaxies"} | table)
    own, stream = real.measured(psf, rms), learner.stream("tested")
    aucs = {step: feature_auc(own, s.features, fold, s.fold, stream.child("all"), seeds=0)
            for step, s in sets.items()}  # fmt: skip
    steps, verdict = chosen(aucs)
    rows, floor = _rows(own, fold, sets, aucs, stream)
    of = {"feature AUC, real against generated": steps, "feature AUC, before the critic": 0,
          "feature AUC, real against smooth profiles": SMOOTH}  # fmt: skip
    facts |= {"feature AUC, real against real": floor}
    facts |= {name: _with_error(aucs[step]) for name, step in of.items() if step in aucs}
    facts |= {
        "critic": verdict,
        "distance to the nearest trained galaxy": (
            f"median {np.median(sets[steps].distance):.3f} of generated, {np.median(held_distance):.3f} of "
            f"real galaxies left out; {copies[steps].share:.1%} are nearer than the nearest {SHARE:.0%} of "
            f"those, by chance at most {copies[steps].most:.1%}"
        ),
        "galaxies left out, against generated ones": rows,
    }
    return Tested(steps, facts | table)


def chosen(aucs: Mapping[int, FeatureAuc]) -> tuple[int, str]:
    """Return how many steps against a critic are worth taking, and why.

    Those with the AUC nearest to one half, where they are nearer than none by more than the error of the
    difference over the folds.
    """
    tried = [step for step in aucs if step > 0]
    if not tried:
        return 0, "not tried"
    best = min(tried, key=lambda step: abs(aucs[step].logistic - 0.5))
    before, after = aucs[0], aucs[best]
    gain = abs(before.logistic - 0.5) - abs(after.logistic - 0.5)
    change = before.folds[0] - after.folds[0]
    error = float(change.std(ddof=1) / len(change) ** 0.5)
    words = (
        f"on galaxies left out the AUC lies {gain:+.3f} +- {error:.3f} nearer to one half after {best} steps"
    )
    return (best, f"kept: {words}") if gain > error else (0, f"not kept: {words}")


def _models(
    learner: Learner, apart: np.ndarray, shapes: Morphology | None, folder: Path, report: Report
) -> dict[int, GalaxyModel]:
    """Return models of all galaxies but those apart, by their steps against a critic."""
    recipe, some = learner.recipe, np.flatnonzero(~apart)
    rng = learner.stream("population").numpy()
    marks = learner.scene.marks.rows(learner.rows)
    if shapes is None:
        return {0: learner.model(learner.population(marks.rows(some), some, rng)[0], None)}
    shaped, modulation = shapes.applied(marks).rows(some), shapes.modulation
    population, _ = learner.population(shaped, some, rng)
    out = {SMOOTH: learner.model(population, None), 0: learner.model(population, modulation)}
    if recipe.adversarial is not None:
        real = learner.real.rows(some)
        for found in learner.refined(shaped, population, modulation, real, recipe.tried(), folder, report):
            after = with_shapes(population, shaped, found.z)
            out[found.step] = learner.model(after, found.modulation)
    return out


def _rows(
    own: np.ndarray,
    fold: np.ndarray,
    sets: Mapping[int, _Made],
    aucs: Mapping[int, FeatureAuc],
    stream: Stream,
) -> tuple[list[dict[str, Any]], str]:
    """Return a row for real galaxies and for each set, and what real galaxies against real ones give.

    Halves of the real galaxies are compared with each other, and with as many generated ones.
    """
    halves: dict[int | None, list[float]] = {None: [], **{step: [] for step in sets}}
    for i in range(_HALVINGS if len(own) >= 2 * _LEAST else 0):
        child = stream.child("halves", i)
        rng = child.numpy()
        a, b = np.array_split(rng.permutation(len(own)), 2)
        halves[None].append(_half(own[a], own[b], fold[a], fold[b], child))
        for step, made in sets.items():
            some = rng.permutation(len(made.fold))[: len(b)]
            halves[step].append(_half(own[a], made.features[some], fold[a], made.fold[some], child))
    out = []
    for step, values in halves.items():
        row: dict[str, Any] = {"real against": "real" if step is None else _name(step)}
        if values:
            row |= {
                f"AUC, {len(own) // 2} a side": float(np.mean(values)),
                "scatter over halvings": float(np.std(values, ddof=1)),
            }
        if step is not None:
            row |= {"AUC, all": aucs[step].logistic, "error over folds": aucs[step].logistic_error}
        out.append(row)
    floor = halves[None]
    text = (
        f"{np.mean(floor):.3f} +- {np.std(floor, ddof=1):.3f}, halves" if floor else "not measured: too few"
    )
    return out, text


def _half(
    real: np.ndarray, other: np.ndarray, folds: np.ndarray, other_folds: np.ndarray, stream: Stream
) -> float:
    return feature_auc(real, other, folds, other_folds, stream.child("classifier"), seeds=0).logistic


def _with_error(found: FeatureAuc) -> str:
    return f"{found.logistic:.3f} +- {found.logistic_error:.3f}"


def _name(step: int) -> str:
    if step == SMOOTH:
        return "smooth profiles"
    return f"generated, after {step} steps against a critic" if step else "generated"


def _mean_chi2(parts: list[tuple[int, Mapping[str, Any]]]) -> dict[str, float]:
    """Return chi^2 of the galaxies left out, with latents fitted to them, over all folds."""
    names = [f"chi2 per pixel, held out, {what}" for what in ("smooth profiles", "with morphology")]
    total = sum(n for n, _ in parts)
    return {
        name: round(sum(n * facts[name] for n, facts in parts) / total, 3)
        for name in names
        if name in parts[0][1]
    }
