"""The run of stage 6: trained in parts, checked on fresh draws, kept only where it helps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mockforge.field.picture import compared as compared_pictures
from mockforge.files import replace_file
from mockforge.rng import Stream
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.shapes.ablation import Variant, Worth, better_by, floor, painted_sources, row, worth
from mockforge.sgan.learn.shapes.adversarial import (
    AdversarialChoice,
    AdversarialTask,
    BrightDraw,
    Compared,
    Painter,
    ToldOnSky,
    trained_to,
)
from mockforge.sgan.learn.shapes.two_sample import feature_auc, folds_by_place
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.sources.marks import Marks
from mockforge.train.loop import Report

_BEST, _CHECKS = "best.pt", "checks.json"


@dataclass(frozen=True, eq=False)
class Refined:
    """What stage 6 gives: stage 5's shapes, or better ones."""

    modulation: Modulation
    z: np.ndarray
    """(N, Z) float32 latents of the sources of stage 5."""
    helped: bool
    """Whether the critic's are better on fresh draws; if not, both are stage 5's."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    picture: np.ndarray | None = None
    """Bright sources, uint8 (y, x, 3): rows of real ones, of stage 5's and of this stage's."""


@dataclass(frozen=True)
class _Stage:
    """What does not change while the stage runs."""

    task: AdversarialTask
    rows: Marks
    """The sources of stage 5, with their latents."""
    folder: Path

    def variant(self, painter: Painter | None) -> Variant:
        if painter is None:
            return Variant(self.task.modulation)
        return Variant(painter.modulation, painter.latents(self.rows))

    def worth(self, painter: Painter | None, key: str, draws: int, smooth: bool = False) -> Worth:
        """Feature AUC on draws that depend on `key` alone; of smooth profiles where `smooth`."""
        task, choice = self.task, self.task.choice
        stream = Stream(task.seed, ("adversarial", key))
        variant = Variant(None) if smooth else self.variant(painter)
        return worth(task.compared, task.draw, task.psf, variant, choice.checked_sources, draws, stream)


def refine(
    compared: Compared, draw: BrightDraw, psf: PixelPsf, rows: Marks, modulation: Modulation,
    choice: AdversarialChoice, seed: int, folder: Path, report: Report | None = None,
) -> Refined:  # fmt: skip
    """Train shapes against a critic of measured features, and keep them where they are better.

    Parameters
    ----------
    compared
        Real sources, and source-free sky for both sides.
    draw
        Bright sources of the population.
    rows
        The N sources that stage 5 learned from, with their latents.
    modulation
        Stage 5's.
    folder
        Of checkpoints: a run that was stopped goes on from there.

    Raises
    ------
    ToldOnSky
        Where real and painted source-free sky can be told apart, before or while training.
    """
    same_sky(compared, Stream(seed, ("adversarial", "same sky")))
    stage = _Stage(AdversarialTask(compared, draw, psf, modulation, choice, seed), rows, folder)
    checks = _trained(stage, report)
    best = _best(stage)
    before = stage.worth(None, "verdict", choice.draws)
    after = before if best is None else stage.worth(best, "verdict", choice.draws)
    gain, error = better_by(before, after)
    helped = best is not None and gain > error
    facts = {
        "real bright sources": len(compared.real),
        "critic of pixels": "yes" if stage.task.networks["critic"].pixels is not None else "no",
        "checks": [{"step": c["step"], "feature AUC": c["auc"], "AUC on sky": c["sky"]} for c in checks],
        "feature AUC before": round(float(before.both.mean()), 4),
        "feature AUC after": round(float(after.both.mean()), 4),
        "AUC fell by": [round(gain, 4), round(error, 4)] if best is not None else [0.0, 0.0],
        "verdict": "no check was better: stage 5's kept" if best is None else _verdict(helped, gain, error),
        "feature AUC, part by part": [
            row("real against real", floor(compared, choice.draws, Stream(seed, ("adversarial", "floor")))),
            row("smooth profiles", stage.worth(None, "verdict", choice.draws, smooth=True)),
            row("with morphology", before),
            *([] if best is None else [row("with the critic", after)]),
        ],
    }
    picture = _picture(stage, best)
    if not helped or best is None:
        return Refined(modulation, rows.z, False, facts, picture)
    return Refined(best.modulation.eval().requires_grad_(False), best.latents(rows), True, facts, picture)


def same_sky(compared: Compared, stream: Stream) -> float:
    """Return the AUC of a fresh classifier on source-free sky by both ways; ToldOnSky beyond chance."""
    turned = [sky.turned(stream.child(k)) for k, sky in (("real", compared.real_sky), ("made", compared.sky))]
    edge = (compared.rule.stamp_side - compared.rule.side) // 2
    middle = slice(edge, edge + compared.rule.side)
    with torch.no_grad():
        real, made = (compared.measured(t.pixels[..., middle, middle]) for t in turned)
    real_folds, made_folds = (folds_by_place(t.x, t.y) for t in turned)
    found = feature_auc(real, made, real_folds, made_folds, stream.child("classifier"), seeds=1)
    error = max(found.logistic_error, 0.3 * (1 / len(real) + 1 / len(made)) ** 0.5)
    if found.logistic - 0.5 > 4 * error:
        raise ToldOnSky(
            f"source-free sky of the real and of the painted side can be told apart (AUC "
            f"{found.logistic:.3f}, chance 0.5 +- {error:.3f}): a critic would learn the background. The sky "
            "under painted sources should be of the same field with the same background taken off"
        )
    return found.logistic


def _trained(stage: _Stage, report: Report | None) -> list[dict[str, Any]]:
    """Train part by part until fresh draws get worse; returns what each check found."""
    task, choice, folder = stage.task, stage.task.choice, stage.folder
    folder.mkdir(parents=True, exist_ok=True)
    checks = _read(folder / _CHECKS)
    if not checks:
        auc = stage.worth(None, "check", 1)
        checks = [{"step": 0, "auc": round(float(auc.both[0]), 4), "sky": None}]
    while checks[-1]["step"] < choice.steps and not _worse(checks, choice.patience):
        step = min(checks[-1]["step"] + choice.check_steps, choice.steps)
        painter = trained_to(task, step, folder, report)
        critics: Any = task.networks["critic"]
        sky = task.check_sky(critics, step)
        auc = stage.worth(painter, "check", 1)
        checks.append({"step": step, "auc": round(float(auc.both[0]), 4), "sky": round(sky, 4)})
        if min(checks, key=_distance) is checks[-1]:
            torch.save(painter.state_dict(), folder / _BEST)
        replace_file(folder / _CHECKS, json.dumps(checks).encode())
    return checks


def _worse(checks: list[dict[str, Any]], patience: int) -> bool:
    """Whether the last `patience` checks were no better than the best before."""
    best = min(range(len(checks)), key=lambda i: _distance(checks[i]))
    return len(checks) - 1 - best >= patience


def _distance(check: Mapping[str, Any]) -> float:
    return abs(check["auc"] - 0.5)


def _best(stage: _Stage) -> Painter | None:
    """Return the painter of the best check; none where that is the first, before training."""
    path = stage.folder / _BEST
    if not path.exists():
        return None
    painter = Painter(Modulation(*(getattr(stage.task.modulation, k) for k in ("bands", "latent", "width"))))
    painter.load_state_dict(torch.load(path, weights_only=True))
    return painter.eval()


def _picture(stage: _Stage, best: Painter | None, columns: int = 20) -> np.ndarray:
    """Return real bright sources, and painted ones without and with the critic, in one stretch."""
    task, real = stage.task, stage.task.compared.real
    stream = Stream(task.seed, ("adversarial", "picture"))
    some = np.sort(stream.numpy().permutation(len(real))[:columns])
    images = [real.at(some).pixels.numpy()]
    for painter in (None, best):
        variant = stage.variant(painter)
        made = painted_sources(task.compared, task.draw, task.psf, variant, 4 * len(some), stream)
        images.append(made.pixels.numpy()[: len(some)])
    rms = np.asarray(task.compared.rule.noise_njy)
    count = min(len(i) for i in images)
    return compared_pictures([i[:count] for i in images], np.tile(2.0 * rms, (count, 1)))


def _read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_bytes()) if path.exists() else []


def _verdict(helped: bool, gain: float, error: float) -> str:
    if helped:
        return f"kept: on fresh draws the AUC lies {gain:.3f} +- {error:.3f} nearer to one half"
    return (
        f"not kept: on fresh draws the AUC lies {gain:.3f} +- {error:.3f} nearer to one half; stage 5's stays"
    )
