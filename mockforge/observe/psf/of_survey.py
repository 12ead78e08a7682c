"""The PSF of a survey's bands: before the pixel, and in its images, pixel included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from mockforge.errors import InputError
from mockforge.observe.psf.models import (
    PsfModel,
    Rings,
    effective_area,
    gaussian,
    moffat,
    profile_model,
    with_pixels,
)
from mockforge.observe.psf.spec import Gaussian, Moffat, Psf
from mockforge.observe.surveys.profiles import profile
from mockforge.observe.surveys.read import survey
from mockforge.observe.surveys.spec import Survey


def survey_psf(name: str, bands: Sequence[str]) -> Psf:
    """Return the PSF of a survey in its `bands`, before the pixel: its profile, Moffat function or Gaussian.

    Parameters
    ----------
    name : str
        A survey that comes with the package, or the path of a survey's YAML file.
    bands : sequence of str
        Bands of the survey.

    Raises
    ------
    InputError
        Where the survey lacks a band or the width of its PSF.
    """
    chosen = survey(name)
    profiles = [chosen.band(band).psf for band in bands]
    if all(psf is not None for psf in profiles):
        return Psf(profile=tuple(profile(psf) if isinstance(psf, str) else psf for psf in profiles))  # type: ignore[misc]
    if any(psf is not None for psf in profiles):
        raise InputError(f"{chosen.title}: give `psf` for all of {', '.join(bands)}, or for none")
    widths = tuple(optics_fwhm_arcsec(chosen, band) for band in bands)
    if chosen.moffat_beta is not None:
        return Psf(moffat=Moffat(fwhm_arcsec=widths, beta=chosen.moffat_beta))
    return Psf(gaussian=Gaussian(fwhm_arcsec=widths))


def psf_model(survey: Survey, band: str) -> PsfModel:
    """Return the PSF of a band before the pixel. InputError where its width is not known."""
    own = survey.band(band).psf
    if own is not None:
        return profile_model(profile(own) if isinstance(own, str) else own)
    return _round(optics_fwhm_arcsec(survey, band), survey.moffat_beta)


def optics_fwhm_arcsec(survey: Survey, band: str) -> float:
    """FWHM of a band's PSF before the pixel. InputError where it is not known."""
    numbers = survey.band(band)
    if numbers.psf is not None:
        return Rings.of(psf_model(survey, band)).fwhm()
    if numbers.fwhm_arcsec is None:
        raise InputError(
            f"{survey.title}: the width of its PSF in {band} is not known; give a PSF of your own"
        )
    if not survey.fwhm_includes_pixel:
        return numbers.fwhm_arcsec
    return _before_pixel(numbers.fwhm_arcsec, survey.moffat_beta, survey.pixel_scale_arcsec)


def image_fwhm_arcsec(survey: Survey, band: str) -> float | None:
    """FWHM of the PSF in the survey's images, pixel included; None where it is not known."""
    numbers = survey.band(band)
    if numbers.fwhm_arcsec is not None and survey.fwhm_includes_pixel:
        return numbers.fwhm_arcsec
    if numbers.fwhm_arcsec is None and numbers.psf is None:
        return None
    return _rings(psf_model(survey, band), survey.pixel_scale_arcsec).fwhm()


def star_area_arcsec2(survey: Survey, band: str) -> float:
    """Return the area over which a star of the survey's images gathers noise.

    It is 1 / integral of the squared PSF, pixel included (King 1983, PASP 95, 163).
    """
    pixels = survey.band(band).n_eff_pixels
    if pixels is not None:
        return pixels * survey.pixel_scale_arcsec**2
    return _area(psf_model(survey, band), survey.pixel_scale_arcsec)


def encircled_share(survey: Survey, band: str, radius_arcsec: float) -> float:
    """Share of a star's light within a radius in the survey's images."""
    return float(_rings(psf_model(survey, band), survey.pixel_scale_arcsec).inside(np.array(radius_arcsec)))


def _round(fwhm: float, beta: float | None) -> PsfModel:
    return gaussian(fwhm) if beta is None else moffat(fwhm, beta)


@lru_cache(maxsize=256)
def _rings(model: PsfModel, pixel: float) -> Rings:
    return Rings.of(with_pixels(model, pixel))


@lru_cache(maxsize=256)
def _area(model: PsfModel, pixel: float) -> float:
    return effective_area(with_pixels(model, pixel))


@lru_cache(maxsize=256)
def _before_pixel(fwhm: float, beta: float | None, pixel: float) -> float:
    """Return the FWHM of the Gaussian or Moffat function that has `fwhm` after square pixels.

    It is the mean of all directions. InputError where a pixel alone is as wide.
    """
    from scipy.optimize import brentq

    def excess(width: float) -> float:
        return Rings.of(with_pixels(_round(width, beta), pixel)).fwhm() - fwhm

    if pixel >= 0.95 * fwhm:
        raise InputError(
            f"a FWHM of {fwhm:g} arcsec is not wider than a pixel of {pixel:g} arcsec; set"
            " fwhm_includes_pixel: false where it is that of the light before the pixel"
        )
    guess = math.sqrt(fwhm**2 - 0.9 * pixel**2 * 8.0 * math.log(2.0) / 12.0)
    width = brentq(excess, 0.8 * guess, min(1.2 * guess, 1.01 * fwhm), xtol=1e-5 * fwhm)
    return float(width)  # type: ignore[arg-type]
