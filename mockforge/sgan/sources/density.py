"""The density of sources on an endless sky: a log-Gaussian field, so that groups and voids exist."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.sources.two_point import TwoPoint

HIGHEST = 3.0
"""The field is cut so many sigma above its mean: thinning needs a largest density."""
MOST_VARIANCE = 4.0
"""Of ln density, the most a field may have."""
_BLOCK = 32
"""Lattice numbers of a keyed block, a side."""
_STEPS = 24
"""Directions and phases over which a smooth field's correlation is averaged."""


@dataclass(frozen=True, eq=False)
class DensityField:
    """Relative density exp(g) / mean, g Gaussian: the sum of octaves of smooth random fields.

    Each octave is white noise on a lattice of its own scale, at a random offset, interpolated by cubic
    B-splines and brought to unit variance everywhere. One field is shared by all sources, bright and
    faint. A Cox process of such a density has w(theta) = exp(sum_o v_o rho_o(theta)) - 1 (Coles & Jones
    1991, MNRAS 248, 1, equation 30); the cut of `HIGHEST` takes a little off that.
    """

    scales: np.ndarray
    """(O,) px of the native grid: the lattices' steps."""
    variances: np.ndarray
    """(O,) v_o of g."""

    def __post_init__(self) -> None:
        for name in ("scales", "variances"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64).reshape(-1))
        if self.scales.shape != self.variances.shape:
            raise InputError(
                f"density: a variance for each scale, found {len(self.scales)} and {len(self.variances)}"
            )
        if not ((self.scales >= 1) & (self.scales < 1e6)).all():
            raise InputError(f"density: scales should be 1 to a million px, found {self.scales}")
        if not ((self.variances >= 0).all() and self.total <= MOST_VARIANCE + 1e-6):
            raise InputError(
                f"density: variances of ln density should be 0 or more, {MOST_VARIANCE:g} in all; found "
                f"{self.variances}"
            )

    @property
    def total(self) -> float:
        """Variance of ln density."""
        return float(self.variances.sum())

    @property
    def most(self) -> float:
        """The largest relative density."""
        return math.exp(HIGHEST * math.sqrt(self.total)) / self._mean

    @property
    def _mean(self) -> float:
        """Mean of exp(min(g, HIGHEST sigma)): of a log-normal cut there."""
        s = math.sqrt(self.total)
        return math.exp(self.total / 2) * _normal(HIGHEST - s) + math.exp(HIGHEST * s) * _normal(-HIGHEST)

    def relative(self, stream: Stream, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the density over its mean at native px `y`, `x` (N,), between 0 and `most`.

        The field is that of the stream: the same at a place whatever else is asked for.
        """
        g = np.zeros(len(x))
        for octave, (scale, variance) in enumerate(zip(self.scales, self.variances, strict=True)):
            if variance > 0:
                g += math.sqrt(variance) * _smooth(stream.child("density", octave), scale, y, x)
        return np.exp(np.minimum(g, HIGHEST * math.sqrt(self.total))) / self._mean

    def correlation(self, theta: np.ndarray) -> np.ndarray:
        """Return w at separations (N,) px, of the field without its cut."""
        return np.expm1(_correlations(self.scales, theta) @ self.variances)

    def clustered(self, factor: float) -> DensityField:
        """Return the field whose w(theta) is `factor` times this one, as near as octaves come; 0: Poisson."""
        if not 0 <= factor <= 100:
            raise InputError(f"clustering {factor:g}: a factor on the two-point function is 0 to 100")
        if factor == 0 or not self.total:
            return replace(self, variances=np.zeros_like(self.variances))
        theta = np.geomspace(0.25 * self.scales.min(), 2.0 * self.scales.max(), 40)
        return fitted_density(theta, factor * self.correlation(theta), np.full(40, 0.02), self.scales)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model's file keeps, float32."""
        return {name: getattr(self, name).astype(np.float32) for name in ("scales", "variances")}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> DensityField:
        """Return the inverse of `to_arrays`; InputError where an array is missing or absurd."""
        missing = [name for name in ("scales", "variances") if name not in arrays]
        if missing:
            raise InputError(f"density needs the array {missing[0]}, found {', '.join(sorted(arrays))}")
        return cls(arrays["scales"], arrays["variances"])


def fitted_density(theta: np.ndarray, w: np.ndarray, error: np.ndarray, scales: np.ndarray) -> DensityField:
    """Return the field whose w is nearest to `w` (B,) at separations `theta` (B,) px.

    ln(1 + w) is linear in the variances, which are not negative: a least-squares problem.
    """
    from scipy.optimize import nnls

    target = np.log1p(np.maximum(w, -0.9))
    weight = (1.0 + np.maximum(w, -0.9)) / np.maximum(error, 1e-6)
    design = _correlations(np.asarray(scales, dtype=np.float64), theta)
    variances = nnls(design * weight[:, None], target * weight)[0]
    return DensityField(scales, variances * min(1.0, MOST_VARIANCE / max(float(variances.sum()), 1e-12)))


def measured_density(pairs: TwoPoint, scales: np.ndarray) -> DensityField:
    """Return the field fitted to a measured two-point function, its integral constraint put back.

    It is drawn towards no clustering by as much as chance alone would show.

    The mean density is that of the same field, which takes sum(w RR) / sum(RR) off every w (Landy &
    Szalay 1993, section 4).
    """
    field, lost = DensityField(scales, np.zeros(len(scales))), 0.0
    for _ in range(20):
        field = fitted_density(pairs.middle, pairs.w + lost, pairs.error, scales)
        new = float((field.correlation(pairs.middle) * pairs.random_share).sum())
        if abs(new - lost) < 1e-5:
            break
        lost = 0.5 * (lost + new)
    # What so many free variances gain on Poisson points by chance is taken off (Stein's shrinkage).
    measured = pairs.w + lost
    gain = (measured / pairs.error) ** 2 - ((measured - field.correlation(pairs.middle)) / pairs.error) ** 2
    chance = 1.0 + np.count_nonzero(field.variances)
    return replace(field, variances=field.variances * max(0.0, 1.0 - chance / max(float(gain.sum()), 1e-9)))


def _normal(u: float) -> float:
    return 0.5 * math.erfc(-u / math.sqrt(2.0))


def _spline(part: np.ndarray) -> np.ndarray:
    """Weights (N, 4) of the four lattice points around a place, `part` of the way between the inner two.

    Cubic B-spline, over the root of the sum of squares: white noise gets unit variance everywhere.
    """
    t = part[:, None]
    weights = np.concatenate(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
    )
    return weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))


