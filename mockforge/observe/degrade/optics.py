"""The optics of the stage `degrade`: what is drawn for each sample, and what the telescope makes of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.batch import Batch
from mockforge.config import fixed
from mockforge.errors import InputError
from mockforge.observe.band_matching import matched_bands
from mockforge.observe.degrade.degrader import Degrader, Grid, coarse_grid, psf_pixels, scaled
from mockforge.observe.degrade.spec import Degradation, Sweep
from mockforge.observe.noise.depth import with_pixel
from mockforge.observe.noise.existing import OwnNoise, own_noise
from mockforge.observe.psf.models import PsfModel, Rings
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.observe.surveys.read import survey, survey_curve
from mockforge.observe.surveys.spec import Survey
from mockforge.photometry.colours import Mixing, mixing
from mockforge.rng import Stream

AMPLIFIED = 3.0
"""A frequency raised by more is worth a warning."""
MISFIT = 0.01
"""So is a wanted PSF of which more than this is not in the image."""
ALIASED = 0.01
"""So is an image so coarse that a star in the target is wrong by more than this."""


@dataclass(frozen=True)
class DegradationSetup:
    """What holds for all samples."""

    bands: tuple[str, ...]
    """The target's."""
    fine_bands: tuple[str, ...]
    """The source's."""
    fine: float
    """Arcsec of a fine pixel."""
    scale: float
    """Arcsec of a coarse pixel, before any sweep."""
    present: list[PsfModel]
    wanted: list[PsfModel]
    shape: tuple[int, int]
    """Of the coarse images."""
    mixing: Mixing | None
    """How the target's bands are made of the source's; None: one of one."""


@dataclass(frozen=True)
class DrawnSettings:
    """What is drawn for each sample, (N,) each."""

    fwhm_factor: np.ndarray
    depth_offset_mag: np.ndarray
    scale: np.ndarray
    phase_x: np.ndarray
    phase_y: np.ndarray


def about_of(cfg: Degradation, batch: Batch) -> DegradationSetup:
    """Return what all samples of a batch share: bands, grids, PSFs and noise of the target.

    InputError where the batch does not say its bands or its pixel scale, or the target lacks a band.
    """
    attributes, chosen = batch.attributes, survey(cfg.to)
    fine_bands, fine = attributes.get("bands"), attributes.get("pixel_scale_arcsec")
    if fine is None or fine_bands is None:
        raise InputError("degrade: the bands and the pixel scale of the images are not known")
    any_number = cfg.colours is not None
    bands, matched = target_bands(chosen, tuple(fine_bands), cfg.bands, any_number)
    if matched:
        warnings.warn(f"degrade: {matched}", stacklevel=2)
    matrix = None
    if cfg.colours is not None:
        curves = tuple(survey_curve(chosen, band) for band in bands)
        matrix = mixing(cfg.colours, tuple(fine_bands), curves)
    scale = cfg.pixel_scale_arcsec or chosen.pixel_scale_arcsec
    inner = tuple(n - 2 * batch.margin for n in batch.arrays[cfg.input].shape[-2:])
    coarse = None if cfg.shape is None else (cfg.shape, cfg.shape)
    shape = coarse_grid((inner[0], inner[1]), scale / fine, coarse).shape
    target_psfs = models(cfg.psf_out or Psf(survey=cfg.to), bands)
    present = models(cfg.psf or own_psf(attributes), tuple(fine_bands))
    return DegradationSetup(
        bands, tuple(fine_bands), float(fine), float(scale), present, target_psfs, shape, matrix
    )


def target_bands(
    target: Survey, own: Sequence[str], chosen: Sequence[str] | None, any_number: bool = False
) -> tuple[tuple[str, ...], str]:
    """Return the survey's band for each of an image's, and a sentence where the names differ unasked.

    InputError where they cannot be paired.
    """
    if chosen is None:
        return matched_bands(target, own)
    if len(chosen) != len(own) and not any_number:
        raise InputError(
            f"{len(chosen)} bands of {target.title} ({', '.join(chosen)}) for {len(own)} of the image"
            f" ({', '.join(own)}); name one for each"
        )
    for band in chosen:
        target.band(band)
    return tuple(chosen), ""


