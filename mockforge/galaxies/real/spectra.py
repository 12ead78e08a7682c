"""Spectra fitted to galaxies on images, and what wanted bands see of them at two redshifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mockforge.config import Positive, config
from mockforge.galaxies.real.cutouts import Cutout
from mockforge.galaxies.real.moved import Spectrum
from mockforge.photometry.bands import curve
from mockforge.photometry.cosmology import flux_factor, luminosity_distance, size_factor
from mockforge.photometry.epochs import TEN_PARSEC_MPC
from mockforge.photometry.fluxes import absolute_fluxes, sed_fluxes, spectrum_set
from mockforge.photometry.igm import Igm
from mockforge.photometry.kcorrect import neighbours, sed_weights
from mockforge.photometry.spectra.spec import Spectra
from mockforge.units import ZEROPOINT_NJY


@config
class Fit:
    """How spectra are fitted to the fluxes of a galaxy: weights >= 0, least squares."""

    by: Literal["galaxy", "pixel"] = "galaxy"
    """`galaxy`: one spectrum for all its pixels. `pixel`: each bright pixel has its own, after all
    bands were brought to the broadest PSF; the faint ones have the galaxy's."""
    floor: Positive = 0.05
    """Relative error added to that of every flux: spectra are not perfect."""
    pixel_snr: Positive = 5.0
    """Signal to noise, of all bands together, above which a pixel is bright."""


@dataclass(frozen=True)
class RedshiftRequest:
    """What is requested of the spectra: redshifts (N,), bands, and the effects that are on."""

    z_in: np.ndarray
    z_out: np.ndarray
    bands: tuple[str, ...]
    present: tuple[str, ...]
    """Bands of the images."""
    photometry: tuple[str, ...]
    """Bands of further fluxes."""
    spectra: Spectra
    cosmology: str
    igm: Igm
    evolving: bool
    switches: tuple[bool, bool, bool]
    """angular_size, dimming, band_shift"""
    size_evolution: float
    luminosity_evolution: float
    magnitude_band: str
    fit: Fit
    free: bool
    """Whether the spectra are fitted rather than given."""


@dataclass(frozen=True)
class Fitted:
    """The spectra of N galaxies and what follows from them."""

    spectrum: list[Spectrum]
    weights: np.ndarray
    """(N, M)"""
    chi2: np.ndarray
    """(N,) of the fit, over the bands that were known; 0 where a spectrum was given."""
    share: np.ndarray
    """(N, M) of each spectrum in the light of `magnitude_band`; rows sum to 1."""
    size: np.ndarray
    """(N,) angular size at z_out over that at z_in, evolution included."""
    absolute: np.ndarray
    """(N, 2) absolute magnitude at z_in and at z_out."""
    k: np.ndarray
    """(N, 2, C) K-corrections from `magnitude_band` at z_in and at z_out."""


def fitted(asked: RedshiftRequest, cutouts: Sequence[Cutout], given: np.ndarray) -> Fitted:
    """Fit every galaxy; `given` (N,) is the row of the spectrum of those that cannot be, or are not to be.

    A galaxy is fitted on the flux of its own pixels in the images' bands and its photometry,
    where these are two bands or more. InputError as `mockforge.photometry.fluxes.sed_fluxes`.
    """
    z_in, z_out = asked.z_in, asked.z_out
    angular, dimming, shift = asked.switches
    z_seen, age = (z_out if shift else z_in), (z_out if asked.evolving else z_in)
    every = tuple(dict.fromkeys((*asked.present, *asked.photometry, *asked.bands)))
    here = _fluxes(asked, every, z_in, z_in)
    far = _fluxes(asked, asked.bands, age, z_seen)
    weights, chi2 = _weights(asked, cutouts, _take(here, every, (*asked.present, *asked.photometry)), given)

    change = flux_factor(z_in, z_out, asked.cosmology, angular_size=angular, dimming=dimming) / flux_factor(
        z_in, z_seen, asked.cosmology
    )
    change = change * 10.0 ** (-0.4 * asked.luminosity_evolution * (z_out - z_in))
    near, present = _take(here, every, asked.bands), _take(here, every, asked.present)
    wave = [np.array([pivot(b) for b in bands]) for bands in (asked.bands, asked.present)]
    spectrum = [
        Spectrum(
            present[i], near[i], far[i] * change[i], neighbours(wave[0], wave[1]),
            neighbours(wave[0] / (1 + z_seen[i]), wave[1] / (1 + z_in[i])),
        )
        for i in range(len(z_in))
    ]  # fmt: skip
    rest = [absolute_fluxes(asked.spectra, asked.magnitude_band, *_each(asked, z), cosmology=asked.cosmology)
            .reshape(weights.shape) for z in (z_in, age)]  # fmt: skip
    true_far = far if shift else _fluxes(asked, asked.bands, age, z_out)
    absolute = np.stack([(weights * r).sum(-1) for r in rest], axis=1)
    size = size_factor(z_in, z_out, asked.cosmology, angular_size=angular)
    faded = np.stack([np.zeros(len(z_in)), asked.luminosity_evolution * (z_out - z_in)], axis=1)
    return Fitted(
        spectrum=spectrum,
        weights=weights,
        chi2=chi2,
        share=weights * rest[0] / absolute[:, :1],
        size=size * ((1 + z_out) / (1 + z_in)) ** asked.size_evolution,
        absolute=ZEROPOINT_NJY - 2.5 * np.log10(absolute) + faded,
        k=np.stack([_k(asked, near, weights, absolute[:, 0], z_in),
                    _k(asked, true_far, weights, absolute[:, 1], z_out)], axis=1),
    )  # fmt: skip


