"""The preview of one sky in several views: each telescope's image and labels, on one scale."""

from __future__ import annotations

import numpy as np

from mockforge.data.preview.page import SIDE, enlarged, joined, page, spread
from mockforge.data.reader import Reader
from mockforge.field.picture import BALANCE, asinh_rgb, outlined, sky_rms

_MOST = 4
"""Views shown."""


def views(reader: Reader, colours: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """Up to six samples, a row each: of every view the image, and its labels, which have the same numbers.

    Neighbouring labels mostly have other colours, and a label has one colour in all views.
    """
    names = [str(name) for name in np.atleast_1d(reader.attributes["views"])][:_MOST]
    wanted = [f"{kind}_{name}" for name in names for kind in ("image", "instances_visible")]
    present = [name for name in wanted if name in reader.arrays]
    chosen = spread(reader, 6)
    samples = [reader.read(i, present) for i in chosen]
    levels = {
        name: np.median([_level(s[f"image_{name}"]) for s in samples], axis=0)
        for name in names
        if f"image_{name}" in present
    }
    panels = []
    for sample in samples:
        row = []
        for name, rms in levels.items():
            rgb = asinh_rgb(sample[f"image_{name}"], rms, bands=reader.attributes.get(f"bands_{name}"))
            row.append(_square(rgb))
            if f"instances_visible_{name}" in present:
                grey = (0.9 * rgb.mean(axis=2, keepdims=True)).astype(np.uint8).repeat(3, axis=2)
                row.append(_square(outlined(grey, sample[f"instances_visible_{name}"], colours)))
        panels.append(joined(row, axis=1))
    titles = []
    for name in levels:
        scale = float(reader.attributes[f"pixel_scale_arcsec_{name}"])
        titles += [f'{name}, {scale:g}" per pixel']
        titles += [f"labels of {name}"] if f"instances_visible_{name}" in present else []
    return page(reader, panels, 1, titles, f"one sky, one set of labels; {BALANCE}")


def _level(image: np.ndarray) -> np.ndarray:
    """(C,) rms of the sky, or a 30th of the peak where there is no noise."""
    rms = sky_rms(image)
    return np.where(rms > 0, rms, np.maximum(np.abs(image).max(axis=(1, 2)) / 30, 1e-30))


def _square(rgb: np.ndarray) -> np.ndarray:
    """Return a picture of a tile on a panel of `SIDE` pixels: pixels repeated or dropped, not mixed."""
    side = max(rgb.shape[:2])
    if side <= SIDE // 2:
        rgb = enlarged(rgb)
    rows, columns = (np.minimum(np.arange(SIDE) * n // SIDE, n - 1) for n in rgb.shape[:2])
    return rgb[rows][:, columns]
