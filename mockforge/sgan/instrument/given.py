"""PSFs that a user gives: FITS images, and the kinds of `mockforge.observe.psf`, on a field's pixels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.observe.psf.image import PsfPixels
from mockforge.observe.psf.models import PsfModel
from mockforge.observe.psf.models import image as image_model
from mockforge.observe.psf.per_band import each_band, models
from mockforge.observe.psf.spec import Psf, PsfImage
from mockforge.sgan.instrument.psf import LEAST_SIDE, SIDE, PixelPsf

_FOLDED = 2
"""Multiples of the sampling frequency from which a sharp PSF folds back."""
_LARGEST = 513
"""Pixels; a given PSF wider than this loses its outermost wings."""


def from_files(images: PsfImage, bands: Sequence[str], pixel_scale_arcsec: float | None) -> PixelPsf:
    """Return PSFs from FITS images, one for all bands or one for each, on the field's pixels.

    Their pixels are the field's where they, or the field, have no pixel scale. InputError where one cannot be
    read or is no PSF, or their number is not that of the bands.
    """
    found = images.read()
    each = each_band(tuple(found), bands, "files")
    for _, pixels in found:
        if pixels.note:
            warnings.warn(pixels.note, stacklevel=2)
    planes = [_on_field(path, pixels, pixel_scale_arcsec, images.includes_pixel) for path, pixels in each]
    return PixelPsf(_of_one_side(planes), pixel_scale_arcsec)


def from_spec(psf: Psf, bands: Sequence[str], pixel_scale_arcsec: float | None) -> PixelPsf:
    """Return any PSF of a recipe, averaged over pixels of `pixel_scale_arcsec`, sampled at their centres.

    InputError as `mockforge.observe.psf.per_band.models`, and where the pixel scale is not known.
    """
    if pixel_scale_arcsec is None:
        raise InputError(
            "a PSF in arcsec needs the pixel scale, which this field does not have: give "
            "`pixel_scale_arcsec`, or the PSF as images on the field's pixels"
        )
    planes = [drawn(model, pixel_scale_arcsec) for model in models(psf, bands)]
    return PixelPsf(_of_one_side(planes), pixel_scale_arcsec)


def _on_field(path: Path, pixels: PsfPixels, scale: float | None, includes_pixel: bool) -> np.ndarray:
    own = pixels.pixel_scale_arcsec
    if includes_pixel:
        psf = PixelPsf.from_image(pixels.pixels, own)
        return psf.image[0] if own is None or scale is None else psf.resampled(own / scale).image[0]
    if own is None or scale is None:
        raise InputError(
            f"PSF image {path}: without the pixel's response it needs a pixel scale, as the field does; "
            "give both, as `pixel_scale_arcsec`"
        )
    model = image_model(pixels.pixels, own, False, pixels.centre)
    return drawn(model, scale, math.ceil(max(pixels.pixels.shape) * own / scale))


def drawn(model: PsfModel, pixel: float, side: int = SIDE) -> np.ndarray:
    """Return a PSF averaged over its pixels of `pixel` arcsec, (P, P) of sum 1, P odd and at least 65.

    What the pixels' centres cannot tell from lower frequencies folds back, as in an image.
    """
    side = min(max(LEAST_SIDE, side + 1 - side % 2), _LARGEST)
    wide = 2 * side
    fy, fx = np.fft.fftfreq(wide)[:, None], np.fft.fftfreq(wide)[None, :]
    turn = 2.0 * np.pi / pixel
    whole = np.zeros((wide, wide), dtype=np.complex128)
    for gy in range(-_FOLDED, _FOLDED + 1):
        for gx in range(-_FOLDED, _FOLDED + 1):
            ky, kx = fy + gy, fx + gx
            if turn * math.hypot(max(abs(gy) - 0.5, 0.0), max(abs(gx) - 0.5, 0.0)) < model.highest:
                whole += model.at(turn * kx, turn * ky) * np.sinc(ky) * np.sinc(kx)
    out = np.fft.fftshift(np.fft.ifft2(whole).real)
    half = side // 2
    out = out[side - half : side + half + 1, side - half : side + half + 1]
    return out / out.sum()


def _of_one_side(planes: list[np.ndarray]) -> np.ndarray:
    """(C, P, P) with zeros about the smaller ones."""
    side = max(len(plane) for plane in planes)
    return np.stack([np.pad(plane, (side - len(plane)) // 2) for plane in planes])
