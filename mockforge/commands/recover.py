"""`mockforge recover`: a field as a sharper telescope might have seen it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mockforge.commands.degrade import coarse_wcs
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.picture import asinh_rgb, mosaic, save_png, sky_rms
from mockforge.observe.degrade.degrader import coarse_grid
from mockforge.tasks.recover.degraded import Scales
from mockforge.tasks.recover.grid import fine_shape
from mockforge.tasks.recover.model import Recoverer, load_recoverer, predict
from mockforge.train.fields import check_learned_like, in_order, made_by, psf_departures

_LARGEST = 2000
"""Pixels on a side beyond which a picture shows the middle alone."""


def recover_field(
    field: Field,
    model: Recoverer | str | Path = "recover-hsc",
    *,
    rms_njy: float | tuple[float, ...] | None = None,
    extrapolate: bool = False,
    device: str = "cpu",
) -> Field:
    """Return the fine image of a coarse field, in nJy, with the field's WCS on the fine pixels.

    `rms_njy` is that of the sky noise, one or one per band; by default from the field's variance,
    or measured on it. The sky should be subtracted. Masked pixels stay masked.

    Raises InputError where bands, unit or pixel scale are not the model's, or there is no noise;
    and, unless `extrapolate`, where the PSF is known and is not the one it learned.
    """
    if not isinstance(model, Recoverer):
        model = load_recoverer(model)
    s = model.scales
    field = in_order(field, model.name, s.bands, s.coarse_arcsec)
    unlike = list(psf_departures(s.bands, field.psf_fwhm_arcsec, s.psf_fwhm_arcsec))
    check_learned_like(model.name, unlike, extrapolate)
    _, height, width = field.shape
    shape = s.fine if model.kind == "cgan" else fine_shape((height, width), s.step)
    level = np.asarray(rms_njy if rms_njy is not None else _level(field), dtype=np.float32)
    recovered = predict(
        model, field.image[None], np.broadcast_to(level, (1, len(s.bands))), shape=shape, device=device
    )
    return Field(
        image=recovered[0],
        bands=s.fine_bands,
        pixel_scale_arcsec=s.fine_arcsec,
        psf_fwhm_arcsec=s.fine_psf_fwhm_arcsec,
        mask=_mask(field, shape, s),
        wcs=_wcs(field, shape, s),
        header=made_by(model.name, model.sha256, s.bands, "recovered"),
    )


def recovery_picture(before: Field, after: Field, path: Path) -> None:
    """Write a PNG of the coarse field, its pixels enlarged, beside the fine one; large ones in part."""
    _, height, width = after.shape
    side = min(height, width, _LARGEST)
    y, x = (height - side) // 2, (width - side) // 2
    step = (before.pixel_scale_arcsec or 1.0) / (after.pixel_scale_arcsec or 1.0)
    rows, columns = (_nearest(n, m, step) for n, m in zip(after.shape[1:], before.shape[1:], strict=True))
    level = float(np.sqrt(np.mean(sky_rms(before.image) ** 2)))
    coarse = before.image[:, rows[y : y + side, None], columns[None, x : x + side]]
    fine = after.image[:, y : y + side, x : x + side]
    picture = mosaic(
        [
            asinh_rgb(coarse, level, bands=before.bands),
            asinh_rgb(fine, level / step**2, bands=after.bands),
        ],
        columns=2,
        gap=12,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(path, picture)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _level(field: Field) -> np.ndarray:
    """Rms of the sky in each band: of the variance, or measured."""
    good = slice(None) if field.mask is None else ~field.mask
    if field.variance is None:
        return sky_rms(field.image[:, good] if field.mask is not None else field.image)
    variance = np.array(
        [np.median(v[good][v[good] > 0]) if (v[good] > 0).any() else np.nan for v in field.variance]
    )
    return np.sqrt(variance)


def _mask(field: Field, shape: tuple[int, int], s: Scales) -> np.ndarray | None:
    if field.mask is None:
        return None
    rows, columns = (_nearest(n, m, s.step) for n, m in zip(shape, field.shape[1:], strict=True))
    return field.mask[rows[:, None], columns[None, :]]


def _nearest(fine: int, coarse: int, step: float) -> np.ndarray:
    """Return the coarse row in which the middle of each fine row lies."""
    place = (np.arange(fine) - (fine - 1) / 2) / step + (coarse - 1) / 2
    return np.clip(np.rint(place).astype(int), 0, coarse - 1)


def _wcs(field: Field, shape: tuple[int, int], s: Scales) -> object:

    if field.wcs is None:
        return None
    return coarse_wcs(field.wcs, coarse_grid(field.shape[1:], 1 / s.step, shape))
