"""Memorisation: whether a generated object is a copy of one that was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.evaluate.report.report import Section, Verdict
from mockforge.evaluate.sky.counts import FEWEST
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.sample import Sample
from mockforge.field.copies import SHARE, SHIFT, near_copies, nearest_crops

SIZE = 25
"""Side in pixels of the crops that are compared."""
_MOST = 150


@dataclass(frozen=True)
class Nearest:
    """Of each queried object, the nearest training object: relative distance and row."""

    rows: np.ndarray
    distance: np.ndarray
    """(n,) rms of the difference over the rms of the object's own crop."""
    match: np.ndarray
    snr: np.ndarray


def nearest(
    sample: Sample, rows: np.ndarray, training: Sample, candidates: np.ndarray, apart: bool
) -> Nearest:
    """Return the nearest crop of the training objects, in all eight symmetries, shifted by a pixel.

    `apart`: both are of one image, and what overlaps the object itself does not count.
    """
    wide = np.stack([sample.stamp(int(r), SIZE + 2 * SHIFT) for r in rows]) / sample.rms[None, :, None, None]
    crops = np.stack([training.stamp(int(r), SIZE) for r in candidates]) / training.rms[None, :, None, None]
    near = _overlapping(sample, rows, training, candidates) if apart else None
    distance, match = nearest_crops(wide, crops, near)
    return Nearest(rows, distance, candidates[match], sample.table["snr"][rows].astype(float))


def memory_section(
    real: Sample, made: Sample, settings: Settings, rng: np.random.Generator
) -> tuple[Section, Nearest | None]:
    """Distances of generated objects to the training field, beside those of real objects not trained on."""
    has_rest = bool((~real.reference).any())
    bright = real.table["snr"] >= settings.memory_snr
    held = np.flatnonzero(bright & real.reference[real.table["block"]])
    trained = np.flatnonzero(~real.reference[real.table["block"]]) if has_rest else np.arange(len(bright))
    painted = np.flatnonzero(made.table["snr"] >= settings.memory_snr)
    held, painted = (np.sort(rng.permutation(r)[:_MOST]) for r in (held, painted))
    section = Section(
        "Memorisation",
        f"Of each generated object above a signal-to-noise of {settings.memory_snr:g} the nearest object of "
        f"the training field, on {SIZE} x {SIZE} pixels in all eight orientations and shifts of a pixel: rms "
        "of the difference over that of the object. "
        + (
            "The floor is the same measure of the held-out reference."
            if has_rest
            else "The reference is taken for the training field (give its rows to hold some out); the floor "
            "is each of its objects against the others."
        )
        + " Distances shrink with brightness; the trend of the real ones with signal-to-noise is taken off.",
    )
    if min(len(held), len(painted)) < 2 * FEWEST or len(trained) < 2 * FEWEST:
        section.text += (
            f"\n\nToo few objects: {len(painted)} generated, {len(held)} real, {len(trained)} trained on."
        )
        return section, None
    generated = nearest(made, painted, real, trained, False)
    floor = nearest(real, held, real, trained, not has_rest)
    _judge(section, generated, floor)
    return section, generated


def _judge(section: Section, generated: Nearest, floor: Nearest) -> None:
    copies = near_copies(generated.distance, generated.snr, floor.distance, floor.snr)
    for name, value, of_floor in (
        ("objects", float(len(generated.rows)), float(len(floor.rows))),
        ("median distance", float(np.median(generated.distance)), float(np.median(floor.distance))),
        ("smallest distance", float(generated.distance.min()), float(floor.distance.min())),
        ("share nearer than the floor's nearest 5%", copies.share, SHARE),
    ):
        section.rows.append({"measure": name, "generated": value, "floor": of_floor})
    section.verdicts += [
        Verdict(
            "share of near copies",
            copies.share <= copies.most,
            f"{copies.share:.3f} against at most {copies.most:.3f}",
        ),
        Verdict(
            "nearest of all",
            copies.closest >= copies.allowed,
            f"{np.exp(copies.closest):.3g} times the usual distance, against at least "
            f"{np.exp(copies.allowed):.3g}",
        ),
    ]


def _overlapping(sample: Sample, rows: np.ndarray, training: Sample, candidates: np.ndarray) -> np.ndarray:
    """(n, m) bool: the crops share pixels."""
    near = sample.table["part"][rows][:, None] == training.table["part"][candidates][None]
    for axis in "xy":
        near &= np.abs(sample.table[axis][rows][:, None] - training.table[axis][candidates][None]) < SIZE + 2
    return near
