"""The PSF that is requested of a sky, on its pixels: a width, a survey's, or any PSF."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.observe.psf.models import PsfModel, with_pixels
from mockforge.observe.psf.of_survey import psf_model
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Psf
from mockforge.sgan.instrument.psf import LEAST_SIDE, SIDE, PixelPsf, together
from mockforge.sgan.instrument.sampling import samples_wanted
from mockforge.sgan.paint.asked import Banded, by_band, survey_of


def psf_on_sky(
    model: Banded, own: PixelPsf, seeing: Any, pixels_per_native: float, scale_arcsec: float | None
) -> PixelPsf:
    """Return the PSF of a sky, sampled on its pixels; finer where they are too coarse for it.

    Parameters
    ----------
    model
        Of the sky: its name and bands.
    own : PixelPsf
        The model's, on its native grid.
    seeing
        None: the model's own. A FWHM of stars in arcsec (pixel included), a survey, or either by band: the
        model's own PSF as wide as that, wings and all, or the survey's. A `Psf` or a `PixelPsf`: that one.
    pixels_per_native : float
        Pixels of the sky to one of the native grid.
    scale_arcsec : float or None
        Pixel scale of the sky.

    Raises
    ------
    InputError
        For a band or survey that does not exist, a width below a pixel's, arcsec where the model's pixel
        scale is not known, and a PSF of other bands or pixels.
    """
    if isinstance(seeing, PixelPsf):
        return _given(model, seeing, scale_arcsec)
    if isinstance(seeing, Psf):
        scale = known_scale("seeing", model, scale_arcsec)
        return together([_fine(m, scale) for m in models(seeing, model.bands)])
    resampled = own.resampled(pixels_per_native)
    if seeing is None:
        return resampled
    scale = known_scale("seeing", model, scale_arcsec)
    planes = []
    for i, value in enumerate(by_band("seeing", model, seeing, lambda v: v > 0, "a FWHM in arcsec above 0")):
        band = resampled.band(i)
        if isinstance(value, str):
            chosen, name = survey_of("seeing", model, value, model.bands[i])
            band = _fine(psf_model(chosen, name), scale)
        elif value is not None:
            band = _as_wide(model, i, band, float(value) / scale)
        planes.append(band)
    return replace(together(planes), pixel_scale_arcsec=scale)


def known_scale(name: str, model: Banded, scale_arcsec: float | None) -> float:
    """Return the pixel scale; InputError where it is not known."""
    if not scale_arcsec:
        raise InputError(f"{name}: the pixel scale of {model.name} is not known, so that arcsec mean nothing")
    return scale_arcsec


def _fine(model: PsfModel, scale: float) -> PixelPsf:
    """Return a PSF on pixels, with as many samples in each as it is sharp for them."""

    def drawn(n: int, side: int) -> np.ndarray:
        return sampled([with_pixels(model, scale / n)], scale / n, side).image

    n = samples_wanted(lambda n: drawn(n, LEAST_SIDE))
    return PixelPsf(drawn(n, n * SIDE + 1 - n % 2), scale, n)


def sampled(bands: list[PsfModel], scale_arcsec: float, side: int = SIDE) -> PixelPsf:
    """Return PSFs, pixel included, sampled on pixels of a size: (C, side, side)."""
    wide = 2 * side
    turn = 2.0 * np.pi / scale_arcsec
    ky, kx = turn * np.fft.fftfreq(wide)[:, None], turn * np.fft.fftfreq(wide)[None]
    half = side // 2
    cut = np.s_[side - half : side + half + 1]
    planes = []
    for model in bands:
        # What lies beyond the Nyquist frequency folds back on it, as pixels do with light.
        grids = [model.at(kx + turn * i, ky + turn * j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        plane = np.fft.fftshift(np.fft.ifft2(np.sum(grids, axis=0)).real)[cut, cut]
        planes.append(plane / plane.sum())
    return PixelPsf(np.stack(planes), scale_arcsec)


def _as_wide(model: Banded, band: int, psf: PixelPsf, fwhm_pix: float) -> PixelPsf:
    try:
        return psf.scaled(fwhm_pix)
    except InputError as error:
        raise InputError(f"seeing: {model.bands[band]}: {error}") from error


def _given(model: Banded, psf: PixelPsf, scale_arcsec: float | None) -> PixelPsf:
    if psf.bands != len(model.bands):
        raise InputError(
            f"seeing: the PSF has {psf.bands} bands, {model.name} has {', '.join(model.bands)}; give one each"
        )
    if psf.pixel_scale_arcsec and scale_arcsec:
        return psf.resampled(psf.pixel_scale_arcsec / scale_arcsec)
    return psf
