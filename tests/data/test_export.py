"""A dataset in other tools' formats: every pixel, mask and row is the dataset's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image
from typer.testing import CliRunner

import mockforge
from mockforge.cli import app
from mockforge.data.export.export import export
from mockforge.errors import InputError
from tests.builders import tiny_datasets


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "blobs"
    return tiny_datasets.publish(folder, tiny_datasets.blobs, tiny_datasets.SAVE)


def decoded(segmentation: dict) -> np.ndarray:
    """A mask of COCO's run-length encoding, as pycocotools reads it."""
    runs = [np.full(n, k % 2, dtype=bool) for k, n in enumerate(segmentation["counts"])]
    return np.concatenate(runs).reshape(segmentation["size"], order="F")


def test_coco_holds_every_object(blobs: Path, tmp_path: Path) -> None:
    out = export(blobs, "coco", tmp_path / "coco")
    ids = set()
    for split in ("train", "val", "test"):
        data = mockforge.load(blobs, split)
        detection = data.as_detection()
        coco = json.loads((out / "annotations" / f"instances_{split}.json").read_text())
        assert len(coco["images"]) == len(data) and coco["info"]["unit"] == "nJy"
        for i, image in enumerate(coco["images"]):
            sample, (_, target) = data[i], detection[i]
            ids.add(image["id"])
            assert image["id"] == sample["sample"]
            np.testing.assert_array_equal(np.load(out / image["file_name"]), sample["image"])
            own = [one for one in coco["annotations"] if one["image_id"] == image["id"]]
            boxes = target["boxes"].numpy()
            assert len(own) == len(boxes)
            for one, box, mask in zip(own, boxes, target["masks"].numpy(), strict=True):
                np.testing.assert_array_equal(decoded(one["segmentation"]), mask)
                np.testing.assert_array_equal(
                    decoded(one["segmentation"]), sample["instances"] == one["label"]
                )
                x, y, width, height = one["bbox"]
                assert [x, y, x + width, y + height] == box.tolist() and one["area"] == mask.sum()
        assert [one["id"] for one in coco["annotations"]] == list(range(1, len(coco["annotations"]) + 1))
    assert len(ids) == 12


def test_a_picture_lies_as_its_masks_do(blobs: Path, tmp_path: Path) -> None:
    out = export(blobs, "coco", tmp_path / "coco")
    coco = json.loads((out / "annotations" / "instances_train.json").read_text())
    inside = outside = 0.0
    for image in coco["images"]:
        with Image.open(out / image["picture"]) as picture:
            light = np.asarray(picture, dtype=float).mean(axis=2)
        masks = [decoded(a["segmentation"]) for a in coco["annotations"] if a["image_id"] == image["id"]]
        if masks:
            inside += light[np.any(masks, axis=0)].mean()
            outside += light[~np.any(masks, axis=0)].mean()
    assert inside > 3 * outside


def test_fits_holds_every_array_and_row(blobs: Path, tmp_path: Path) -> None:
    out = export(blobs, "fits", tmp_path / "fits")
    data = mockforge.load(blobs, "test")
    for sample in data:
        with fits.open(out / "test" / f"{sample['sample']:06d}.fits") as hdus:
            assert hdus[0].header["BAND2"] == "r" and hdus[0].header["PIXSCALE"] == 0.2
            assert hdus["IMAGE"].header["BUNIT"] == "nJy"
            for name in ("image", "truth", "instances", "sky_rms"):
                np.testing.assert_array_equal(hdus[name].data, sample[name])
    rows = Table.read(out / "catalogue.fits")
    whole = mockforge.load(blobs).table("catalogue")
    for name in ("sample", "label", "flux_r"):
        np.testing.assert_array_equal(rows[name], whole[name])
    assert set(np.asarray(rows["split"], str)[np.isin(rows["sample"], [s["sample"] for s in data])]) == {
        "test"
    }


def test_pairs_go_to_fits_and_not_to_coco(tmp_path: Path) -> None:
    folder = tiny_datasets.publish(tmp_path / "pairs", tiny_datasets.pairs, tiny_datasets.PAIRS)
    sample = mockforge.load(folder, "test")[0]
    out = export(folder, "fits", tmp_path / "fits")
    with fits.open(out / "test" / f"{sample['sample']:06d}.fits") as hdus:
        assert hdus[0].header["Z_IN"] == pytest.approx(float(sample["z_in"]))
    with pytest.raises(InputError, match=r"needs the arrays image and instances.*it holds input, target"):
        export(folder, "coco", tmp_path / "coco")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fits", "pairs"]


def test_what_is_there_is_not_overwritten(blobs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="already exists, not overwritten"):
        export(blobs, "fits", tmp_path / "mine")
    with pytest.raises(InputError, match="unknown export format 'cocoo'; did you mean 'coco'"):
        export(blobs, "cocoo", tmp_path / "new")


def test_the_command_exports(blobs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(blobs), "--to", "coco", "-o", str(tmp_path / "coco")])
    assert done.exit_code == 0 and done.stdout.strip() == str(tmp_path / "coco")
    again = CliRunner().invoke(app, ["export", str(blobs), "--to", "coco", "-o", str(tmp_path / "coco")])
    assert again.exit_code == 2 and "already exists, not overwritten" in again.stderr
