"""Spectra seen through bands at redshifts: flux[r, c, m], and the flux of each galaxy of a list."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.files import Stamp, files_of, stamp
from mockforge.photometry.bands import CANDELS_GOODSS, curve
from mockforge.photometry.bands import band as named_band
from mockforge.photometry.cache import cached_array
from mockforge.photometry.cosmology import CosmologyLike, cosmology_word, luminosity_distance
from mockforge.photometry.igm import Igm
from mockforge.photometry.luminosity import TEN_PC_MPC, njy_per_luminosity
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.projection import BandWeights, Projection, nodes
from mockforge.photometry.spectra.spec import Spectra, SpectrumKind
from mockforge.photometry.spectrum_set import SpectrumSet, digest_of, kept

__all__ = [
    "FluxTable",
    "SpectrumSet",
    "absolute_fluxes",
    "flux_table",
    "k_correction",
    "reference_table",
    "sed_fluxes",
    "spectrum_set",
]

REFERENCE_REDSHIFTS = np.linspace(0.1, 2.0, 39)
"""Redshifts of the reference table."""

_MOST_KEPT = 4096
"""Redshifts kept in a process for one tuple of bands: about 20 MB."""


def spectrum_set(spectra: Spectra, cosmology: CosmologyLike = "Planck18") -> SpectrumSet:
    """Return the spectra that a configuration names; made once in a process, and again when a file changes.

    `cosmology` sets the ages of populations. InputError for a file that cannot be used.
    """
    chosen = spectra.chosen
    stamps = tuple(stamp(path) for path in files_of(chosen).values() if path.is_file())
    return _spectra(chosen, cosmology_word(cosmology), stamps)


@lru_cache(maxsize=16)
def _spectra(kind: SpectrumKind, cosmology: str, stamps: tuple[Stamp, ...]) -> SpectrumSet:
    """Return the set of a kind on the grid that fluxes are summed on; `stamps` tell files that changed."""
    spectra = kind.spectra(cosmology)
    return kept(spectra, nodes(spectra.wave))


class _Through:
    """Bands over one grid of wavelengths: keeps what each redshift sees; sets of one grid share it."""

    def __init__(self, wave: np.ndarray, bands: tuple[str, ...], igm: Igm, cosmology: str) -> None:
        self.bands, self.cosmology = bands, cosmology
        self._projection = Projection(wave, bands, igm)
        self._seen: dict[float, tuple[BandWeights, float]] = {}

    def fluxes(
        self, found: SpectrumSet, z_population: np.ndarray, z_seen: np.ndarray, spectrum: np.ndarray
    ) -> np.ndarray:
        """(P, C) nJy; each row is the same whatever the others are."""
        self._see(z_seen)
        out = np.empty((len(z_seen), len(self.bands)))
        galaxies = zip(z_population.tolist(), z_seen.tolist(), spectrum.tolist(), strict=True)
        for p, (z_stars, z, m) in enumerate(galaxies):
            weights, unit = self._seen[z]
            out[p] = weights.of(found.row(z_stars, m)) * unit
        return out

    def _see(self, z_seen: np.ndarray) -> None:
        redshifts = np.unique(z_seen)
        new = np.array([z for z in redshifts.tolist() if z not in self._seen])
        if len(self._seen) + len(new) > _MOST_KEPT:
            self._seen.clear()
            new = redshifts
        if len(new):
            unit = njy_per_luminosity(luminosity_distance(new, self.cosmology)).tolist()
            self._seen.update(
                zip(new.tolist(), zip(self._projection.at(new), unit, strict=True), strict=True)
            )


@lru_cache(maxsize=32)
def _through(wave: bytes, bands: tuple[str, ...], igm: Igm, cosmology: str) -> _Through:
    return _Through(np.frombuffer(wave), bands, igm, cosmology)


@lru_cache(maxsize=32)
def _grid(found: SpectrumSet) -> bytes:
    return found.wave.tobytes()


@lru_cache(maxsize=32)
def _at_rest(found: SpectrumSet, band: str) -> BandWeights:
    return Projection(found.wave, (band,), "none").at(np.zeros(1))[0]


def _checked(found: SpectrumSet, spectrum: np.ndarray) -> np.ndarray:
    spectrum = np.asarray(spectrum)
    if spectrum.size and not 0 <= spectrum.min() <= spectrum.max() < len(found.names):
        raise InputError(
            f"spectrum {spectrum.min()} to {spectrum.max()}: there are {len(found.names)}, counted from 0"
        )
    return spectrum


def sed_fluxes(
    spectra: Spectra,
    bands: tuple[str, ...],
    z_population: np.ndarray,
    z_seen: np.ndarray,
    spectrum: np.ndarray,
    *,
    cosmology: CosmologyLike = "Planck18",
    igm: Igm = "inoue2014",
) -> np.ndarray:
    """Return the flux (P, C) of galaxies through bands, nJy: mean f_nu of the photons a band counts.

    Flux falls with the square of the luminosity distance. A row does not depend on the other rows.

    Parameters
    ----------
    spectra : Spectra
        Galaxy p has the row `spectrum[p]` of `spectrum_set(spectra, cosmology)`.
    bands : tuple of str
        The C bands: names, or words of a recipe for a curve of one's own.
    z_population : array_like, (P,)
        Redshift whose stars it has; for a population that does not evolve, one for both its images.
    z_seen : array_like, (P,)
        Redshift at which it is observed, above 0.
    spectrum : array_like of int, (P,)
        Which spectrum it has.
    cosmology : str or astropy.cosmology.FLRW
        Sets distances, and the ages of populations.
    igm : {"inoue2014", "madau1995", "none"}
        Mean transmission of the hydrogen on the way.

    Raises
    ------
    InputError
        Unknown band, spectrum that does not cover it, population without stars yet.

    References
    ----------
    Hogg et al. 2002, astro-ph/0210394, equations 5 and 6.
    """
    seds = spectrum_set(spectra, cosmology)
    z_population, z_seen, spectrum = np.broadcast_arrays(
        np.asarray(z_population, dtype=np.float64),
        np.asarray(z_seen, dtype=np.float64),
        _checked(seds, spectrum),
    )
    through = _through(_grid(seds), tuple(map(named_band, bands)), igm, cosmology_word(cosmology))
    return through.fluxes(seds, z_population, z_seen, spectrum)


def absolute_fluxes(
    spectra: Spectra,
    band: str,
    z_population: np.ndarray,
    spectrum: np.ndarray,
    *,
    cosmology: CosmologyLike = "Planck18",
) -> np.ndarray:
    """Flux (P,) in nJy at 10 pc through a rest-frame band, of the galaxies of `sed_fluxes`.

    The absolute AB magnitude is 31.4 - 2.5 lg of it. InputError as `sed_fluxes`.
    """
    seds = spectrum_set(spectra, cosmology)
    z_population, spectrum = np.broadcast_arrays(
        np.asarray(z_population, dtype=np.float64), _checked(seds, spectrum)
    )
    weights = _at_rest(seds, named_band(band))
    galaxies = zip(z_population.tolist(), spectrum.tolist(), strict=True)
    flux = np.array([weights.of(seds.row(z, m))[0] for z, m in galaxies])
    return flux * njy_per_luminosity(TEN_PC_MPC)


def k_correction(
    spectra: Spectra,
    rest_band: str,
    band: str,
    z_population: np.ndarray,
    z_seen: np.ndarray,
    spectrum: np.ndarray,
    *,
    cosmology: CosmologyLike = "Planck18",
) -> np.ndarray:
    """Return the K-correction (P,) in magnitudes from `band` as observed to `rest_band`: m = M + DM + K.

    Hogg et al. 2002, astro-ph/0210394, eq. 2; arguments and errors as `sed_fluxes`.
    """
    observed = sed_fluxes(spectra, (band,), z_population, z_seen, spectrum, cosmology=cosmology)[:, 0]
    absolute = absolute_fluxes(spectra, rest_band, z_population, spectrum, cosmology=cosmology)
    nearness = (TEN_PC_MPC / luminosity_distance(z_seen, cosmology)) ** 2
    return -2.5 * np.log10(observed / (absolute * nearness))


@dataclass(frozen=True)
class FluxTable:
    """`flux[r, c, m]` in nJy of spectrum m through band c at redshift r."""

    flux: np.ndarray
    redshifts: np.ndarray
    bands: tuple[str, ...]
    names: tuple[str, ...]


def flux_table(
    spectra: Spectra,
    bands: tuple[str, ...],
    redshifts: np.ndarray,
    *,
    z_population: float | None = None,
    cosmology: CosmologyLike = "Planck18",
    igm: Igm = "inoue2014",
) -> FluxTable:
    """Every spectrum through every band at every redshift (above 0).

    Populations evolve along the table, or have the stars that they have at `z_population`. The table
    is kept on disk under the hash of all that it is made from (see `table_cache`). InputError as
    `sed_fluxes`.
    """
    cosmology = cosmology_word(cosmology)
    seds = spectrum_set(spectra, cosmology)
    z = np.asarray(redshifts, dtype=np.float64)
    bands = tuple(map(named_band, bands))
    curves = [part for name in bands for part in curve(name)]
    key = digest_of("flux_table 1", seds.digest(), *curves, z, z_population, cosmology, igm)
    every = np.arange(len(seds.names))

    def make() -> np.ndarray:
        through = _through(_grid(seds), bands, igm, cosmology)
        stars = z if z_population is None else np.full(len(z), z_population)
        rows = [
            through.fluxes(seds, every * 0.0 + s, every * 0.0 + z_seen, every)
            for s, z_seen in zip(stars, z, strict=True)
        ]
        return np.stack(rows).transpose(0, 2, 1)

    return FluxTable(cached_array(key, make), z, tuple(bands), seds.names)


def reference_table() -> FluxTable:
    """Return the bundled table: the default populations, evolving, at 39 redshifts from 0.1 to 2.

    Through the 17 bands of CANDELS GOODS-S, in Planck18, with the hydrogen of Inoue et al. 2014.
    """
    with np.load(Path(__file__).with_name("data") / "reference_table.npz", allow_pickle=False) as file:
        flux = file["flux"].astype(np.float64)
    names = spectrum_set(Spectra(populations=Populations())).names
    return FluxTable(flux, REFERENCE_REDSHIFTS, CANDELS_GOODSS, names)
