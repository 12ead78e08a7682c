"""The PSF of each band that a specification means, as its transfer function."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mockforge.errors import InputError
from mockforge.files import Stamp, stamp
from mockforge.observe.psf.models import PsfModel, airy, gaussian, image, moffat, profile_model
from mockforge.observe.psf.of_survey import psf_model
from mockforge.observe.psf.spec import Psf, PsfImage
from mockforge.observe.surveys.read import survey
from mockforge.photometry.bands import pivot_um


def models(psf: Psf, bands: Sequence[str]) -> list[PsfModel]:
    """Return the transfer function of each band.

    Parameters
    ----------
    psf : Psf
        What the PSF is.
    bands : sequence of str
        Bands of the image, which an Airy pattern, a survey and PSF images need.

    Returns
    -------
    list of PsfModel
        T(kx, ky) of a PSF of sum 1 without the pixel, k in radians per arcsec; one for each band.

    Raises
    ------
    InputError
        A PSF image that cannot be read or is no PSF, no pixel scale, a number of widths, files or
        wavelengths that is not that of the bands, an unknown band or survey.
    """
    if psf.gaussian is not None:
        return [gaussian(w) for w in each_band(psf.gaussian.fwhm_arcsec, bands, "fwhm_arcsec")]
    if psf.moffat is not None:
        widths = each_band(psf.moffat.fwhm_arcsec, bands, "fwhm_arcsec")
        return [moffat(w, psf.moffat.beta) for w in widths]
    if psf.airy is not None:
        wavelengths = psf.airy.wavelength_um or tuple(pivot_um(band) for band in bands)
        waves = each_band(wavelengths, bands, "wavelength_um")
        return [airy(psf.airy.diameter_m, psf.airy.obscuration, w) for w in waves]
    if psf.image is not None:
        return _images(psf.image, bands)
    if psf.profile is not None:
        return [profile_model(profile) for profile in each_band(psf.profile, bands, "profile")]
    chosen = survey(str(psf.survey))
    return [psf_model(chosen, band) for band in bands]


def _images(psf: PsfImage, bands: Sequence[str]) -> list[PsfModel]:
    out = []
    for path, psf_image in psf.read():
        if psf_image.pixel_scale_arcsec is None:
            raise InputError(
                f"PSF image {path}: the header gives no pixel scale; give it in"
                " arcsec, as `pixel_scale_arcsec` (--psf-scale of `mockforge degrade`)"
            )
        if psf_image.note:
            warnings.warn(psf_image.note, stacklevel=2)
        out.append(
            image(psf_image.pixels, psf_image.pixel_scale_arcsec, psf.includes_pixel, psf_image.centre)
        )
    return list(each_band(tuple(out), bands, "files"))


def each_band(values: Any, bands: Sequence[str], key: str) -> tuple[Any, ...]:
    """One value per band, from one or from that many."""
    values = values if isinstance(values, tuple) else (values,)
    if len(values) not in (1, len(bands)):
        raise InputError(
            f"psf: {len(values)} values of `{key}` for {len(bands)} bands ({', '.join(bands)});"
            " give one, or one per band"
        )
    return values * len(bands) if len(values) == 1 else values


def file_stamps(psf: Psf) -> tuple[tuple[str, *Stamp], ...]:
    """Path, time and size of each file of a PSF, so that one that changed is read again.

    InputError where an image is missing.
    """
    if psf.image is None:
        return tuple((str(path), *stamp(path)) for path in psf.files_read().values())
    out = []
    for name in psf.image.files:
        path = Path(psf.image.folder).expanduser() / Path(name).expanduser()
        if not path.is_file():
            raise InputError(
                f"PSF image {path}: there is no such file; `folder` is where `files` are looked for"
            )
        out.append((str(path), *stamp(path)))
    return tuple(out)