def own_psf(known: Mapping[str, Any]) -> Psf:
    """Return the PSF a source says its images have: in full, or as a Gaussian of its width."""
    if known.get("psf"):
        from pydantic import TypeAdapter

        return TypeAdapter(Psf).validate_python(dict(known["psf"]))
    fwhm = known.get("psf_fwhm_arcsec")
    if fwhm is None or min(fwhm) <= 0:
        raise InputError("degrade: the PSF of the images is not known; give it as `psf`")

    scale = float(known["pixel_scale_arcsec"])
    return Psf(gaussian=Gaussian(fwhm_arcsec=tuple(with_pixel(float(f), scale, -1) for f in fwhm)))


def drawn_of(cfg: Degradation, about: DegradationSetup, count: int, stream: Stream) -> DrawnSettings:
    """Draw what differs between samples: factor on the FWHM, depth, pixel scale and phase, (count,)."""
    sweep = cfg.sweep or Sweep()
    scale = sweep.pixel_scale_arcsec or fixed(about.scale)
    return DrawnSettings(
        fwhm_factor=sweep.fwhm_factor.draw(stream.child("seeing").numpy(), count),
        depth_offset_mag=sweep.depth_offset_mag.draw(stream.child("depth").numpy(), count),
        scale=scale.draw(stream.child("pixel_scale").numpy(), count),
        phase_x=cfg.phase.draw(stream.child("phase_x").numpy(), count),
        phase_y=cfg.phase.draw(stream.child("phase_y").numpy(), count),
    )


@dataclass(frozen=True)
class ThroughOptics:
    """What the optics make of the input."""

    image: np.ndarray
    """(N,C,h,w)"""
    noise: list[list[np.ndarray]]
    """Of each sample and band: autocovariance of the noise that came through; empty for noiseless input."""
    grids: list[Grid]
    """Of each sample, on the tile."""


def optics(cfg: Degradation, batch: Batch, about: DegradationSetup, drawn: DrawnSettings) -> ThroughOptics:
    """Return the input through the target's PSF and pixels; a warning where the target is the sharper one."""
    flux, m = batch.arrays[cfg.input], batch.margin
    inner = (flux.shape[-2] - 2 * m, flux.shape[-1] - 2 * m)
    settings = list(zip(drawn.fwhm_factor, drawn.scale, drawn.phase_x, drawn.phase_y, strict=True))
    grids = [coarse_grid(inner, scale / about.fine, about.shape, (px, py)) for _, scale, px, py in settings]
    if isinstance(cfg.own_rms_njy, tuple) and len(cfg.own_rms_njy) not in (1, flux.shape[1]):
        raise InputError(
            f"own_rms_njy: {len(cfg.own_rms_njy)} numbers for {flux.shape[1]} bands; give one each"
        )
    rms = None if cfg.own_rms_njy is None else np.broadcast_to(cfg.own_rms_njy, flux.shape[1:2])
    own = own_noise(flux, rms) if cfg.input == "image" else None
    out = np.empty((len(batch), len(about.wanted), *about.shape), dtype=np.float32)
    noise: list[list[np.ndarray]] = [[] for _ in settings]
    worst = np.zeros(3)
    for setting in dict.fromkeys(settings):
        rows = [i for i, other in enumerate(settings) if other == setting]
        telescope = Telescope(cfg, about, flux.shape[-2:], grids[rows[0]].moved(m), setting[0])
        out[rows] = telescope.image(flux[rows])
        if own is not None:
            through = telescope.noise(own)
            for i in rows:
                noise[i] = through
        worst = np.maximum(worst, telescope.shortcomings)
    warn_of(cfg.to, about.fine, worst)
    return ThroughOptics(out, noise, grids)


def warn_of(to: str, fine: float, shortcomings: Sequence[float] | np.ndarray) -> None:
    """Warn where the target is the sharper one, or the image is undersampled."""
    amplified, misfit, aliased = map(float, shortcomings)
    if amplified > AMPLIFIED or misfit > MISFIT:
        warnings.warn(sharper(to, amplified, misfit), stacklevel=3)
    if aliased > ALIASED:
        warnings.warn(undersampled(to, aliased, fine), stacklevel=3)


