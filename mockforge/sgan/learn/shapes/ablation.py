"""What each part of the learned shapes is worth: the feature AUC without it and with it, over fresh draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from mockforge.rng import Stream
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.shapes.adversarial import BrightDraw, Sides
from mockforge.sgan.learn.shapes.cutouts import Cutouts
from mockforge.sgan.learn.shapes.shaped import Shaper
from mockforge.sgan.learn.shapes.two_sample import FeatureAuc, feature_auc, folds_by_place, real_floor
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.sources.marks import Marks


@dataclass(frozen=True)
class Variant:
    """One way to paint the same population."""

    modulation: Modulation | None
    """None = smooth profiles."""
    z: np.ndarray | None = None
    """(N, Z) latents of the sources of stage 5, where they are not its own."""


@dataclass(frozen=True)
class Worth:
    """Feature AUCs of one variant over draws."""

    draws: tuple[FeatureAuc, ...]

    @property
    def logistic(self) -> np.ndarray:
        """(draws,) AUC of logistic regression."""
        return np.array([d.logistic for d in self.draws])

    @property
    def network(self) -> np.ndarray:
        """(draws,) AUC of the small network."""
        return np.array([d.network for d in self.draws])

    @property
    def both(self) -> np.ndarray:
        """(draws,) mean of the two."""
        return 0.5 * (self.logistic + self.network)


def painted_sources(
    compared: Sides, draw: BrightDraw, psf: PixelPsf, variant: Variant, n: int, stream: Stream
) -> Cutouts:
    """Paint `n` bright sources on real sky; returns the cutouts of those that the rule wants."""
    marks: Marks = draw(n, stream.child("marks"), variant.z)
    shaper, parts = Shaper(psf), []
    with torch.no_grad():
        for rows in np.array_split(np.arange(n), max(1, n // 100)):
            parts.append(shaper.stamps(marks.rows(rows), variant.modulation, compared.rule.stamp_side))
    return compared.painted(torch.cat(parts), marks, stream)


def worth(
    compared: Sides, draw: BrightDraw, psf: PixelPsf, variant: Variant, n: int, draws: int, stream: Stream
) -> Worth:  # fmt: skip
    """Feature AUC of a variant against the real sources, on `draws` fresh draws of `n` sources.

    Draws of equal `stream` paint the same sources on the same sky: variants are compared pair by pair.
    """
    found = []
    with torch.no_grad():
        real = compared.measured(compared.real)
    for i in range(draws):
        own = stream.child("draw", i)
        painted = painted_sources(compared, draw, psf, variant, n, own)
        with torch.no_grad():
            made = compared.measured(painted)
        folds, own_folds = (folds_by_place(c.x, c.y) for c in (compared.real, painted))
        found.append(feature_auc(real, made, folds, own_folds, own.child("classifier", 0), seeds=2))
    return Worth(tuple(found))


def ablation(
    compared: Sides, draw: BrightDraw, psf: PixelPsf, variants: Mapping[str, Variant], stream: Stream,
    n: int = 800, draws: int = 4,
) -> list[dict[str, object]]:  # fmt: skip
    """Return a row for the real-against-real floor and for each variant: AUC and its scatter over draws."""
    rows = [row("real against real", floor(compared, draws, stream.child("floor")))]
    for name, variant in variants.items():
        rows.append(row(name, worth(compared, draw, psf, variant, n, draws, stream)))
    return rows


def floor(compared: Sides, draws: int, stream: Stream) -> Worth:
    """Feature AUC of one half of the real sources against the other, for `draws` ways to halve them."""
    real = compared.real
    with torch.no_grad():
        measured = compared.measured(real)
    found = [real_floor(measured, real.x + 16 * i, real.y, stream.child(i), seeds=2) for i in range(draws)]
    return Worth(tuple(found))


def better_by(before: Worth, after: Worth) -> tuple[float, float]:
    """Return by how much the AUC fell from `before` to `after`, pair by pair, and the error of that mean."""
    fall = np.abs(before.both - 0.5) - np.abs(after.both - 0.5)
    error = fall.std(ddof=1) / len(fall) ** 0.5 if len(fall) > 1 else float("inf")
    return float(fall.mean()), float(error)


def row(name: str, found: Worth) -> dict[str, object]:
    """Return one row of the table of an ablation."""
    n = len(found.draws)
    errors = [
        float(np.mean([getattr(d, f"{k}_error") for d in found.draws])) for k in ("logistic", "network")
    ]
    return {
        "painted": name,
        "logistic AUC": round(float(found.logistic.mean()), 4),
        "logistic scatter over draws": round(float(found.logistic.std(ddof=1)) if n > 1 else 0.0, 4),
        "logistic error over folds": round(errors[0], 4),
        "network AUC": round(float(found.network.mean()), 4),
        "network scatter over draws": round(float(found.network.std(ddof=1)) if n > 1 else 0.0, 4),
        "network error over folds": round(errors[1], 4),
        "draws": n,
    }
