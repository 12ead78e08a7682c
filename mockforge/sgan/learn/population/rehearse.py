"""Completeness by rehearsal: a field painted from the model so far, detected by the rule of the real one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mockforge.field.robust import sigma_mad
from mockforge.observe.measure import noise_autocorrelation, noise_kernel
from mockforge.rng import Stream
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.detect import Detections, detect
from mockforge.sgan.learn.field import UNKNOWN_FWHM, LearnField
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.sources.counts import Counts
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.model import SourceModel
from mockforge.sgan.sources.population import Population
from mockforge.sgan.sources.process import LearnedProcess
from mockforge.sky.endless import Endless

_EDGE = 0.05
"""rms of a pixel below which a painted source's light at the edge of its stamp lies."""
_LAGS = 4
_STEP = 0.35
"""Bins of significance, in ln."""
_FROM = 4.0
"""Significance below which noise peaks outnumber what can be learned."""
_SURE = 0.2
"""Scatter of ln of a bin's correction before anything is counted."""
_SLOPES = (0.35, 1.2)
"""Slopes of N(>f) that a rehearsal may ask for."""
_SURE_SIZE = 0.3
"""Scatter of the shift of ln radius before any size is compared."""
_ANSWER = 0.44
_SIZE_SCATTER = 0.4
"""Of ln of a detection's size, by which the error of a median is known."""
_SURE_SLOPE = 0.15
"""Scatter of the slope before anything is counted."""


@dataclass(frozen=True)
class Rehearsal:
    """Counts of detections, real and rehearsed, by significance."""

    edges: np.ndarray
    """(B + 1,) ln of the peak over the noise."""
    real: np.ndarray
    """(B,) detections in the field."""
    painted: np.ndarray
    """(B,) in the painted one."""
    log_flux: np.ndarray
    """(B,) ln nJy: median of the true mean flux of what was detected there; NaN where there is none."""
    real_size: np.ndarray
    """(B,) px: median of sqrt(a b) of the detections' pixels."""
    painted_size: np.ndarray

    def table(self) -> list[dict[str, Any]]:
        """Return a row a bin, for the run's page."""
        columns = {
            "snr from": np.exp(self.edges[:-1]), "flux nJy": np.exp(self.log_flux), "real": self.real,
            "painted": self.painted, "size real px": self.real_size, "size painted px": self.painted_size,
        }  # fmt: skip
        return [
            {name: float(values[i]) for name, values in columns.items()}
            for i in range(len(self.real))
            if self.real[i] + self.painted[i] > 0
        ]


def rehearsed(
    field: LearnField, psf: PixelPsf, model: SourceModel, stream: Stream, kernels: Sequence[np.ndarray]
) -> Rehearsal:
    """Paint and observe a field of the real one's shape, mask and noise; detect, and count.

    The noise has the measured correlation and local rms, less the power of what is painted below the
    detections, which the measured noise holds already. `kernels` are `kernels_of(field)`.
    """
    painter = SourcePainter(psf, None, _EDGE * np.median(field.rms_mesh, axis=(1, 2)))  # type: ignore
    process = LearnedProcess(model, stream, painter.sides)
    height, width = field.mask.shape
    sky: Endless[Marks] = Endless(process, painter)  # type: ignore
    image, sources = sky.image(0, height, 0, width), sky.sources(0, height, 0, width)
    image = observed(field, image, kernels, stream.child("noise").numpy())
    fwhm = seeing_of(field)
    found = detect(image, field.mask, field.rms * field.correlated[:, None, None].astype(np.float32), fwhm)
    true = _true_flux(found, sources, fwhm)
    real, snr = field.detections, np.log(found.snr)
    top = max(float(np.log(max(real.snr.max(), found.snr.max()))), 3.0)
    edges = np.append(np.arange(np.log(_FROM), min(top, np.log(_FROM) + 12 * _STEP), _STEP), top + 1e-9)
    bins, real_bins = np.digitize(snr, edges) - 1, np.digitize(np.log(real.snr), edges) - 1
    sizes = [np.sqrt(d.table["a"] * d.table["b"]) for d in (real, found)]
    n = len(edges) - 1
    return Rehearsal(
        edges,
        np.histogram(np.log(real.snr), edges)[0].astype(float),
        np.histogram(snr, edges)[0].astype(float),
        _medians(np.log(true), bins, n),
        _medians(sizes[0], real_bins, n),
        _medians(sizes[1], bins, n),
    )


def seeing_of(field: LearnField) -> float:
    """Return the FWHM in px of the Gaussian by which the field's own detection smooths."""
    usual = field.fwhm_pix[np.isfinite(field.fwhm_pix)]
    return float(np.median(usual)) if len(usual) else UNKNOWN_FWHM


def kernels_of(field: LearnField) -> list[np.ndarray]:
    """Return for each band the kernel that gives white noise the correlation of the field's sky, rms 1."""
    out = []
    for band, rms in zip(field.image, field.rms, strict=True):
        sky = field.free & (np.abs(band) < 4.0 * rms)
        out.append(noise_kernel(noise_autocorrelation(band, sky, _LAGS)).astype(np.float32))
    return out


