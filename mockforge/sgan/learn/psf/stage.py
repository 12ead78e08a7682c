"""Stage 1: the PSF of each band from the field's own stars, wings kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from mockforge.config import Limit, Positive, config
from mockforge.errors import InputError
from mockforge.observe.psf.spec import Psf, PsfImage
from mockforge.sgan.instrument.given import from_files, from_spec, from_widths
from mockforge.sgan.instrument.psf import SIDE, PixelPsf
from mockforge.sgan.learn.field import LearnField
from mockforge.sgan.learn.psf.fit import StarFit, fit_stars, moved, stacked, without
from mockforge.sgan.learn.psf.select import GIVE, LEAST, StarList, find_stars
from mockforge.sgan.learn.psf.stamps import StarStamps, alone, cut_stars, hidden_pixels, less_sky
from mockforge.sgan.learn.psf.wings import Wings, with_wings

_ROUNDS = 5
_SNR = 40.0
"""Least signal-to-noise ratio, in a band, of a star that is used there."""
_ODD = 4.0
"""A star whose width differs from the others' by more than this many times their scatter is none."""
_DRIFT = 0.02
"""Part by which neighbouring stars may differ in width; galaxies of one radius differ by 0.04 and more."""


@config
class PsfChoice:
    """Where the PSF is from: the field's own stars, unless it is given."""

    image: PsfImage | None = None
    """FITS images of the PSF, one or one per band, pixel response included, as stars have it."""
    spec: Psf | None = None
    """Any PSF in arcsec, before the pixel, as other recipes say it: `{moffat: {fwhm_arcsec: 0.7}}`."""
    fwhm_pix: Positive | tuple[Positive, ...] | None = None
    """Full width at half maximum of stars in px of the field, one or one per band: a Moffat function."""
    beta: Annotated[float, Limit(gt=1.1, le=100)] = 3.0
    """Slope of that function's wings; 2.5 to 4.8 on the ground."""

    def __post_init__(self) -> None:
        given = [name for name in ("image", "spec", "fwhm_pix") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(
                f"`{given[0]}` and `{given[1]}` are two PSFs; give one of them, or none to measure it"
            )


@dataclass(frozen=True)
class BandStars:
    """What the stars of one band say."""

    stamps: StarStamps
    fit: StarFit
    rows: np.ndarray
    """(n,) rows of the star list."""
    wings: Wings


@dataclass(frozen=True)
class MeasuredPsf:
    """A field's PSF and the stars that show it."""

    psf: PixelPsf
    stars: StarList
    bands: tuple[BandStars, ...]


def field_psf(field: LearnField, choice: PsfChoice) -> tuple[PixelPsf, MeasuredPsf | None]:
    """Return the PSF of a field's bands, and the stars that show it where it is measured.

    InputError where it is given for another number of bands or cannot be read, and where it is not given
    and stars cannot be told from galaxies.
    """
    scale, bands = field.pixel_scale_arcsec, field.bands
    if choice.image is not None:
        return from_files(choice.image, bands, scale), None
    if choice.spec is not None:
        return from_spec(choice.spec, bands, scale), None
    if choice.fwhm_pix is not None:
        return from_widths(choice.fwhm_pix, choice.beta, len(bands), scale), None
    measured = measure_psf(
        field.image,
        field.defects,
        electrons_per_njy=field.gains,
        pixel_scale_arcsec=scale,
        names=bands,
    )
    return measured.psf.band_limited(), measured


def measure_psf(
    image: np.ndarray,
    mask: np.ndarray,
    *,
    electrons_per_njy: np.ndarray | None = None,
    pixel_scale_arcsec: float | None = None,
    names: tuple[str, ...] = (),
) -> MeasuredPsf:
    """Measure the PSF of each band on the field's stars.

    Parameters
    ----------
    image : ndarray
        (C, y, x) nJy, its background subtracted; saturated stars are wanted, for their wings.
    mask : ndarray
        (y, x) bool, true where a pixel must not be used.
    electrons_per_njy : ndarray, optional
        (C,) gains; 0 where one is not known.
    pixel_scale_arcsec : float, optional
        Side of a pixel.
    names : tuple of str
        Of the bands, for messages.

    Raises
    ------
    InputError
        Where stars cannot be told from galaxies, or too few are alone and bright enough in a band.
    """
    stars = find_stars(image, mask)
    half = SIDE // 2
    hidden = hidden_pixels(stars.labels, mask, stars.x, stars.y, stars.label, half)
    apart = alone(hidden)
    gains = np.zeros(len(image)) if electrons_per_njy is None else electrons_per_njy
    found = []
    for i, band in enumerate(image):
        rows = np.flatnonzero(apart & (stars.snr[:, i] > _SNR))
        name = names[i] if names else f"number {i + 1}"
        if len(rows) < LEAST:
            raise InputError(
                f"the PSF of band {name} cannot be measured: {len(rows)} stars are bright enough and alone, "
                f"{LEAST} are needed; {GIVE}"
            )
        stamps = cut_stars(band, hidden[rows], stars.x[rows], stars.y[rows], half, float(gains[i]))
        found.append(stars_psf(stamps, name, rows))
        if i == stars.band and not stars.crowded:
            _check_alike(found[-1], stars, name)
    psf = PixelPsf(np.stack([band.wings.psf for band in found]), pixel_scale_arcsec)
    return MeasuredPsf(psf, stars, tuple(found))


def stars_psf(stamps: StarStamps, name: str, rows: np.ndarray | None = None) -> BandStars:
    """Fit the PSF of one band in rounds: its core, the stars' places, the sky about them, the wings.

    `rows` (n,) of the star list; `name` of the band, for the InputError where the stars are no stars.
    """
    rows = np.arange(len(stamps)) if rows is None else rows
    psf = _first(stamps)
    cut, wings, fit = less_sky(stamps), None, None
    for i in range(_ROUNDS):
        fit = fit_stars(cut, psf, fit)
        if i == 1:
            keep = _alike(fit)
            if keep.sum() < LEAST:
                raise _unlike(name)
            stamps, fit, rows = stamps.rows(keep), without(fit, keep), rows[keep]
        own = 0.0 if wings is None else fit.flux[:, None, None] * moved(wings.psf[None], fit.dx, fit.dy)
        cut = less_sky(stamps, own)  # type: ignore
        wings = with_wings(stacked(cut, fit, psf))
        psf = _in_the_middle(wings.psf)
    return BandStars(cut, fit, rows, wings)  # type: ignore


def _check_alike(band: BandStars, stars: StarList, name: str) -> None:
    """InputError where neighbours on the locus differ in width: seeing drifts smoothly, galaxies do not."""
    place = np.stack([stars.x, stars.y], axis=1)[band.rows]
    square = ((place[:, None] - place) ** 2).sum(axis=-1) + np.where(np.eye(len(place)), np.inf, 0.0)
    apart = np.abs(band.fit.stretch - band.fit.stretch[square.argmin(axis=1)]) / np.sqrt(2.0)
    if 1.4826 * np.median(apart) > np.hypot(_DRIFT, np.median(band.fit.error)):
        raise _unlike(name)


def _unlike(name: str) -> InputError:
    return InputError(
        f"stars cannot be told from galaxies in band {name}: sources of one radius have different light "
        f"curves; {GIVE}"
    )


def _first(stamps: StarStamps) -> np.ndarray:
    """Return a Gaussian as wide as the stars."""
    half = stamps.pixels.shape[-1] // 2
    y, x = np.indices(stamps.pixels.shape[1:]) - half
    widths = []
    for star, used in zip(stamps.pixels, stamps.used, strict=True):
        core = used & (np.hypot(x, y) < 8)
        peak = np.where(core, star, 0.0).max()
        widths.append(2.0 * np.sqrt((core & (star > 0.5 * peak)).sum() / np.pi))
    sigma = max(float(np.median(widths)), 1.2) / 2.355
    out = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    return out / out.sum()


def _alike(fit: StarFit) -> np.ndarray:
    """(n,) bool: stars as wide as the others."""
    middle = np.median(fit.stretch)
    scatter = 1.4826 * np.median(np.abs(fit.stretch - middle))
    return np.abs(fit.stretch - middle) < _ODD * np.hypot(max(scatter, 0.01), fit.error)


def _in_the_middle(psf: np.ndarray) -> np.ndarray:
    """Return the PSF moved so that its windowed centroid is the middle pixel."""
    from mockforge.observe.psf.image import centroid

    half = psf.shape[-1] // 2
    core = slice(half - 16, half + 17)
    x, y = centroid(psf[core, core])
    out = moved(psf[None], np.array([16 - x]), np.array([16 - y]))[0]
    return out / out.sum()
