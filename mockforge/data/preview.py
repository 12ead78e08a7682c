"""preview.png: what a person looks at first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mockforge.data.card import kind
from mockforge.data.describe import plain
from mockforge.data.manifest import Manifest, read_manifest
from mockforge.data.reader import Reader
from mockforge.picture import WHITE, asinh_rgb, outline, save_png, sky_rms

PREVIEW = "preview.png"
SIDE = 256
"""Tiles are shown at up to this many pixels a side: larger ones cropped, small ones enlarged."""
PAGE = (16, 18, 24)
INK = (225, 228, 235)
FAINT = (140, 146, 160)
COLOURS = ((255, 205, 60), (90, 215, 255), (255, 120, 170), (130, 240, 130), (255, 150, 60), (190, 160, 255))
GAP = 6


def write_preview(folder: str | Path, manifest: Manifest | None = None) -> None:
    """Write `preview.png` of a dataset.

    Segmentation: tiles as asinh colour (Lupton et al. 2004), each with its outlined copy and
    its noiseless truth beside it where there is one. Pairs: columns of galaxies, the input
    above the target, with their redshifts. Other datasets: their first image array.
    Needs the shards and the joined view, and the manifest file unless `manifest` is given.
    """
    with Reader(folder, manifest or read_manifest(folder)) as reader:
        draw = {"segmentation": _segmentation, "pairs": _pairs}.get(kind(reader), _plain)
        save_png(Path(folder) / PREVIEW, draw(reader))


def _segmentation(reader: Reader) -> np.ndarray:
    """Six tiles: image, outlines and truth side by side, two tiles a row."""
    names = [name for name in ("image", "instances", "truth") if name in reader.arrays]
    samples = [reader.read(i, names) for i in _spread(reader, 6)]
    rms = _common_rms([s["image"] for s in samples])
    panels = []
    for sample in samples:
        cut = {name: _window(values) for name, values in sample.items()}
        rgb = asinh_rgb(cut["image"], rms)
        row = [rgb, _labelled(rgb, cut["instances"])]
        if "truth" in cut:
            row.append(asinh_rgb(cut["truth"], rms))
        panels.append(_joined([_enlarged(p) for p in row], axis=1))
    titles = ["image", "labels", *(["truth, without noise"] if "truth" in names else [])]
    columns = 2 if len(panels) > 1 else 1
    return _page(reader, panels, columns, titles * columns, "bands balanced by their noise")


def _pairs(reader: Reader) -> np.ndarray:
    """Up to twelve galaxies in two bands of six, target below input."""
    names = [name for name in ("input", "target", "z_in", "z_out") if name in reader.arrays]
    samples = [reader.read(i, names) for i in _spread(reader, 12)]
    balance = _common_peak([s[image] for s in samples for image in ("input", "target")])
    panels = []
    for sample in samples:
        pair = []
        for image, z in (("input", "z_in"), ("target", "z_out")):
            flux = _window(sample[image]) / balance
            rgb = asinh_rgb(flux, np.full(len(flux), _unit_of_picture(flux)))
            picture = _enlarged(rgb, 176)
            words = f"{z} = {float(sample[z]):.2f}" if z in sample else image
            pair.append(_written(picture, words))
        panels.append(_joined(pair, axis=0))
    columns = min(6, len(panels))
    return _page(
        reader,
        panels,
        columns,
        [],
        "input above, target below; bands balanced, each picture with its own stretch",
    )


def _plain(reader: Reader) -> np.ndarray:
    images = [name for name in reader.arrays if len(reader.shapes[name]) == 3]
    maps = [name for name in reader.arrays if len(reader.shapes[name]) == 2]
    if not images and not maps:
        return _page(reader, [np.full((SIDE, SIDE, 3), 40, np.uint8)], 1, [], "no image to show")
    name = (images or maps)[0]
    arrays = [reader.read(i, [name])[name].reshape(-1, *reader.shapes[name][-2:]) for i in _spread(reader, 8)]
    rms = _common_rms(arrays)
    panels = [_enlarged(asinh_rgb(_window(a), rms)) for a in arrays]
    return _page(reader, panels, min(4, len(panels)), [], f"array {name}")


def _spread(reader: Reader, n: int) -> list[int]:
    """Up to n samples spread over the dataset, so that every preview of it shows the same."""
    return np.unique(np.linspace(0, len(reader) - 1, n).round().astype(int)).tolist()


def _common_rms(images: list[np.ndarray]) -> np.ndarray:
    """(C,) median sky rms of each band; a band without noise gets a 30th of its peak."""
    rms = np.median([sky_rms(image) for image in images], axis=0)
    peak = np.max([np.abs(image).max(axis=(1, 2)) for image in images], axis=0)
    return np.where(rms > 0, rms, np.maximum(peak / 30, 1e-30))


def _common_peak(images: list[np.ndarray]) -> np.ndarray:
    """(C,1,1) median brightness of the galaxies' cores in each band, 1 where there is none."""
    peak = np.median([np.percentile(image, 99.5, axis=(1, 2)) for image in images], axis=0)
    return np.where(peak > 0, peak, 1.0)[:, None, None]


def _labelled(rgb: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """The picture in grey with every object outlined; neighbours mostly in other colours."""
    grey = (0.9 * rgb.mean(axis=2, keepdims=True)).astype(np.uint8).repeat(3, axis=2)
    for k, colour in enumerate(COLOURS):
        chosen = (instances > 0) & (instances % len(COLOURS) == k)
        grey = outline(grey, np.where(chosen, instances, 0), colour)
    return grey


def _joined(pictures: list[np.ndarray], axis: int, gap: int = 2) -> np.ndarray:
    """Pictures side by side (axis 1) or below each other (axis 0) on the page's colour."""
    shape = list(pictures[0].shape)
    shape[axis] = gap
    space = np.broadcast_to(np.array(PAGE, dtype=np.uint8), shape)
    parts = [part for picture in pictures for part in (picture, space)]
    return np.concatenate(parts[:-1], axis=axis)


def _unit_of_picture(image: np.ndarray) -> float:
    """What stands for the sky rms of a galaxy that may have no noise: its core just below white."""
    mean = image.mean(axis=0, dtype=np.float64)
    noise = float(sky_rms(mean[None])[0])
    bright = float(np.percentile(mean, 99.9)) / WHITE
    return max(bright, min(noise, float(mean.max()) / WHITE), 1e-30)


def _window(values: np.ndarray) -> np.ndarray:
    """The middle of an array of a large tile."""
    height, width = values.shape[-2:]
    y, x = max(0, height - SIDE) // 2, max(0, width - SIDE) // 2
    return values[..., y : y + SIDE, x : x + SIDE]


def _enlarged(picture: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Small tiles repeated a whole number of times, up to `side`; pixels stay square and sharp."""
    times = max(1, side // max(picture.shape[:2]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def _written(picture: np.ndarray, words: str) -> np.ndarray:
    """The picture with words in its lower left corner, on a shadow that keeps them legible."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    place = (6, image.height - 20)
    draw.text(place, words, font=_font(13), fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0))
    return np.asarray(image)


def _page(reader: Reader, panels: list[np.ndarray], columns: int, titles: list[str], note: str) -> np.ndarray:
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
    each = (width + GAP) * columns / max(1, len(titles))
    for i, title in enumerate(titles):
        draw.text((left + GAP + i * each + 2, 62), title, font=_font(13), fill=INK)
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
        parts.append(f'{plain(about["pixel_scale_arcsec"])}" per pixel')
    return "   |   ".join([*parts, note])
