"""Noise: what a detector and a sky add to a noiseless image, per band and per pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from mockforge.config import Count, Limit, NonNegative, Positive, Varying, config, fixed
from mockforge.errors import InputError, nearest
from mockforge.field.field import ZEROPOINT_NJY
from mockforge.observe.noise.correlation import Correlation, autocorrelation_of, checked, one_of, stacked
from mockforge.observe.noise.depth import encircled, rms_of_aperture_depth, rms_of_psf_depth, with_pixel
from mockforge.observe.noise.pixels import PixelNoise
from mockforge.observe.noise.sky_noise import sky_noise
from mockforge.observe.surveys.read import own_files, survey
from mockforge.observe.surveys.spec import SurveyBand
from mockforge.units import electrons_per_njy

PerBand = float | tuple[float, ...]
"""One number for every band, or one number per band in the order of the bands."""


_GAIN_WANTED = "give electrons_per_njy, or zeropoint_e and exposure_s, or take `shot` out"
_GAINS = ("electrons_per_njy", "zeropoint_e", "exposure_s")


@config
class Depth:
    """A limiting magnitude: how bright a source is measured at `sigma`."""

    magnitude: PerBand
    """AB magnitude of the limit."""
    sigma: Positive = 5.0
    """Flux over its error at that magnitude."""
    aperture_arcsec: Positive | None = None
    """Diameter of the aperture the limit is for; null: a point source, weighted by its PSF."""
    total: bool = False
    """With an aperture: the magnitude is a point source's total one, not the flux in the aperture."""
    fwhm_arcsec: PerBand | None = None
    """FWHM of the PSF the limit is for, pixel included; null: the PSF of the image, in its pixels."""


@config
class Ccd:
    """A detector under a sky: its noise is the Poisson noise of everything it counts, and its read noise."""

    sky_mag_arcsec2: PerBand
    """Brightness of the sky, AB magnitude in a square arcsec."""
    zeropoint_e: PerBand
    """AB magnitude of a source that gives one electron a second."""
    exposure_s: PerBand
    """Time of all exposures together, seconds."""
    exposures: Count = 1
    """How many times it is read out."""
    read_noise_e: NonNegative = 0.0
    """Rms of one read-out of a pixel, electrons."""
    dark_e_s: NonNegative = 0.0
    """Dark current of a pixel, electrons a second."""


@config
class Noise:
    """The noise of an image: exactly one of `rms_njy`, `depth`, `ccd`, `survey`, and what goes with it.

    A pixel's variance is rms^2 + flux / gain, where the gain is known: the sky's noise may hang
    together from pixel to pixel, the photon noise of sources does not. Above `poisson_below`
    electrons of variance it is Gaussian; below, counts are drawn from Poisson's law.
    """

    rms_njy: PerBand | None = None
    """Rms of the sky in a pixel, nJy."""
    depth: Depth | None = None
    """A limiting magnitude."""
    ccd: Ccd | None = None
    """A detector: sky brightness, exposure, zeropoint, read noise."""
    survey: str | None = None
    """A survey by name, or the path of a YAML file of one: its noise in pixels of the image's size,
    the correlation of that noise, and its gain where it is known."""
    survey_bands: tuple[str, ...] | None = None
    """The survey's bands that stand for the image's, in order; null: those of the same names."""
    electrons_per_njy: PerBand | None = None
    """Gain: electrons counted for one nJy. Without it, and without the two below, sources add no
    shot noise to `rms_njy` and `depth`; a `ccd` has its own, and a survey may."""
    zeropoint_e: PerBand | None = None
    """With `exposure_s`, the gain in other words: AB magnitude of a source that gives one electron
    a second; null: the survey's."""
    exposure_s: PerBand | None = None
    """Time of all exposures together, seconds; null: the survey's."""
    shot: bool | None = None
    """Sources add shot noise: true is an error where the gain is not known; null: where it is known."""
    background: Literal["subtracted", "added"] = "subtracted"
    """Whether the sky's mean brightness is taken off or stays in the pixels (`ccd` only)."""
    correlation: Correlation | None = None
    """Correlation of the noise of neighbouring pixels; null: the survey's, else white noise.
    The rms stays; with `survey`, its noise over large areas does."""
    rms_factor: Annotated[Varying, Limit(gt=0)] = fixed(1.0)
    """Times the rms of the sky, a draw for each sample: surveys are not equally deep everywhere.
    Not with `ccd`, whose sky sets its rms."""
    poisson_below: NonNegative = 100.0
    """Pixels with a variance of fewer electrons are counted by Poisson's law exactly; correlated
    noise is Gaussian everywhere."""

    def files_read(self) -> dict[str, Path]:
        """Return the files of a survey that is the user's own."""
        return own_files(self.survey)

    def __post_init__(self) -> None:
        one_of(self, ("rms_njy", "depth", "ccd", "survey"))
        if self.background == "added" and self.ccd is None:
            raise ValueError("background: added needs `ccd`, which says how bright the sky is")
        if self.survey_bands is not None and self.survey is None:
            raise ValueError("survey_bands needs `survey`")
        if self.survey is not None:
            survey(self.survey)  # a name that is wrong is found before any work starts
        gains = [key for key in _GAINS if getattr(self, key) is not None]
        if self.ccd is not None and gains:
            raise ValueError(f"the gain follows from `ccd`; take {' and '.join(gains)} out")
        if len(gains) > 1 and self.electrons_per_njy is not None:
            raise ValueError(
                "electrons_per_njy follows from zeropoint_e and exposure_s; give it, or those two"
            )
        if len(gains) == 1 and self.electrons_per_njy is None and self.survey is None:
            other = ({*_GAINS[1:]} - {*gains}).pop()
            raise ValueError(f"{gains[0]} says no gain without {other}")
        if self.ccd is not None and self.rms_factor != fixed(1.0):
            raise ValueError("rms_factor is not for `ccd`, whose sky_mag_arcsec2 sets the rms; take it out")
        if self.shot and self.ccd is None and self.survey is None and not gains:
            raise ValueError(f"shot: true needs the gain; {_GAIN_WANTED}")
        if self.survey is not None and self.survey_bands is not None:
            for problem in survey_problems(self, self.survey_bands):
                raise ValueError(problem)