def observed(
    field: LearnField, image: np.ndarray, kernels: Sequence[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Return a noiseless image (C, H, W) nJy as the field's instrument sees it, its sky at 0."""
    from scipy.signal import fftconvolve

    out = np.empty_like(image)
    for b, (light, kernel) in enumerate(zip(image, kernels, strict=True)):
        white = rng.standard_normal([n + 2 * _LAGS for n in light.shape], dtype=np.float32)
        noise = fftconvolve(white, kernel, mode="valid")
        dark = ~field.mask & (light < field.rms[b])
        faint = light[dark] / field.rms[b][dark]
        share = np.sqrt(max(1.0 - float(sigma_mad(faint)) ** 2, 0.25))
        out[b] = light - np.median(light[dark]) + share * noise * field.rms[b]
        if field.gains[b] > 0:
            out[b] += rng.standard_normal(light.shape) * np.sqrt(np.maximum(light, 0.0) / field.gains[b])
    return out


def corrected(model: SourceModel, seen: Rehearsal, fwhm_pix: float, slope: bool = True) -> SourceModel:
    """Return the model with the galaxies that would have shown the detections of the field.

    Counts above the limit of completeness by a factor on the density at the fluxes that were seen in each
    bin, less far where few were counted; below, where `slope`, by the slope. Sizes by `faint_size`.
    """
    counts = model.galaxies
    used = np.isfinite(seen.log_flux) & (seen.real + seen.painted > 10)
    if not used.any():
        return model
    real, painted = seen.real[used], seen.painted[used]
    variance = 1.0 / np.maximum(real, 1.0) + 1.0 / np.maximum(painted, 1.0)
    ratio = np.log(np.maximum(real, 1.0) / np.maximum(painted, 1.0)) * _SURE**2 / (_SURE**2 + variance)
    flux = seen.log_flux[used]
    above = flux >= counts.log_flux[0]
    if above.any():
        order = np.argsort(flux[above])
        counts = counts.corrected(flux[above][order], ratio[above][order])
    if slope and (~above).any():
        counts = _resloped(counts, flux[~above], ratio[~above], (1.0 / variance)[~above])
    return replace(model, galaxies=counts, population=_resized(model.population, seen, fwhm_pix))


def _resized(population: Population, seen: Rehearsal, fwhm_pix: float) -> Population:
    """Return the population whose faint galaxies look as large as the field's where they are detected.

    A detection's size is mostly the PSF's and the filter's: s^2 = 2 sigma^2 + k r^2 with k = 0.44, so that
    ln s answers to ln r by k r^2 / s^2. Each bin asks for a shift of ln r that fades as 1 / flux.
    """
    low = population.log_flux[0]
    fading = np.exp(np.minimum(low - seen.log_flux, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.log(seen.real_size / seen.painted_size)
    used = (
        np.isfinite(ratio) & np.isfinite(fading) & (fading > 0.3) & (np.minimum(seen.real, seen.painted) > 20)
    )
    if not used.any():
        return population
    rng = Stream(0, ("sizes",)).numpy()
    flux = np.repeat(np.exp(seen.log_flux[used]), 200)
    radius = population.draw(rng, flux, np.zeros(len(flux), dtype=bool)).log_radius.reshape(-1, 200)
    light = _ANSWER * np.exp(2.0 * np.median(radius, axis=1))
    answer = light / (light + 2.0 * (fwhm_pix / 2.3548) ** 2) * fading[used]
    variance = _SIZE_SCATTER**2 * (1.0 / seen.real[used] + 1.0 / seen.painted[used])
    step = float((answer * ratio[used] / variance).sum() / ((answer**2 / variance).sum() + _SURE_SIZE**-2))
    return replace(population, faint_size=float(np.clip(population.faint_size + step, -0.7, 0.7)))


def _resloped(counts: Counts, flux: np.ndarray, ratio: np.ndarray, weight: np.ndarray) -> Counts:
    """Return counts whose slope below the limit gives the density `ratio` (ln) more at ln fluxes below it."""
    below = counts.log_flux[0] - flux
    step = float((weight * ratio * below).sum() / ((weight * below**2).sum() + _SURE_SLOPE**-2))
    return counts.sloped(float(np.clip(counts.slope + step, *_SLOPES)))


def _true_flux(found: Detections, sources: Marks, fwhm: float) -> np.ndarray:
    """Mean flux (N,) nJy of the brightest source within a FWHM of each detection; NaN where none is."""
    from scipy.spatial import cKDTree  # type: ignore

    out = np.full(len(found), np.nan)
    if not len(sources) or not len(found):
        return out
    flux = sources.mean_flux
    near = cKDTree(np.column_stack([sources.x, sources.y])).query_ball_point(
        np.column_stack([found.table["x"], found.table["y"]]), fwhm
    )
    for i, rows in enumerate(near):
        if rows:
            out[i] = flux[rows].max()
    return out


def _medians(values: np.ndarray, bins: np.ndarray, count: int) -> np.ndarray:
    parts = [values[(bins == i) & np.isfinite(values)] for i in range(count)]
    return np.array([float(np.median(part)) if len(part) else np.nan for part in parts])
