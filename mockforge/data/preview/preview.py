"""preview.png: what a person looks at first."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from mockforge.data.kinds import kind_of, labels_of
from mockforge.data.manifest import Manifest, read_manifest
from mockforge.data.preview.cubes import cubes
from mockforge.data.preview.degraded import degraded
from mockforge.data.preview.disks import disks
from mockforge.data.preview.page import SIDE, enlarged, joined, page, spread, window
from mockforge.data.preview.pairs import pairs
from mockforge.data.preview.views import views
from mockforge.data.reader import Reader
from mockforge.field.picture import BALANCE, asinh_rgb, marked, outlined, save_png, sky_rms

PREVIEW = "preview.png"
COLOURS = ((255, 205, 60), (90, 215, 255), (255, 120, 170), (130, 240, 130), (255, 150, 60), (190, 160, 255))


_OF_TRUTH = ("instances_truth", "instances_visible")
"""Arrays that label the pixels of what is there, not of what was detected."""


def write_preview(folder: str | Path, manifest: Manifest | None = None) -> None:
    """Write `preview.png` of a dataset.

    Segmentation: tiles as asinh colour (Lupton et al. 2004), each with its outlined copy and
    its noiseless truth beside it where there is one. Pairs: galaxies, the input above the
    target, with their redshifts, and beside each other what was saved of their way: as the light
    arrives, through the PSF, with noise. Degraded: the coarse image beside the fine one. One sky in several
    views: each view's image and labels. Disk galaxies: the image and its parts.
    Cubes: white light, velocity, dispersion, a slit.
    Other datasets: their first image array.
    Needs the shards and the joined view, and the manifest file unless `manifest` is given.
    """
    with Reader(folder, manifest or read_manifest(folder)) as reader:
        plain = _segmentation if labels_of(reader.arrays) else _plain
        kind = kind_of(reader.arrays, reader.attributes)
        kinds = {
            "segmentation": _segmentation, "pairs": pairs, "degraded": degraded, "cubes": cubes,
            "views": partial(views, colours=COLOURS), "disks": disks,
        }  # fmt: skip
        draw = kinds.get(kind.name, plain)
        save_png(Path(folder) / PREVIEW, draw(reader))


def _segmentation(reader: Reader) -> np.ndarray:
    """Six tiles: image, outlines and truth side by side, two tiles a row; with outlines of the truth one.

    Objects that were painted into the sky have a circle on the image.
    """
    labels = labels_of(reader.arrays)
    exact = next((n for n in _OF_TRUTH if n in reader.arrays and n != labels), "")
    names = [name for name in ("image", labels, "truth", exact) if name in reader.arrays]
    both = "truth" in names and exact in names
    chosen = spread(reader, 6)
    samples = [reader.read(i, names) for i in chosen]
    injected = _injected(reader)
    rms = _common_rms([s["image"] for s in samples])
    bands = reader.attributes.get("bands")
    panels = []
    for i, sample in zip(chosen, samples, strict=True):
        cut = {name: window(values) for name, values in sample.items()}
        rgb = asinh_rgb(cut["image"], rms, bands=bands)
        row = [rgb, _labelled(rgb, cut[labels])]
        if "truth" in cut:
            row.append(asinh_rgb(cut["truth"], rms, bands=bands, noise=0.0))
        if both:
            row.append(_labelled(row[-1], cut[exact]))
        row = [enlarged(p) for p in row]
        row[0] = _circled(row[0], injected.get(int(reader.sample[i]), ()), sample["image"].shape[-2:])
        panels.append(joined(row, axis=1))
    titles = [
        "image, circles: injected" if injected else "image",
        "labels",
        *(["truth, without noise"] if "truth" in names else []),
    ]
    titles += ["labels of the truth"] if both else []
    columns = 2 if len(panels) > 1 and not both else 1
    return page(reader, panels, columns, titles * columns, BALANCE)


def _plain(reader: Reader) -> np.ndarray:
    images = [name for name in reader.arrays if len(reader.shapes[name]) == 3]
    maps = [name for name in reader.arrays if len(reader.shapes[name]) == 2]
    if not images and not maps:
        return page(reader, [np.full((SIDE, SIDE, 3), 40, np.uint8)], 1, [], "no image to show")
    name = (images or maps)[0]
    arrays = [reader.read(i, [name])[name].reshape(-1, *reader.shapes[name][-2:]) for i in spread(reader, 8)]
    rms = _common_rms(arrays)
    bands = reader.attributes.get("bands")
    panels = [enlarged(asinh_rgb(window(a), rms, bands=bands)) for a in arrays]
    return page(reader, panels, min(4, len(panels)), [], f"array {name}")


def _common_rms(images: list[np.ndarray]) -> np.ndarray:
    """(C,) median sky rms of each band; a band without noise gets a 30th of its peak."""
    rms = np.median([sky_rms(image) for image in images], axis=0)
    peak = np.max([np.abs(image).max(axis=(1, 2)) for image in images], axis=0)
    return np.where(rms > 0, rms, np.maximum(peak / 30, 1e-30))


def _injected(reader: Reader) -> dict[int, np.ndarray]:
    """Sample -> (n, 2) x, y in its pixels of the objects that were painted into its sky."""
    if "objects" not in reader.tables:
        return {}
    table, _ = reader.table("objects")
    if "injected" not in table:
        return {}
    rows = np.asarray(table["injected"], dtype=bool)
    samples, places = table["sample"][rows], np.stack([table["x"][rows], table["y"][rows]], axis=1)
    return {int(sample): places[samples == sample] for sample in np.unique(samples)}


def _circled(rgb: np.ndarray, places: np.ndarray | tuple[()], shape: tuple[int, ...]) -> np.ndarray:
    """Return a picture of the middle of a tile of `shape` (y, x), a circle about each place x, y of it."""
    if not len(places):
        return rgb
    height, width = (min(SIDE, n) for n in shape)
    times = rgb.shape[0] / height
    x, y = (
        np.asarray(places)[:, k] - (n - m) // 2 for k, n, m in ((0, shape[1], width), (1, shape[0], height))
    )
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    return marked(rgb, (x[inside] + 0.5) * times - 0.5, (y[inside] + 0.5) * times - 0.5, 9.0, (90, 215, 255))


def _labelled(rgb: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """Return the picture in grey with every object outlined; neighbours mostly in other colours."""
    grey = (0.9 * rgb.mean(axis=2, keepdims=True)).astype(np.uint8).repeat(3, axis=2)
    return outlined(grey, instances, COLOURS)
