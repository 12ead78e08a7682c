"""From a real field to what the published SGAN trains on: sky-subtracted pixels, a mask, what is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.field.robust import sigma_mad
from mockforge.label.bright import bright, grown, sources
from mockforge.label.extract import less_background
from mockforge.label.seeing import star_fwhm
from mockforge.observe.measure import noise_autocorrelation, noise_kernel
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.training_field import Cut, cut_out

_LAGS = 4
"""Pixels to which the noise's autocorrelation is measured, for the card."""


@dataclass(frozen=True)
class Prepared:
    """A field ready for training: `image` (band, y, x), `mask` (y, x), the instrument."""

    image: np.ndarray
    mask: np.ndarray
    instrument: Instrument
    psf_fwhm_pix: tuple[float, ...]
    """Per band, FWHM of the stars' cores; NaN where there are too few stars."""
    clip: tuple[tuple[float, float], ...]
    """Per band, the minimum and the 99.99th percentile: the published scaling."""


def prepare(image: np.ndarray, mask: np.ndarray | None, cut: Cut) -> Prepared:
    """Subtract the background, mask what must not be learned, measure noise and PSF.

    `image` (band, y, x) float32, `mask` (y, x) bool or None. Uses `sep` (Bertin & Arnouts
    1996). Raises InputError where the field leaves nothing to train on.
    """
    image, mask = cut_out(image, mask, cut)
    flat = less_background(image, mask, cut.background_mesh)
    table, labels, _ = sources(flat, mask)
    if cut.mask_peaks_above is not None:
        mask |= bright(flat, labels, cut.mask_peaks_above, cut.mask_grow)
    free = ~grown(labels > 0, 3) & ~mask
    fwhm = star_fwhm(flat, mask, table)
    return Prepared(
        image=flat,
        mask=mask,
        instrument=_instrument(flat, free, fwhm),
        psf_fwhm_pix=fwhm,
        clip=tuple((float(b[~mask].min()), float(np.percentile(b[~mask], 99.99))) for b in flat),
    )


def _instrument(flat: np.ndarray, free: np.ndarray, fwhm: tuple[float, ...]) -> Instrument:
    kernels, rms = [], []
    for band in flat:
        sigma = float(sigma_mad(band[free]))
        sky = free & (np.abs(band) < 4.0 * sigma)
        rms.append(sigma)
        kernels.append(noise_kernel(noise_autocorrelation(band, sky, _LAGS)))
    return Instrument(
        rms_njy=tuple(rms),
        psf_fwhm_pix=tuple(f if np.isfinite(f) else 0.0 for f in fwhm),
        noise_kernel=tuple(tuple(tuple(float(v) for v in row) for row in k) for k in kernels),
    )
