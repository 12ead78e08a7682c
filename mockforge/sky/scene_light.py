"""Fluxes of the population's galaxies and of stars in the bands of a scene."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mockforge.field import ZEROPOINT_NJY
from mockforge.sky.bandpass import curve
from mockforge.sky.population import REDSHIFT, REFERENCE_BAND, SPECTRA
from mockforge.sky.sed import flux_table

_Z = np.expm1(np.linspace(np.log1p(REDSHIFT[0]), np.log1p(REDSHIFT[1]), 200))
_KELVIN = np.geomspace(1500.0, 40000.0, 120)
OLD = 4
"""Row of SPECTRA that bulges have: a burst of solar metallicity without dust."""


def galaxy_fluxes(
    bands: tuple[str, ...], magnitude: np.ndarray, z: np.ndarray, spectrum: np.ndarray
) -> np.ndarray:
    """Fluxes (N, C) in nJy of galaxies of a magnitude in F160W; ln flux is linear in ln(1 + z)
    between 200 redshifts.
    """
    log = _table(bands)
    place = (np.log1p(z) - np.log1p(_Z[0])) / np.log((1 + _Z[1]) / (1 + _Z[0]))
    i = np.clip(place.astype(np.int64), 0, len(_Z) - 2)
    t = (place - i)[:, None]
    found = (1 - t) * log[i, spectrum] + t * log[i + 1, spectrum]
    return np.exp(found) * 10 ** (-0.4 * (magnitude - ZEROPOINT_NJY))[:, None]


@lru_cache(maxsize=8)
def _table(bands: tuple[str, ...]) -> np.ndarray:
    """ln of the flux over that in the reference band, (z, spectrum, band)."""
    flux = flux_table(SPECTRA, (*bands, REFERENCE_BAND), _Z).flux.transpose(0, 2, 1)
    return np.log(np.maximum(flux[..., :-1], 1e-30)) - np.log(flux[..., -1:])


def star_fluxes(bands: tuple[str, ...], magnitude: np.ndarray, kelvin: np.ndarray) -> np.ndarray:
    """Fluxes (N, C) in nJy of black bodies of a magnitude in F160W; temperatures 1500 to 40000 K."""
    table = _bodies(bands)
    log = np.stack([np.interp(np.log(kelvin), np.log(_KELVIN), row) for row in table.T], axis=1)
    return np.exp(log) * 10 ** (-0.4 * (magnitude - ZEROPOINT_NJY))[:, None]


@lru_cache(maxsize=8)
def _bodies(bands: tuple[str, ...]) -> np.ndarray:
    """ln of the flux over that in the reference band, (temperature, band)."""
    out = []
    for band in (*bands, REFERENCE_BAND):
        wave, throughput = curve(band)
        x = 1.43877688e8 / wave / _KELVIN[:, None]
        nu = 1.0 / (wave**3 * np.expm1(np.minimum(x, 500.0)))  # B_nu
        out.append(np.trapezoid(nu * throughput / wave, wave) / np.trapezoid(throughput / wave, wave))
    flux = np.stack(out, axis=1)
    return np.log(flux[:, :-1]) - np.log(flux[:, -1:])
