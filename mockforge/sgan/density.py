"""The local density of sources, as the condition that a generator and its discriminator see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from mockforge.config import Limit
from mockforge.errors import InputError

LEVELS = 41
"""Probabilities, 0 to 1, at which the distribution of densities is kept."""


@dataclass(frozen=True)
class DensityScale:
    """From a density of sources relative to the field's mean to the condition c, N(0, 1) over the field.

    `levels` are the relative densities at the probabilities k / (n - 1); they grow. `smooth_pix` is
    the sigma of the Gaussian the sources were counted with.
    """

    levels: tuple[Annotated[float, Limit(ge=0, le=1e6)], ...]
    smooth_pix: Annotated[float, Limit(gt=0, le=1e4)]

    @property
    def low(self) -> float:
        """Least relative density of the training field: what 2% of the field lies under."""
        return float(np.interp(0.02, _probabilities(len(self.levels)), self.levels))

    @property
    def high(self) -> float:
        """Highest relative density of the training field: what 2% of the field lies over."""
        return float(np.interp(0.98, _probabilities(len(self.levels)), self.levels))

    def condition(self, factor: float) -> float:
        """c of a density `factor` times the field's mean.

        Raises InputError beyond `low` and `high`: the field could not teach it.
        """
        if not self.low <= factor <= self.high:
            raise InputError(
                f"density {factor:g}: the training field covers {self.low:.2f} to {self.high:.2f} times "
                "its mean; choose a value between them"
            )
        return float(_normal_quantile(self._rank(np.array([factor])))[0])

    def conditions(self, relative: np.ndarray) -> np.ndarray:
        """c of any relative densities, those beyond the levels at the outermost."""
        return _normal_quantile(self._rank(relative)).astype(np.float32)

    def _rank(self, relative: np.ndarray) -> np.ndarray:
        return np.interp(relative, self.levels, _probabilities(len(self.levels)))


def measure_density(
    y: np.ndarray, x: np.ndarray, mask: np.ndarray, smooth_pix: float
) -> tuple[np.ndarray, DensityScale]:
    """Return the condition c at every pixel (y, x) float32, and its scale, of sources at `y`, `x`.

    Sources are counted with a Gaussian of `smooth_pix`, over the share of it that `mask` leaves.
    Raises InputError where there are too few sources to tell a dense part from an empty one.
    """
    from scipy.ndimage import gaussian_filter

    if len(y) < 50:
        raise InputError(
            f"{len(y)} sources are too few to condition on their density; 50 are needed. "
            "Use a larger field or network.forge.density=false"
        )
    counts = np.zeros(mask.shape, dtype=np.float32)
    rows = np.clip(np.rint(y).astype(int), 0, mask.shape[0] - 1)
    columns = np.clip(np.rint(x).astype(int), 0, mask.shape[1] - 1)
    np.add.at(counts, (rows, columns), 1.0)
    counts[mask] = 0.0
    free = gaussian_filter((~mask).astype(np.float32), smooth_pix)
    density = gaussian_filter(counts, smooth_pix) / np.maximum(free, 0.2)
    relative = density / (counts.sum() / (~mask).sum())
    used = ~mask & (free > 0.5)
    levels = np.maximum.accumulate(np.quantile(relative[used], _probabilities(LEVELS)))
    levels += 1e-6 * np.arange(LEVELS)  # equal levels could not be inverted
    scale = DensityScale(tuple(float(v) for v in levels), float(smooth_pix))
    return scale.conditions(relative), scale


def _probabilities(n: int) -> np.ndarray:
    return np.linspace(0.0, 1.0, n)


def _normal_quantile(rank: np.ndarray) -> np.ndarray:
    """Return the N(0, 1) value of a rank, within 2.5 sigma."""
    from scipy.special import ndtri

    return np.clip(ndtri(np.clip(rank, 1e-6, 1.0 - 1e-6)), -2.5, 2.5)
