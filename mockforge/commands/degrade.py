"""`mockforge degrade`: a field as another telescope would have taken it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.batch import Batch
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.fits.check import quiet
from mockforge.observe.degrade.degrader import Grid, coarse_grid
from mockforge.observe.degrade.labels import coarse_mask
from mockforge.observe.degrade.optics import fwhm_of
from mockforge.observe.degrade.wcs import Place, degraded_onto, mask_onto, place_of
from mockforge.rng import Stream
from mockforge.stages.degrade import Degrade
from mockforge.torch_state import steadily


@dataclass(frozen=True)
class Degraded:
    """What `degrade_field` made."""

    field: Field
    sky_rms: tuple[float, ...]
    """Median rms of the noise in a pixel, of each band, nJy."""
    notes: tuple[str, ...]
    """Sentences the user should read."""


@steadily()
def degrade_field(field: Field, stage: Degrade, seed: int = 1, wcs: Path | None = None) -> Degraded:
    """Return a field in the PSF, pixels, bands and noise of `stage.to`, or on the pixels of the file `wcs`.

    `stage` says what is taken (`input: truth` or `image`) and how; its label maps are left
    aside. The result is in nJy, has the field's WCS on the coarse grid, the noiseless image as
    `truth` where the input has no noise, and the variance.

    Raises InputError where the flux unit, pixel scale or PSF is unknown, the bands do not fit, or
    no noiseless image is there.
    """
    import warnings

    if field.unit != "nJy":
        raise InputError("the flux unit of the image is unknown: give the AB magnitude of pixel value 1")
    if field.pixel_scale_arcsec is None:
        raise InputError("the pixel scale of the image is unknown: give it in arcsec")
    if stage.input == "light" or (stage.input == "truth" and field.truth is None):
        raise InputError(
            f"the file has no noiseless image, and input: {stage.input} needs it; take input: image"
        )
    stage = replace(stage, labels=())
    if wcs is not None:
        return _onto(field, stage, seed, place_of(field, wcs))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        out = stage(_batch(field, stage), Stream(seed, ("degrade",)))
    about = out.attributes
    scale = float(about["pixel_scale_arcsec"])
    if stage.sweep is not None and stage.sweep.pixel_scale_arcsec is not None:
        scale = float(out.arrays["pixel_scale"][0])
    shape = out.arrays["image"].shape[-2:]
    phase = _phase(stage, seed)
    grid = coarse_grid((field.shape[1], field.shape[2]), scale / field.pixel_scale_arcsec, shape, phase)
    variance = out.arrays["variance"][0]
    degraded = Field(
        image=out.arrays["image"][0],
        bands=tuple(about["bands"]),
        pixel_scale_arcsec=scale,
        psf_fwhm_arcsec=tuple(about["psf_fwhm_arcsec"]),
        mask=_mask(field, grid, stage, about),
        truth=None if stage.input == "image" else out.arrays["image_noiseless"][0],
        variance=variance if variance.any() else None,
        wcs=None if field.wcs is None else coarse_wcs(field.wcs, grid),
        header=degraded_header(about["survey"], stage.input, seed),
    )
    rms = tuple(float(np.sqrt(np.median(v))) for v in variance)
    return Degraded(degraded, rms, tuple(dict.fromkeys(str(w.message) for w in caught)))


def _onto(field: Field, stage: Degrade, seed: int, place: Place) -> Degraded:
    """Return the field on given pixels."""
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        about, degraded = degraded_onto(stage, _batch(field, stage), Stream(seed, ("degrade",)), place)
    mask = mask_onto(field, place, about, stage.edge == "mirror")
    arrays = {name: np.where(mask, 0, values[0]).astype(np.float32) for name, values in degraded.items()}
    variance = degraded["variance"][0]
    out = Field(
        image=arrays["image"],
        bands=about.bands,
        pixel_scale_arcsec=about.scale,
        psf_fwhm_arcsec=tuple(fwhm_of(model) for model in about.wanted),
        mask=mask if mask.any() else None,
        truth=arrays.get("image_noiseless"),
        variance=variance if variance.any() else None,
        wcs=place.wcs,
        header=degraded_header(stage.to, stage.input, seed),
    )
    rms = tuple(float(np.sqrt(np.median(v[~mask]))) for v in variance)
    return Degraded(out, rms, tuple(dict.fromkeys(str(w.message) for w in caught)))


def degraded_header(survey: str, taken: str, seed: int) -> dict[str, tuple[str | int, str]]:
    """Return the cards of the primary header of a degraded field."""
    return {
        "MFSURVEY": (survey, "telescope the image was degraded to"),
        "MFINPUT": (taken, "what was degraded"),
        "MFSEED": (seed, "seed of the noise"),
    }


def coarse_wcs(wcs: Any, grid: Grid) -> Any:
    """Return an astropy WCS on the coarse grid; InputError where it is distorted (SIP, lookup tables)."""
    if wcs.sip is not None or wcs.cpdis1 is not None or wcs.det2im1 is not None:
        raise InputError("the WCS of the image has distortions; resample it to a plain projection first")
    from astropy.wcs import WCS

    with quiet():
        header = wcs.to_header(relax=True)  # the matrix as PC and CDELT, whatever it was given as
        for i, axis in enumerate((grid.x, grid.y)):
            header[f"CRPIX{i + 1}"] = float(axis(np.asarray(wcs.wcs.crpix[i] - 1.0))) + 1.0
            header[f"CDELT{i + 1}"] = header.get(f"CDELT{i + 1}", 1.0) * grid.step
        out = WCS(header)
    out.array_shape = grid.shape
    return out


def _batch(field: Field, stage: Degrade) -> Batch:
    """Return the field as a batch of one sample."""
    arrays = {"image": field.image[None]}
    if field.truth is not None:
        arrays["truth"] = field.truth[None]
    attributes: dict[str, Any] = {
        "bands": field.bands,
        "pixel_scale_arcsec": field.pixel_scale_arcsec,
        "psf_fwhm_arcsec": field.psf_fwhm_arcsec,
    }
    if stage.psf is None and field.psf_fwhm_arcsec is None:
        raise InputError(
            "the PSF of the image is unknown: give its FWHM in arcsec, one or one per band (--psf-fwhm 0.7), "
            "or FITS images of it (--psf psf.fits); `psf` in a recipe"
        )
    sample = np.zeros(1, dtype=np.int64)
    return Batch(sample, sample, np.array(["train"]), arrays=arrays, attributes=attributes)


def _phase(stage: Degrade, seed: int) -> tuple[float, float]:
    """Return the phase that the stage drew."""
    stream = Stream(seed, ("degrade",))
    x, y = (float(stage.phase.draw(stream.child(f"phase_{a}").numpy(), 1)[0]) for a in "xy")
    return x, y


def _mask(field: Field, grid: Grid, stage: Degrade, about: Any) -> np.ndarray | None:
    """Coarse pixels that see masked ones through the broadest PSF."""
    if field.mask is None or field.pixel_scale_arcsec is None:
        return None
    width = max(about["psf_fwhm_arcsec"])
    return coarse_mask(field.mask, grid, field.pixel_scale_arcsec, width, stage.edge == "mirror")
