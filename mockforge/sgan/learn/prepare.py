"""From a real field to what a SGAN trains on: sky-subtracted pixels, a mask, the instrument."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from mockforge.config import Index, Limit, Positive, config
from mockforge.errors import InputError
from mockforge.field.robust import sigma_about, sigma_mad
from mockforge.label.bright import bright, grown, sources, without_columns
from mockforge.label.extract import less_background
from mockforge.observe.measure import core_fwhm, noise_autocorrelation, noise_kernel, stars
from mockforge.observe.noise.photons import electrons_per_unit
from mockforge.sgan.config import InstrumentChoice
from mockforge.sgan.lattice.instrument import Instrument


@config
class Cut:
    """Which part of a field is trained on."""

    rotate_deg: float = 0.0
    """Turn the field by this angle, counter-clockwise, before anything else is cut."""
    rows: tuple[Index, Index] | None = None
    """First and last-plus-one row to train on, the rest is held out; none = all."""
    columns: tuple[Index, Index] | None = None
    """First and last-plus-one column to train on; none = all."""
    masked_columns: tuple[tuple[Index, Index], ...] = ()
    """Ranges of columns (first, last plus one) to leave out: a seam, a bad amplifier."""
    mask_peaks_above: Positive | None = None
    """Objects whose peak exceeds this in any band (field unit) are masked: saturated stars."""
    mask_grow: Index = 12
    """Pixels by which those masks are grown."""
    background_mesh: Annotated[int, Limit(ge=16)] = 128
    """Side in pixels of the mesh of the background that is subtracted."""


@dataclass(frozen=True)
class Prepared:
    """A field ready for training: `image` (band, y, x), `mask` (y, x), the instrument."""

    image: np.ndarray
    mask: np.ndarray
    instrument: Instrument
    psf_fwhm_pix: tuple[float, ...]
    """Per band, FWHM of the stars' cores; NaN where there are too few stars."""
    clip: tuple[tuple[float, float], ...]
    """Per band, the minimum and the 99.99th percentile: the published scaling."""
    sources: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    """(n, 2) y, x of everything above 1.5 sigma on the mean of the bands, outside the mask."""


def prepare(image: np.ndarray, mask: np.ndarray | None, cut: Cut, choice: InstrumentChoice) -> Prepared:
    """Subtract the background, mask what must not be learned, measure noise and PSF.

    `image` (band, y, x) float32, `mask` (y, x) bool or None. Uses `sep` (Bertin & Arnouts
    1996). Raises InputError where the field leaves nothing to train on.
    """
    mask = np.zeros(image.shape[1:], dtype=bool) if mask is None else mask
    if cut.rotate_deg:
        image, mask = _rotate(image, mask, cut.rotate_deg)
    window = _window(cut, image.shape[1:])
    image = np.ascontiguousarray(image[(slice(None), *window)], dtype=np.float32)
    mask = mask[window].copy()
    first = window[1].start
    without_columns(mask, cut.masked_columns, first)
    if mask.mean() > 0.95:
        raise InputError(f"{mask.mean():.0%} of the field is masked: nothing is left to train on")
    flat = less_background(image, mask, cut.background_mesh)
    table, labels, rms = sources(flat, mask)
    if cut.mask_peaks_above is not None:
        mask |= bright(flat, labels, cut.mask_peaks_above, cut.mask_grow)
    free = ~grown(labels > 0, 3) & ~mask
    fwhm = choice.psf_fwhm_pix or _psf(flat, mask, table, rms)
    if len(fwhm) != len(flat):
        raise InputError(
            f"instrument.psf_fwhm_pix has {len(fwhm)} values, the field {len(flat)} bands; give one each"
        )
    instrument = _instrument(flat, mask, free, fwhm, choice)
    return Prepared(
        image=_saturated(flat, instrument),
        mask=mask,
        instrument=instrument,
        psf_fwhm_pix=fwhm,
        clip=tuple((float(b[~mask].min()), float(np.percentile(b[~mask], 99.99))) for b in flat),
        sources=_outside(table, mask),
    )


def _window(cut: Cut, shape: tuple[int, ...]) -> tuple[slice, slice]:
    out = []
    for name, ends, size in (("rows", cut.rows, shape[0]), ("columns", cut.columns, shape[1])):
        first, last = ends or (0, size)
        if first >= last or last > size:
            raise InputError(
                f"field.cut.{name} [{first}, {last}]: the field has {name} 0 to {size}; "
                "first < last is required"
            )
        out.append(slice(first, last))
    return out[0], out[1]


