"""Real galaxies on stamps, and generated ones with the noise and the edges of real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mockforge.field.picture import asinh_rgb, mosaic
from mockforge.sgan.learn.shapes.features import features
from mockforge.sgan.single.model import GalaxyModel
from mockforge.sgan.single.read import StampSet
from mockforge.sgan.sources.marks import Marks

_COLUMNS, _ROWS = 12, 4
_BAND = 20
"""Rows of white between real and generated galaxies."""


@dataclass(frozen=True, eq=False)
class Shown:
    """N galaxies on S x S pixels, S odd, each within a pixel of the middle."""

    image: np.ndarray
    """(N, C, S, S) nJy, 0 where masked."""
    mask: np.ndarray
    """(N, S, S) bool."""
    looks: np.ndarray
    """(N, 2) ln flux and ln radius."""
    angle: np.ndarray
    """(N,) radians from +x to the major axis, towards +y."""
    snr: np.ndarray
    """(N,) of pixels: correlated noise is not taken off."""
    rms: np.ndarray
    """(N, C) nJy."""

    @property
    def side(self) -> int:
        """S."""
        return self.image.shape[-1]

    def rows(self, i: np.ndarray) -> Shown:
        """Return some of them."""
        names = ("image", "mask", "looks", "angle", "snr", "rms")
        return Shown(*(getattr(self, name)[i] for name in names))

    def like(self, looks: np.ndarray) -> np.ndarray:
        """Return the row of the galaxy nearest in flux and size to each of `looks` (M, 2)."""
        scale = self.looks.std(axis=0) + 1e-6
        return (((looks[:, None] - self.looks) / scale) ** 2).sum(axis=2).argmin(axis=1)

    def measured(self, fwhm_pix: Sequence[float], rms: Sequence[float]) -> np.ndarray:
        """Return their features (N, F)."""
        with torch.no_grad():
            return features(torch.from_numpy(self.image.astype(np.float32)), fwhm_pix, rms).numpy()


def real_galaxies(stamps: StampSet, marks: Marks, snr: np.ndarray) -> Shown:
    """Return real galaxies, moved by whole pixels to the middle; `marks` have places on their stamps."""
    edge = stamps.image.shape[-1]
    side = edge - 1 + edge % 2
    line = np.arange(side)
    images, masks = [], []
    for i, (x, y) in enumerate(zip(marks.x, marks.y, strict=True)):
        rows, columns = (line + round(float(v) - 0.5 * (side - 1)) for v in (y, x))
        inside = ((rows >= 0) & (rows < edge))[:, None] & ((columns >= 0) & (columns < edge))
        at = np.ix_(rows.clip(0, edge - 1), columns.clip(0, edge - 1))
        mask = stamps.mask[i][at] | ~inside
        images.append(np.where(mask, 0.0, stamps.image[i][(slice(None), *at)]))
        masks.append(mask)
    return Shown(np.stack(images), np.stack(masks), looks_of(marks), marks.angle, snr, stamps.rms)


def generated_galaxies(model: GalaxyModel, real: Shown, n: int, least_snr: float, seed: int) -> Shown:
    """Return `n` generated galaxies, with mask and noise level of the real one nearest in flux and size.

    So tight stamps are compared with tight ones, deep with deep.
    """
    made = model.galaxies(seed, least_snr).stamps(n, real.side)
    looks = looks_of(made.marks)
    like = real.like(looks)
    mask, rms = real.mask[like], real.rms[like]
    noise = (made.image - made.truth) * (rms / model.noise.rms_njy)[..., None, None]
    image = np.where(mask[:, None], 0.0, made.truth + noise)
    return Shown(image, mask, looks, made.marks.angle, made.snr, rms)


def looks_of(marks: Marks) -> np.ndarray:
    """(N, 2) ln flux and ln radius."""
    return np.stack([np.log(np.maximum(marks.mean_flux, 1e-6)), marks.log_radius], axis=1)


def side_by_side(real: Shown, made: Shown, rms: np.ndarray) -> np.ndarray:
    """Return the most significant real galaxies above as many generated ones, in one stretch."""
    parts = []
    for shown in (real, made):
        rows = np.arange(min(len(shown.image), len(real.image)))
        best = rows[np.argsort(-shown.snr[rows], kind="stable")][: _COLUMNS * _ROWS]
        parts.append(mosaic([asinh_rgb(shown.image[i], rms) for i in best], columns=_COLUMNS))
    width = max(p.shape[1] for p in parts)
    padded = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in parts]
    return np.concatenate([padded[0], np.full((_BAND, width, 3), 255, dtype=np.uint8), padded[1]])
