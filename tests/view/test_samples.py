"""The viewer of a dataset: every sample at its place, with its number, objects and masks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mockforge.commands.view import Looked, view_thing
from mockforge.data.reader import Reader
from mockforge.errors import InputError
from mockforge.view.samples import write_samples
from mockforge.view.sheet import sheet_of
from tests.builders.tiny_datasets import ABOUT, publish
from tests.view.test_folder import config_of


def rows_of(out, name):
    """All rows of a layer, of the finest tiles."""
    layer = next(one for one in config_of(out)["objects"] if one["name"] == name)
    found = []
    for key in layer["tiles"]:
        if int(key.split("/")[0]) == layer["max_level"]:
            text = (out / "objects" / name / f"{key}.js").read_text()
            sent = json.loads(text[text.index(",") + 1 :].removesuffix(");\n"))
            found += [dict(zip(sent["columns"], row, strict=True)) for row in sent["rows"]]
    return found


def test_every_sample_lies_at_its_place(segmentation):
    with Reader(segmentation) as reader:
        sheet = sheet_of(reader)
        _, height, width = sheet.shape
        whole = sheet.read(0, height, 0, width)
        for i in range(len(reader)):
            x, y = sheet.grid.corner(i, sheet.panels[0])
            np.testing.assert_array_equal(whole[:, y : y + 48, x : x + 48], reader.read(i)["image"])
        assert np.isfinite(whole).sum() == 12 * 3 * 48 * 48
        assert sheet.grid.corner(0, sheet.panels[0]) == (0, height - 48)  # the first at the top left
        for y0, y1, x0, x1 in ((0, 7, 3, 90), (40, 61, 50, 53), (height - 3, height, 0, width)):
            np.testing.assert_array_equal(sheet.read(y0, y1, x0, x1), whole[:, y0:y1, x0:x1])


def test_a_sheet_keeps_few_samples(segmentation, monkeypatch):
    monkeypatch.setattr("mockforge.view.sheet._KEPT", 100_000)
    with Reader(segmentation) as reader:
        sheet = sheet_of(reader)
        sheet.read(0, sheet.shape[1], 0, sheet.shape[2])
        assert sum(v.nbytes for v in sheet._held.values()) == sheet._bytes <= 100_000


def test_objects_and_masks_lie_on_their_sample(segmentation, tmp_path):
    with Reader(segmentation) as reader:
        page = write_samples(reader, tmp_path / "out", ["normal"])
        table, _ = reader.table("catalogue")
        sheet = sheet_of(reader)
    config = config_of(page.parent)
    assert config["grid"] == {"columns": 4, "cell": [52, 52], "count": 12, "numbers": None}
    assert [one["name"] for one in config["outlines"]] == ["detected"]
    panel = dict(config["panel"])
    assert panel["samples"] == "12 (6 train, 3 val, 3 test)"
    assert panel["seed"] == "1" and panel["bands"] == "g, r, Z"
    rows = {row["id"]: row for row in rows_of(tmp_path / "out", "detected")}
    assert len(rows) == len(table["x"])
    k = 5
    row = rows[f"{table['sample'][k]}/{table['label'][k]}"]
    left, bottom = sheet.grid.corner(int(table["sample"][k]), sheet.panels[0])
    assert row["x"] - left == pytest.approx(table["x"][k], abs=1e-3)
    assert row["x_in_sample"] == pytest.approx(table["x"][k], abs=1e-3)
    assert row["y"] - bottom == pytest.approx(table["y"][k], abs=1e-3)
    boxes = rows_of(tmp_path / "out", "samples")
    assert [box["id"] for box in sorted(boxes, key=lambda b: b["id"])] == list(range(12))
    assert boxes[0]["split"] in ("train", "val", "test") and boxes[0]["sky_rms_r"] == 3.0


def test_pairs_stand_side_by_side_and_their_galaxy_is_told(redshift, tmp_path):
    with Reader(redshift) as reader:
        sheet = sheet_of(reader)
        assert [(p.array, p.left) for p in sheet.panels] == [("input", 0), ("target", 34)]
        sample = reader.read(7)
        for panel in sheet.panels:
            x, y = sheet.grid.corner(7, panel)
            np.testing.assert_array_equal(sheet.read(y, y + 32, x, x + 32), sample[panel.array])
        write_samples(reader, tmp_path / "out", ["normal"])
        radius = reader.table("galaxy")[0]["radius_arcsec"]
    boxes = {box["id"]: box for box in rows_of(tmp_path / "out", "samples")}
    assert boxes[7]["z_in"] == pytest.approx(float(sample["z_in"]), rel=1e-5)
    assert boxes[7]["radius_arcsec"] == pytest.approx(radius[7], rel=1e-5)


def test_a_coarse_image_and_its_truth_lie_on_their_own_pixels(degraded):
    with Reader(degraded) as reader:
        sheet = sheet_of(reader)
        assert [(p.array, p.height) for p in sheet.panels] == [("image", 11), ("truth", 32)]
        x, y = sheet.grid.corner(3, sheet.panels[0])
        np.testing.assert_array_equal(sheet.read(y, y + 11, x, x + 11), reader.read(3)["image"])


def test_the_command_writes_it_beside_the_dataset(segmentation, tmp_path):
    from shutil import copytree

    copytree(segmentation, tmp_path / "d")
    for what in (tmp_path / "d", tmp_path / "d" / "dataset.h5"):
        lines = list(view_thing(str(what), Looked(quiet=True, stretches=["normal"], bands=["Z", "r", "g"])))
        assert lines == [str(tmp_path / "d-view" / "index.html")]


def test_what_cannot_be_shown_is_said_in_a_sentence(segmentation, tmp_path):
    from tests.builders import batches

    def numbers(shard):
        arrays = {"z": np.zeros(2, np.float32)}
        about = {**ABOUT}
        return batches.samples(
            2, 2 * shard, splits={"train": 1.0}, split=batches.IN_TURN, arrays=arrays, tables={},
            attributes=about,
        )  # fmt: skip

    made = publish(tmp_path / "plain", numbers, {"z": "float32"}, shards=1)
    for what, looked, sentence in (
        (made, Looked(), "no array of the samples is an image"),
        (segmentation, Looked(bands=["K"], out=tmp_path / "o"), "no band 'K'"),
        (segmentation, Looked(masks=tmp_path / "m.fits"), "--masks: is for a file"),
        (segmentation, Looked(objects=tmp_path / "c.fits"), "--objects: is for a file"),
    ):
        with pytest.raises(InputError, match=sentence):
            list(view_thing(str(what), looked))
    assert [p.name for p in tmp_path.iterdir()] == ["plain"]