def survey_problems(noise: Noise, bands: Sequence[str]) -> list[str]:
    """Return what of the bands of an image `noise.survey` does not know; without a survey nothing."""
    if noise.survey is None:
        return []
    chosen, names = survey(noise.survey), noise.survey_bands or tuple(bands)
    if len(names) != len(bands):
        listed = ", ".join(bands)
        return [f"survey_bands names {len(names)} bands, the images have {len(bands)}: {listed}"]
    missing = [name for name in names if name not in chosen.bands]
    if missing:
        listed = ", ".join(map(repr, missing))
        return [
            f"{chosen.title} has no band {listed}{nearest(missing[0], chosen.bands)};"
            " `survey_bands` names those that stand for the image's"
        ]
    own = noise.electrons_per_njy is not None or None not in (noise.zeropoint_e, noise.exposure_s)
    unknown = [
        name
        for name in names
        if (chosen.band(name).zeropoint_e is None and noise.zeropoint_e is None)
        or (chosen.band(name).exposure_s is None and noise.exposure_s is None)
    ]
    if noise.shot and unknown and not own:
        return [
            f"shot: true needs the gain, and {noise.survey} has none for {', '.join(unknown)}; {_GAIN_WANTED}"
        ]
    return []


def pixel_noise(
    noise: Noise,
    bands: Sequence[str],
    pixel_scale_arcsec: float,
    psf_fwhm_arcsec: Sequence[float] | None = None,
) -> PixelNoise:
    """Convert a noise to numbers per pixel.

    Parameters
    ----------
    noise : Noise
        What the noise is: an rms, a depth, a detector or a survey.
    bands : sequence of str
        The C bands of the image.
    pixel_scale_arcsec : float
        Side of a pixel.
    psf_fwhm_arcsec : sequence of float, (C,), or None
        FWHM of the image's PSF without its pixel, which a `depth` of point sources needs.

    Returns
    -------
    PixelNoise
        Rms of the sky (nJy per pixel), electrons per nJy, autocorrelation; for `add_noise`.

    Raises
    ------
    InputError
        Where the numbers do not fit the bands, a band is not in the survey, or the PSF is needed and
        unknown.
    """
    correlation = None if noise.correlation is None else checked(autocorrelation_of(noise.correlation))
    electrons, sky = _gain(noise, bands, None), None
    if noise.ccd is not None:
        rms, electrons, sky = _ccd(noise.ccd, bands, pixel_scale_arcsec)
    elif noise.depth is not None:
        rms = _depth(noise.depth, bands, pixel_scale_arcsec, psf_fwhm_arcsec, correlation)
    elif noise.survey is not None:
        rms, electrons, correlation = _survey(noise, bands, pixel_scale_arcsec, correlation)
    else:
        rms = _per_band(noise.rms_njy, bands, "rms_njy", least=0.0)
        assert rms is not None  # __post_init__ has seen to it
    return PixelNoise(
        rms=rms,
        electrons=None if noise.shot is False else electrons,
        sky=sky,
        keeps_sky=noise.background == "added",
        autocorrelation=correlation,
        poisson_below=0.0 if correlation is not None else noise.poisson_below,
    )


