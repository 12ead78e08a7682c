"""Pictures of flux images: asinh colour composites (Lupton et al. 2004), outlines, PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def sky_rms(image: np.ndarray) -> np.ndarray:
    """Robust rms of each band: 1.4826 times the median absolute deviation, (band,), same unit."""
    flat = image.reshape(image.shape[0], -1)
    if flat.shape[1] > 250_000:  # a picture's stretch needs no more pixels than this
        flat = flat[:, :: flat.shape[1] // 250_000 + 1]
    middle = np.nanmedian(flat, axis=1, keepdims=True)
    return 1.4826 * np.nanmedian(np.abs(flat - middle), axis=1)


def asinh_rgb(image: np.ndarray, stretch: float | None = None, softening: float = 8.0) -> np.ndarray:
    """A colour picture of a flux image with bands ordered from blue to red.

    Parameters: `image` (band, y, x), any flux unit; `stretch` in that unit, by default six
    times the sky rms of the band mean; `softening` is Lupton's Q. One band gives grey, two give
    their mean as green, more than three use the first, middle and last.
    Returns uint8 (y, x, 3) with y up, so that the first row is the top of the picture.
    Lupton et al. 2004, PASP 116, 133, equation 2.
    """
    filled = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    chosen = _three(filled)
    mean = chosen.mean(axis=0)
    if stretch is None:
        rms = float(sky_rms(mean[None])[0])
        stretch = 6.0 * rms if rms > 0 else max(float(np.abs(mean).max()), 1e-30) / 30
    floor = -0.15 * stretch
    above = np.clip(mean - floor, 0.0, None)
    gain = np.arcsinh(softening * above / stretch) / softening
    ratio = np.divide(gain, above, out=np.zeros_like(gain), where=above > 0)
    rgb = np.clip(chosen - floor, 0.0, None) * ratio / (np.arcsinh(softening * 8.0) / softening)
    peak = rgb.max(axis=0, keepdims=True)
    rgb = np.where(peak > 1.0, rgb / np.maximum(peak, 1e-30), rgb)  # keeps colour where bright
    return (255.0 * rgb[:, ::-1]).astype(np.uint8).transpose(1, 2, 0)


def _three(image: np.ndarray) -> np.ndarray:
    n = image.shape[0]
    if n == 1:
        return np.repeat(image, 3, axis=0)
    if n == 2:
        return np.stack([image[1], image.mean(axis=0), image[0]])
    return image[[n - 1, n // 2, 0]]


def outline(
    rgb: np.ndarray, instances: np.ndarray, colour: tuple[int, int, int] = (255, 210, 60)
) -> np.ndarray:
    """The picture with a one-pixel line inside the edge of every instance.

    `rgb` is uint8 (y, x, 3) as `asinh_rgb` returns it (y up); `instances` int (y, x), 0 = sky.
    """
    labels = instances[::-1]
    padded = np.pad(labels, 1, mode="edge")
    edge = np.zeros(labels.shape, dtype=bool)
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        edge |= padded[dy : dy + labels.shape[0], dx : dx + labels.shape[1]] != labels
    out = rgb.copy()
    out[edge & (labels > 0)] = colour
    return out


def mosaic(pictures: list[np.ndarray], columns: int, gap: int = 4) -> np.ndarray:
    """Pictures of one size (y, x, 3) laid out in rows of `columns` on white."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, 3)
    out = np.full(shape, 255, dtype=np.uint8)
    for i, picture in enumerate(pictures):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        out[y : y + height, x : x + width] = picture
    return out


def save_png(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint8 (y, x, 3) or (y, x) as a PNG; the file appears whole or not at all."""
    from PIL import Image

    path = Path(path)
    part = path.with_name(path.name + ".part")
    Image.fromarray(rgb).save(part, format="PNG")
    part.replace(path)
