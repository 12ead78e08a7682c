"""Bright sources at random places: what a classifier of sources one by one is tried on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mockforge.rng import Stream

PER_MPIX = 330.0
Profile = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""(x, y) offsets in pixels from a source's centre -> light of sum 1."""


def disk(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Inclined exponential disks of all sizes."""
    scale, q, angle = rng.uniform(1.2, 2.6), rng.uniform(0.4, 1.0), rng.uniform(0, np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    out = np.exp(-np.sqrt(along**2 + (across / q) ** 2 + 1.0) / scale)
    return out / out.sum()


def arc(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bent dashes with dots, as a network of strides paints."""
    angle, bend = rng.uniform(0, np.pi), rng.uniform(0.05, 0.15)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    out = np.exp(-0.5 * ((across - bend * along**2) / 1.2) ** 2 - 0.5 * (along / 4.0) ** 2)
    out += 0.5 * np.exp(-0.5 * ((across - 3.0) ** 2 + (along - 3.0) ** 2) / 1.2**2)
    return out / out.sum()


def standing(seed: int, profile: Profile, side: int = 900, bands: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return observed and noiseless pixels (bands, side, side) nJy, of rms 1."""
    rng = Stream(seed, ("standing",)).numpy()
    truth = np.zeros((bands, side, side))
    half = 24
    yy, xx = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    for _ in range(rng.poisson(PER_MPIX * side**2 / 1e6)):
        y, x = rng.uniform(half, side - half - 1, 2)
        y0, x0 = round(y), round(x)
        flux = 400.0 * (1 - rng.uniform()) ** (-1 / 1.5)
        light = profile(xx - (x - x0), yy - (y - y0), rng) * min(flux, 6000.0)
        colour = np.exp(rng.normal(0, 0.1, bands))
        truth[:, y0 - half : y0 + half + 1, x0 - half : x0 + half + 1] += colour[:, None, None] * light
    noise = rng.standard_normal(truth.shape)
    return (truth + noise).astype(np.float32), truth.astype(np.float32)
