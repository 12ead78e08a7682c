"""Grids of simple populations: all ages of a library, or the few that are bundled.

Between the ages of a grid the luminosity is linear in the age. What is bundled are composite
populations of constant star formation within narrow bins of age, their logarithms rounded; the
luminosity at each age follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.photometry.populations.bc03 import read_ised
from mockforge.photometry.spectrum_set import digest_of

SOLAR = 0.02
"""The metallicity Z of one sun in this library."""

REDDEST = 110_000.0
"""Angstrom; spectra are cut there, beyond the reddest band."""

OLDEST_YR = 14.0e9
"""Ages above are left out: no star is older."""

_BUNDLED = Path(__file__).parents[1] / "data" / "bc03_chabrier.npz"

_STEP = 5e-4
"""The bundled ln L is a multiple of this."""

_DEPTH = 32.0
"""Luminosities exp(-32) below a spectrum's brightest are raised to that."""


@dataclass(frozen=True)
class PopulationGrid:
    """Simple populations of one solar mass: `luminosity` (metallicity, age, wavelength).

    Solar luminosities per Angstrom; `age_yr` (A,) rising, `metallicity` (Z,) mass fractions rising,
    `wave` (W,) Angstrom.
    """

    age_yr: np.ndarray
    metallicity: np.ndarray
    wave: np.ndarray
    luminosity: np.ndarray

    def digest(self) -> str:
        """sha256 of the content."""
        return digest_of(self.age_yr, self.metallicity, self.wave, self.luminosity)

    def at(self, metallicity: float) -> np.ndarray:
        """Luminosities (A, W) at a metallicity Z, linear in ln Z between the grid's.

        InputError outside the grid.
        """
        low, high = self.metallicity[0], self.metallicity[-1]
        if not low * (1 - 1e-6) <= metallicity <= high * (1 + 1e-6):
            raise InputError(
                f"metallicity {metallicity / SOLAR:g} suns; the grid has {low / SOLAR:g} to {high / SOLAR:g}"
            )
        x, nodes = np.log(metallicity), np.log(self.metallicity)
        i = int(np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, max(len(nodes) - 2, 0)))
        if len(nodes) == 1 or abs(x - nodes[i]) < 1e-9:
            return self.luminosity[i]
        t = (x - nodes[i]) / (nodes[i + 1] - nodes[i])
        return (1.0 - t) * self.luminosity[i] + t * self.luminosity[i + 1]


def ised_grid(folder: Path) -> PopulationGrid:
    """Return the grid of a folder's `.ised` files, one a metallicity. InputError says what does not fit."""
    files = sorted(folder.glob("*.ised"))
    if not files:
        raise InputError(f"{folder}: no .ised files; name a folder of Bruzual & Charlot's binary files")
    grids = sorted((read_ised(f) for f in files), key=lambda p: p.metallicity)
    first = grids[0]
    metallicity = np.array([p.metallicity for p in grids])
    if not (np.diff(metallicity) > 0).all():
        raise InputError(
            f"{folder}: two files of one metallicity ({', '.join(f'{z:g}' for z in metallicity)})"
        )
    for p in grids[1:]:
        if not (np.array_equal(p.age_yr, first.age_yr) and np.array_equal(p.wave, first.wave)):
            raise InputError(f"{folder}: the file of Z = {p.metallicity:g} has other ages or wavelengths")
    ages, waves = (first.age_yr > 0) & (first.age_yr <= OLDEST_YR), first.wave <= REDDEST
    light = np.stack([p.luminosity[ages][:, waves] for p in grids])
    return PopulationGrid(first.age_yr[ages], metallicity, first.wave[waves], light)


@cache
def bundled_grid() -> PopulationGrid:
    """Return the grid that comes with the package: Bruzual & Charlot 2003, Chabrier, low resolution."""
    with np.load(_BUNDLED, allow_pickle=False) as file:
        return unpack({key: file[key] for key in file.files})


def pack(grid: PopulationGrid) -> dict[str, np.ndarray]:
    """Arrays that `unpack` reads: composite populations, each of stars that formed at a constant rate.

    A bin of age reaches from halfway to the age before to halfway to the age behind. ln L is rounded
    to multiples of 5e-4 and kept as differences along ages and wavelengths, which compress well.
    """
    light = np.einsum("kl,zlw->zkw", _bin_means(grid.age_yr), grid.luminosity)
    light = np.log(np.maximum(light, np.exp(-_DEPTH) * light.max(axis=-1, keepdims=True)))
    steps = np.round(light / _STEP).astype("<i4")
    steps = np.diff(np.diff(steps, axis=1, prepend=0), axis=2, prepend=0)
    return {
        "age_yr": grid.age_yr.astype("<f4"),
        "metallicity": grid.metallicity.astype("<f8"),
        "wave": grid.wave.astype("<f4"),
        "steps": np.ascontiguousarray(
            np.moveaxis(_zigzag(steps).view(np.uint8).reshape(*steps.shape, 4), -1, 0)
        ),
    }


def unpack(arrays: dict[str, np.ndarray]) -> PopulationGrid:
    """Return the grid of `pack`: from means of the bins back to single ages, a tridiagonal system."""
    steps = np.ascontiguousarray(np.moveaxis(arrays["steps"], 0, -1)).view("<u4")[..., 0]
    steps = (steps >> 1).astype(np.int32) ^ -(steps & 1).astype(np.int32)
    means = np.exp(np.cumsum(np.cumsum(steps, axis=2), axis=1) * _STEP)
    age = arrays["age_yr"].astype(np.float64)
    light = np.maximum(np.linalg.solve(_bin_means(age), means), 0.0)
    return PopulationGrid(
        age, arrays["metallicity"].astype(np.float64), arrays["wave"].astype(np.float64), light
    )


def _bin_means(age: np.ndarray) -> np.ndarray:
    """Matrix (A, A) from luminosities at the ages, linear between, to their means over the bins."""
    count, half = len(age), 0.5 * np.diff(age)
    matrix = np.zeros((count, count))
    matrix[0, 0] = age[0]  # younger stars shine as those of the first age
    i = np.arange(count - 1)
    matrix[i, i] += 0.75 * half
    matrix[i, i + 1] += 0.25 * half
    matrix[i + 1, i + 1] += 0.75 * half
    matrix[i + 1, i] += 0.25 * half
    return matrix / matrix.sum(axis=1, keepdims=True)


def _zigzag(steps: np.ndarray) -> np.ndarray:
    """Small numbers of either sign as small numbers without one."""
    return ((steps << 1) ^ (steps >> 31)).astype("<u4")
