"""What a redshifter is compared with: nothing done, bands moved, geometry, and a classical fit."""

from __future__ import annotations

import numpy as np

from mockforge.evaluate.redshift.sersic_fit import fit_sersics, paint
from mockforge.evaluate.redshift.truth import Made, MeasuredPairs
from mockforge.evaluate.report.radii import half_light_radii
from mockforge.observe.psf.spec import Psf
from mockforge.observe.psf.transfer import Transfer, transfer
from mockforge.photometry.cosmology import size_factor
from mockforge.photometry.fluxes import sed_fluxes, spectrum_set
from mockforge.photometry.kcorrect import sed_weights
from mockforge.tasks.redshifter.geometry import FirstGuess, Geometry, pivot_wavelengths

IDENTITY, BAND_SHIFT, GEOMETRY, SERSIC = (
    "identity",
    "band shift only",
    "band shift, size, distance",
    "Sersic fit",
)
WHAT = {
    IDENTITY: "the input, unchanged",
    BAND_SHIFT: "each band takes what the input has at the wavelength that moves into it, interpolated "
    "between bands and times (1 + z_out) / (1 + z_in); same size and distance",
    GEOMETRY: "that, scaled to the angular size and to the luminosity distance of z_out: all that needs "
    "no knowledge of galaxies",
    SERSIC: "a Sersic profile fitted to all bands of the input at once, with the PSF where there is one; "
    "spectra fitted to its fluxes; drawn at z_out",
}
_MODEL_ERROR = 0.01
"""Of a spectrum's fluxes: how well any of the spectra is taken to fit."""


def baselines(pairs: MeasuredPairs) -> dict[str, np.ndarray]:
    """Name -> predictions (N,C,H,W) float32 in nJy."""
    import torch

    guess = FirstGuess(Geometry(pivot_wavelengths(pairs.bands), pairs.made.cosmology))
    image = torch.from_numpy(pairs.image)
    z_in, z_out = (torch.from_numpy(z) for z in (pairs.z_in, pairs.z_out))
    shifted = torch.einsum("ncd,ndhw->nchw", guess.band_shift(z_in, z_out).float(), image)
    return {
        IDENTITY: pairs.image,
        BAND_SHIFT: shifted.numpy(),
        GEOMETRY: guess(image, z_in, z_out).numpy(),
        SERSIC: sersic_prediction(pairs),
    }


def sersic_prediction(pairs: MeasuredPairs) -> np.ndarray:
    """Return the analytic answer for a Sersic fit: (N,C,H,W) float32 in nJy."""
    simulation, shape = pairs.made, (pairs.image.shape[2], pairs.image.shape[3])
    weighted = (pairs.image / pairs.sigma[:, :, None, None]).sum(axis=1, keepdims=True)
    radius = np.nan_to_num(half_light_radii(weighted, pairs.centre)[:, 0], nan=3.0).clip(1.0, min(shape) / 4)
    psf_in, psf_out = (_transfer(psf, pairs, shape) for psf in (simulation.psf_in, simulation.psf_out))
    fit = fit_sersics(pairs.image.astype(np.float64), pairs.sigma, pairs.centre, radius, psf_in)
    shifted = fit.parameters.copy()
    shifted[:, 2] += np.log(size_factor(pairs.z_in, pairs.z_out, simulation.cosmology))
    flux = fluxes_at(fit.flux, fit.error, pairs.z_in, pairs.z_out, pairs.bands, simulation)
    return paint(shifted, flux, shape, psf_out)


def fluxes_at(
    flux: np.ndarray,
    error: np.ndarray,
    z_in: np.ndarray,
    z_out: np.ndarray,
    bands: tuple[str, ...],
    made: Made,
) -> np.ndarray:
    """Fluxes (N,C) in nJy at z_out of spectra fitted to fluxes (N,C) at z_in.

    One spectrum, freely scaled, where one fits (chi squared per band below 2); else the mixture
    of all spectra with weights >= 0 that fits best. A hundredth of each flux is added to its
    error: no set of spectra is better than that.
    """
    n, m = len(flux), len(spectrum_set(made.spectra, made.cosmology).names)
    spectrum = np.tile(np.arange(m), n)
    z_before, z_after = z_in.repeat(m), z_out.repeat(m)
    age_after = z_after if made.evolving else z_before

    def seen(age: np.ndarray, z: np.ndarray) -> np.ndarray:
        sed_flux = sed_fluxes(made.spectra, bands, age, z, spectrum, cosmology=made.cosmology, igm=made.igm)
        return sed_flux.reshape(n, m, -1)

    flux_before, flux_after = seen(z_before, z_before), seen(age_after, z_after)
    sigma = np.hypot(error, _MODEL_ERROR * np.abs(flux)) + 1e-30

    scaled, observed = flux_before / sigma[:, None], flux / sigma
    amplitude = np.einsum("nmc,nc->nm", scaled, observed) / np.maximum((scaled**2).sum(axis=2), 1e-300)
    chi = ((observed[:, None] - amplitude.clip(0)[..., None] * scaled) ** 2).mean(axis=2)
    best = chi.argmin(axis=1)
    rows = np.arange(n)
    single = amplitude.clip(0)[rows, best][:, None] * flux_after[rows, best]
    weights = sed_weights(flux, sigma, np.swapaxes(flux_before, 1, 2))
    mixed = np.einsum("nm,nmc->nc", weights, flux_after)
    return np.where((chi[rows, best] < 2.0)[:, None], single, mixed)


def _transfer(psf: Psf | None, pairs: MeasuredPairs, shape: tuple[int, int]) -> Transfer | None:
    if psf is None:
        return None

    return transfer(psf, pairs.bands, pairs.pixel_scale_arcsec, shape)
