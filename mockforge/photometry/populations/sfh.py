"""Star-formation histories: how much mass has formed by a time, and how old it is.

Times are Gyr since the first stars; masses are in units of what has formed by today.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from itertools import product

import numpy as np

from mockforge.config import NonNegative, Positive, config, given_of
from mockforge.errors import InputError

Formed = Callable[[np.ndarray], np.ndarray]

_STEPS = 4000
"""Points, even in the logarithm of time, that a double power law is integrated on."""


@config
class DoublePowerLaw:
    """SFR(t) = 1 / ((t / tau)^alpha + (t / tau)^-beta): rises as t^beta, falls as t^-alpha."""

    alpha: NonNegative
    """Slope of the fall."""
    beta: NonNegative
    """Slope of the rise."""
    tau_gyr: Positive
    """Where it turns, Gyr after the first stars."""


@config
class Delayed:
    """SFR(t) = t exp(-t / tau)."""

    tau_gyr: Positive
    """Where it peaks, Gyr after the first stars."""


@config
class Constant:
    """The same star-formation rate for a time, then none."""

    duration_gyr: Positive | None = None
    """How long, Gyr after the first stars; null: until now."""


@config
class Burst:
    """All stars at once."""

    time_gyr: NonNegative = 0.0
    """When, Gyr after `z_form`; before it there is no light."""


@config
class Sfh:
    """Exactly one star-formation history, e.g. `{delayed: {tau_gyr: 1.0}}`; t = 0 at `z_form`."""

    double_power_law: DoublePowerLaw | None = None
    """Rises and falls as powers of time."""
    delayed: Delayed | None = None
    """Delayed exponential."""
    constant: Constant | None = None
    """A constant rate."""
    burst: Burst | None = None
    """One burst."""

    def __post_init__(self) -> None:
        histories = given_of(self)
        if len(histories) != 1:
            names = ", ".join(f.name for f in fields(self))
            raise ValueError(f"needs exactly one of {names}; found {', '.join(histories) or 'none'}")

    @property
    def chosen(self) -> DoublePowerLaw | Delayed | Constant | Burst:
        """The history that was named."""
        return getattr(self, given_of(self)[0])


REFERENCE_SFH = tuple(
    Sfh(double_power_law=DoublePowerLaw(alpha=alpha, beta=beta, tau_gyr=tau))
    for alpha, beta, tau in product((1.0, 5.0), (0.5, 2.0), (1.0, 4.0))
)
"""Two slopes of the fall, two of the rise, two times: from still forming stars to quenched by z = 2."""


@lru_cache(maxsize=256)
def formed(sfh: Sfh, today_gyr: float) -> Formed:
    """Return the mass formed by time t (any shape) as a function; 1 at `today_gyr`, 0 at and before t = 0."""
    chosen = sfh.chosen
    if isinstance(chosen, Burst):
        return lambda t: (np.asarray(t) >= chosen.time_gyr).astype(np.float64)
    if isinstance(chosen, Constant):
        last = min(chosen.duration_gyr or today_gyr, today_gyr)
        return lambda t: np.clip(np.asarray(t) / last, 0.0, 1.0)
    if isinstance(chosen, Delayed):
        return _delayed(chosen.tau_gyr, today_gyr)
    return _double_power_law(chosen, today_gyr)


def _delayed(tau: float, today: float) -> Formed:
    def mass(t: np.ndarray) -> np.ndarray:
        x = np.maximum(t, 0.0) / tau
        return -np.expm1(-x) - x * np.exp(-x)

    total = float(mass(np.asarray(today)))
    return lambda t: mass(np.asarray(t)) / total


def _double_power_law(law: DoublePowerLaw, today: float) -> Formed:
    """Trapezium rule in ln t; below the first point the rise is a pure power."""
    t = np.geomspace(1e-5 * min(law.tau_gyr, today), today, _STEPS)
    x = np.log(t / law.tau_gyr)
    with np.errstate(over="ignore"):  # beyond any number, the rate is 0
        rate = 1.0 / (np.exp(law.alpha * x) + np.exp(-law.beta * x))
    per_log = rate * t
    steps = 0.5 * (per_log[1:] + per_log[:-1]) * np.diff(x)
    mass = np.concatenate([[0.0], np.cumsum(steps)]) + per_log[0] / (1.0 + law.beta)
    if not mass[-1] > 0:
        raise InputError(
            f"double_power_law alpha {law.alpha:g}, beta {law.beta:g}, tau_gyr {law.tau_gyr:g} forms no stars"
            f" within {today:.1f} Gyr; take a smaller beta or tau_gyr"
        )
    times, mass = np.concatenate([[0.0], t]), np.concatenate([[0.0], mass / mass[-1]])
    return lambda at: np.interp(at, times, mass)


@dataclass(frozen=True)
class AgeNodes:
    """The ages of a grid, and the cells between them that mass is counted in.

    `edges` (E + 1,) Gyr: every interval between nodes in a few cells, and one edge where `split` is.
    """

    age: np.ndarray
    split: float
    edges: np.ndarray

    @classmethod
    def of(cls, age_yr: np.ndarray, split_yr: float, parts: int = 4) -> AgeNodes:
        """For the ages of a grid, and the age that parts young from old, years."""
        age, split = np.asarray(age_yr) * 1e-9, split_yr * 1e-9
        ends = np.unique([0.0, *age, split])
        pieces = [np.linspace(a, b, parts, endpoint=False) for a, b in zip(ends[:-1], ends[1:], strict=True)]
        return cls(age, split, np.concatenate([*pieces, ends[-1:]]))

    @cached_property
    def _cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._places(0.5 * (self.edges[1:] + self.edges[:-1]))

    def _places(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Node below, share of the node above, and 1 for the old, of ages `at`."""
        low = np.clip(np.searchsorted(self.age, at, side="right") - 1, 0, len(self.age) - 2)
        share = np.clip((at - self.age[low]) / (self.age[low + 1] - self.age[low]), 0.0, 1.0)
        return low, share, (at >= self.split).astype(np.int64)

    def weights(self, sfh: Sfh, time_gyr: float, today_gyr: float) -> np.ndarray:
        """Mass at the ages (2, A) at a time since the first stars: that of young stars, and of old.

        Each star's mass goes to the two nodes about its age, linear in the age, and below the first
        node to it; the sum is the mass formed by then.
        """
        if isinstance(sfh.chosen, Burst):
            age = time_gyr - sfh.chosen.time_gyr
            mass, (low, share, old) = np.full(1, float(age >= 0)), self._places(np.array([age]))
        else:
            mass = -np.diff(formed(sfh, today_gyr)(time_gyr - self.edges))
            low, share, old = self._cells
        count = len(self.age)
        place = old * count + low
        above = np.bincount(place + 1, mass * share, 2 * count)
        return (np.bincount(place, mass * (1.0 - share), 2 * count) + above).reshape(2, count)
