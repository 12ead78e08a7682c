"""From a real field to what a SGAN trains on: sky-subtracted pixels, a mask, the instrument."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.robust import sigma_mad
from mockforge.label.bright import bright, grown, sources
from mockforge.label.extract import less_background
from mockforge.label.seeing import star_fwhm
from mockforge.observe.measure import local_rms, noise_autocorrelation, noise_kernel
from mockforge.observe.noise.photons import electrons_per_unit
from mockforge.sgan.config import InstrumentChoice
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.training_field import Cut, cut_out


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
    sources: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    """(n, 2) y, x of everything above 1.5 sigma on the mean of the bands, outside the mask."""


def prepare(image: np.ndarray, mask: np.ndarray | None, cut: Cut, choice: InstrumentChoice) -> Prepared:
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
    fwhm = choice.psf_fwhm_pix or star_fwhm(flat, mask, table)
    if len(fwhm) != len(flat):
        raise InputError(
            f"instrument.psf_fwhm_pix has {len(fwhm)} values, the field {len(flat)} bands; give one each"
        )
    instrument = _instrument(flat, mask, free, fwhm, choice)
    return Prepared(
        image=_saturated(flat, instrument),
        mask=mask,
        instrument=instrument,
        psf_fwhm_pix=fwhm,
        clip=tuple((float(b[~mask].min()), float(np.percentile(b[~mask], 99.99))) for b in flat),
        sources=_outside(table, mask),
    )


def _outside(sources: Any, mask: np.ndarray) -> np.ndarray:
    """Places (n, 2) of the sources that are not masked."""
    places = np.stack([sources["y"], sources["x"]], axis=1)
    y, x = (np.clip(np.rint(p).astype(int), 0, n - 1) for p, n in zip(places.T, mask.shape, strict=True))
    return places[~mask[y, x]]


def _instrument(
    flat: np.ndarray, mask: np.ndarray, free: np.ndarray, fwhm: tuple[float, ...], choice: InstrumentChoice
) -> Instrument:
    kernels, rms, electrons = [], [], []
    for band, width in zip(flat, fwhm, strict=True):
        sigma = float(sigma_mad(band[free]))
        sky = free & (np.abs(band) < 4.0 * sigma)
        rms.append(sigma)
        kernels.append(noise_kernel(noise_autocorrelation(band, sky, choice.noise_lags)))
        if choice.photon_noise == "measured":
            electrons.append(electrons_per_unit(band, mask, sky, sigma, width))
    widths = [f for f in fwhm if np.isfinite(f)]
    fixed = [0.0] * len(fwhm)
    if choice.psf == "measured" and widths:
        fixed = [choice.psf_fraction * (f if np.isfinite(f) else float(np.median(widths))) for f in fwhm]
    return Instrument(
        rms_njy=tuple(rms),
        psf_fwhm_pix=tuple(fixed),
        noise_kernel=tuple(tuple(tuple(float(v) for v in row) for row in k) for k in kernels),
        rms_map=tuple(local_rms(band, free, choice.rms_mesh) for band in flat),
        rms_mesh=choice.rms_mesh,
        electrons_per_njy=tuple(electrons) if any(electrons) else (),
        saturation_njy=_saturation(choice, len(flat)),
    )


def _saturation(choice: InstrumentChoice, bands: int) -> tuple[float, ...]:
    """Return the most a pixel of each band holds.

    Infinite where none is given, empty where no band has one.
    """
    limit = choice.saturation_njy
    limits = limit if isinstance(limit, tuple) else (limit,) * bands
    if len(limits) != bands:
        raise InputError(
            f"instrument.saturation_njy has {len(limits)} numbers, the field {bands} bands; "
            "give one for all or one each, 0 for a band that never saturates"
        )
    return tuple(v if v > 0 else math.inf for v in limits) if any(limits) else ()


def _saturated(flat: np.ndarray, instrument: Instrument) -> np.ndarray:
    """Return the field cut where the instrument cuts what is painted: saturated pixels scatter about it."""
    if not instrument.saturation_njy:
        return flat
    return np.minimum(flat, np.asarray(instrument.saturation_njy, dtype=np.float32)[:, None, None])
