"""The sky noise of a survey: one function for everything that makes, matches or lists it.

What is known of a band comes first as measured on its images: the rms of a pixel, and the correlation
of neighbouring pixels. Where no image could be measured, a limiting magnitude is converted with the
survey's PSF, wings and pixel included. In other pixels than the survey's own, the noise of an area
stays, and so does its correlation length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError
from mockforge.observe.noise.correlation import drizzle_autocorrelation
from mockforge.observe.noise.depth import rms_of_aperture_depth, rms_of_area_depth
from mockforge.observe.psf.of_survey import encircled_share, star_area_arcsec2
from mockforge.observe.surveys.spec import Survey, SurveyBand

_LEAST = 1e-3
"""Correlations below this are left out."""


@dataclass(frozen=True)
class SkyNoise:
    """Noise of empty sky in pixels of one size."""

    rms_njy: float
    """Of a pixel."""
    autocorrelation: np.ndarray | None
    """(2L+1, 2L+1), 1 at the centre; None: white."""
    measured: bool
    """On images of the survey; else converted from a limiting magnitude."""

    @property
    def lag1(self) -> float:
        """Correlation of neighbouring pixels."""
        if self.autocorrelation is None or len(self.autocorrelation) < 3:
            return 0.0
        middle = len(self.autocorrelation) // 2
        return float(self.autocorrelation[middle, middle + 1])

    @property
    def white_njy(self) -> float:
        """Rms of the white noise that has the same noise over large areas."""
        total = 1.0 if self.autocorrelation is None else float(self.autocorrelation.sum())
        return self.rms_njy * math.sqrt(max(total, 0.0))


def sky_noise(
    survey: Survey,
    band: str,
    pixel_scale_arcsec: float | None = None,
    autocorrelation: np.ndarray | None = None,
) -> SkyNoise:
    """Return the noise of empty sky of a survey's band in pixels of a size.

    Parameters
    ----------
    survey : Survey
        From `mockforge.observe.surveys.read.survey`.
    band : str
        One of its bands.
    pixel_scale_arcsec : float or None
        Side of the pixels; None: the survey's own.
    autocorrelation : numpy.ndarray, (2L+1, 2L+1), or None
        Takes the place of the survey's, for noise with another correlation that is the same over large
        areas; `np.ones((1, 1))` is white noise.

    Raises
    ------
    InputError
        Where the survey has no such band, or the lags do not add up to more than 0.
    """
    numbers = survey.band(band)
    own = survey.pixel_scale_arcsec
    scale = pixel_scale_arcsec or own
    if numbers.lag1_correlation:
        noise = _smoothed(numbers, _own_rms(survey, band, _smooth(numbers, own, own)[1]), own, scale)
    else:
        noise = _drizzled(numbers, _own_rms(survey, band, _tied(numbers, own)), own, scale)
    if autocorrelation is None:
        return noise
    total = float(autocorrelation.sum())
    if not total > 0:
        raise InputError(
            f"correlation: its lags add up to {total:.3g}, so that over large areas there would be no noise,"
            " and a survey has some; give lags that add up to more than 0"
        )
    # A sum over the lags of the survey's noise at its own pixels, where they were measured.
    level = sky_noise(survey, band).white_njy * scale / own if scale != own else noise.white_njy
    return SkyNoise(level / math.sqrt(total), autocorrelation, noise.measured)


def _own_rms(survey: Survey, band: str, tied: np.ndarray | None) -> float:
    """Rms of the survey's own pixels: as measured, or from its limiting magnitude."""
    numbers, kind, scale = survey.band(band), survey.depth, survey.pixel_scale_arcsec
    if numbers.rms_njy is not None:
        return numbers.rms_njy
    magnitude = numbers.depth_ab
    assert magnitude is not None  # SurveyBand has seen to it
    if kind.aperture_arcsec is None:
        area = star_area_arcsec2(survey, band)
        return rms_of_area_depth(magnitude, scale, area, sigma=kind.sigma, autocorrelation=tied)
    share = encircled_share(survey, band, 0.5 * kind.aperture_arcsec) if kind.total else 1.0
    aperture = kind.aperture_arcsec
    return share * rms_of_aperture_depth(magnitude, scale, aperture, sigma=kind.sigma, autocorrelation=tied)


def _tied(numbers: SurveyBand, scale: float) -> np.ndarray | None:
    return None if numbers.drop_arcsec is None else drizzle_autocorrelation(numbers.drop_arcsec / scale)


def _drizzled(numbers: SurveyBand, rms: float, own: float, scale: float) -> SkyNoise:
    """White noise, or that of drizzled drops: the same over large areas in pixels of any size."""
    tied_own, tied_out = _tied(numbers, own), _tied(numbers, scale)
    level = SkyNoise(rms, tied_own, True).white_njy * scale / own
    return SkyNoise(level / SkyNoise(1.0, tied_out, True).white_njy, tied_out, numbers.rms_njy is not None)


def _smoothed(numbers: SurveyBand, rms: float, own: float, scale: float) -> SkyNoise:
    """Noise as after resampling: white noise smoothed by a Gaussian, averaged over larger pixels."""
    spread, tied = _smooth(numbers, own, scale)
    return SkyNoise(rms * (scale / own) ** 2 * spread, tied, numbers.rms_njy is not None)


def _smooth(numbers: SurveyBand, own: float, scale: float) -> tuple[float, np.ndarray]:
    """Rms of a mean over pixels of `scale` for noise of rms 1 in the survey's, and its autocorrelation.

    In the survey's own pixels the correlation at a lag of x is exp(-(x / a)^2), which is what
    Gaussian smoothing leaves and what measured correlations follow: XDF 0.53, 0.08; COSMOS 0.48,
    0.05, and 0.23 on the diagonal. A pixel s > own averages over a box of side b, b^2 = s^2 - own^2,
    more; the mean over two boxes at x covaries as (F(x + b) - 2 F(x) + F(x - b)) / b^2, F'' = exp.
    """
    from scipy.special import erf

    assert numbers.lag1_correlation is not None
    a = own / math.sqrt(-math.log(numbers.lag1_correlation))
    b = math.sqrt(max(scale**2 - own**2, 0.0))
    lags = max(1, math.ceil((a * math.sqrt(-math.log(_LEAST)) + b) / scale))
    x = scale * np.arange(lags + 1)

    def twice(x: np.ndarray) -> np.ndarray:
        return 0.5 * a * (math.sqrt(math.pi) * x * erf(x / a) + a * np.exp(-((x / a) ** 2)))

    row = np.exp(-((x / a) ** 2)) if b < 0.05 * a else (twice(x + b) - 2 * twice(x) + twice(x - b)) / b**2
    row = np.where(row < _LEAST * row[0], 0.0, row)
    profile = np.concatenate([row[:0:-1], row]) / row[0]
    return float(row[0]), profile[:, None] * profile[None, :]
