"""What a fit says of a galaxy, and what a fitter is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mockforge.evaluate.cubes.sample import Galaxy, Sample


class NoFitError(Exception):
    """A fitter gave no parameters of a galaxy; the text says why."""


@dataclass(frozen=True)
class Fit:
    """Parameters of one galaxy, in the units of `galaxies.cubes.disk.PARAMETERS`."""

    values: Mapping[str, float]
    low: Mapping[str, float]
    """Lower end of the 68% interval."""
    high: Mapping[str, float]
    chi2: float
    """Per degree of freedom."""
    converged: bool = True
    said: str = ""
    """Why not, where it has not converged."""
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Fitter:
    """Something that fits cubes."""

    name: str
    what: str
    """A sentence for the report."""
    fit: Callable[[Galaxy, Sample], Fit]
    """Raises `NoFitError` where it has no answer."""
    cannot: Callable[[Sample], str | None] = lambda sample: None
    """Why a sample cannot be fitted, a sentence; None where it can."""
