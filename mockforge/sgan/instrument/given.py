"""PSFs that a user gives: FITS images, and the kinds of `mockforge.observe.psf`, on a field's pixels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.observe.psf.image import PsfPixels
from mockforge.observe.psf.models import PsfModel, moffat
from mockforge.observe.psf.models import image as image_model
from mockforge.observe.psf.per_band import each_band, models
from mockforge.observe.psf.spec import Psf, PsfImage
from mockforge.sgan.instrument.psf import (
    FINEST,
    LEAST_SIDE,
    SAMPLED,
    SIDE,
    PixelPsf,
    samples_wanted,
    together,
)

_FOLDED = 2
"""Multiples of the sampling frequency from which a sharp PSF folds back."""
_LARGEST = 513
"""Samples; a given PSF wider than this loses its outermost wings."""


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
    return together(
        [_on_field(path, pixels, pixel_scale_arcsec, images.includes_pixel) for path, pixels in each]
    )


def from_spec(psf: Psf, bands: Sequence[str], pixel_scale_arcsec: float | None) -> PixelPsf:
    """Return any PSF of a recipe, averaged over pixels of `pixel_scale_arcsec`, sampled at their centres.

    One that is too sharp for them has several samples a pixel.

    InputError as `mockforge.observe.psf.per_band.models`, and where the pixel scale is not known.
    """
    if pixel_scale_arcsec is None:
        raise InputError(
            "a PSF in arcsec needs the pixel scale, which this field does not have: give "
            "`pixel_scale_arcsec`, or the PSF as images on the field's pixels"
        )
    return together([_sampled(model, pixel_scale_arcsec) for model in models(psf, bands)])


def from_widths(
    fwhm_pix: float | Sequence[float], beta: float, bands: int, pixel_scale_arcsec: float | None
) -> PixelPsf:
    """Return Moffat functions as wide as stars are on the field, pixels; those too sharp for them finer.

    A sharp one is the Moffat function that has the width with its pixel; InputError where it is below a
    pixel's.
    """
    psf = PixelPsf.from_moffat(fwhm_pix, beta, bands, pixel_scale_arcsec=pixel_scale_arcsec)
    widths = np.broadcast_to(np.asarray(fwhm_pix, dtype=np.float64), (bands,))
    if (widths >= SAMPLED).all():
        return psf
    sharp = [None if w >= SAMPLED else _sampled(_before_pixel(float(w), beta), 1.0) for w in widths]
    found = together([psf.band(i) if band is None else band for i, band in enumerate(sharp)])
    return replace(found, pixel_scale_arcsec=pixel_scale_arcsec)


def _before_pixel(fwhm: float, beta: float) -> PsfModel:
    """Return the Moffat function that is so wide, pixels, with the pixel's response."""
    square = fwhm**2
    for _ in range(12):
        if square < 0.05**2:
            raise InputError(
                f"psf.fwhm_pix: a FWHM of {fwhm:.3g} pixels is below that of a pixel alone; give stars' "
                "widths as the field has them, or `psf: {spec: ...}` for the PSF before the pixel"
            )
        model = moffat(math.sqrt(square), beta)
        has = float(PixelPsf(drawn(model, 1.0 / FINEST, LEAST_SIDE)[None], samples=FINEST).fwhm_pix[0])
        if abs(has - fwhm) < 1e-3 * fwhm:
            break
        square += fwhm**2 - has**2
    return model


def _sampled(model: PsfModel, scale: float, side: int = SIDE, most: int = FINEST) -> PixelPsf:
    n = samples_wanted(lambda n: drawn(model, scale / n, LEAST_SIDE)[None], most)
    return PixelPsf(drawn(model, scale / n, n * side)[None], scale, n)


def _on_field(path: Path, pixels: PsfPixels, scale: float | None, includes_pixel: bool) -> PixelPsf:
    own = pixels.pixel_scale_arcsec
    if includes_pixel:
        psf = PixelPsf.from_image(pixels.pixels, own)
        return psf if own is None or scale is None else psf.resampled(own / scale)
    if own is None or scale is None:
        raise InputError(
            f"PSF image {path}: without the pixel's response it needs a pixel scale, as the field does; "
            "give both, as `pixel_scale_arcsec`"
        )
    model = image_model(pixels.pixels, own, False, pixels.centre)
    most = math.ceil(scale / own - 1e-6)  # no finer than the image
    return _sampled(model, scale, math.ceil(max(pixels.pixels.shape) * own / scale), most)


def drawn(model: PsfModel, pixel: float, side: int = SIDE) -> np.ndarray:
    """Return a PSF averaged over its pixels of `pixel` arcsec, (P, P) of sum 1, P odd and at least 65.

    What the pixels' centres cannot tell from lower frequencies folds back, as in an image.
    """
    side = min(max(LEAST_SIDE, side + 1 - side % 2), _LARGEST)
    wide = 2 * side
    fy, fx = np.fft.fftfreq(wide)[:, None], np.fft.rfftfreq(wide)[None, :]
    turn = 2.0 * np.pi / pixel
    whole = np.zeros((wide, side + 1), dtype=np.complex128)
    for gy in range(-_FOLDED, _FOLDED + 1):
        for gx in range(-_FOLDED, _FOLDED + 1):
            ky, kx = fy + gy, fx + gx
            if turn * math.hypot(max(abs(gy) - 0.5, 0.0), max(abs(gx) - 0.5, 0.0)) < model.highest:
                whole += model.at(turn * kx, turn * ky) * np.sinc(ky) * np.sinc(kx)
    out = np.fft.fftshift(np.fft.irfft2(whole, s=(wide, wide)))
    half = side // 2
    out = out[side - half : side + half + 1, side - half : side + half + 1]
    return out / out.sum()
