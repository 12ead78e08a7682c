"""Spectral energy distributions: the table flux[r, c, m] of spectra seen through bands at redshifts.

The spectra are those of Coleman, Wu & Weedman 1980 (ApJS 43, 393), extended below 1400 and above
10000 Angstrom by Bolzonella et al. 2000 (A&A 363, 476), as galsim carries them. The rest-frame
ultraviolet of E is too blue: at z = 1.5 its F435W - F606W is 1.2 where an old population gives
3.1. Nothing absorbs between the galaxy and us, so bands below Lyman alpha are too bright.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from mockforge.errors import InputError, nearest
from mockforge.field import ZEROPOINT_NJY
from mockforge.observe.redshift import luminosity_distance
from mockforge.sky.bandpass import curve

SedName = Literal["E", "Sbc", "Scd", "Im"]

SEDS: dict[str, str] = {
    "E": "CWW_E_ext.sed",
    "Sbc": "CWW_Sbc_ext.sed",
    "Scd": "CWW_Scd_ext.sed",
    "Im": "CWW_Im_ext.sed",
}
"""Name -> file in galsim's `share/SEDs` (wavelength in Angstrom, f_lambda in any unit)."""

TABLE_MAGNITUDE = -20.0
"""Absolute AB magnitude, in the rest frame of the reference band, of every spectrum of a table."""


@dataclass(frozen=True)
class SedTable:
    """`flux[r, c, m]` in nJy of spectrum m through band c at redshift r.

    Every spectrum has the absolute AB magnitude -20 in the rest frame of the reference band;
    flux falls with the square of the luminosity distance.
    """

    flux: np.ndarray
    redshifts: np.ndarray
    bands: tuple[str, ...]
    names: tuple[str, ...]


@cache
def spectrum(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A template by name: rest-frame wavelength in Angstrom, f_lambda in an arbitrary unit."""
    if name not in SEDS:
        raise InputError(f"unknown SED {name!r}{nearest(name, SEDS)}")
    import galsim

    path = Path(galsim.meta_data.share_dir) / "SEDs" / SEDS[name]
    wave, flux = np.loadtxt(path, unpack=True, dtype=np.float64)
    return wave, flux


def band_flux(
    wave: np.ndarray, flux: np.ndarray, bands: tuple[str, ...], redshifts: np.ndarray
) -> np.ndarray:
    """Mean f_nu in each band of one spectrum, redshifted, at a fixed luminosity distance: (r, c).

    `wave` in Angstrom in the rest frame, `flux` is f_lambda; the unit of the result is that of
    f_lambda times Angstrom^2 (divide by the speed of light for f_nu). Photon counting:
    integral of f_lambda lambda S over integral of S / lambda, with f_lambda of the redshifted
    spectrum L_lambda(lambda / (1 + z)) / (1 + z). Hogg et al. 2002, astro-ph/0210394, eq. 5-6.
    InputError where the redshifted spectrum does not cover a band.
    """
    redshifts = np.asarray(redshifts, dtype=np.float64)
    grids = [curve(band) for band in bands]
    for band, (seen, _) in zip(bands, grids, strict=True):
        _check_cover(wave, band, seen, redshifts)
    seen = np.concatenate([g[0] for g in grids])
    weight = np.concatenate([_trapezoid(x) * s * x / (_trapezoid(x) @ (s / x)) for x, s in grids])
    starts = np.cumsum([0, *(len(g[0]) for g in grids[:-1])])
    out = np.empty((len(redshifts), len(bands)))
    for r, z in enumerate(redshifts):
        out[r] = np.add.reduceat(np.interp(seen / (1.0 + z), wave, flux) * weight, starts) / (1.0 + z)
    return out


def mixtures(seds: tuple[str, ...], steps: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and weights (m, template) of the templates and the mixtures between neighbours.

    Neighbours in the order given are joined in `steps` equal steps: 4 templates and 4 steps give
    13 spectra. A weight is the fraction of the light in the rest-frame reference band.
    """
    names, rows = [], []
    for i in range(len(seds) - 1):
        for k in range(steps):
            t = k / steps
            names.append(seds[i] if k == 0 else f"{1 - t:.2f}{seds[i]}+{t:.2f}{seds[i + 1]}")
            rows.append((1 - t) * np.eye(len(seds))[i] + t * np.eye(len(seds))[i + 1])
    return (*names, seds[-1]), np.array([*rows, np.eye(len(seds))[-1]])


def sed_table(
    redshifts: np.ndarray,
    bands: tuple[str, ...],
    seds: tuple[str, ...] = ("E", "Sbc", "Scd", "Im"),
    steps: int = 4,
    reference_band: str = "lsst_r",
    cosmology: str = "Planck18",
) -> SedTable:
    """The table of `seds` and their mixtures through `bands` at `redshifts` (any, above 0).

    InputError for an unknown name or a band that a redshifted spectrum does not cover.
    """
    z = np.asarray(redshifts, dtype=np.float64)
    names, weights = mixtures(tuple(seds), steps)
    unit = 10.0 ** (0.4 * (ZEROPOINT_NJY - TABLE_MAGNITUDE)) * (1e-5 / luminosity_distance(z, cosmology)) ** 2
    templates = []
    for name in seds:
        wave, flux = spectrum(name)
        rest = band_flux(wave, flux, (reference_band,), np.zeros(1))[0, 0]
        templates.append(band_flux(wave, flux, tuple(bands), z) / rest)
    table = unit[:, None, None] * (np.stack(templates, axis=-1) @ weights.T)
    return SedTable(table, z, tuple(bands), names)


@lru_cache(maxsize=8)
def cached_table(
    redshifts: tuple[float, ...],
    bands: tuple[str, ...],
    seds: tuple[str, ...],
    steps: int,
    reference_band: str,
    cosmology: str,
) -> SedTable:
    """`sed_table`, made once in a process for the same arguments; its flux is read-only."""
    table = sed_table(np.asarray(redshifts), bands, seds, steps, reference_band, cosmology)
    table.flux.flags.writeable = False
    return table


def _trapezoid(x: np.ndarray) -> np.ndarray:
    """Weights of the trapezium rule on the points `x`."""
    step = np.diff(x)
    return 0.5 * (np.concatenate([step, [0.0]]) + np.concatenate([[0.0], step]))


def _check_cover(wave: np.ndarray, band: str, seen: np.ndarray, redshifts: np.ndarray) -> None:
    low, high = seen[0] / (1.0 + redshifts), seen[-1] / (1.0 + redshifts)
    outside = (low < wave[0]) | (high > wave[-1])
    if outside.any():
        z = redshifts[outside]
        raise InputError(
            f"band {band} ({seen[0]:.0f} to {seen[-1]:.0f} Angstrom) at z = {z.min():g} to {z.max():g} "
            f"sees {low[outside].min():.0f} to {high[outside].max():.0f} Angstrom of the rest frame, and the "
            f"spectrum covers {wave[0]:.0f} to {wave[-1]:.0f}; leave the band or these redshifts out"
        )