def _ccd(ccd: Ccd, bands: Sequence[str], scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rms (nJy), electrons for a nJy, sky in a pixel (nJy): the CCD equation of an empty pixel."""
    names = ("sky_mag_arcsec2", "zeropoint_e", "exposure_s")
    magnitude, zeropoint, exposure = (_required(getattr(ccd, n), bands, f"ccd.{n}") for n in names)
    if (exposure <= 0).any():
        raise InputError(f"ccd.exposure_s should be > 0, found {exposure.tolist()}")
    gain = electrons_per_njy(zeropoint, exposure)
    sky = 10.0 ** (-0.4 * (magnitude - ZEROPOINT_NJY)) * scale**2
    variance = sky * gain + ccd.dark_e_s * exposure + ccd.exposures * ccd.read_noise_e**2
    return np.sqrt(variance) / gain, gain, sky


def _depth(
    depth: Depth,
    bands: Sequence[str],
    scale: float,
    image_fwhm: Sequence[float] | None,
    correlation: np.ndarray | None,
) -> np.ndarray:
    magnitude = _required(depth.magnitude, bands, "depth.magnitude")
    fwhm, pixel = _per_band(depth.fwhm_arcsec, bands, "depth.fwhm_arcsec"), 0.0
    if fwhm is None and image_fwhm is not None:
        fwhm, pixel = np.asarray(image_fwhm, dtype=np.float64), scale
    if fwhm is None and (depth.aperture_arcsec is None or depth.total):
        raise InputError(
            "depth is for point sources, and the PSF of the images is not known; "
            "give depth.fwhm_arcsec, or depth.aperture_arcsec without total"
        )
    limits = zip(magnitude, np.zeros(len(bands)) if fwhm is None else fwhm, strict=True)
    return np.array([_rms_of_limit(depth, m, scale, (f, pixel), correlation) for m, f in limits])


def _rms_of_limit(
    depth: Depth, magnitude: float, scale: float, psf: tuple[float, float], tied: np.ndarray | None
) -> float:
    """Return the rms of a pixel, nJy, of a limit in one band; `psf`: FWHM, pixel to add."""
    fwhm, pixel = psf
    aperture, sigma = depth.aperture_arcsec, depth.sigma
    if aperture is None:
        return rms_of_psf_depth(magnitude, scale, fwhm, sigma=sigma, pixel=pixel, autocorrelation=tied)
    share = encircled(0.5 * aperture, with_pixel(fwhm, pixel)) if depth.total else 1.0
    return share * rms_of_aperture_depth(magnitude, scale, aperture, sigma=sigma, autocorrelation=tied)


def _survey(
    noise: Noise, bands: Sequence[str], scale: float, correlation: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return the rms in pixels of `scale`, electrons per nJy and the autocorrelation (C, 2L+1, 2L+1).

    Electrons where the survey has them for every band; the autocorrelation is that of the survey or the
    one that is given; None: white.
    """
    for problem in survey_problems(noise, bands):
        raise InputError(problem)
    chosen = survey(str(noise.survey))
    names = noise.survey_bands or tuple(bands)
    skies = [sky_noise(chosen, name, scale, correlation) for name in names]
    rms = np.array([sky.rms_njy for sky in skies])
    tied = correlation if correlation is not None else stacked([sky.autocorrelation for sky in skies])
    return rms, _gain(noise, bands, [chosen.band(name) for name in names]), tied


def _gain(noise: Noise, bands: Sequence[str], rows: Sequence[SurveyBand] | None) -> np.ndarray | None:
    """Return electrons per nJy, (C,), by the noise's own numbers or else the survey's.

    Infinite in a band where it is not known; None: known in none.
    """
    if noise.electrons_per_njy is not None:
        return _per_band(noise.electrons_per_njy, bands, "electrons_per_njy")
    zeropoint = _per_band(noise.zeropoint_e, bands, "zeropoint_e", least=None)
    exposure = _per_band(noise.exposure_s, bands, "exposure_s")
    if rows is not None:
        zeropoint = _of_rows("zeropoint_e", rows) if zeropoint is None else zeropoint
        exposure = _of_rows("exposure_s", rows) if exposure is None else exposure
    if zeropoint is None or exposure is None:
        return None
    gain = electrons_per_njy(zeropoint, exposure)
    return None if np.isnan(gain).all() else np.where(np.isnan(gain), np.inf, gain)


def _of_rows(key: str, rows: Sequence[SurveyBand]) -> np.ndarray:
    """Return a number of each of a survey's bands, (C,); NaN where it is not known."""
    return np.array([getattr(row, key) for row in rows], dtype=np.float64)


def _required(value: PerBand, bands: Sequence[str], key: str) -> np.ndarray:
    out = _per_band(value, bands, key, least=None)
    assert out is not None
    return out


def _per_band(
    value: PerBand | None, bands: Sequence[str], key: str, least: float | None = 1e-30
) -> np.ndarray | None:
    """One number for each band, (C,) float64; InputError where the count is another."""
    if value is None:
        return None
    out = np.asarray(value, dtype=np.float64)
    if out.ndim and len(out) != len(bands):
        raise InputError(
            f"{key} has {len(out)} numbers and the images {len(bands)} bands ({', '.join(bands)}); "
            "give one number, or one for each band"
        )
    if not np.isfinite(out).all() or (least is not None and (out < least).any()):
        expected = "numbers" if least is None else f"numbers {'>=' if least == 0 else '>'} 0"
        raise InputError(f"{key} should be {expected}, found {out.tolist()}")
    return np.broadcast_to(out, (len(bands),)).copy()
