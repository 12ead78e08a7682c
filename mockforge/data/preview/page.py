"""Pages of pictures with words: what previews are laid out on."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.data.card.describe import plain, swept
from mockforge.data.reader import Reader

SIDE = 256
"""Tiles are shown at up to this many pixels a side: larger ones cropped, small ones enlarged."""
PAGE = (16, 18, 24)
INK = (225, 228, 235)
FAINT = (140, 146, 160)
GAP = 6


def spread(reader: Reader, n: int) -> list[int]:
    """Up to n samples spread over the dataset, so that every preview of it shows the same."""
    return np.unique(np.linspace(0, len(reader) - 1, n).round().astype(int)).tolist()


def joined(pictures: list[np.ndarray], axis: int, gap: int = 2) -> np.ndarray:
    """Pictures side by side (axis 1) or below each other (axis 0) on the page's colour."""
    shape = list(pictures[0].shape)
    shape[axis] = gap
    space = np.broadcast_to(np.array(PAGE, dtype=np.uint8), shape)
    parts = [part for picture in pictures for part in (picture, space)]
    return np.concatenate(parts[:-1], axis=axis)


def window(values: np.ndarray) -> np.ndarray:
    """Return the middle of an array of a large tile."""
    height, width = values.shape[-2:]
    y, x = max(0, height - SIDE) // 2, max(0, width - SIDE) // 2
    return values[..., y : y + SIDE, x : x + SIDE]


def enlarged(picture: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Small tiles repeated a whole number of times, up to `side`; pixels stay square and sharp."""
    times = max(1, side // max(picture.shape[:2]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def written(picture: np.ndarray, words: str) -> np.ndarray:
    """Return the picture with words in its lower left corner, on a shadow that keeps them legible."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    place = (6, image.height - 20)
    draw.text(place, words, font=_font(13), fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0))
    return np.asarray(image)


def page(reader: Reader, panels: list[np.ndarray], columns: int, titles: list[str], note: str) -> np.ndarray:
    """Panels on a dark page below the dataset's name and a line that says what a pixel is."""
    from PIL import Image, ImageDraw

    height, width = panels[0].shape[:2]
    rows = -(-len(panels) // columns)
    top = 62 + (20 if titles else 0)
    size = (columns * (width + GAP) + GAP, top + rows * (height + GAP) + GAP)
    name = reader.manifest.name
    words = _caption(reader, note)
    least = int(max(_font(13).getlength(words), _font(20).getlength(name))) + 24
    left = max(0, least - size[0]) // 2
    page = Image.new("RGB", (max(size[0], least), size[1]), PAGE)
    draw = ImageDraw.Draw(page)
    draw.text((12, 10), name, font=_font(20), fill=INK)
    draw.text((12, 38), words, font=_font(13), fill=FAINT)
    title_width = (width + GAP) * columns / max(1, len(titles))
    for i, title in enumerate(titles):
        draw.text((left + GAP + i * title_width + 2, 62), title, font=_font(13), fill=INK)
    for i, panel in enumerate(panels):
        at = (left + GAP + (i % columns) * (width + GAP), top + (i // columns) * (height + GAP))
        page.paste(Image.fromarray(panel), at)
    return np.asarray(page)


def _caption(reader: Reader, note: str) -> str:
    about = reader.attributes
    parts = [f"{len(reader)} samples"]
    if "bands" in about:
        parts.append(f"bands {plain(about['bands'])}")
    if "pixel_scale_arcsec" in about:
        parts.append(f'{plain(about["pixel_scale_arcsec"])}" per pixel{swept(reader, "pixel_scale_arcsec")}')
    return "   |   ".join([*parts, note])


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)
