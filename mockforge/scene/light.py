"""Fluxes of the population's galaxies and of stars in the bands of a scene."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mockforge.galaxies.population import REDSHIFT, REFERENCE_BAND, SPECTRA
from mockforge.photometry.bands import BANDPASSES, band, curve
from mockforge.photometry.cache import cached_array
from mockforge.photometry.fluxes import flux_table
from mockforge.photometry.spectrum_set import digest_of
from mockforge.units import ZEROPOINT_NJY

_Z = np.expm1(np.linspace(np.log1p(REDSHIFT[0]), np.log1p(REDSHIFT[1]), 200))
_KELVIN = np.geomspace(1500.0, 40000.0, 120)
OLD = 4
"""Row of SPECTRA that bulges have: a burst of solar metallicity without dust."""


def galaxy_fluxes(
    bands: tuple[str, ...], magnitude: np.ndarray, z: np.ndarray, spectrum: np.ndarray
) -> np.ndarray:
    """Return fluxes (N, C) in nJy of galaxies of a magnitude in F160W.

    ln flux is linear in ln(1 + z) between 200 redshifts.
    """
    log = _table(bands)
    place = (np.log1p(z) - np.log1p(_Z[0])) / np.log((1 + _Z[1]) / (1 + _Z[0]))
    i = np.clip(place.astype(np.int64), 0, len(_Z) - 2)
    t = (place - i)[:, None]
    log_flux = (1 - t) * log[i, spectrum] + t * log[i + 1, spectrum]
    return np.exp(log_flux) * 10 ** (-0.4 * (magnitude - ZEROPOINT_NJY))[:, None]


@lru_cache(maxsize=8)
def _table(bands: tuple[str, ...]) -> np.ndarray:
    """ln of the flux over that in the reference band, (z, spectrum, band)."""

    def make() -> np.ndarray:
        flux = flux_table(SPECTRA, (*bands, REFERENCE_BAND), _Z).flux.transpose(0, 2, 1)
        return np.log(np.maximum(flux[..., :-1], 1e-30)) - np.log(flux[..., -1:])

    return _kept("galaxies", bands, make)


def _kept(kind: str, bands: tuple[str, ...], make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return a table kept on disk under the hash of the files that it is made from.

    Where it is there, neither spectra nor galsim nor a cosmology have to be loaded, which takes most of
    a second.
    """
    whose = [(word, version("galsim")) if word in BANDPASSES else curve(word) for word in map(band, bands)]
    parts = (part for identity in whose for part in identity)
    return cached_array(digest_of("scene light 1", kind, _files(), repr(SPECTRA), _Z, _KELVIN, *parts), make)


@cache
def _files() -> str:
    """Return a digest of the data that come with the package."""
    digest = hashlib.sha256()
    rooms = Path(__file__).parents[1]
    paths = [path for room in ("photometry", "galaxies") for path in (rooms / room / "data").iterdir()]
    for path in sorted(paths, key=lambda path: path.name):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def star_fluxes(bands: tuple[str, ...], magnitude: np.ndarray, kelvin: np.ndarray) -> np.ndarray:
    """Fluxes (N, C) in nJy of black bodies of a magnitude in F160W; temperatures 1500 to 40000 K."""
    table = _bodies(bands)
    log = np.stack([np.interp(np.log(kelvin), np.log(_KELVIN), row) for row in table.T], axis=1)
    return np.exp(log) * 10 ** (-0.4 * (magnitude - ZEROPOINT_NJY))[:, None]


@lru_cache(maxsize=8)
def _bodies(bands: tuple[str, ...]) -> np.ndarray:
    """ln of the flux over that in the reference band, (temperature, band)."""
    return _kept("stars", bands, lambda: _black_bodies(bands))


def _black_bodies(bands: tuple[str, ...]) -> np.ndarray:
    out = []
    for name in (*bands, REFERENCE_BAND):
        wave, throughput = curve(name)
        x = 1.43877688e8 / wave / _KELVIN[:, None]
        nu = 1.0 / (wave**3 * np.expm1(np.minimum(x, 500.0)))  # B_nu
        out.append(np.trapezoid(nu * throughput / wave, wave) / np.trapezoid(throughput / wave, wave))
    flux = np.stack(out, axis=1)
    return np.log(flux[:, :-1]) - np.log(flux[:, -1:])
