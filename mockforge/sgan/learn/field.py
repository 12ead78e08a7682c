"""From a user's field to what every stage of the learned sky learns from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.robust import sigma_mad
from mockforge.label.bright import bright, grown, sources
from mockforge.label.extract import less_background
from mockforge.label.seeing import star_fwhm
from mockforge.observe.measure import local_rms, noise_autocorrelation
from mockforge.observe.noise.photons import electrons_per_unit
from mockforge.sgan.learn.detect import Detections, detect, source_free
from mockforge.sgan.training_field import Cut, cut_out

LEAST_SIDE = 128
"""Pixels; a smaller field holds too few sources, and too little sky, to be learned."""
FEWEST_SOURCES = 20
"""Sources below which there is no population to learn."""
UNKNOWN_FWHM = 3.0
"""Pixels by which detection smooths where the stars' width is not known."""
_SATURATED = 1000.0
"""rms of the sky that the peak of a star exceeds before it is looked at for saturation."""
_LAGS = 4


@dataclass(frozen=True, eq=False)
class LearnField:
    """A field with C bands of H x W pixels, ready to be learned from; all fluxes nJy per pixel."""

    image: np.ndarray
    """(C, H, W) float32 nJy, the background taken off; 0 where a pixel is not known."""
    mask: np.ndarray
    """(H, W) bool: not to be learned from: bad pixels, saturated stars and their halos, masked columns."""
    defects: np.ndarray
    """(H, W) bool: pixels that show nothing: bad ones and masked columns, but no stars."""
    rms_mesh: np.ndarray
    """(C, ny, nx) float32 nJy: rms of source-free sky on a mesh of `mesh` pixels from the first pixel."""
    mesh: int
    correlated: np.ndarray
    """(C,) noise on the scale of the seeing over that of white noise of equal rms: 1 where it is white."""
    gains: np.ndarray
    """(C,) electrons per nJy; 0 where the field does not show them."""
    fwhm_pix: np.ndarray
    """(C,) FWHM of the stars' cores, px; NaN where there are too few stars."""
    detections: Detections
    bands: tuple[str, ...]
    pixel_scale_arcsec: float | None = None

    @property
    def labels(self) -> np.ndarray:
        """(H, W) int32: pixels of the detections, 0 = sky."""
        return self.detections.labels

    @cached_property
    def free(self) -> np.ndarray:
        """(H, W) true on source-free sky that is not masked."""
        return source_free(self.labels, self.mask)

    @cached_property
    def rms(self) -> np.ndarray:
        """(C, H, W) float32 nJy: the sky's rms at each pixel, bilinear between the mesh's centres."""
        return rms_at(self.rms_mesh, self.mesh, self.mask.shape)

    @property
    def area_pix(self) -> int:
        """Pixels that are not masked."""
        return int((~self.mask).sum())


def learn_field(field: Field, cut: Cut, fwhm_pix: tuple[float, ...] | None = None) -> LearnField:
    """Prepare a field: background, mask, noise by place, gains and detections.

    Parameters
    ----------
    field : Field
        In nJy, one to any number of aligned bands.
    cut : Cut
        What of it is used; where `mask_peaks_above` is not given, stars whose cores are flat are masked.
    fwhm_pix : tuple of float, optional
        FWHM of the stars in each band in px, where known; else measured where stars are found.

    Returns
    -------
    LearnField
        The background is measured twice, the second time with the sources masked.

    Raises
    ------
    InputError
        Where the field is smaller than 128 pixels on a side, nearly all masked, without noise in a
        band, or holds fewer than 20 sources.
    """
    image, mask = cut_out(field.image, field.mask, cut)
    _large_enough(mask.shape)
    unknown = ~np.isfinite(image).all(axis=0)
    mask |= unknown
    image[:, unknown] = 0.0
    _noisy(image, mask, field.bands)
    defects = mask.copy()
    mesh = min(cut.background_mesh, max(32, min(mask.shape) // 3))
    flat, labels, mask = _flattened(image, mask, cut, mesh)
    found, _, _ = sources(flat, mask)
    widths = np.asarray(fwhm_pix or (star_fwhm(flat, mask, found) if len(found) else [np.nan] * len(flat)))
    if len(widths) != len(flat):
        raise InputError(f"psf.fwhm_pix has {len(widths)} values, the field {len(flat)} bands; give one each")
    usual = float(np.nanmedian(widths)) if np.isfinite(widths).any() else UNKNOWN_FWHM
    free = source_free(labels, mask)
    noise = _rms_mesh(flat, free, mesh) * _correlated(flat, free, widths)[:, None, None]
    detections = detect(flat, mask, rms_at(noise, mesh, mask.shape), usual)
    free = source_free(detections.labels, mask)
    ready = LearnField(
        image=flat,
        mask=mask,
        defects=defects,
        rms_mesh=_rms_mesh(flat, free, mesh),
        mesh=mesh,
        correlated=_correlated(flat, free, widths),
        gains=np.array([_gain(b, mask, free, w) for b, w in zip(flat, widths, strict=True)]),
        fwhm_pix=widths,
        detections=detections,
        bands=field.bands,
        pixel_scale_arcsec=field.pixel_scale_arcsec,
    )
    if len(detections) < FEWEST_SOURCES:
        raise InputError(
            f"the field shows {len(detections)} sources, at least {FEWEST_SOURCES} are required: use more of "
            "it (field.cut.rows, columns), or a deeper or wider one"
        )
    return ready


def rms_at(mesh: np.ndarray, side: int, shape: tuple[int, ...]) -> np.ndarray:
    """(C, H, W) float32: bilinear between the centres of a mesh (C, ny, nx) of `side` pixels."""
    _, ny, nx = mesh.shape
    rows, columns = (_weights(n, m, side) for n, m in zip(shape, (ny, nx), strict=True))
    return np.einsum("hi,cij,wj->chw", rows, mesh, columns, optimize=True).astype(np.float32)


def _weights(pixels: int, cells: int, side: int) -> np.ndarray:
    """(pixels, cells) share of each cell's value in a pixel."""
    place = np.clip((np.arange(pixels) + 0.5) / side - 0.5, 0.0, cells - 1.0)
    return np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(cells)))


