"""What machine learning wants to know of overlapping objects: masks, shares, areas, blendedness."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.sky.brightest import Brightest
from mockforge.sky.layers import Layers
from mockforge.sky.sums import Sums, inside

_AT_ONCE = 2**21
"""Pixels of a window whose layers are held; of larger ones they are made twice: memory is bounded."""


@dataclass(frozen=True)
class Truth:
    """Truth of one window of height H and width W; objects are its rows 0..n-1.

    Objects are distinguished on the mean of the bands, noiseless and through the PSF.
    """

    image: np.ndarray
    """(C, H, W) float32 nJy: the sum of all objects."""
    visible: np.ndarray
    """(H, W) int32: row + 1 of the brightest of the objects whose amodal mask holds the pixel."""
    multiplicity: np.ndarray
    """(H, W) int32: number of amodal masks that hold the pixel."""
    overlap_row: np.ndarray
    """(K, H, W) int32: row + 1 of the K brightest objects of a pixel, 0 for none."""
    overlap_fraction: np.ndarray
    """(K, H, W) float32: their shares of the pixel's light; the K-th also holds all that is fainter."""
    amodal_area: np.ndarray
    """(n,) int32 pixels of each object brighter than the isophote, in the core of the window."""
    visible_area: np.ndarray
    """(n,) int32 of these, pixels where no other object is brighter."""
    light: np.ndarray
    """(n,) float64 nJy of each object in the core, mean of the bands."""
    blendedness: np.ndarray
    """(n,) 1 - (s.s) / (s.t) over the window with s the object's light and t that of all (Bosch et al.
    2018, PASJ 70, S5, section 4.9.11, without their Gaussian weights): 0 alone, towards 1 when buried."""


def truth_of(
    layers: Layers, count: int, shape: tuple[int, int, int], isophote: float, depth: int, margin: int = 0
) -> Truth:
    """Return the truth of a window of `shape` (C, H, W) with `count` objects.

    `isophote` in nJy per pixel, mean of the bands, bounds the amodal masks; `depth` K, 0 for no shares,
    which saves a third of the time; areas and light are counted `margin` pixels inside the window.
    """
    layers = _held(layers, shape)
    height, width = shape[1:]
    image = np.zeros(shape, dtype=np.float32)
    brightest = Brightest(max(depth, 1), height, width)
    every = np.zeros((height, width), dtype=np.float32)
    multiplicity = np.zeros((height, width), dtype=np.int32)
    core = (slice(margin, height - margin), slice(margin, width - margin))
    area = np.zeros(count, dtype=np.int32)
    for layer in layers():
        row, part, light = layer.row, (layer.y, layer.x), layer.own_light()
        image[:, *part] += layer.image
        if depth:
            every[part] += light
        if depth or layer.peak > isophote:  # fainter ones are nowhere visible
            brightest.add(row, light, *part)
        if layer.peak > isophote:
            mask = light > isophote
            multiplicity[part] += mask
            area[row] = np.count_nonzero(mask[inside(part, core)])
    sums = Sums(count, image.mean(axis=0), core)
    for layer in layers():
        sums.add(layer)
    total, blended = sums.light(), sums.blendedness()
    first, light = brightest.rows(), brightest.light()
    visible = np.where(light[0] > isophote, first[0], 0).astype(np.int32)
    first, fraction = first[:depth], _shares(light[:depth], every)
    visible_area = np.bincount(visible[core].ravel(), minlength=count + 1)[1:].astype(np.int32)
    return Truth(image, visible, multiplicity, first, fraction, area, visible_area, total, blended)


def check_asked(isophote_njy: Any, depth: Any) -> None:
    """InputError for an isophote or a number of distinguished sources that no truth can have."""
    if not (_is(Real, isophote_njy) and np.isfinite(isophote_njy) and isophote_njy >= 0):
        raise InputError(f"isophote_njy: should be nJy per pixel, 0 or more, found {isophote_njy!r:.80}")
    if not (_is(Integral, depth) and depth >= 1):
        raise InputError(
            f"depth: should be a whole number of sources of a pixel, 1 or more, found {depth!r:.80}"
        )


def number_alone(most: Any, count: int) -> int:
    """Return how many of `count` sources are shown alone where `most` are asked for, None for all."""
    if most is None:
        return count
    if not (_is(Integral, most) and most >= 0):
        raise InputError(f"most: should be a whole number of sources, 0 or more, found {most!r:.80}")
    return min(int(most), count)


def _is(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _held(layers: Layers, shape: tuple[int, int, int]) -> Layers:
    """Return what gives the layers again without making them again, where they are few."""
    if shape[1] * shape[2] > _AT_ONCE:
        return layers
    once = list(layers())
    return lambda: once


def _shares(light: np.ndarray, every: np.ndarray) -> np.ndarray:
    """Return shares (K, H, W) of the light of all, the last with what is left."""
    fraction = np.divide(light, every, out=np.zeros_like(light), where=every > 0)
    if len(fraction):
        fraction[-1] += np.where(every > 0, 1.0 - fraction.sum(axis=0), 0.0)
    return fraction


def amodal_masks(isolated: np.ndarray, isophote: float) -> np.ndarray:
    """Return amodal masks, bool (..., H, W), from isolated images (..., C, H, W) in nJy.

    They are true where the mean of the bands is above `isophote` nJy per pixel (the dataset's attribute
    `isophote_njy`).
    """
    return isolated.mean(axis=-3) > isophote


def amodal_of(
    layers: Layers, shape: tuple[int, int], chosen: np.ndarray, most: int, isophote: float
) -> np.ndarray:
    """Return amodal masks, bool (most, H, W): slot k is that of the object of row `chosen[k]`."""
    out = np.zeros((most, *shape), dtype=bool)
    slot = {int(row): k for k, row in enumerate(chosen[:most])}
    for layer in layers():
        if layer.row in slot:
            out[slot[layer.row], layer.y, layer.x] = layer.own_light() > isophote
    return out


def isolated_images(layers: Layers, shape: tuple[int, int, int], chosen: np.ndarray, most: int) -> np.ndarray:
    """Return images (most + 1, C, H, W) of single objects that add up to the noiseless image.

    Slot k holds the object of row `chosen[k]`, the last one the light of all others together.
    """
    out = np.zeros((most + 1, *shape), dtype=np.float32)
    slot = {int(row): k for k, row in enumerate(chosen[:most])}
    for layer in layers():
        out[slot.get(layer.row, most)][:, layer.y, layer.x] += layer.image
    return out
