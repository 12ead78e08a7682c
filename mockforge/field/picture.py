"""Pictures of flux images: asinh colour composites (Lupton et al. 2004), outlines, PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.png import png_bytes
from mockforge.field.robust import SIGMA_PER_MAD
from mockforge.files import appearing
from mockforge.wavelengths import from_blue_to_red

BLACK, STRETCH, WHITE = -0.5, 12.0, 60.0
"""Of a colour picture, in rms of its sky: what is black, where asinh bends, what is white."""
_AT_ONCE = 2**15
"""Pixels that are coloured at once: what is computed of them stays in the processor's cache."""
_GREY = 1.5
"""Noise of a pixel at which half of its colour shows: fainter, it is mostly the noise's."""
_DARK = (12, 12, 16)
"""The edge of an outline that shows on bright light, as its line does on the sky."""
_UNLIKE = ((90, 215, 255), (255, 210, 60))
"""Lines of outlines: on what is not blue, on what is."""
BALANCE = "white: equal flux density f_nu in every band"
"""What every picture says of its colours."""


def sky_rms(image: np.ndarray) -> np.ndarray:
    """Robust rms of each band: 1.4826 times the median absolute deviation, (band,), same unit."""
    flat = image.reshape(image.shape[0], -1)
    if flat.shape[1] > 250_000:  # a picture's stretch needs no more pixels than this
        flat = flat[:, :: flat.shape[1] // 250_000 + 1]
    middle = np.nanmedian(flat, axis=1, keepdims=True)
    return SIGMA_PER_MAD * np.nanmedian(np.abs(flat - middle), axis=1)


def asinh_rgb(
    image: np.ndarray,
    rms: np.ndarray | float | None = None,
    softening: float = 8.0,
    bands: Sequence[str] | None = None,
    noise: float | None = None,
    black: float | None = None,
) -> np.ndarray:
    """Return a colour picture of a flux image; there is no other, so a galaxy has one colour everywhere.

    White is equal pixel values in every band, for images in nJy a flat spectrum in f_nu; red is the band
    of the longest wavelength, blue that of the shortest, whatever their order. Noise sets how bright a
    pixel is shown, and how much of a faint one's colour, but never the balance of the bands; no channel
    is clipped by itself where it is bright, so that hue is kept from the faintest light to the brightest.

    Parameters: `image` (band, y, x), one flux unit for all bands; `rms`, the sky rms that sets the
    stretch, a number or one per band, by default the image's own (give that of the observed image to
    show its noiseless truth alike); `softening` is Lupton's Q; `bands`, their names, from which
    `rgb_bands` chooses; without them the first is taken for the bluest; `noise`, that of a pixel where
    it is not `rms` (0 for none), below which colours fade; `black`, the pixel value shown black, half
    an rms below the sky. One band gives grey, two give their mean as green.
    Returns uint8 (y, x, 3) with y up, so that the first row is the top of the picture.
    Lupton et al. 2004, PASP 116, 133, equation 2.
    """
    filled = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
    shown = list(dict.fromkeys(rgb_bands(len(filled), bands)))
    filled = filled[shown]
    if rms is None:
        level = sky_rms(filled)
    else:
        level = np.broadcast_to(np.asarray(rms, dtype=np.float64), (len(image),))[shown]
    unit = float(np.sqrt(np.mean(np.square(level))))
    if not (np.isfinite(unit) and unit > 0):
        unit = max(float(np.abs(filled.mean(axis=0)).max(initial=0.0)) / 30, 1e-30)
    stretch = _Stretch(
        softening,
        (_GREY * (1.0 if noise is None else max(noise, 0.0) / unit)) ** 2 + 1e-30,
        BLACK if black is None else black / unit,
    )
    height, width = filled.shape[1:]
    rgb = np.empty((height, width, 3), dtype=np.uint8)
    step = max(1, _AT_ONCE // max(width, 1))
    for y in range(0, height, step):
        rows = filled[:, y : y + step]
        rgb[height - y - rows.shape[1] : height - y] = stretch.rgb(_three(rows / np.float32(unit)))
    return rgb


@dataclass(frozen=True)
class _Stretch:
    """How light, in rms of the sky, becomes colour."""

    softening: float
    grey: float
    """Square of the light at which half of the colour shows."""
    black: float

    def rgb(self, colour: np.ndarray) -> np.ndarray:
        """Return rows of the picture, (y, x, 3) uint8, of their blue, green and red, (3, y, x)."""
        mean = colour.mean(axis=0)
        bright = mean.clip(0.0, None) ** 2
        colour = mean + bright / (bright + self.grey) * (colour - mean)  # hue stays, noise turns grey
        colour = (colour - self.black).clip(0.0, None)
        mean = colour.mean(axis=0)
        gain = np.arcsinh(self.softening * mean / STRETCH) / np.arcsinh(self.softening * WHITE / STRETCH)
        rgb = colour * np.divide(gain, mean, out=np.zeros_like(gain), where=mean > 0)
        rgb /= rgb.max(axis=0, keepdims=True).clip(1.0, None)  # keeps the colour where it is bright
        return (255.0 * rgb[::-1, ::-1]).astype(np.uint8).transpose(1, 2, 0)


def rgb_bands(n: int, bands: Sequence[str] | None = None) -> tuple[int, int, int]:
    """Which of `n` bands are shown as blue, green and red, from the shortest to the longest wavelength.

    With their names g, r and i where these are among more than three, as pictures of the sky usually
    are; else the first, middle and last by `wavelengths.from_blue_to_red`, of more than three without
    u, which is the noisiest of most surveys. A name is known by what follows its last underscore:
    `hsc_g` is a g.
    """
    order = from_blue_to_red(tuple(bands)) if bands is not None and len(bands) == n else list(range(n))
    letters = [name.rsplit("_", 1)[-1] for name in bands or ()]
    if n > 3 and {"g", "r", "i"} <= set(letters):
        return letters.index("g"), letters.index("r"), letters.index("i")
    first = 1 if n > 3 and letters and letters[order[0]] in ("u", "U") else 0
    return order[first], order[min((n + first) // 2, n - 1)], order[n - 1]


def _three(image: np.ndarray) -> np.ndarray:
    """Blue, green and red of one, two or three bands, from blue to red."""
    n = image.shape[0]
    if n == 1:
        return np.repeat(image, 3, axis=0)
    return np.stack([image[0], image.mean(axis=0), image[1]]) if n == 2 else image


def outline(rgb: np.ndarray, instances: np.ndarray, colour: tuple[int, int, int] | None = None) -> np.ndarray:
    """Return the picture with a line inside the edge of every instance, and a dark one around it.

    Both a pixel wide. The line has `colour`, by default one unlike the instance's own: yellow on what is
    blue, cyan on all else, so that it shows on any light. `rgb` is uint8 (y, x, 3) as `asinh_rgb` returns
    it (y up); `instances` int (y, x), 0 = sky.
    """
    if colour is not None:
        return outlined(rgb, instances, (colour,))
    labels = np.asarray(instances)[::-1]
    owned = labels > 0
    number = np.unique(labels[owned], return_inverse=True)[1].ravel()
    light = rgb[owned]
    red, blue = (np.bincount(number, light[:, k]) for k in (0, 2))
    chosen = np.zeros(labels.shape, dtype=np.uint8)
    chosen[owned] = (blue > red)[number]
    return outlined(rgb, instances, _UNLIKE, chosen)


def outlined(
    rgb: np.ndarray,
    instances: np.ndarray,
    colours: Sequence[tuple[int, int, int]],
    chosen: np.ndarray | None = None,
) -> np.ndarray:
    """Return the picture with outlines in several colours.

    They take turns, so that neighbours mostly have different ones, or are the `chosen` (y, x) of each
    pixel of the picture.
    """
    labels = np.asarray(instances)[::-1]
    line = _edge(labels, labels) & (labels > 0)
    dark = _edge(line, line) & (labels == 0)
    out = rgb.copy()
    out[dark] = _DARK
    which = (labels if chosen is None else chosen)[line] % len(colours)
    out[line] = np.asarray(colours, dtype=np.uint8)[which]
    return out


def _edge(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Where one of a pixel's four neighbours in `others` is not what the pixel is in `values`."""
    padded = np.pad(others, 1, mode="edge")
    edge = np.zeros(values.shape, dtype=bool)
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        edge |= padded[dy : dy + values.shape[0], dx : dx + values.shape[1]] != values
    return edge


def marked(
    rgb: np.ndarray, x: np.ndarray, y: np.ndarray, radius: float, colour: tuple[int, int, int]
) -> np.ndarray:
    """Return the picture with a circle about each place, dark on both sides.

    In pixels of the picture, y up.
    """
    from PIL import Image, ImageDraw

    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    for u, v in zip(np.asarray(x, float), rgb.shape[0] - 1 - np.asarray(y, float), strict=True):
        for grown, width, ink in ((1, 3, _DARK), (0, 1, colour)):
            r = radius + grown
            draw.ellipse((u - r, v - r, u + r, v + r), outline=ink, width=width)
    return np.asarray(image)


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


def compared(rows: Sequence[np.ndarray], rms: np.ndarray, bands: Sequence[str] | None = None) -> np.ndarray:
    """Return rows of images (n, band, y, x), a column each, each column in a stretch of its own.

    `rms` (n,) or (n, band) sets the stretch.
    """
    pictures = [
        asinh_rgb(i, sigma, bands=bands, noise=0.0) for row in rows for i, sigma in zip(row, rms, strict=True)
    ]
    return mosaic(pictures, columns=len(rms))


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as a PNG, whole or not at all; InputError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing(path) as part:
            figure.savefig(part, format="png", metadata={"Software": None})
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def save_png(path: str | Path, rgb: np.ndarray) -> None:
    """Write uint8 (y, x, 3) or (y, x) as a PNG; the file appears whole or not at all."""
    with appearing(Path(path)) as part:
        part.write_bytes(png_bytes(rgb))
