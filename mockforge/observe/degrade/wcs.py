"""`mockforge degrade --wcs`: an image on the pixels of another file, turned and shifted as they lie."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.batch import Batch
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.fits.bands import find_planes
from mockforge.field.fits.check import opened
from mockforge.field.fits.wcs import pixels_of_sky, read_wcs, sky_of_pixels
from mockforge.observe.degrade.degrader import Degrader, Grid, coarse_grid, scaled
from mockforge.observe.degrade.labels import coarse_mask
from mockforge.observe.degrade.noise import noisy
from mockforge.observe.degrade.optics import (
    AMPLIFIED,
    MISFIT,
    DegradationSetup,
    DrawnSettings,
    ThroughOptics,
    about_of,
    drawn_of,
    fwhm_of,
    sharper,
)
from mockforge.observe.degrade.spec import Degradation
from mockforge.observe.noise.existing import own_noise
from mockforge.observe.psf.models import PsfModel
from mockforge.rng import Stream


@dataclass(frozen=True)
class Place:
    """Where the pixels of a target lie on an image."""

    wcs: Any
    """The target's."""
    y: np.ndarray
    """(h, w) row of the image at the centre of each pixel of the target."""
    x: np.ndarray
    """(h, w) column."""
    sides: np.ndarray
    """(2, 2): the step along the target's x, then along its y, each (x, y) in pixels of the image."""

    @property
    def step(self) -> float:
        """Side of a square as large as a target's pixel, in pixels of the image."""
        return math.sqrt(abs(float(np.linalg.det(self.sides))))

    def inside(self, shape: tuple[int, int]) -> np.ndarray:
        """Whether the centre of each pixel lies on an image of `shape`, (h, w) bool."""
        on_y = (self.y > -0.5) & (self.y < shape[0] - 0.5)
        return on_y & (self.x > -0.5) & (self.x < shape[1] - 0.5)


def place_of(field: Field, path: Path) -> Place:
    """Return the pixels of a FITS file's first image on a field.

    InputError where either has no WCS, or no pixel lies on the field.
    """
    if field.wcs is None:
        raise InputError(f"--wcs {path}: the image has no WCS, so that its place on the sky is not known")
    wcs, shape = target_of(path)
    y, x = np.indices(shape, dtype=np.float64)
    at_x, at_y = pixels_of_sky(field.wcs, *sky_of_pixels(wcs, x, y))
    place = Place(wcs, np.asarray(at_y), np.asarray(at_x), sides_of(field.wcs, wcs, shape))
    if not place.inside((field.shape[1], field.shape[2])).any():
        raise InputError(
            f"{path}: none of its pixels lies on the image; do both cover the same part of the sky?"
        )
    return place


def target_of(path: Path) -> tuple[Any, tuple[int, int]]:
    """Return the WCS and the shape (y, x) of a FITS file's first image; InputError where it has no WCS."""
    plane = find_planes([path], None, None)[0]
    with opened(plane.path) as units:
        shape = units[plane.hdu.index].shape[-2:]
        wcs, _, _ = read_wcs(plane.path, units, plane.hdu.index, None)
    if wcs is None:
        raise InputError(f"{path}: has no celestial WCS; --wcs needs a file with the pixels to degrade onto")
    return wcs, (int(shape[0]), int(shape[1]))


