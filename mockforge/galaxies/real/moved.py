"""One real galaxy at two redshifts: its images K-corrected, resized and given another PSF.

The way of FERENGI (Barden, Jahnke & Haeussler 2008, ApJS 175, 105), with the resampling and the
matching of PSFs in one Fourier step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mockforge.galaxies.real.cutouts import Cutout
from mockforge.observe.psf.models import PsfModel
from mockforge.observe.psf.resample import (
    fourier_frequencies,
    matching,
    padded_side,
    pixel_transfer,
    sampled,
    transform,
)
from mockforge.photometry.kcorrect import band_factors, sed_weights

Effective = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Transfer function of PSF and pixel at (fy, fx), in cycles per arcsec: (len(fy), len(fx))."""

_REACH = 16.0
"""Pixels of the stamp over which a target's PSF may spread light beyond its edges."""
_HOLDS = 0.1
"""Frequencies where the wanted transfer function is above this tell how much it sharpens."""


def effective(model: PsfModel, pixel_arcsec: float, turn: int = 0) -> Effective:
    """Return a PSF with a square pixel, in one of the eight orientations of `cutouts.turned`."""

    def at(fy: np.ndarray, fx: np.ndarray) -> np.ndarray:
        u, v = (fy, fx) if not turn & 4 else (fx, fy)  # along the x and y that the model knows: v, u
        u, v = (-u if turn & 2 else u), (-v if turn & 1 else v)
        transfer = np.asarray(model.at(2 * np.pi * v[None, :], 2 * np.pi * u[:, None]))
        transfer = transfer * pixel_transfer(u, v, pixel_arcsec)
        return transfer.T if turn & 4 else transfer

    return at


@dataclass(frozen=True)
class Spectrum:
    """What the M spectra give in the bands that matter, for one galaxy and its two redshifts."""

    present: np.ndarray
    """(B, M) flux at z_in in the bands of the images."""
    near: np.ndarray
    """(C, M) flux at z_in in the wanted bands."""
    far: np.ndarray
    """(C, M) flux at z_out in the wanted bands, all effects of redshift in it."""
    share_near: np.ndarray
    """(C, B) of `kcorrect.neighbours`"""
    share_far: np.ndarray
    """(C, B)"""


@dataclass(frozen=True)
class PixelFit:
    """When a pixel's own colours say what its spectrum is."""

    snr: float
    """Least signal to noise of all bands together."""
    floor: float
    """Relative error added to a pixel's."""


@dataclass(frozen=True)
class StampGeometry:
    """The stamp a galaxy is put on."""

    shape: tuple[int, int]
    pixel_arcsec: float
    centre: tuple[float, float]
    """(x, y) of the galaxy on the stamp, pixels."""
    floor: float
    """Contrast below which a PSF has left nothing to restore, that of `resample.matching`."""


@dataclass(frozen=True)
class Sampling:
    """How a cutout's images are sampled."""

    pixel_arcsec: float
    psf: Sequence[Effective]
    """Of each band, with its pixel; all alike where the bands are mixed pixel by pixel."""
    within: np.ndarray
    """(y, x) 1 at the pixels that totals are summed over, else 0."""


@dataclass(frozen=True)
class Moved:
    """A galaxy on its stamp."""

    image: np.ndarray
    """(C, y, x) nJy"""
    total: np.ndarray
    """(C,) the same light summed over the cutout, nJy."""
    sharpened: np.ndarray
    """(C,) the largest factor on a frequency that matters; 1 where the wanted PSF is the broader one."""