def _large_enough(shape: tuple[int, ...]) -> None:
    if min(shape) < LEAST_SIDE:
        raise InputError(
            f"the part of the field that is trained on is {shape[1]} x {shape[0]} pixels (x, y); at least "
            f"{LEAST_SIDE} on each side are required"
        )


def _noisy(image: np.ndarray, mask: np.ndarray, bands: tuple[str, ...]) -> None:
    for name, band in zip(bands, image, strict=True):
        if not sigma_mad(band[~mask]) > 0:
            raise InputError(
                f"band {name} has no noise: its sky is one number; give the observed image, not a clean one, "
                "or mask what is empty"
            )


def _flattened(
    image: np.ndarray, mask: np.ndarray, cut: Cut, mesh: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image less a background that its sources are not in, labels of them, mask with saturated stars."""
    flat = less_background(image, mask, mesh)
    _, labels, _ = sources(flat, mask)
    if cut.mask_peaks_above is not None:
        mask = mask | bright(flat, labels, cut.mask_peaks_above, cut.mask_grow)
    else:
        mask = mask | _flat_topped(flat, labels, cut.mask_grow)
    if mask.mean() > 0.95:
        raise InputError(
            f"{mask.mean():.0%} of the field is masked with its saturated stars: nothing is left to train on"
        )
    flat = less_background(image, mask | grown(labels > 0, 4), mesh)
    flat[:, ~np.isfinite(flat).all(axis=0)] = 0.0
    _, labels, _ = sources(flat, mask)
    return flat, labels, mask


def _flat_topped(flat: np.ndarray, labels: np.ndarray, grow: int) -> np.ndarray:
    """(H, W) true on stars whose peak is a plateau of 12 pixels or more, and `grow` pixels around."""
    out = np.zeros(labels.shape, dtype=bool)
    for band in flat:
        peak = np.zeros(int(labels.max()) + 1, dtype=np.float32)
        np.maximum.at(peak, labels.ravel(), band.ravel())
        peak[0] = np.inf
        plateau = np.bincount(labels[band > 0.9 * peak[labels]], minlength=len(peak))
        hit = (peak > _SATURATED * sigma_mad(band)) & (plateau >= 12)
        hit[0] = False
        out |= hit[labels]
    return grown(out, grow)


def _rms_mesh(flat: np.ndarray, free: np.ndarray, mesh: int) -> np.ndarray:
    """(C, ny, nx) nJy."""
    if not free.any():
        raise InputError("the field shows no source-free sky: its noise cannot be measured; use more of it")
    out = []
    for band in flat:
        shape = np.asarray(local_rms(band, free, mesh))
        out.append(shape * sigma_mad(band[free] / rms_at(shape[None], mesh, band.shape)[0][free]))
    return np.stack(out).astype(np.float32)


def _correlated(flat: np.ndarray, free: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """(C,) noise under a Gaussian of the seeing's width over that of white noise of the same rms."""
    skies = (free & (np.abs(band) < 4.0 * sigma_mad(band[free])) for band in flat)
    return np.array([correlated_noise(*of, _LAGS) for of in zip(flat, skies, _filled(widths), strict=True)])


def correlated_noise(band: np.ndarray, sky: np.ndarray, fwhm: float, lags: int) -> float:
    """Return the noise under a Gaussian of `fwhm` px over that of white noise of the same rms."""
    y, x = np.mgrid[-lags : lags + 1, -lags : lags + 1]
    window = np.exp(-(x**2 + y**2) / (4.0 * (fwhm / 2.3548) ** 2))  # of a Gaussian with itself
    correlation = noise_autocorrelation(band, sky, lags)
    return float(np.sqrt(max(float((correlation * window).sum()), 0.25)))


def _gain(band: np.ndarray, mask: np.ndarray, free: np.ndarray, fwhm: float) -> float:
    sigma = float(sigma_mad(band[free]))
    return electrons_per_unit(band, mask, free & (np.abs(band) < 4.0 * sigma), sigma, float(fwhm))


def _filled(widths: np.ndarray) -> np.ndarray:
    """Widths with the median, or 3 px, where there is none."""
    known = widths[np.isfinite(widths)]
    return np.where(np.isfinite(widths), widths, np.median(known) if len(known) else UNKNOWN_FWHM)
