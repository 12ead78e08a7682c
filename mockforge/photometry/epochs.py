"""The light of a galaxy's parts at two redshifts: spectra, magnitude, distance, evolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mockforge.photometry.cosmology import flux_factor, luminosity_distance
from mockforge.photometry.fluxes import absolute_fluxes, sed_fluxes
from mockforge.photometry.igm import Igm
from mockforge.photometry.spectra.spec import Spectra
from mockforge.units import ZEROPOINT_NJY

TEN_PARSEC_MPC = 1e-5
"""The distance of absolute magnitudes."""


@dataclass(frozen=True)
class Epochs:
    """What lies between the two redshifts of each galaxy: (N,) redshifts and the switches."""

    z_in: np.ndarray
    z_out: np.ndarray
    cosmology: str
    igm: Igm
    evolving: bool
    angular_size: bool
    dimming: bool
    band_shift: bool
    luminosity_evolution: float
    """Magnitudes per unit redshift; negative brightens."""


@dataclass(frozen=True)
class Light:
    """Fluxes of N galaxies of K parts in C bands, nJy, float64."""

    sed_in: np.ndarray
    """(N, C, K)"""
    sed_out: np.ndarray
    """(N, C, K)"""
    absolute_in: np.ndarray
    """(N,) absolute AB magnitude in the reference band at z_in"""
    absolute_out: np.ndarray
    """(N,) the same at z_out, with evolution"""
    k_in: np.ndarray
    """(N, C) K-correction from the reference band, magnitudes"""
    k_out: np.ndarray
    """(N, C)"""


@dataclass(frozen=True)
class Magnitudes:
    """Magnitudes of N galaxies in one band."""

    value: np.ndarray
    """(N,) AB magnitude of the whole galaxy."""
    kind: Literal["absolute", "apparent"]
    """In the rest frame, or as observed at z_in."""
    band: str


def light(
    spectra: tuple[Spectra, ...],
    spectrum: np.ndarray,
    weight: np.ndarray,
    magnitude: Magnitudes,
    bands: tuple[str, ...],
    epochs: Epochs,
) -> Light:
    """Fluxes of every part of every galaxy at z_in and z_out.

    `spectra` (K,) are the spectra each part draws from, `spectrum` (N, K) its row there, `weight`
    (N, K) its share of the rest-frame light in the band of `magnitude` at z_in (a row sums to 1).

    Flux falls with the square of the luminosity distance, which is angular size and dimming
    together; each can be off. K-corrections follow Hogg et al. 2002 (astro-ph/0210394), eq. 2:
    m = M + DM + K; they are those of the spectra, whatever is switched off.
    """
    z_seen, band = epochs.z_out if epochs.band_shift else epochs.z_in, magnitude.band
    age = epochs.z_out if epochs.evolving else epochs.z_in
    scale = _scales(spectra, spectrum, weight, band, epochs)  # every galaxy's magnitude is 0 so far
    fluxes = 10.0 ** (0.4 * (ZEROPOINT_NJY - magnitude.value))
    if magnitude.kind == "apparent":
        fluxes = fluxes / _seen(spectra, spectrum, (band,), epochs.z_in, epochs.z_in, scale, epochs)[
            :, 0
        ].sum(-1)
    scale = scale * fluxes[:, None]
    change = flux_factor(
        epochs.z_in, epochs.z_out, epochs.cosmology, angular_size=epochs.angular_size, dimming=epochs.dimming
    ) / flux_factor(epochs.z_in, z_seen, epochs.cosmology)
    change = change * 10.0 ** (-0.4 * epochs.luminosity_evolution * (epochs.z_out - epochs.z_in))
    sed_in = _seen(spectra, spectrum, bands, epochs.z_in, epochs.z_in, scale, epochs)
    sed_out = _seen(spectra, spectrum, bands, age, z_seen, scale, epochs)
    absolute_in = scale * _rest(spectra, spectrum, band, epochs.z_in, epochs)
    absolute_out = scale * _rest(spectra, spectrum, band, age, epochs)
    true_out = sed_out
    if not epochs.band_shift:
        true_out = _seen(spectra, spectrum, bands, age, epochs.z_out, scale, epochs)
    faded = -epochs.luminosity_evolution * (epochs.z_out - epochs.z_in)
    return Light(
        sed_in=sed_in,
        sed_out=sed_out * change[:, None, None],
        absolute_in=ZEROPOINT_NJY - 2.5 * np.log10(absolute_in.sum(-1)),
        absolute_out=ZEROPOINT_NJY - 2.5 * np.log10(absolute_out.sum(-1)) - faded,
        k_in=_k(sed_in, absolute_in, epochs.z_in, epochs.cosmology),
        k_out=_k(true_out, absolute_out, epochs.z_out, epochs.cosmology),
    )


def _scales(
    spectra: tuple[Spectra, ...], spectrum: np.ndarray, weight: np.ndarray, band: str, epochs: Epochs
) -> np.ndarray:
    """Factor (N, K) on each part's spectrum that gives it its share of 1 nJy at 10 pc in `band`."""
    return weight / _rest(spectra, spectrum, band, epochs.z_in, epochs)


def _rest(
    spectra: tuple[Spectra, ...], spectrum: np.ndarray, band: str, age: np.ndarray, epochs: Epochs
) -> np.ndarray:
    """Flux (N, K) at 10 pc in the rest frame, unscaled."""
    parts = [
        absolute_fluxes(s, band, age, spectrum[:, k], cosmology=epochs.cosmology)
        for k, s in enumerate(spectra)
    ]
    return np.stack(parts, axis=1)


def _seen(
    spectra: tuple[Spectra, ...], spectrum: np.ndarray, bands: tuple[str, ...], age: np.ndarray,
    z: np.ndarray, scale: np.ndarray, epochs: Epochs,
) -> np.ndarray:  # fmt: skip
    """Flux (N, C, K) in nJy of the parts, of the population at redshift `age`, seen at `z`."""
    parts = [
        sed_fluxes(s, bands, age, z, spectrum[:, k], cosmology=epochs.cosmology, igm=epochs.igm)
        for k, s in enumerate(spectra)
    ]
    return np.stack(parts, axis=2) * scale[:, None, :]


def _k(flux: np.ndarray, absolute: np.ndarray, z: np.ndarray, cosmology: str) -> np.ndarray:
    nearer = (luminosity_distance(z, cosmology) / TEN_PARSEC_MPC) ** 2
    return -2.5 * np.log10(flux.sum(-1) * nearer[:, None] / absolute.sum(-1)[:, None])
