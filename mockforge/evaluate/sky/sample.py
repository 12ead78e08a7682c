"""Sample: observed pixels made ready to be compared, real and generated ones by one procedure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mockforge.errors import InputError
from mockforge.field.robust import sigma_about, sigma_mad
from mockforge.label.detect import detect
from mockforge.label.extract import extracted, less_background
from mockforge.stages.detect import Detect

PERIOD = 16
"""Pixels; origins of blocks are multiples of it, so that a network's stride has one phase in all of them."""
_MESH = 128
"""Pixels; mesh of the background that is subtracted before pixels are compared."""
_BORDER = 12
"""Pixels about an object too bright to be used that are masked with it."""
_GROWN = 4
"""Pixels about a source that are not counted as sky."""
_MOST_MASKED = 0.5
"""Blocks with a larger share of masked pixels are left out."""


@dataclass(frozen=True)
class Sample:
    """Images of one kind (real or generated), what was detected on them, and their blocks.

    `images` are (band, y, x) float32 with the background subtracted; `masks`, `free`
    (source-free sky) and `labels` are (y, x). `table` holds the detected objects that no edge
    and no mask cuts: catalogue columns, `part` (which image), `block` (row of `blocks`).
    """

    bands: tuple[str, ...]
    images: list[np.ndarray]
    masks: list[np.ndarray]
    free: list[np.ndarray]
    labels: list[np.ndarray]
    rms: np.ndarray
    """(band,) robust rms of the source-free sky."""
    table: dict[str, np.ndarray]
    blocks: np.ndarray
    """(n, 3) int: image, first row, first column."""
    reference: np.ndarray
    """(n,) bool: whether the block belongs to the reference; false for the rest of the real field."""
    side: int
    offsets: np.ndarray
    """(image, 2) int: where pixel (0, 0) of each image lies on the sky it was cut from."""
    most_peak: float | None = None
    """Objects with a brighter peak are masked; None: all are used."""
    truths: Sequence[np.ndarray] = ()
    """(band, y, x) noiseless pixels of each image, where they are known."""
    gains: tuple[float, ...] | None = None
    """(band,) electrons per unit of flux behind the photon noise, where they are known; 0: none."""

    @cached_property
    def rows(self) -> list[np.ndarray]:
        """Of each block, its rows of `table`."""
        order = np.argsort(self.table["block"], kind="stable")
        ends = np.searchsorted(self.table["block"][order], np.arange(len(self.blocks) + 1))
        return [order[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]

    @cached_property
    def clear(self) -> np.ndarray:
        """Of each block, its unmasked pixels."""
        return np.array([np.count_nonzero(~self.cut(self.masks, b)) for b in range(len(self.blocks))])

    def cut(self, arrays: Sequence[np.ndarray], block: int) -> np.ndarray:
        """Return the pixels of a block in one of the lists of arrays; a view ending in (side, side)."""
        part, y, x = self.blocks[block]
        return arrays[part][..., y : y + self.side, x : x + self.side]

    def stamp(self, row: int, size: int) -> np.ndarray:
        """(band, size, size) pixels about an object; zero beyond the image."""
        part = int(self.table["part"][row])
        y, x = (round(float(self.table[k][row])) - size // 2 for k in ("y", "x"))
        return cut_stamp(self.images[part], y, x, size)


@dataclass(frozen=True)
class Window:
    """Rows of one image that are cut into blocks."""

    part: int
    y0: int
    y1: int
    reference: bool = True


def measure_sample(
    images: Sequence[np.ndarray],
    bands: tuple[str, ...],
    *,
    side: int,
    windows: Sequence[Window] | None = None,
    masks: Sequence[np.ndarray | None] | None = None,
    offsets: np.ndarray | None = None,
    mask_peaks_above: float | None = None,
) -> Sample:
    """Subtract the background, detect by the published rule, find source-free sky, cut blocks.

    `images` (band, y, x), flux; `side` pixels of a block; `masks` (y, x), true where a pixel
    must not be used; objects whose peak exceeds `mask_peaks_above` are masked with a border.
    Raises InputError where nothing can be detected (no noise, all masked) or no block fits.
    """
    measured = [
        _MeasuredImage.of(image, mask, bands, mask_peaks_above)
        for image, mask in zip(images, masks or [None] * len(images), strict=True)
    ]
    windows = windows or [Window(i, 0, f.flat.shape[1]) for i, f in enumerate(measured)]
    offsets = np.zeros((len(measured), 2), dtype=int) if offsets is None else offsets
    blocks, reference = _blocks(measured, windows, side, offsets)
    table = _joined(measured)
    table["block"] = _block_of(table, blocks, side)
    inside = table["block"] >= 0
    sky = np.concatenate([f.flat[:, f.free] for f in measured], axis=1)
    if not sky.shape[1]:
        raise InputError("no source-free sky is left: every pixel is masked or above 1.5 sigma")
    sky = sky[:, :: max(1, sky.shape[1] // 1_000_000)]
    return Sample(
        bands=bands,
        images=[f.flat for f in measured],
        masks=[f.mask for f in measured],
        free=[f.free for f in measured],
        labels=[f.labels for f in measured],
        rms=sigma_mad(sky, axis=1),
        table={name: column[inside] for name, column in table.items()},
        blocks=blocks,
        reference=reference,
        side=side,
        offsets=offsets,
        most_peak=mask_peaks_above,
    )


def free_sky(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the image less its background (band, y, x), and where no source reaches (y, x).

    `mask` is true where a pixel must not be used; those, and what is not a number, are not free.
    """
    image, hidden = _usable(image, mask)
    flat = _flat(image, hidden)
    return flat, ~_grown(_everything(flat, hidden)[1], _GROWN) & ~hidden


def cut_stamp(image: np.ndarray, y: int, x: int, size: int) -> np.ndarray:
    """`image[..., y : y + size, x : x + size]`, zero where that lies outside the image."""
    out = np.zeros((*image.shape[:-2], size, size), dtype=image.dtype)
    height, width = image.shape[-2:]
    top, left, bottom, right = max(y, 0), max(x, 0), min(y + size, height), min(x + size, width)
    if top < bottom and left < right:
        out[..., top - y : bottom - y, left - x : right - x] = image[..., top:bottom, left:right]
    return out


@dataclass(frozen=True)
class _MeasuredImage:
    """One image, measured."""

    flat: np.ndarray
    mask: np.ndarray
    free: np.ndarray
    labels: np.ndarray
    table: dict[str, np.ndarray]

    @classmethod
    def of(
        cls,
        image: np.ndarray,
        mask: np.ndarray | None,
        bands: tuple[str, ...],
        peaks_above: float | None,
    ) -> _MeasuredImage:
        image, hidden = _usable(image, mask)
        flat = _flat(image, hidden)
        labels, above = _everything(flat, hidden)
        if peaks_above is not None:
            peak = np.zeros(int(labels.max()) + 1, dtype=np.float32)
            np.maximum.at(peak, labels.ravel(), flat.max(axis=0).ravel())
            peak[0] = 0.0
            hidden = hidden | _grown(peak[labels] > peaks_above, _BORDER)
        detections = detect(image, Detect(), bands=bands, mask=hidden)
        keep = ~detections.table["truncated"] & np.isfinite(detections.table["flux_radius"])
        table = {name: column[keep] for name, column in detections.table.items()}
        return cls(flat, hidden, ~_grown(above, _GROWN) & ~hidden, detections.instances, table)


def _usable(image: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the image with zeros where it cannot be used, and where that is."""
    image = np.ascontiguousarray(image, dtype=np.float32)
    hidden: np.ndarray = np.asarray(~np.isfinite(image).all(axis=0))
    hidden = hidden if mask is None else hidden | mask
    return np.where(hidden, np.float32(0), image), hidden


def _flat(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    out = less_background(image, mask, min(_MESH, *mask.shape))
    out[:, mask] = 0.0
    return out


def _everything(flat: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels of all above 1.5 sigma on the mean of the bands, five contiguous pixels at least."""
    mean = np.ascontiguousarray(flat.mean(axis=0))
    rms = float(sigma_about(mean[~mask], 0.0)) if not mask.all() else 0.0
    if rms <= 0:
        return np.zeros(mean.shape, dtype=np.int32), np.zeros(mean.shape, dtype=bool)
    _, labels = extracted(mean, 1.5, err=rms, mask=mask, minarea=5, filter_kernel=None, deblend_cont=1.0)
    return labels, labels > 0


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    from skimage.morphology import dilation, disk

    return dilation(mask, disk(pixels, decomposition="sequence")) if pixels and mask.any() else mask


def _blocks(
    found: list[_MeasuredImage], windows: Sequence[Window], side: int, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    blocks, reference = [], []
    for w in windows:
        mask = found[w.part].mask
        # The next place of the lattice's phase; a window without room for that starts at once.
        top, left = (-int(o) % PERIOD for o in offsets[w.part])
        first = w.y0 + (top - w.y0) % PERIOD
        first, left = (w.y0 if first + side > w.y1 else first), (0 if left + side > mask.shape[1] else left)
        for y in range(first, w.y1 - side + 1, side):
            for x in range(left, mask.shape[1] - side + 1, side):
                if mask[y : y + side, x : x + side].mean() <= _MOST_MASKED:
                    blocks.append((w.part, y, x))
                    reference.append(w.reference)
    if not blocks:
        raise InputError(
            f"no unmasked block of {side} x {side} pixels fits into the image; use smaller blocks"
        )
    return np.array(blocks), np.array(reference)


def _joined(found: list[_MeasuredImage]) -> dict[str, np.ndarray]:
    parts = [np.full(len(f.table["x"]), i) for i, f in enumerate(found)]
    joined = {name: np.concatenate([f.table[name] for f in found]) for name in found[0].table}
    return joined | {"part": np.concatenate(parts)}


def _block_of(table: dict[str, np.ndarray], blocks: np.ndarray, side: int) -> np.ndarray:
    """Return the block each object's centre lies in, or -1."""
    out = np.full(len(table["x"]), -1)
    for i, (part, y, x) in enumerate(blocks):
        inside = (table["part"] == part) & (table["y"] >= y - 0.5) & (table["y"] < y + side - 0.5)
        out[inside & (table["x"] >= x - 0.5) & (table["x"] < x + side - 0.5)] = i
    return out