class Telescope:
    """The change of all bands for one width of the PSF and grid, band by band or mixed.

    `how` is said to each `Degrader`.
    """

    def __init__(
        self,
        cfg: Degradation,
        about: DegradationSetup,
        shape: tuple[int, int],
        grid: Grid,
        factor: float,
        **how: bool,
    ) -> None:
        psfs = [scaled(model, factor) for model in about.wanted]
        how = {"mirrored": cfg.edge == "mirror", **how}
        self._matrix = None if about.mixing is None else about.mixing.matrix
        if self._matrix is None:
            self._changes = [Degrader(shape, grid, about.fine, about.present, psfs, **how)]
        else:  # every band of the image with the PSF of every band of the target
            self._changes = [
                Degrader(shape, grid, about.fine, [old] * len(psfs), psfs, **how) for old in about.present
            ]
        self.shortcomings = tuple(
            max(float(getattr(change, name).max()) for change in self._changes)
            for name in ("amplified", "misfit", "aliased")
        )

    def moved(self, start: tuple[float, float]) -> Telescope:
        """Return the same for coarse pixels from `start` (y, x) on, as `Degrader.moved`."""
        out = copy(self)
        out._changes = [change.moved(start) for change in self._changes]
        return out

    def image(self, flux: np.ndarray) -> np.ndarray:
        """(N,C,H,W) as (N,C',h,w)."""
        if self._matrix is None:
            return self._changes[0](flux)
        parts = []
        for c, change in enumerate(self._changes):
            repeated = np.broadcast_to(flux[:, c : c + 1], (len(flux), len(self._matrix), *flux.shape[-2:]))
            parts.append(change(repeated) * self._matrix[:, c, None, None].astype(np.float32))
        return np.sum(parts, axis=0)

    def noise(self, own: Sequence[OwnNoise]) -> list[np.ndarray]:
        """Autocovariance of the noise that comes through in each band of the target."""
        if self._matrix is None:
            through = self._changes[0].noise([o.autocorrelation for o in own])
            return [o.rms**2 * c for o, c in zip(own, through, strict=True)]
        total = [np.zeros((1, 1))] * len(self._matrix)
        for c, (change, o) in enumerate(zip(self._changes, own, strict=True)):
            through = change.noise([o.autocorrelation] * len(self._matrix))
            weights = (o.rms * self._matrix[:, c]) ** 2
            total = [t + w * part for t, w, part in zip(total, weights, through, strict=True)]
        return total


def sharper(to: str, amplified: float, misfit: float) -> str:
    """Return what to tell where the target is not broader than the image."""
    raised = f"frequencies are amplified up to {amplified:.3g} times, and " if amplified > 1.005 else ""
    return (
        f"degrade: the PSF of {to} is not everywhere broader than the image's: {raised}{100 * misfit:.2g}% of"
        " its PSF is not in the image; take a sharper image, or a broader PSF"
    )


def undersampled(to: str, aliased: float, scale: float) -> str:
    """Return what to tell where the image's own pixels are too coarse for its PSF."""
    return (
        f"degrade: pixels of {scale:g} arcsec undersample the image's PSF: a star as {to} sees it is wrong by"
        f" {100 * aliased:.2g}% (relative L2), and no filter can undo it; start from smaller pixels"
    )


def psf_stamps(models: Sequence[tuple[PsfModel, float]], scale: float, count: int) -> np.ndarray:
    """PSFs with their pixel, on stamps that hold 98% of the widest, the same for every sample."""
    side = _side([m for m, _ in models], scale)
    stamps = np.stack([psf_pixels(scaled(model, factor), scale, side) for model, factor in models])
    return np.broadcast_to(stamps, (count, *stamps.shape)).copy()


def _side(models: Sequence[PsfModel], scale: float) -> int:
    reach = max(rings.reach(0.02, 12 * rings.fwhm()) for rings in map(Rings.of, models))
    return 2 * max(3, int(np.ceil(reach / scale)) + 1) + 1


def psfs_out(about: DegradationSetup, drawn: DrawnSettings, count: int) -> dict[str, np.ndarray]:
    """Return `psf_out`, float32 (count, C, y, x): the PSF of each sample in its coarse pixels."""
    side = _side(about.wanted, about.scale)
    out = np.empty((count, len(about.wanted), side, side), dtype=np.float32)
    pairs = list(zip(drawn.fwhm_factor, drawn.scale, strict=True))
    for factor, scale in dict.fromkeys(pairs):
        rows = [i for i, pair in enumerate(pairs) if pair == (factor, scale)]
        out[rows] = np.stack([psf_pixels(scaled(m, factor), scale, side) for m in about.wanted])
    return {"psf_out": out}


def fwhm_of(model: PsfModel) -> float:
    """Return the FWHM of a PSF in arcsec."""
    return float(Rings.of(model).fwhm())
