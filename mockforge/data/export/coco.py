"""COCO's JSON of instance segmentation: an object per annotation, its mask run-length encoded.

Lin et al. 2014, "Microsoft COCO: Common Objects in Context", ECCV, arXiv:1405.0312; the format is that of
https://cocodataset.org/#format-data. Boxes, areas and masks are exact.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.data.kinds import labels_of
from mockforge.data.reader import Reader
from mockforge.errors import InputError
from mockforge.field.picture import asinh_rgb, save_png


def write_coco(reader: Reader, folder: Path) -> None:
    """Write images, pictures and one annotation file per split.

    - `annotations/instances_SPLIT.json`: a category `object`; an annotation for each object, whose mask
      is that of the labels: the pixels that are its own, so that masks do not overlap. `label` is its
      label in the image, as in the column `label` of the dataset's tables.
    - `SPLIT/000012.npy`: the image (band, y, x) in the dataset's unit, as `file_name`; 12 is the sample's
      number and the image's `id`.
    - `SPLIT/000012.png`: the image as 8-bit colour for viewers, as `picture`; its first row is the
      image's, as that of the masks.

    Raises
    ------
    InputError
        Where the dataset has no image with labels.
    """
    name = labels_of(reader.arrays)
    if not name:
        raise InputError(
            f"{reader.folder}: COCO needs the arrays image and instances (or instances_visible); it holds "
            f"{', '.join(reader.arrays)} (the recipe's `save` says which are kept)"
        )
    (folder / "annotations").mkdir()
    for split in reader.manifest.splits:
        (folder / split).mkdir()
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for row in np.flatnonzero(reader.split == split):
            sample, number = reader.read(int(row), ["image", name]), int(reader.sample[row])
            images.append(_image(reader, sample["image"], folder, f"{split}/{number:06d}", number))
            for annotation in objects(sample[name]):
                annotations.append({"id": len(annotations) + 1, "image_id": number, **annotation})
        document = {
            "info": _info(reader, split),
            "licenses": [],
            "categories": [{"id": 1, "name": "object", "supercategory": "sky"}],
            "images": images,
            "annotations": annotations,
        }
        path = folder / "annotations" / f"instances_{split}.json"
        path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def objects(labels: np.ndarray) -> list[dict[str, Any]]:
    """Return each object of labels (y, x), 0 = sky, in COCO's terms, in the order of the labels.

    `bbox` is x, y, width and height in pixels from the corner of the first; `area` the number of pixels.
    """
    out = []
    for label in np.unique(labels[labels != 0]):
        mask = labels == label
        y, x = np.nonzero(mask)
        box = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
        out.append(
            {
                "category_id": 1,
                "label": int(label),
                "bbox": box,
                "area": len(y),
                "iscrowd": 0,
                "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask)},
            }
        )
    return out


def run_lengths(mask: np.ndarray) -> list[int]:
    """Return COCO's run-length encoding of a mask (y, x): lengths of 0 and 1 in turn, column by column."""
    flat = np.concatenate([[False], mask.ravel(order="F"), [not mask[-1, -1]]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(ends, prepend=0).tolist()


def _image(reader: Reader, image: np.ndarray, folder: Path, name: str, number: int) -> dict[str, Any]:
    """Write an image and its picture, and return its entry."""
    np.save(folder / f"{name}.npy", image)
    picture = asinh_rgb(image, bands=reader.attributes.get("bands"))
    save_png(folder / f"{name}.png", picture[::-1])  # the first row of pixels first, as in the masks
    height, width = image.shape[-2:]
    return {
        "id": number,
        "file_name": f"{name}.npy",
        "picture": f"{name}.png",
        "height": height,
        "width": width,
    }


def _info(reader: Reader, split: str) -> dict[str, Any]:
    """Return what the pixels are and where they come from."""
    keys = ("bands", "unit", "zeropoint_ab", "pixel_scale_arcsec", "psf_fwhm_arcsec")
    return {
        "description": f"{reader.manifest.name}, split {split}, made with mockforge "
        f"{reader.manifest.versions.get('mockforge', '')}; arrays (band, y, x), y upwards",
        "recipe_digest": reader.manifest.recipe_digest,
        **{key: reader.attributes[key] for key in keys if key in reader.attributes},
    }
