"""Spectral energy distributions: the table flux[r, c, m] of spectra seen through bands at redshifts.

The spectra are those of Coleman, Wu & Weedman 1980 (ApJS 43, 393), extended below 1400 and above
10000 Angstrom by Bolzonella et al. 2000 (A&A 363, 476), as galsim carries them. The rest-frame
ultraviolet of E is too blue: at z = 1.5 its F435W - F606W is 1.2 where an old population gives
3.1. Nothing absorbs between the galaxy and us, so bands below Lyman alpha are too bright.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mockforge.errors import InputError
from mockforge.field import ZEROPOINT_NJY
from mockforge.observe.redshift import luminosity_distance
from mockforge.sky.bandpass import curve
from mockforge.sky.photometry import TEN_PC_MPC, absolute_njy, njy_per_luminosity
from mockforge.sky.populations import population_set
from mockforge.sky.projection import Projection, Seen, nodes
from mockforge.sky.spectra import Igm, Populations, SedName, Spectra, SpectrumFiles, Templates
from mockforge.sky.spectrum_set import SpectrumSet
from mockforge.sky.templates import SEDS, mixtures, template_set
from mockforge.sky.templates import template as spectrum

__all__ = [
    "SEDS",
    "SedName",
    "SpectrumSet",
    "absolute_fluxes",
    "band_flux",
    "cached_table",
    "k_correction",
    "mixtures",
    "sed_fluxes",
    "sed_table",
    "spectrum",
    "spectrum_set",
]

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


_MOST_KEPT = 4096
"""Redshifts and spectra kept in a process: about 50 MB each."""


def spectrum_set(spectra: Spectra, cosmology: str = "Planck18") -> SpectrumSet:
    """The spectra that a configuration names; made once in a process.

    `cosmology` sets the ages of populations. InputError for a file that cannot be used.
    """
    return _made(spectra.chosen, cosmology)


@lru_cache(maxsize=16)
def _made(chosen: Templates | SpectrumFiles | Populations, cosmology: str) -> SpectrumSet:
    if isinstance(chosen, Templates):
        return template_set(chosen)
    if isinstance(chosen, Populations):
        return population_set(chosen, cosmology)
    raise InputError(f"no spectra of this kind yet: {type(chosen).__name__}")


class _Through:
    """One set through one tuple of bands: keeps what redshifts see, and spectra on the nodes."""

    def __init__(self, found: SpectrumSet, bands: tuple[str, ...], igm: Igm, cosmology: str) -> None:
        self.found, self.cosmology = found, cosmology
        self.wave = nodes(found.wave, igm)
        self.projection = Projection(self.wave, bands, igm)
        self._seen: dict[float, tuple[Seen, float]] = {}
        self._rows: dict[tuple[float, int], np.ndarray] = {}

    def fluxes(self, z_population: np.ndarray, z_seen: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
        """(P, C) nJy; each row is the same whatever the others are."""
        self._see(z_seen)
        out = np.empty((len(z_seen), len(self.projection.bands)))
        galaxies = zip(z_population.tolist(), z_seen.tolist(), spectrum.tolist(), strict=True)
        for p, (z_stars, z, m) in enumerate(galaxies):
            seen, unit = self._seen[z]
            out[p] = seen.of(self._row(z_stars, m)) * unit
        return out

    def _see(self, z_seen: np.ndarray) -> None:
        wanted = np.unique(z_seen)
        new = np.array([z for z in wanted.tolist() if z not in self._seen])
        if len(self._seen) + len(new) > _MOST_KEPT:
            self._seen.clear()
            new = wanted
        if len(new):
            unit = njy_per_luminosity(luminosity_distance(new, self.cosmology)).tolist()
            self._seen.update(zip(new.tolist(), zip(self.projection.at(new), unit, strict=True), strict=True))

    def _row(self, z: float, m: int) -> np.ndarray:
        """One spectrum on the nodes, solar luminosities per Angstrom."""
        key = (z if self.found.evolves else 0.0, m)
        if key not in self._rows:
            if len(self._rows) >= _MOST_KEPT:
                self._rows.clear()
            self._rows[key] = np.interp(self.wave, self.found.wave, self.found.row(z, m))
        return self._rows[key]


@lru_cache(maxsize=16)
def _through(spectra: Spectra, bands: tuple[str, ...], igm: Igm, cosmology: str) -> _Through:
    return _Through(spectrum_set(spectra, cosmology), bands, igm, cosmology)


def sed_fluxes(
    spectra: Spectra,
    bands: tuple[str, ...],
    z_population: np.ndarray,
    z_seen: np.ndarray,
    spectrum: np.ndarray,
    *,
    cosmology: str = "Planck18",
    igm: Igm = "inoue2014",
) -> np.ndarray:
    """Flux (P, C) in nJy, float64, of P galaxies through the bands.

    Galaxy p has the spectrum `spectrum[p]` (a row of `spectrum_set`) with its stars as they are at
    redshift `z_population[p]`, and is seen at `z_seen[p]` (above 0): for a population that does not
    evolve between two images, `z_population` is the same for both. Flux falls with the square of
    the luminosity distance; `igm` takes away what hydrogen absorbs on the way. A row does not
    depend on the other rows. Hogg et al. 2002, astro-ph/0210394, eq. 5 and 6.

    InputError for an unknown band, or one that a redshifted spectrum does not cover.
    """
    z_population, z_seen, spectrum = np.broadcast_arrays(
        np.asarray(z_population, dtype=np.float64), np.asarray(z_seen, dtype=np.float64), np.asarray(spectrum)
    )
    return _through(spectra, tuple(bands), igm, cosmology).fluxes(z_population, z_seen, spectrum)


def absolute_fluxes(
    spectra: Spectra,
    band: str,
    z_population: np.ndarray,
    spectrum: np.ndarray,
    *,
    cosmology: str = "Planck18",
) -> np.ndarray:
    """Flux (P,) in nJy at 10 pc through a rest-frame band, of the galaxies of `sed_fluxes`.

    The absolute AB magnitude is 31.4 - 2.5 lg of it. InputError as `sed_fluxes`.
    """
    found = spectrum_set(spectra, cosmology)
    z_population, spectrum = np.broadcast_arrays(
        np.asarray(z_population, dtype=np.float64), np.asarray(spectrum)
    )
    pairs = np.stack([z_population if found.evolves else np.zeros(len(spectrum)), spectrum], axis=1)
    different, which = np.unique(pairs, axis=0, return_inverse=True)
    light = np.stack([found.row(float(z), int(m)) for z, m in different])
    return absolute_njy(found.wave, light, band)[which.reshape(-1)]


def k_correction(
    spectra: Spectra,
    rest_band: str,
    band: str,
    z_population: np.ndarray,
    z_seen: np.ndarray,
    spectrum: np.ndarray,
    *,
    cosmology: str = "Planck18",
    igm: Igm = "inoue2014",
) -> np.ndarray:
    """K-correction (P,) in magnitudes from `band` as observed to `rest_band`: m = M + DM + K.

    Hogg et al. 2002, astro-ph/0210394, eq. 2; arguments and errors as `sed_fluxes`.
    """
    seen = sed_fluxes(spectra, (band,), z_population, z_seen, spectrum, cosmology=cosmology, igm=igm)[:, 0]
    absolute = absolute_fluxes(spectra, rest_band, z_population, spectrum, cosmology=cosmology)
    nearness = (TEN_PC_MPC / luminosity_distance(z_seen, cosmology)) ** 2
    return -2.5 * np.log10(seen / (absolute * nearness))


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
