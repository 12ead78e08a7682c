"""Turning disks that have a picture: which one, its inclination and angle, its size, its pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mockforge.errors import InputError
from mockforge.field.symmetries import turned
from mockforge.galaxies.cubes.source.draw import Drawn
from mockforge.galaxies.cubes.source.gallery import Gallery, channel_of
from mockforge.galaxies.cubes.source.picture_spec import DiskPicture
from mockforge.galaxies.real.draw import shared_out
from mockforge.observe.psf.models import Rings
from mockforge.observe.psf.per_band import models
from mockforge.rng import Stream

_SQUARE = {"gaussian": 1.0, "exponential": 2.0, "sech2": math.pi**2 / 12}
"""Mean square height of a vertical profile, in heights."""
_PLANE_SQUARE = 3 / 1.6783469900166605**2
"""Mean square place along an axis of an exponential disk, in half-light radii."""
_FINEST = 0.1
"""Pixels of a picture are joined as long as they are finer than this part of the instrument's FWHM."""


@dataclass(frozen=True)
class Seen:
    """What chooses among pictures, besides the rule."""

    rule: DiskPicture
    vertical: str
    psf_fwhm_arcsec: float
    """Of the instrument."""
    split: np.ndarray
    """(N,) of each cube."""
    splits: Mapping[str, float]


def inclination(axis_ratio: np.ndarray, thickness: np.ndarray, vertical: str) -> np.ndarray:
    """Return inclinations in degrees of disks of an axis ratio on the sky and a height over r_half, (...).

    cos^2 i = (q^2 - q0^2) / (1 - q0^2) (Hubble 1926, ApJ 64, 321), q0 of the second moments of an
    exponential disk; 90 where q is below q0.
    """
    square = _SQUARE[vertical] * thickness**2 / _PLANE_SQUARE
    cosine = (axis_ratio**2 - square) / np.maximum(1 - square, 1e-6)
    return np.degrees(np.arccos(np.sqrt(np.clip(cosine, 0.0, 1.0))))


def with_pictures(drawn: Drawn, gallery: Gallery, seen: Seen, stream: Stream) -> Drawn:
    """Return disks as their pictures have them: size, inclination, position angle and light.

    Every length scales with the half-light radius. No galaxy is in two splits.

    Raises
    ------
    InputError
        Where no galaxy has a picture finer than the instrument's PSF, or is inclined little enough.
    """
    rng, total = stream.numpy(), len(drawn.owner)
    u, turn, back = rng.random(total), rng.integers(8, size=total), rng.integers(2, size=total)
    if not seen.rule.turn:
        turn = np.zeros_like(turn)
    disk = dict(drawn.disk)
    thickness = disk["height"] / disk["r_half"]
    tilt = inclination(gallery.axis_ratio[None], thickness[:, None], seen.vertical)
    wanted = disk["r_half"][:, None] if seen.rule.resize else gallery.r_half[None]
    factor = np.broadcast_to(wanted / gallery.r_half, tilt.shape)
    chosen = np.zeros(total, dtype=np.int64)
    split = seen.split[drawn.owner]
    for name in dict.fromkeys(split.tolist()):
        ordered = seen.rule.sky is not None
        own = shared_out(len(gallery.names), seen.splits, str(name), stream.seed, ordered, "ifu")
        for row in np.flatnonzero(split == name):
            good = _good(own, gallery, seen, tilt[row], factor[row])
            chosen[row] = good[int(u[row] * len(good))]
    rows = np.arange(total)
    size = gallery.r_half[chosen] * factor[rows, chosen]
    ratio = size / disk["r_half"]
    for name in ("r_half", "height", "r_turn", "sigma_scale", "r_bar"):
        disk[name] = disk[name] * ratio
    disk["inclination"] = tilt[rows, chosen]
    disk["position_angle"] = (_turned(gallery.angle[chosen], turn) + 180 * back) % 360
    clumps = drawn.clumps
    if clumps is not None:
        clumps = clumps | {name: clumps[name] * ratio[:, None] for name in ("radius", "size")}
    pixel = gallery.pixel_scale_arcsec * factor[rows, chosen]
    own_columns = {
        "picture_of": np.array([gallery.names[i] for i in chosen.tolist()]),
        "picture_axis_ratio": gallery.axis_ratio[chosen],
        "picture_angle": gallery.angle[chosen],
        "picture_r_half_arcsec": gallery.r_half[chosen],
        "picture_psf_fwhm_arcsec": gallery.fwhm[chosen] * factor[rows, chosen],
        "picture_turn": turn,
    }
    pixels = _pixels(gallery, chosen, turn, pixel, _FINEST * seen.psf_fwhm_arcsec)
    return replace(drawn, disk=disk, clumps=clumps, laid=pixels, laid_table=own_columns)


