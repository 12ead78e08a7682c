"""How well parameters are recovered: errors, coverage and seconds, in all and by S/N and size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mockforge.evaluate.cubes.fits import Fit, Fitter, NoFitError
from mockforge.evaluate.cubes.sample import MEASURED, Galaxy, Sample
from mockforge.evaluate.report.report import Row, Verdict

SNR_EDGES = (0.0, 3.0, 10.0, math.inf)
"""Edges of the bins of S/N per pixel."""
SIZE_EDGES = (0.0, 0.75, 1.5, math.inf)
"""Edges of the bins of half-light radius over seeing radius."""
_RULES = {"inclination": 0.10, "position_angle": 0.10, "v_max": 0.20}
"""Published accuracy where S/N > 3 and r_half over the seeing radius > 1.5 (Bouche et al. 2015)."""
_RIGHT_ANGLE = 90.0
"""Errors of the position angle are relative to this."""
_FEWEST = 5
"""Galaxies that a verdict needs."""


@dataclass(frozen=True, eq=False)
class Recovered:
    """What one fitter made of the sample."""

    fitter: Fitter
    fits: tuple[Fit | None, ...]
    """One a galaxy; None where there was no answer."""
    said: tuple[str, ...]
    """One a galaxy: what was wrong, or nothing."""
    seconds: tuple[float, ...]


def recover(
    fitter: Fitter, sample: Sample, clock: Callable[[], float], told: Callable[[str], None]
) -> Recovered:
    """Fit every galaxy, one after the other."""
    fits: list[Fit | None] = []
    said, seconds = [], []
    for i, galaxy in enumerate(sample.galaxies):
        began = clock()
        try:
            fit = fitter.fit(galaxy, sample)
            word = fit.said
        except NoFitError as error:
            fit, word = None, str(error)
        fits.append(fit)
        said.append(word)
        seconds.append(clock() - began)
        more = f" ({word})" if word else ""
        told(f"{fitter.name}: galaxy {i + 1} of {len(sample.galaxies)}, {seconds[-1]:.1f} s{more}")
    return Recovered(fitter, tuple(fits), tuple(said), tuple(seconds))


def error_of(name: str, fit: Fit, galaxy: Galaxy) -> float:
    """Return fitted less true; of the position angle within +-180 degrees."""
    off = fit.values[name] - galaxy.truth[name]
    return (off + 180) % 360 - 180 if name == "position_angle" else off


def relative(name: str, fit: Fit, galaxy: Galaxy) -> float:
    """Return the error over the truth; of the position angle over 90 degrees."""
    scale = _RIGHT_ANGLE if name == "position_angle" else max(abs(galaxy.truth[name]), 1e-9)
    return error_of(name, fit, galaxy) / scale


def inside(name: str, fit: Fit, galaxy: Galaxy) -> bool:
    """Whether the truth lies in the 68% interval."""
    truth = fit.values[name] - error_of(name, fit, galaxy)
    return fit.low[name] <= truth <= fit.high[name]


def scores(found: Recovered, sample: Sample, chosen: Sequence[int]) -> Row:
    """Return how well some of the galaxies were recovered: converged fits alone count for errors."""
    pairs = [(f, sample.galaxies[i]) for i in chosen if (f := found.fits[i]) is not None and f.converged]
    row: Row = {"galaxies": len(chosen), "converged": len(pairs)}
    for name in MEASURED:
        errors = np.array([relative(name, *pair) for pair in pairs])
        label = name.replace("_", " ")
        row[f"{label} error"] = float(np.median(np.abs(errors))) if len(errors) else None
        row[f"{label} bias"] = float(np.median(errors)) if len(errors) else None
    return row


def coverage(found: Recovered, sample: Sample) -> Row:
    """Return the share of truths in the 68% intervals, and the error over the interval's half width."""
    pairs = [
        (f, g) for f, g in zip(found.fits, sample.galaxies, strict=True) if f is not None and f.converged
    ]
    row: Row = {"method": found.fitter.name, "converged": len(pairs)}
    for name in MEASURED:
        held = [inside(name, *pair) for pair in pairs]
        row[name.replace("_", " ")] = float(np.mean(held)) if held else None
    every = [inside(name, *pair) for pair in pairs for name in MEASURED]
    row["all five"] = float(np.mean(every)) if every else None
    pulls = [
        abs(error_of(name, f, g)) / max((f.high[name] - f.low[name]) / 2, 1e-9)
        for f, g in pairs
        for name in MEASURED
    ]
    row["median error over half width"] = float(np.median(pulls)) if pulls else None
    return row


def bins(sample: Sample) -> dict[tuple[str, str], list[int]]:
    """Return (S/N, size) in words -> the galaxies there; empty bins are left out."""
    out: dict[tuple[str, str], list[int]] = {}
    for low, high in zip(SNR_EDGES, SNR_EDGES[1:], strict=False):
        for small, large in zip(SIZE_EDGES, SIZE_EDGES[1:], strict=False):
            here = [
                i
                for i, g in enumerate(sample.galaxies)
                if low <= g.snr < high and small <= sample.size(g) < large
            ]
            if here:
                out[_between(low, high), _between(small, large)] = here
    return out


def _between(low: float, high: float) -> str:
    return f"above {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"


def published_region(sample: Sample) -> list[int]:
    """Return the galaxies of S/N above 3 a pixel and r_half over the seeing radius above 1.5."""
    return [i for i, g in enumerate(sample.galaxies) if g.snr > 3 and sample.size(g) > 1.5]


def verdicts(found: Recovered, sample: Sample) -> list[Verdict]:
    """Return whether the median errors are those published, where there are galaxies enough to say so."""
    row: Mapping[str, object] = scores(found, sample, published_region(sample))
    out = []
    for name, most in _RULES.items():
        label = name.replace("_", " ")
        error = row[f"{label} error"]
        if not isinstance(error, float) or int(str(row["converged"])) < _FEWEST:
            continue
        rule = f"median error {error:.3f} <= {most:g} of {row['converged']} galaxies"
        out.append(Verdict(f"{found.fitter.name}, {label}", error <= most, rule))
    return out