def _each(asked: RedshiftRequest, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every redshift with every spectrum: (N M,) both."""
    count = len(spectrum_set(asked.spectra, asked.cosmology).names)
    return np.repeat(z, count), np.tile(np.arange(count), len(z))


def _fluxes(asked: RedshiftRequest, bands: tuple[str, ...], age: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(N, C, M) nJy of every spectrum, of the population at `age`, seen at `seen`."""
    ages, spectrum = _each(asked, age)
    flux = sed_fluxes(
        asked.spectra, bands, ages, _each(asked, seen)[0], spectrum, cosmology=asked.cosmology, igm=asked.igm
    )
    return np.moveaxis(flux.reshape(len(age), -1, len(bands)), 1, 2)


def _take(fluxes: np.ndarray, every: tuple[str, ...], bands: tuple[str, ...]) -> np.ndarray:
    return fluxes[:, [every.index(b) for b in bands]]


def _weights(
    asked: RedshiftRequest, cutouts: Sequence[Cutout], model: np.ndarray, given: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (N, M) and chi2 (N,); `model` (N, B + P, M) in the bands of images and photometry."""
    measured = [_measured(c, asked) for c in cutouts]
    flux, error = np.stack([m[0] for m in measured]), np.stack([m[1] for m in measured])
    n, b = len(cutouts), len(asked.present)
    weights, chi2 = np.zeros((n, model.shape[-1])), np.zeros(n)
    fit = (np.isfinite(error).sum(axis=1) >= 2) & asked.free
    if fit.any():
        weights[fit] = sed_weights(flux[fit], error[fit], model[fit])
        gone = flux[fit] - (model[fit] @ weights[fit][..., None])[..., 0]
        chi2[fit] = ((gone / error[fit]) ** 2).sum(axis=1)
    rows = np.arange(n)
    for i in rows[~(weights.sum(axis=1) > 0)]:  # not fitted, or no light to fit: the spectrum given
        own = model[i, :b, given[i]]
        weights[i, given[i]] = max(flux[i, :b].sum(), 1e-3 * np.abs(flux[i, :b]).sum(), 1e-9) / own.sum()
        chi2[i] = 0.0
    return weights, chi2


def _measured(cutout: Cutout, asked: RedshiftRequest) -> tuple[np.ndarray, np.ndarray]:
    """Flux and error (B + P,) of the galaxy's own pixels; infinite error where not known."""
    body = np.ones(cutout.image.shape[1:], dtype=bool) if cutout.body is None else cutout.body
    flux = cutout.image[:, body].sum(axis=1)
    noise = cutout.noise * np.sqrt(body.sum())
    more = np.array([cutout.photometry.get(b, np.nan) for b in asked.photometry])
    measured = np.isfinite(more)
    flux = np.concatenate([flux, np.where(measured, more, 0.0)])
    error = np.hypot(np.concatenate([noise, np.zeros(len(more))]), asked.fit.floor * np.abs(flux))
    error = np.maximum(error, 1e-6 * np.abs(flux).max(initial=1e-12))
    error[len(noise) :][~measured] = np.inf
    return flux, error


def _k(
    asked: RedshiftRequest, flux: np.ndarray, weights: np.ndarray, absolute: np.ndarray, z: np.ndarray
) -> np.ndarray:
    """(N, C): m = M + DM + K (Hogg et al. 2002, astro-ph/0210394, eq. 2)."""
    nearer = (luminosity_distance(z, asked.cosmology) / TEN_PARSEC_MPC) ** 2
    apparent = np.maximum((flux @ weights[..., None])[..., 0], 1e-300)
    return -2.5 * np.log10(apparent * nearer[:, None] / absolute[:, None])


def pivot(band: str) -> float:
    """Pivot wavelength of a band in Angstrom."""
    wave, throughput = curve(band)
    middle, step = 0.5 * (wave[1:] + wave[:-1]), np.diff(wave)
    photons = 0.5 * (throughput[1:] + throughput[:-1]) * step
    return float(np.sqrt((photons * middle).sum() / (photons / middle).sum()))
