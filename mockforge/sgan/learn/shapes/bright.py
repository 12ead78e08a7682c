"""Bright sources of a field, each in a window without the others' light: what shapes are learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.shapes.shaped import MARGIN, Bodies, Extent, Shaper, by_extent
from mockforge.sgan.sources.marks import Marks

_OTHERS, _MODEL = 0.3, 0.005
"""Errors of the scene model: of the other sources' light, and of the source's own."""


@dataclass(frozen=True, eq=False)
class BrightScene:
    """What shapes are learned from: N bright sources in a field of C bands, H x W."""

    image: np.ndarray
    """(C, H, W) nJy."""
    mask: np.ndarray
    """(H, W) bool, true where pixels are not to be used."""
    rms: np.ndarray
    """(C, H, W) nJy."""
    gains: np.ndarray
    """(C,) electrons per nJy, 0 where unknown."""
    model: np.ndarray
    """(C, H, W) nJy: the noiseless model of the whole scene."""
    marks: Marks
    """The N sources."""
    psf: PixelPsf


@dataclass(frozen=True)
class SizeClass:
    """Sources of one size: windows of the field about each."""

    extent: Extent
    rows: np.ndarray
    """(n,) rows of the sources."""
    target: Tensor
    """(n, C, S, S) nJy: the field less all other sources."""
    weight: Tensor
    """(n, C, S, S) 1 / nJy^2."""

    @property
    def side(self) -> int:
        """S."""
        return self.target.shape[-1]


def size_classes(scene: BrightScene, bodies: Bodies, shaper: Shaper) -> list[SizeClass]:
    """Return the sources by the size of what is modulated, with their windows of the field."""
    out = []
    for extent, rows in by_extent(scene.marks):
        side = 2 * (extent.half + MARGIN)
        with torch.no_grad():
            own = shaper.paint(bodies.rows(torch.from_numpy(rows)), None, extent, side).numpy()
        out.append(SizeClass(extent, rows, *_windows(scene, rows, own)))
    return out


def _windows(scene: BrightScene, rows: np.ndarray, own: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return the field less the other sources, and its weights, in windows about each source."""
    side = own.shape[-1]
    line = np.arange(side) - side // 2
    y, x = (np.floor(v[rows] + 0.5).astype(np.int64)[:, None] + line for v in (scene.marks.y, scene.marks.x))
    (height, width) = scene.mask.shape
    outside = ((y < 0) | (y >= height))[:, :, None] | ((x < 0) | (x >= width))[:, None, :]
    at = (y.clip(0, height - 1)[:, :, None], x.clip(0, width - 1)[:, None, :])

    def window(planes: np.ndarray) -> np.ndarray:
        return planes[(slice(None), *at)].swapaxes(0, 1)

    model = window(scene.model)
    light = model.clip(0)
    gains = np.where(scene.gains > 0, scene.gains, np.inf)[:, None, None]
    others = (model - own).clip(0)
    variance = window(scene.rms) ** 2 + light / gains + (_OTHERS * others) ** 2 + (_MODEL * light) ** 2
    hidden = (scene.mask[at] | outside)[:, None]
    weight = np.where(hidden, 0.0, 1.0 / variance)
    target = np.where(hidden, 0.0, window(scene.image) - (model - own))
    return torch.from_numpy(target.astype(np.float32)), torch.from_numpy(weight.astype(np.float32))


def middle(stamp: np.ndarray, side: int = 64) -> np.ndarray:
    """Cut or fill a stamp (C, S, S) to the middle `side` pixels."""
    out = np.zeros((len(stamp), side, side), dtype=np.float32)
    size = min(side, stamp.shape[-1])
    to, at = (side - size) // 2, (stamp.shape[-1] - size) // 2
    out[:, to : to + size, to : to + size] = stamp[:, at : at + size, at : at + size]
    return out