@lru_cache(maxsize=2048)
def _white(stream: Stream, by: int, bx: int) -> np.ndarray:
    """N(0, 1) numbers of a block of a lattice, (_BLOCK, _BLOCK), its own stream's."""
    numbers = stream.child(by, bx).numpy().standard_normal((_BLOCK, _BLOCK))
    numbers.flags.writeable = False
    return numbers


@lru_cache(maxsize=64)
def _offset(stream: Stream) -> tuple[float, float]:
    """Where an octave's lattice begins, in its steps."""
    a, b = stream.child("offset").numpy().random(2)
    return float(a), float(b)


def _smooth(stream: Stream, scale: float, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """One smooth field of unit variance at `y`, `x` (N,) px."""
    if not len(x):
        return np.zeros(0)
    places = [v / scale + o for v, o in zip((y, x), _offset(stream), strict=True)]
    (i, wy), (j, wx) = ((f.astype(np.int64), _spline(v - f)) for v, f in ((p, np.floor(p)) for p in places))
    lattice, top, left = _lattice(stream, i.min() - 1, i.max() + 3, j.min() - 1, j.max() + 3)
    first = (i - 1 - top) * lattice.shape[1] + (j - 1 - left)
    near = np.arange(4)[:, None] * lattice.shape[1] + np.arange(4)
    return np.einsum("na,nb,nab->n", wy, wx, lattice.ravel()[first[:, None, None] + near])


def _lattice(stream: Stream, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, int, int]:
    """Lattice numbers that hold rows y0..y1-1 and columns x0..x1-1, and the first row and column."""
    rows, columns = range(y0 // _BLOCK, (y1 - 1) // _BLOCK + 1), range(x0 // _BLOCK, (x1 - 1) // _BLOCK + 1)
    blocks = [[_white(stream, int(by), int(bx)) for bx in columns] for by in rows]
    return np.block(blocks), rows[0] * _BLOCK, columns[0] * _BLOCK


def _correlations(scales: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Correlation of each octave's field at separations (N,) px, (N, O), over all directions and phases."""
    turn = (np.arange(_STEPS) + 0.5) * (0.5 * np.pi / _STEPS)
    out = np.empty((len(theta), len(scales)))
    for k, scale in enumerate(scales):
        along, across = (np.outer(theta / scale, f(turn)) for f in (np.cos, np.sin))
        out[:, k] = (_line(along) * _line(across)).mean(axis=1)
    return out


def _line(distance: np.ndarray) -> np.ndarray:
    """Correlation along an axis at `distance` in lattice steps, averaged over the phase."""
    steps, values = _line_table()
    return np.interp(distance, steps, values, right=0.0)


@lru_cache(maxsize=1)
def _line_table() -> tuple[np.ndarray, np.ndarray]:
    steps = np.linspace(0.0, 4.0, 161)
    phase = (np.arange(_STEPS) + 0.5) / _STEPS
    here = _spline(phase)
    values = np.zeros(len(steps))
    for s, step in enumerate(steps):
        there = np.floor(phase + step).astype(int)
        other = _spline(phase + step - there)
        for a in range(4):
            for b in range(4):
                same = a == there + b
                values[s] += (here[:, a] * other[:, b] * same).mean()
    return steps, values