def sides_of(own: Any, wcs: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return the steps along a target's x and y in its middle, in pixels of the image: (2, 2) of (x, y)."""
    middle = np.array([[shape[1] - 1, shape[0] - 1]]) / 2 + np.array([[0, 0], [1, 0], [0, 1]])
    px, py = pixels_of_sky(own, *sky_of_pixels(wcs, middle[:, 0], middle[:, 1]))
    return np.array([[px[i] - px[0], py[i] - py[0]] for i in (1, 2)])


def degraded_onto(
    cfg: Degradation, batch: Batch, stream: Stream, place: Place
) -> tuple[DegradationSetup, dict[str, Any]]:
    """Return what the stage `degrade` makes of one image on the pixels of `place`.

    That is `image`, `variance` and, of a noiseless input, `image_noiseless`, (1,C,h,w). InputError as
    the stage.

    The image through the target's PSF and pixel, which may lie askew, is computed on the image's own
    pixels in one Fourier step, and then read at the centres by quintic splines.
    """
    check_onto(cfg)
    fine = float(batch.attributes["pixel_scale_arcsec"])
    cfg = replace(cfg, pixel_scale_arcsec=place.step * fine)
    about = about_of(cfg, batch)
    drawn = drawn_of(cfg, about, 1, stream)
    through_optics = _optics(cfg, batch, about, drawn, place)
    return about, noisy(cfg, batch, about, drawn, through_optics, stream)


def check_onto(cfg: Degradation) -> None:
    """InputError for settings that the target's pixels decide."""
    if cfg.sweep is not None or cfg.shape is not None or cfg.phase.values != (0.0,):
        raise InputError("--wcs sets pixels, shape and phase: take sweep, shape and phase out")


def mask_onto(field: Field, place: Place, about: DegradationSetup, mirrored: bool) -> np.ndarray:
    """Pixels of the target that lie off the image, or see masked ones, (h, w) bool."""
    from scipy.ndimage import map_coordinates

    shape = (field.shape[1], field.shape[2])
    out = ~place.inside(shape)
    if field.mask is None:
        return out
    width = max(fwhm_of(model) for model in about.wanted)
    masked = coarse_mask(field.mask, Grid(shape, 1.0, (0.0, 0.0)), about.fine, width, mirrored)
    return out | (map_coordinates(masked.astype(np.uint8), [place.y, place.x], order=0, mode="nearest") > 0)


def _optics(
    cfg: Degradation, batch: Batch, about: DegradationSetup, drawn: DrawnSettings, place: Place
) -> ThroughOptics:
    """Return the input through the target's PSF and pixels, at the places of these."""
    flux = batch.arrays[cfg.input][0]
    shape = (flux.shape[-2], flux.shape[-1])
    matrix = np.eye(len(about.wanted)) if about.mixing is None else about.mixing.matrix
    rms = None if cfg.own_rms_njy is None else np.broadcast_to(cfg.own_rms_njy, len(flux))
    own = own_noise(flux[None], rms) if cfg.input == "image" else None
    image = np.zeros((len(about.wanted), *place.y.shape), dtype=np.float32)
    noise = [np.zeros((1, 1))] * len(about.wanted)
    worst = [0.0, 0.0]
    straight = coarse_grid(shape, place.step)
    for c, (model, row) in enumerate(zip(about.wanted, matrix, strict=True)):
        through = with_target_pixel(scaled(model, float(drawn.fwhm_factor[0])), about.fine, place.sides)
        for b in np.flatnonzero(row):
            how = {"mirrored": cfg.edge == "mirror"}
            old = [about.present[b]]
            change = Degrader(shape, Grid(shape, 1.0, (0.0, 0.0)), about.fine, old, [through], **how)
            convolved = change(flux[b][None, None])[0, 0]
            image[c] += row[b] * _read(convolved, place, cfg.edge) * place.step**2
            worst = [max(worst[0], float(change.amplified[0])), max(worst[1], float(change.misfit[0]))]
            if own is not None:
                along = Degrader(shape, straight, about.fine, old, [model], **how)
                part = along.noise([own[b].autocorrelation])[0]
                noise[c] = noise[c] + (row[b] * own[b].rms) ** 2 * part
    if worst[0] > AMPLIFIED or worst[1] > MISFIT:
        warnings.warn(sharper(cfg.to, *worst), stacklevel=2)
    return ThroughOptics(image[None], [noise], [])


def with_target_pixel(
    model: PsfModel, fine: float, sides: Sequence[Sequence[float]] | np.ndarray
) -> PsfModel:
    """Return the PSF and the target's pixel, a parallelogram, over the image's own, which `Degrader` adds."""
    turn = fine / (2 * math.pi)

    def at(kx: np.ndarray, ky: np.ndarray) -> np.ndarray:
        fx, fy = turn * kx, turn * ky
        pixel = np.sinc(fx * sides[0][0] + fy * sides[0][1]) * np.sinc(fx * sides[1][0] + fy * sides[1][1])
        own = np.sinc(np.clip(fx, -0.5, 0.5)) * np.sinc(np.clip(fy, -0.5, 0.5))
        return model.at(kx, ky) * pixel / own

    return PsfModel(at, model.highest)


def _read(image: np.ndarray, place: Place, edge: str) -> np.ndarray:
    from scipy.ndimage import map_coordinates

    how: dict[str, Any] = {"mode": "reflect"} if edge == "mirror" else {"mode": "constant", "cval": 0.0}
    return map_coordinates(image.astype(np.float64), [place.y, place.x], order=5, **how)
