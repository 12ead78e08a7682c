"""A parametric sky: galaxies and stars of known distribution in correlated noise."""

from __future__ import annotations

import numpy as np

from mockforge.rng import Stream

BANDS = ("g", "r")
COLOURS = np.array([1.0, 1.6])
RMS = np.array([4.0, 5.0])
PER_MPIX = 2500.0


def sky(seed: int, height: int, width: int) -> np.ndarray:
    """(2, height, width) nJy: exponential disks of power-law fluxes, and noise correlated over a pixel."""
    return (light(seed, height, width) + noise(seed + 1000, height, width)).astype(np.float32)


def light(seed: int, height: int, width: int, density: float = 1.0) -> np.ndarray:
    """(2, height, width) nJy: exponential disks of power-law fluxes, without noise."""
    rng = Stream(seed, ("test sky",)).numpy()
    n = rng.poisson(density * PER_MPIX * height * width / 1e6)
    out = np.zeros((2, height, width))
    yy, xx = np.mgrid[:height, :width]
    for _ in range(n):
        y, x = rng.uniform(0, (height, width))
        flux = min(200.0 * (1 - rng.uniform()) ** (-1 / 1.1), 60_000.0)
        scale, q, angle = rng.uniform(0.8, 2.4), rng.uniform(0.3, 1.0), rng.uniform(0, np.pi)
        reach = int(12 * scale)
        box = np.s_[max(0, int(y) - reach) : int(y) + reach, max(0, int(x) - reach) : int(x) + reach]
        dy, dx = yy[box] - y, xx[box] - x
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        profile = np.exp(-np.sqrt(along**2 + (across / q) ** 2 + 0.5) / scale)
        colour = COLOURS * np.exp(rng.normal(0, 0.15, 2))
        out[(slice(None), *box)] += flux * colour[:, None, None] * profile / profile.sum()
    return out


def noise(seed: int, height: int, width: int) -> np.ndarray:
    """(2, height, width) of rms RMS, neighbours correlated."""
    white = Stream(seed, ("test noise",)).numpy().standard_normal((2, height + 1, width + 1))
    mixed = white[:, 1:, 1:] + 0.3 * white[:, :-1, 1:] + 0.3 * white[:, 1:, :-1]
    return RMS[:, None, None] * mixed / np.sqrt(1 + 2 * 0.3**2)
