"""How processor time grows: with the window, the density, bands, samples, workers and shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.measure import Measured
from tests.benchmarks.table import Case

MODULE = "growing"


@dataclass(frozen=True)
class Series:
    """Cases that differ in one number."""

    what: str
    """What grows, and how it is counted."""
    steps: tuple[float, ...]
    expected: float
    """Exponent of the processor time that is linear growth."""


SERIES = {
    "window": Series("side of a scene's window, pixels", (256, 512, 1024, 2048), 2.0),
    "density": Series("galaxies of a scene, times those of the sky", (0.5, 1, 2, 4), 1.0),
    "bands": Series("bands of a scene", (1, 3, 9), 1.0),
    "samples": Series("samples of the segmentation recipe", (8, 16, 32), 1.0),
    "workers": Series("workers of the segmentation recipe, 32 samples", (1, 2), 0.0),
    "shards": Series("shards that are joined", (8, 32, 128), 1.0),
}


def case(name: str, step: float) -> Case:
    """The case of a step."""
    return MODULE, f"{name} {step:g}"


def grown(names: Sequence[str], measured: Callable[[Case], Measured | None]) -> str:
    """Measure series: a table of processor seconds, and the exponent between the first and the last step."""
    lines = [
        "| what grows | steps | processor seconds | clock seconds | exponent (linear) | largest process |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for name in names:
        series = SERIES[name]
        found = [(step, measured(case(name, step))) for step in series.steps]
        there = [(step, m) for step, m in found if m is not None]
        if len(there) < 2:
            continue
        steps, taken = zip(*there, strict=True)
        slope = np.log(taken[-1].cpu_s / taken[-2].cpu_s) / np.log(steps[-1] / steps[-2])
        cells = (
            series.what,
            " ".join(f"{step:g}" for step in steps),
            " ".join(f"{m.cpu_s:.3g}" for m in taken),
            " ".join(f"{m.clock_s:.3g}" for m in taken),
            f"{slope:.2f} ({series.expected:g})",
            f"{max(m.peak_mb for m in taken):.0f} MB",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