def too_coarse(rule: DiskPicture, psf_fwhm_arcsec: float) -> str | None:
    """Return that a user's images are no finer than the instrument's PSF, where that is known beforehand.

    InputError where they lack the band.
    """
    files = rule.files
    if files is None or files.psf is None or rule.resize:
        return None
    channel = channel_of(rule.band, files.bands, files.catalogue)
    width = Rings.of(models(files.psf, files.bands)[channel]).fwhm()
    if width < psf_fwhm_arcsec:
        return None
    return _coarse(files.catalogue, width, rule, psf_fwhm_arcsec)


def _coarse(what: str, best: float, rule: DiskPicture, psf_fwhm_arcsec: float) -> str:
    hint = "smaller r_half_arcsec" if rule.resize else "picture.resize: true"
    return (
        f"picture: the images of {what} have a PSF of {best:.3g} arcsec at least, and the instrument's is"
        f" {psf_fwhm_arcsec:.3g} arcsec; use finer images, another instrument or {hint}"
    )


def _good(own: np.ndarray, gallery: Gallery, seen: Seen, tilt: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return those of a split's galaxies `own` that can be a disk."""
    fine = own[gallery.fwhm[own] * factor[own] < seen.psf_fwhm_arcsec]
    if not len(fine):
        raise InputError(
            _coarse(
                gallery.what, float((gallery.fwhm[own] * factor[own]).min()), seen.rule, seen.psf_fwhm_arcsec
            )
        )
    good = fine[tilt[fine] <= seen.rule.steepest]
    if not len(good):
        raise InputError(
            f"picture: none of the {len(fine)} galaxies of {gallery.what} is inclined by less than"
            f" {seen.rule.steepest:g} degrees; raise picture.steepest, or give more galaxies"
        )
    return good


def _turned(angle: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return position angles after the symmetries of `mockforge.field.symmetries.turned`."""
    angle = np.where(turn & 1, 180 - angle, angle)
    angle = np.where(turn & 2, -angle, angle)
    return np.where(turn & 4, 90 - angle, angle)


def _pixels(
    gallery: Gallery, chosen: np.ndarray, turn: np.ndarray, pixel: np.ndarray, finest: float
) -> dict[str, np.ndarray]:
    """Return the fields of a `Picture`, on squares that hold the largest."""
    light, x, y = [], [], []
    joined = np.maximum(1, np.floor(finest / pixel)).astype(np.int64)
    for i, by in zip(chosen.tolist(), joined.tolist(), strict=True):
        shown = gallery.shown(i)
        h, w = shown.light.shape
        full = np.pad(shown.light, ((0, -h % by), (0, -w % by)))
        light.append(full.reshape(len(full) // by, by, -1, by).sum(axis=(1, 3)))
        x.append((shown.x - (by - 1) / 2) / by)
        y.append((shown.y - (by - 1) / 2) / by)
    side = max(max(image.shape) for image in light)
    out = np.zeros((len(light), side, side), dtype=np.float32)
    for k, (image, t) in enumerate(zip(light, turn.tolist(), strict=True)):
        h, w = image.shape
        square = np.pad(image, ((0, side - h), (0, side - w)))
        out[k] = turned(square, t)
        if t & 1:
            x[k] = side - 1 - x[k]
        if t & 2:
            y[k] = side - 1 - y[k]
        if t & 4:
            x[k], y[k] = y[k], x[k]
    return {"light": out, "pixel": pixel * joined, "x": np.array(x), "y": np.array(y)}
