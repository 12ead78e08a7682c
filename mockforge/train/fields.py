"""What any trained network asks of a field that it is given, and what it writes into the one it makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field

_SAME = 0.01
"""Pixel scales that differ by less than this part are taken as equal."""
_PSF = 0.15
"""Part by which an image's PSF may be broader or narrower than that which was learned."""


def _bands_to_name(bands: Sequence[str], own: Sequence[str]) -> str:
    if len(own) == len(bands):
        return f"where they are the same, in this order, name them so: --bands {','.join(bands)}"
    return (
        f"all {len(bands)} are needed"
        if len(own) < len(bands)
        else "name those of the image as the model does"
    )


def in_order(field: Field, model: str, bands: Sequence[str], pixel_scale_arcsec: float | None) -> Field:
    """Return the field in nJy with the model's bands in its order, masked pixels 0; others are left out.

    Raises InputError where unit, bands or pixel scale are not what the model takes.
    """
    if field.unit != "nJy":
        raise InputError("the flux unit of the image is unknown: give the AB magnitude of pixel value 1")
    missing = [band for band in bands if band not in field.bands]
    if missing:
        raise InputError(
            f"model {model} takes the bands {', '.join(bands)}, the image has {', '.join(field.bands)}; "
            f"{_bands_to_name(bands, field.bands)}"
        )
    scale = field.pixel_scale_arcsec
    if pixel_scale_arcsec is not None:
        if scale is None:
            raise InputError("the pixel scale of the image is unknown: give it in arcsec")
        if abs(scale / pixel_scale_arcsec - 1) > _SAME:
            raise InputError(
                f"model {model} takes pixels of {pixel_scale_arcsec:g} arcsec, the image has {scale:g}; "
                "resample it, or train a model on its pixels"
            )
    order = [field.bands.index(band) for band in bands]
    image = field.image[order]
    if field.mask is not None:  # what may not be used may be anything
        image = np.where(field.mask, np.float32(0), image)
    not_finite = int((~np.isfinite(image)).any(axis=0).sum())
    if not_finite:
        raise InputError(f"{not_finite} pixels of the image are not finite: mask them, or cut them off")
    fwhm, variance = field.psf_fwhm_arcsec, field.variance
    return replace(
        field,
        image=image,
        bands=tuple(bands),
        psf_fwhm_arcsec=None if fwhm is None else tuple(fwhm[i] for i in order),
        truth=None,
        variance=None if variance is None else variance[order],
    )


def psf_departures(
    bands: Sequence[str], found: Sequence[float] | None, learned: Sequence[float] | None
) -> Iterator[str]:
    """Where the PSF's FWHM (arcsec, one per band) is not that which a network learned, in words."""
    for band, fwhm, trained_fwhm in zip(bands, found or (), learned or (), strict=False):
        if abs(fwhm - trained_fwhm) > _PSF * max(trained_fwhm, 1e-3):
            widths = f"{fwhm:.3g} arcsec before the pixel, it was trained on {trained_fwhm:.3g}"
            yield f"the PSF in {band} has a FWHM of {widths}"


def check_learned_like(model: str, unlike: Sequence[str], extrapolate: bool) -> None:
    """InputError where an input departs from a training set and the user has not said to go on."""
    if unlike and not extrapolate:
        raise InputError(
            f"model {model} was not trained on images like this: {'; '.join(unlike)}. Its output would be "
            "a guess: give --extrapolate (extrapolate=True) to proceed anyway"
        )


def made_by(model: str, sha256: str, bands: Sequence[str], what: str) -> dict[str, Any]:
    """Cards of a field that a network made; `what` was done to it, in a word: recovered, redshifted."""
    return {
        "MFMODEL": (model, f"network, the image is {what}"),
        "MFSHA256": (sha256, "sha256 of its weights"),
        "MFFROM": (", ".join(bands), "bands it was made from"),
    }
