"""Distant galaxies of a magnitude in F160W: numbers, redshifts, spectra and sizes.

Above z = 4 they are those of a published luminosity function (`mockforge.galaxies.uv_galaxies`), whatever
the catalogues hold; from z = 3 to 4 its share grows from 0 to 1, and that of the catalogues falls, so
that neither a gap nor a double count lies between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mockforge.galaxies.uv_galaxies import (
    SIZE_SCATTER,
    effective_radius,
    luminosity_function,
    spectra_of_slope,
    uv_slope,
)

JOIN = (3.0, 4.0)
"""Redshifts between which the luminosity function takes over from the catalogues."""
FARTHEST = 10.0
"""The luminosity function is measured to here."""
_STEP = 0.05
_MAGNITUDES = np.linspace(15.0, 31.0, 161)


def nodes() -> np.ndarray:
    """Middles of the steps of redshift that distant galaxies are counted in, (Z,)."""
    return JOIN[0] + _STEP * (np.arange(round((FARTHEST - JOIN[0]) / _STEP)) + 0.5)


def share(z: np.ndarray) -> np.ndarray:
    """Share of galaxies at z that follow the luminosity function: 0 below JOIN, 1 above, smooth between."""
    t = np.clip((np.asarray(z, dtype=np.float64) - JOIN[0]) / (JOIN[1] - JOIN[0]), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@dataclass(frozen=True, eq=False)
class Distant:
    """What spectra (M,) at redshifts `nodes()` (Z,) look like, and the volume there.

    `modulus`, `volume` (Z,): distance modulus and Mpc^3 per arcmin^2 and unit of redshift, in the
    universe of the luminosity function; `kpc` (Z,) per arcsec; `colour` (Z, M), F160W less M_UV and
    modulus; `slope` (Z, M), beta; `used` (M,), which spectra still form stars.
    """

    modulus: np.ndarray
    volume: np.ndarray
    kpc: np.ndarray
    colour: np.ndarray
    slope: np.ndarray
    used: np.ndarray

    def density(self, magnitude: np.ndarray) -> np.ndarray:
        """Galaxies per arcmin^2 and magnitude of these magnitudes (N,) in F160W."""
        return np.exp(np.interp(magnitude, _MAGNITUDES, self._log_density))

    def draw(
        self, rng: np.random.Generator, magnitude: np.ndarray, axis_ratio: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Redshift, spectrum and semi-major axis in arcsec of galaxies (N,) that have these magnitudes."""
        magnitude = np.clip(magnitude, *_MAGNITUDES[[0, -1]])
        place = (magnitude - _MAGNITUDES[0]) / np.diff(_MAGNITUDES[:2])[0]
        row = np.minimum((place + rng.random(len(place))).astype(np.int64), len(_MAGNITUDES) - 1)
        shape = self._cells.shape[1:]
        chosen = np.searchsorted(self._below, row + rng.random(len(row)), side="right") - row * np.prod(shape)
        i, m = np.unravel_index(np.clip(chosen, 0, np.prod(shape) - 1), shape)
        z = nodes()[i] + _STEP * (rng.random(len(i)) - 0.5)
        spectrum = np.flatnonzero(self.used)[m]
        m_uv = magnitude - self.modulus[i] - self.colour[i, spectrum]
        radius = effective_radius(m_uv, z) * np.exp(SIZE_SCATTER * rng.standard_normal(len(i)))
        return z, spectrum, radius / np.sqrt(axis_ratio) / self.kpc[i]

    @cached_property
    def _cells(self) -> np.ndarray:
        """Galaxies per arcmin^2 and magnitude (magnitude, redshift, spectrum used)."""
        out = []
        for i, z in enumerate(nodes()):
            m_uv = _MAGNITUDES[:, None] - self.modulus[i] - self.colour[i, self.used]
            likely = spectra_of_slope(self.slope[i, self.used], uv_slope(m_uv, np.full(m_uv.shape, z)))
            out.append(luminosity_function(m_uv, z) * likely * self.volume[i] * _STEP * share(z))
        return np.stack(out, axis=1)

    @cached_property
    def _log_density(self) -> np.ndarray:
        return np.log(self._cells.sum(axis=(1, 2)) + 1e-300)

    @cached_property
    def _below(self) -> np.ndarray:
        """Running sums of each magnitude's cells, from its row's number to the next."""
        cells = self._cells.reshape(len(_MAGNITUDES), -1)
        sums = np.cumsum(cells, axis=1)
        part = sums / np.maximum(sums[:, -1:], 1e-300)
        return (part + np.arange(len(part))[:, None]).ravel()
