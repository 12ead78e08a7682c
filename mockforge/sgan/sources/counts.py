"""Counts: how many sources there are of each reference flux, measured above a limit, a stated law below."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mockforge.errors import InputError

KNOT_STEP = 0.5
"""Distance of the knots in ln flux, about: half a magnitude."""
STIFFNESS = 6.0
"""Weight of a knot's second difference: a bend of 0.4 in ln density costs as much as one sigma."""
SLOPES = (0.0, 2.0)
"""Least and largest slope of N(>f) ~ f^-slope below the limit."""
FARTHEST = 1e3
"""The law is continued at most so many times below its limit."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Sources per native pixel, dN / d ln f, of reference flux f (nJy, mean of the bands).

    Straight in ln f, ln density between knots; below the first knot, the limit of completeness, the
    power law N(>f) ~ f^-slope, which is continuous with it, down to `faintest`.
    """

    log_flux: np.ndarray
    """(K,) float64 ln nJy, growing: the knots."""
    log_density: np.ndarray
    """(K,) ln of dN / d ln f per native px there."""
    slope: float
    """Of the cumulative counts below the limit."""
    faintest: float
    """nJy: no source is fainter."""
    brightest: float
    """nJy: no source is brighter."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "log_flux", np.asarray(self.log_flux, dtype=np.float64))
        object.__setattr__(self, "log_density", np.asarray(self.log_density, dtype=np.float64))
        problem = self._problem()
        if problem:
            raise InputError(f"counts: {problem}")

    def _problem(self) -> str:
        knots, density = self.log_flux, self.log_density
        if knots.ndim != 1 or len(knots) < 2 or density.shape != knots.shape:
            return f"two knots or more are needed, found {knots.shape} fluxes and {density.shape} densities"
        if not (np.isfinite(knots).all() and np.isfinite(density).all() and (np.diff(knots) > 0).all()):
            return "knots should be finite and grow"
        if np.abs(knots).max() > 60 or density.max() > 20:
            return "knots should be ln nJy, densities ln of sources per pixel for a factor e in flux"
        if not SLOPES[0] <= self.slope <= SLOPES[1]:
            return f"slope {self.slope:g}: N(>f) ~ f^-slope takes {SLOPES[0]:g} to {SLOPES[1]:g}"
        if not 0 < self.faintest < self.brightest < np.inf:
            return f"the limits {self.faintest:g} to {self.brightest:g} nJy leave no flux between them"
        if self.faintest < self.complete / FARTHEST:
            return (
                f"faintest {self.faintest:g} nJy is more than {FARTHEST:g} times below the limit of "
                f"{self.complete:g} nJy to which they were measured"
            )
        return ""

    @property
    def complete(self) -> float:
        """nJy: above it the counts were measured, below they are the power law."""
        return float(np.exp(self.log_flux[0]))

    def density(self, flux: np.ndarray | float) -> np.ndarray:
        """Return dN / d ln f per native px at fluxes in nJy; 0 beyond the limits."""
        f = np.asarray(flux, dtype=np.float64)
        knots, values = self._segments()
        out = np.exp(np.interp(np.log(f), knots, values))
        return np.where((f >= self.faintest) & (f <= self.brightest), out, 0.0)

    def number(self, low: float | None = None, high: float | None = None) -> float:
        """Return the sources per native px with low <= f < high in nJy; all without."""
        knots, _, cumulative = self._cumulative()
        a, b = (
            self._below(np.clip(np.log(f), knots[0], knots[-1])) if f is not None else end
            for f, end in ((low, 0.0), (high, cumulative[-1]))
        )
        return float(max(b - a, 0.0))

    def above(self, flux: np.ndarray) -> np.ndarray:
        """Return N(>f) per native px at fluxes (n,) nJy."""
        knots, _, cumulative = self._cumulative()
        return cumulative[-1] - self._below(np.clip(np.log(flux), knots[0], knots[-1]))

    def draw(
        self, rng: np.random.Generator, n: int, low: float | None = None, high: float | None = None
    ) -> np.ndarray:
        """Return n reference fluxes (n,) nJy between `low` and `high` by inversion of N(<f)."""
        knots, values, cumulative = self._cumulative()
        a, b = (
            float(self._below(np.clip(np.log(f), knots[0], knots[-1]))) if f is not None else end
            for f, end in ((low, 0.0), (high, float(cumulative[-1])))
        )
        wanted = a + (b - a) * rng.random(n)
        i = np.clip(np.searchsorted(cumulative, wanted, side="right") - 1, 0, len(knots) - 2)
        tilt = (values[i + 1] - values[i]) / (knots[i + 1] - knots[i])
        part = (wanted - cumulative[i]) * np.exp(-values[i])
        flat = np.abs(tilt) < 1e-9
        safe = np.where(flat, 1.0, tilt)
        step = np.where(flat, part, np.log1p(np.maximum(safe * part, -1.0 + 1e-15)) / safe)
        return np.exp(np.clip(knots[i] + step, knots[0], knots[-1]))

    def times(self, factor: float) -> Counts:
        """Return the counts with `factor` times as many sources of every flux; 0 is none of any."""
        if not 0 <= factor < np.inf:
            raise InputError(f"density {factor:g}: a factor on the counts is 0 or more")
        return replace(self, log_density=self.log_density + np.log(max(factor, 1e-30)))

    def sloped(self, slope: float) -> Counts:
        """Return the counts with another slope below the limit, the same above it."""
        return replace(self, slope=float(slope))

    def limited(self, faintest: float | None = None, brightest: float | None = None) -> Counts:
        """Return the counts between other limits, nJy."""
        return replace(
            self, faintest=float(faintest or self.faintest), brightest=float(brightest or self.brightest)
        )

    def corrected(self, log_flux: np.ndarray, log_factor: np.ndarray) -> Counts:
        """Return the counts times exp(log_factor), given at growing ln fluxes and constant beyond."""
        return replace(self, log_density=self.log_density + np.interp(self.log_flux, log_flux, log_factor))

    def _segments(self) -> tuple[np.ndarray, np.ndarray]:
        """Knots and ln densities from the faintest to the brightest flux."""
        low, high = np.log(self.faintest), np.log(self.brightest)
        knots, values = self.log_flux, self.log_density
        ends = np.array([low, high])
        at = np.interp(ends, knots, values)
        at = np.where(ends < knots[0], values[0] - self.slope * (ends - knots[0]), at)
        last = (values[-1] - values[-2]) / (knots[-1] - knots[-2])
        at = np.where(ends > knots[-1], values[-1] + last * (ends - knots[-1]), at)
        inner = (knots > low) & (knots < high)
        return (
            np.concatenate([ends[:1], knots[inner], ends[1:]]),
            np.concatenate([at[:1], values[inner], at[1:]]),
        )

    def _cumulative(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Knots, ln densities, and N(<f) per px at the knots."""
        knots, values = self._segments()
        parts = _integral(values[:-1], values[1:], np.diff(knots))
        return knots, values, np.concatenate([[0.0], np.cumsum(parts)])

    def _below(self, log_flux: np.ndarray | float) -> np.ndarray:
        """N(<f) per px at ln fluxes between the limits."""
        knots, values, cumulative = self._cumulative()
        u = np.asarray(log_flux, dtype=np.float64)
        i = np.clip(np.searchsorted(knots, u, side="right") - 1, 0, len(knots) - 2)
        at = np.interp(u, knots, values)
        return cumulative[i] + _integral(values[i], at, u - knots[i])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model's file keeps, float32."""
        numbers = np.array([self.slope, self.faintest, self.brightest], dtype=np.float32)
        return {
            "log_flux": self.log_flux.astype(np.float32),
            "log_density": self.log_density.astype(np.float32),
            "law": numbers,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Counts:
        """Return the inverse of `to_arrays`; InputError where an array is missing or absurd."""
        missing = [name for name in ("log_flux", "log_density", "law") if name not in arrays]
        if missing or np.shape(arrays["law"]) != (3,):
            raise InputError(f"counts: the arrays log_flux, log_density and law (3,) are needed, found "
                             f"{', '.join(sorted(arrays)) or 'none'}")  # fmt: skip
        slope, faintest, brightest = (float(v) for v in arrays["law"])
        return cls(arrays["log_flux"], arrays["log_density"], slope, faintest, brightest)


def _integral(left: np.ndarray, right: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Integral of exp of a straight line from `left` to `right` over `step`."""
    rise = right - left
    mean = np.where(np.abs(rise) < 1e-6, 1.0 + rise / 2, np.expm1(rise) / np.where(rise == 0, 1.0, rise))
    return step * np.exp(left) * mean


def measured_counts(
    flux: np.ndarray, area: float, complete: float, *, slope: float, faintest: float,
    weight: np.ndarray | None = None, fewest: int = 10,
) -> Counts:  # fmt: skip
    """Return the counts of sources of reference fluxes (n,) nJy on `area` native px, smooth above `complete`.

    Knots every half magnitude or so by penalised maximum likelihood of a Poisson process, the penalty
    on bends, so that few sources give a power law (P-splines: Eilers & Marx 1996, Stat. Sci. 11, 89).
    `weight` (n,) counts a source for so many (1 / completeness). Raises InputError with fewer than
    `fewest` sources above `complete`.
    """
    used = np.isfinite(flux) & (flux >= complete)
    if used.sum() < fewest:
        raise InputError(
            f"{used.sum()} sources above {complete:.3g} nJy are too few for counts, {fewest} are needed. "
            "Use a larger field or lower the limit of completeness"
        )
    u, w = np.log(flux[used]), np.ones(used.sum()) if weight is None else np.asarray(weight)[used]
    low, high = np.log(complete), float(u.max()) + 0.25
    count = max(2, round((high - low) / KNOT_STEP) + 1)
    knots = np.linspace(low, high, count)
    edges = np.linspace(low, high, 10 * (count - 1) + 1)
    found = np.histogram(u, edges, weights=w)[0]
    hats = np.stack([np.interp((edges[1:] + edges[:-1]) / 2, knots, row) for row in np.eye(count)], axis=1)
    exposure = area * np.diff(edges)
    bends = np.diff(np.eye(count), 2, axis=0) if count > 2 else np.zeros((1, count))
    penalty = STIFFNESS * bends.T @ bends
    beta = np.full(count, np.log(w.sum() / exposure.sum()))
    for _ in range(60):
        expected = exposure * np.exp(np.clip(hats @ beta, -60, 5))
        gradient = hats.T @ (found - expected) - penalty @ beta
        step = np.linalg.solve((hats * expected[:, None]).T @ hats + penalty + 1e-9 * np.eye(count), gradient)
        beta = beta + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-8:
            break
    return Counts(knots, beta, slope, faintest, float(np.exp(high)))
