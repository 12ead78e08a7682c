"""Pictures of flux images: asinh colour composites (Lupton et al. 2004), outlines, PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

BLACK, STRETCH, WHITE = -0.5, 12.0, 60.0
"""Of a colour picture, in sky rms of a band: what is black, where asinh bends, what is white."""


def sky_rms(image: np.ndarray) -> np.ndarray:
    """Robust rms of each band: 1.4826 times the median absolute deviation, (band,), same unit."""
    flat = image.reshape(image.shape[0], -1)
    if flat.shape[1] > 250_000:  # a picture's stretch needs no more pixels than this
        flat = flat[:, :: flat.shape[1] // 250_000 + 1]
    middle = np.nanmedian(flat, axis=1, keepdims=True)
    return 1.4826 * np.nanmedian(np.abs(flat - middle), axis=1)


def asinh_rgb(
    image: np.ndarray,
    rms: np.ndarray | None = None,
    softening: float = 8.0,
    bands: Sequence[str] | None = None,
) -> np.ndarray:
    """A colour picture of a flux image with bands ordered from blue to red.

    Parameters: `image` (band, y, x), any flux unit; `rms` (band,), the sky rms that balances the
    bands and sets the stretch, by default the image's own (give that of the observed image to
    show its noiseless truth alike); `softening` is Lupton's Q; `bands`, their names. One band
    gives grey, two give their mean as green, of more than three `rgb_bands` chooses.
    Returns uint8 (y, x, 3) with y up, so that the first row is the top of the picture.
    Lupton et al. 2004, PASP 116, 133, equation 2.
    """
    filled = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
    rms = sky_rms(filled) if rms is None else np.asarray(rms, dtype=np.float32)
    peak = np.abs(filled).max(axis=(1, 2))
    rms = np.where(rms > 0, rms, np.maximum(peak / 30, 1e-30)).astype(np.float32)
    chosen = _three(filled / rms[:, None, None], bands) - BLACK
    mean = chosen.mean(axis=0).clip(0.0, None)
    gain = np.arcsinh(softening * mean / STRETCH) / np.arcsinh(softening * WHITE / STRETCH)
    rgb = chosen.clip(0.0, None) * np.divide(gain, mean, out=np.zeros_like(gain), where=mean > 0)
    rgb /= rgb.max(axis=0, keepdims=True).clip(1.0, None)  # keeps the colour where it is bright
    return (255.0 * rgb[::-1, ::-1]).astype(np.uint8).transpose(1, 2, 0)


def rgb_bands(n: int, bands: Sequence[str] | None = None) -> tuple[int, int, int]:
    """Which of `n` bands, ordered from blue to red, are shown as blue, green and red.

    With their names g, r and i where these are among them, as pictures of the sky usually are;
    else the first, middle and last, without u, which is the noisiest of most surveys. A name is
    known by what follows its last underscore: `hsc_g` is a g.
    """
    letters = [name.rsplit("_", 1)[-1] for name in bands or ()]
    if n > 3 and {"g", "r", "i"} <= set(letters):
        return letters.index("g"), letters.index("r"), letters.index("i")
    first = 1 if n > 3 and letters[:1] == ["u"] else 0
    return first, (n + first) // 2, n - 1


def _three(image: np.ndarray, bands: Sequence[str] | None) -> np.ndarray:
    """Blue, green and red."""
    n = image.shape[0]
    if n == 1:
        return np.repeat(image, 3, axis=0)
    if n == 2:
        return np.stack([image[0], image.mean(axis=0), image[1]])
    return image[list(rgb_bands(n, bands))]


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


def compared(rows: Sequence[np.ndarray], rms: np.ndarray) -> np.ndarray:
    """Rows of images (n, band, y, x), a column each, each column in the stretch of its `rms` (n, band)."""
    pictures = [asinh_rgb(image, one) for row in rows for image, one in zip(row, rms, strict=True)]
    return mosaic(pictures, columns=len(rms))


def save_png(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint8 (y, x, 3) or (y, x) as a PNG; the file appears whole or not at all."""
    from PIL import Image

    path = Path(path)
    part = path.with_name(path.name + ".part")
    Image.fromarray(rgb).save(part, format="PNG")
    part.replace(path)