def factors(
    cutout: Cutout, weights: np.ndarray, spectrum: Spectrum, fit: PixelFit | None
) -> tuple[np.ndarray, np.ndarray]:
    """Factors (C, B) or (C, B, y, x) on the bands' images that give the wanted bands at z_in and z_out.

    `weights` (M,) of the spectra of the whole galaxy. With `fit`, a pixel bright enough has
    weights of its own; the images have to have one PSF then.
    """
    near = band_factors(weights, spectrum.near, spectrum.present, spectrum.share_near)
    far = band_factors(weights, spectrum.far, spectrum.present, spectrum.share_far)
    if fit is None or len(cutout.image) < 2:
        return near, far
    shape = cutout.image.shape[1:]
    flux = cutout.image.reshape(len(cutout.image), -1).T
    snr = np.sqrt(((np.maximum(flux, 0) / np.maximum(cutout.noise, 1e-30)) ** 2).sum(axis=1))
    bright = np.flatnonzero(snr >= fit.snr)
    if not len(bright):
        return near, far
    error = np.hypot(cutout.noise, fit.floor * np.abs(flux[bright]).max(axis=1, keepdims=True))
    own = sed_weights(flux[bright], error, spectrum.present)
    lit = own.sum(axis=1) > 0
    out = []
    for whole, fluxes, share in (
        (near, spectrum.near, spectrum.share_near),
        (far, spectrum.far, spectrum.share_far),
    ):
        each = np.broadcast_to(whole, (len(flux), *whole.shape)).copy()
        each[bright[lit]] = band_factors(own[lit], fluxes, spectrum.present, share)
        out.append(np.moveaxis(each, 0, -1).reshape(*whole.shape, *shape))
    return out[0], out[1]


def moved(
    cutout: Cutout,
    sampling: Sampling,
    factor: np.ndarray,
    wanted: Sequence[Effective] | None,
    size: float,
    stamp: StampGeometry,
) -> Moved:
    """Return the cutout on a stamp: bands mixed by `factor`, angular size times `size`, PSF as wanted.

    `wanted` are the PSFs of the stamp with its pixel; None keeps the PSF as it is, and only the larger
    pixel of the stamp is added.
    """
    image, pixel_arcsec, present = cutout.image, sampling.pixel_arcsec, sampling.psf
    if factor.ndim == 4:  # the bands are mixed pixel by pixel: what comes out is one image a band
        image = np.einsum("cbyx,byx->cyx", factor, image)
        factor, present = np.eye(len(image)), [present[0]] * len(image)
    step = stamp.pixel_arcsec / (size * pixel_arcsec)
    reach = _REACH * step if wanted is not None else 4.0 * step
    shape = (image.shape[1], image.shape[2])
    side = padded_side(shape, stamp.shape, step, cutout.centre, stamp.centre, reach)
    fy, fx = fourier_frequencies(side)
    light = transform(image, side)
    target = [w(fy / (size * pixel_arcsec), fx / (size * pixel_arcsec)) for w in wanted or ()]
    pixel = pixel_transfer(fy, fx, step) / pixel_transfer(fy, fx) if step > 1 else np.ones((1, 1))
    out, sharpened = np.zeros((len(factor), *light.shape[-2:]), dtype=complex), np.ones(len(factor))
    for b in np.flatnonzero(factor.any(axis=0)).tolist():
        source = present[b](fy / pixel_arcsec, fx / pixel_arcsec) if target else None
        for c in np.flatnonzero(factor[:, b]).tolist():
            ratio = pixel
            if source is not None:
                ratio = matching(target[c], source, stamp.floor)
                passed = np.abs(target[c]) > _HOLDS
                sharpened[c] = np.abs(ratio[passed]).max(initial=sharpened[c])
            out[c] += factor[c, b] * ratio * light[b]
    stamped = sampled(out, step, stamp.shape, cutout.centre, stamp.centre)
    return Moved(stamped, factor @ (image * sampling.within).sum(axis=(1, 2)), sharpened)


def one_psf(
    cutout: Cutout, pixel_arcsec: float, present: Sequence[Effective], floor: float
) -> tuple[Cutout, int]:
    """Return the cutout with all bands at the PSF of the broadest, and which band that is."""
    side = padded_side(cutout.image.shape[1:], cutout.image.shape[1:], 1.0, (0, 0), (0, 0), 8.0)
    fy, fx = fourier_frequencies(side)
    psfs = [p(fy / pixel_arcsec, fx / pixel_arcsec) for p in present]
    broad = int(np.argmin([np.abs(s).sum() for s in psfs]))
    light = transform(cutout.image, side) * np.stack([matching(psfs[broad], s, floor) for s in psfs])
    light[broad] = transform(cutout.image[broad], side)
    return replace(cutout, image=sampled(light, 1.0, cutout.image.shape[1:], (0, 0), (0, 0))), broad