def _rotate(image: np.ndarray, mask: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the field turned about its centre, on a canvas that holds all of it; what is new is masked."""
    from skimage.transform import rotate

    turned = [rotate(band, angle, resize=True, order=3, preserve_range=True) for band in image]
    hidden = rotate(mask.astype(np.float32), angle, resize=True, order=1, cval=1) > 1e-3
    return np.stack(turned).astype(np.float32), hidden


def _outside(sources: Any, mask: np.ndarray) -> np.ndarray:
    """Places (n, 2) of the sources that are not masked."""
    places = np.stack([sources["y"], sources["x"]], axis=1)
    y, x = (np.clip(np.rint(p).astype(int), 0, n - 1) for p, n in zip(places.T, mask.shape, strict=True))
    return places[~mask[y, x]]


def _psf(flat: np.ndarray, mask: np.ndarray, sources: Any, rms: float) -> tuple[float, ...]:
    """FWHM of each band on the same stars, found where the seeing parts them best from galaxies."""
    import sep

    round_sources = (sources["flag"] == 0) & (sources["a"] < 1.5 * np.maximum(sources["b"], 0.1))
    chosen = sources[round_sources]
    x, y = chosen["x"], chosen["y"]
    candidates, snr = [], []
    for band in flat:
        noise = float(sigma_about(band[~mask], 0.0))
        flux, error, _ = sep.sum_circle(band, x, y, 5.0, err=noise, mask=mask)
        radius, _ = sep.flux_radius(band, x, y, 6.0 * chosen["a"], 0.5, mask=mask)
        snr.append(flux / np.maximum(error, 1e-30))
        star_rows = stars(radius, snr[-1])
        candidates.append((float(np.median(radius[star_rows])) if len(star_rows) else np.inf, star_rows))
    star_rows = min(candidates, key=lambda pair: pair[0])[1]
    used = [star_rows[ratio[star_rows] > 30] for ratio in snr]  # stars that are bright in this band too
    return tuple(core_fwhm(band, x[w], y[w]) for band, w in zip(flat, used, strict=True))


def _instrument(
    flat: np.ndarray, mask: np.ndarray, free: np.ndarray, fwhm: tuple[float, ...], choice: InstrumentChoice
) -> Instrument:
    kernels, rms, electrons = [], [], []
    for band, width in zip(flat, fwhm, strict=True):
        sigma = float(sigma_mad(band[free]))
        sky = free & (np.abs(band) < 4.0 * sigma)
        rms.append(sigma)
        kernels.append(noise_kernel(noise_autocorrelation(band, sky, choice.noise_lags)))
        if choice.photon_noise == "measured":
            electrons.append(electrons_per_unit(band, mask, sky, sigma, width))
    widths = [f for f in fwhm if np.isfinite(f)]
    fixed = [0.0] * len(fwhm)
    if choice.psf == "measured" and widths:
        fixed = [choice.psf_fraction * (f if np.isfinite(f) else float(np.median(widths))) for f in fwhm]
    return Instrument(
        rms_njy=tuple(rms),
        psf_fwhm_pix=tuple(fixed),
        noise_kernel=tuple(tuple(tuple(float(v) for v in row) for row in k) for k in kernels),
        rms_map=tuple(_local_rms(band, free, choice.rms_mesh) for band in flat),
        rms_mesh=choice.rms_mesh,
        electrons_per_njy=tuple(electrons) if any(electrons) else (),
        saturation_njy=_saturation(choice, len(flat)),
    )


def _saturation(choice: InstrumentChoice, bands: int) -> tuple[float, ...]:
    """Return the most a pixel of each band holds.

    Infinite where none is given, empty where no band has one.
    """
    limit = choice.saturation_njy
    limits = limit if isinstance(limit, tuple) else (limit,) * bands
    if len(limits) != bands:
        raise InputError(
            f"instrument.saturation_njy has {len(limits)} numbers, the field {bands} bands; "
            "give one for all or one each, 0 for a band that never saturates"
        )
    return tuple(v if v > 0 else math.inf for v in limits) if any(limits) else ()


def _saturated(flat: np.ndarray, instrument: Instrument) -> np.ndarray:
    """Return the field cut where the instrument cuts what is painted: saturated pixels scatter about it."""
    if not instrument.saturation_njy:
        return flat
    return np.minimum(flat, np.asarray(instrument.saturation_njy, dtype=np.float32)[:, None, None])


def _local_rms(band: np.ndarray, free: np.ndarray, mesh: int) -> tuple[tuple[float, ...], ...]:
    """Return the rms of source-free pixels on a mesh, over its median, and smoothed by its neighbours'."""
    from scipy.ndimage import distance_transform_edt, median_filter

    rows, columns = (max(1, n // mesh) for n in band.shape)
    rms = np.full((rows, columns), np.nan)
    for i in range(rows):
        for j in range(columns):
            cell = np.s_[i * mesh : (i + 1) * mesh, j * mesh : (j + 1) * mesh]
            values = band[cell][free[cell]]
            if len(values) > 0.1 * mesh**2:
                rms[i, j] = sigma_mad(values)
    empty = np.isnan(rms)
    if empty.all():  # a field of little more than sources
        return tuple((1.0,) * columns for _ in range(rows))
    nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
    filled = median_filter(rms[tuple(nearest)], 3, mode="nearest")  # type: ignore[arg-type, index]
    return tuple(tuple(float(v) for v in row) for row in filled / np.median(filled))
