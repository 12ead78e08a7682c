"""Two halves: whether models of disjoint halves of a field copy what they were trained on.

A model that has learned how galaxies look paints as one trained on other galaxies of the same field; one
that copies paints objects nearer to those of its own half than to the other's (Kadkhodaie et al. 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.evaluate.report.report import Section, Verdict
from mockforge.evaluate.sky.counts import FEWEST
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.memory import SIZE, nearest
from mockforge.evaluate.sky.sample import Sample

TITLE = "Two halves"
_MOST = 150
"""Objects whose nearest are looked for, and candidates on a side at most four times as many."""
_SHARE = 0.02
"""Of the objects that may be twice as near to their own half by chance, whatever the floor has."""
_COPY = float(np.log(2.0))
_BOOTSTRAPS = 200


@dataclass(frozen=True)
class Halves:
    """The other model, and the rows of the real field that either was trained on."""

    model: str | Path
    rows: tuple[tuple[int, int], tuple[int, int]]
    """(y0, y1) of the model that is evaluated, and of this one."""

    def check(self, height: int) -> None:
        """InputError where the rows leave a field of so many, or overlap."""
        (a0, a1), (b0, b1) = self.rows
        inside = all(0 <= first < last <= height for first, last in self.rows)
        if not inside or max(a0, b0) < min(a1, b1):
            raise InputError(
                f"halves {a0}:{a1} and {b0}:{b1}: rows 0 to {height} of the real field, none of them in "
                "both, are expected: those that --model and --other were trained on"
            )


def halves_section(
    real: Sample, pair: Sequence[Sample], rows: Sequence[tuple[int, int]], settings: Settings,
    rng: np.random.Generator,
) -> Section:  # fmt: skip
    """Compare what two models paint with their own half, the other's half, and each other.

    Parameters
    ----------
    real
        The real field; objects of its reference that lie in neither half are the floor.
    pair
        What either model painted.
    rows
        (y0, y1) that either was trained on.
    """
    section = Section(
        TITLE,
        f"Of each painted object above a signal-to-noise of {settings.memory_snr:g} the distance to the "
        f"nearest object ({SIZE} x {SIZE} pixels, all orientations) of the half that its model was trained "
        "on, of the other half, and of what the other model painted; as many candidates of each. A copy is "
        "nearer to its own half: ln(own / other) is below that of real objects of neither half, the floor.",
    )
    bright = real.table["snr"] >= settings.memory_snr
    y = real.table["y"]
    halves = [np.flatnonzero(bright & (y >= a) & (y < b)) for a, b in rows]
    in_neither = bright & real.reference[real.table["block"]]
    for a, b in rows:
        in_neither &= (y < a) | (y >= b)
    floor_rows = np.flatnonzero(in_neither)
    painted = [np.flatnonzero(s.table["snr"] >= settings.memory_snr) for s in pair]
    n = min(map(len, (*halves, *painted)))
    if min(n, len(floor_rows)) < 4 * FEWEST:
        section.text += (
            f"\n\nToo few objects: {len(floor_rows)} real ones of neither half, {n} in the smallest of the "
            f"halves and of what was painted; {4 * FEWEST} are needed."
        )
        return section
    candidates = [rng.permutation(h)[:n] for h in halves]
    floor = _ratio(real, rng.permutation(floor_rows)[:_MOST], real, candidates)
    for i, name in enumerate(("model", "other")):
        mine = rng.permutation(painted[i])[:_MOST]
        own, unseen = candidates[i], candidates[1 - i]
        found = _ratio(pair[i], mine, real, (own, unseen))
        to_other = nearest(pair[i], mine, pair[1 - i], rng.permutation(painted[1 - i])[:n], False).distance
        _judge(section, name, found, floor if i == 0 else -floor, rng)
        section.rows += [
            {"measure": f"{name}: median distance to {what}", "painted": float(np.median(d))}
            for what, d in (
                ("its own half", nearest(pair[i], mine, real, own, False).distance),
                ("the other half", nearest(pair[i], mine, real, unseen, False).distance),
                ("what the other model painted", to_other),
            )
        ]
    return section


def _ratio(sample: Sample, rows: np.ndarray, real: Sample, candidates: Sequence[np.ndarray]) -> np.ndarray:
    """ln of the distance to the nearest of the first candidates over that to the nearest of the second."""
    first, second = (nearest(sample, rows, real, c, False).distance for c in candidates)
    return np.log(np.maximum(first, 1e-6) / np.maximum(second, 1e-6))


def _judge(
    section: Section, name: str, found: np.ndarray, floor: np.ndarray, rng: np.random.Generator
) -> None:
    middle, of_floor = float(np.median(found)), float(np.median(floor))
    error = float(np.hypot(_error(found, rng), _error(floor, rng)))
    share, usual = float((found < -_COPY).mean()), float((np.abs(floor) > _COPY).mean() / 2)
    expected = max(usual, _SHARE)
    most = expected + 3 * float(np.sqrt(expected * (1 - expected) / len(found)))
    section.rows += [
        {
            "measure": f"{name}: median ln(own / other half)",
            "painted": middle,
            "error": error,
            "floor": of_floor,
        },
        {"measure": f"{name}: share twice as near to its own half", "painted": share, "floor": usual},
    ]
    least = of_floor - 3 * error
    section.verdicts += [
        Verdict(
            f"{name}, not nearer to its own half",
            middle >= least,
            f"{middle:.3f} against at least {least:.3f}",
        ),
        Verdict(f"{name}, share of copies", share <= most, f"{share:.3f} against at most {most:.3f}"),
    ]


def _error(values: np.ndarray, rng: np.random.Generator) -> float:
    """Bootstrapped error of the median."""
    return float(np.std([np.median(rng.choice(values, len(values))) for _ in range(_BOOTSTRAPS)]))
