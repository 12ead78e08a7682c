"""mockforge.load: samples, splits, tables, workers, errors."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision.transforms import v2

import mockforge
from mockforge.data.reader import MAX_OPEN
from mockforge.errors import InputError
from tests.builders.tiny_datasets import blobs, pairs


def doubled(sample: dict) -> dict:
    return {**sample, "image": 2 * sample["image"]}


def test_samples_of_a_split(segmentation: Path) -> None:
    train = mockforge.load(segmentation, split="train")
    assert len(train) == 6
    sample = train[3]
    assert sample["sample"] == 5
    np.testing.assert_array_equal(sample["image"].numpy(), blobs(1).arrays["image"][1])
    assert sample["image"].dtype == torch.float32
    assert sample["instances"].dtype == torch.int64
    assert sample["sky_rms"].shape == (3,)
    assert train[-1]["sample"] == 9
    with pytest.raises(IndexError):
        train[6]
    assert len(mockforge.load(segmentation / "dataset.h5")) == 12
    assert train.attributes["bands"] == ("g", "r", "Z")
    assert "blobs" in repr(train)


def test_transform_sees_the_dict(segmentation: Path) -> None:
    plain, twice = mockforge.load(segmentation), mockforge.load(segmentation, transform=doubled)
    assert torch.equal(twice[2]["image"], 2 * plain[2]["image"])


def test_arrays_choose_what_is_read(segmentation: Path) -> None:
    whole, images = mockforge.load(segmentation), mockforge.load(segmentation, arrays=["image"])
    assert list(images[3]) == ["image", "sample"]
    assert images.arrays == {"image": (3, 48, 48)}
    assert "truth" not in repr(images)
    assert torch.equal(images[3]["image"], whole[3]["image"])
    assert list(images[2:4][0]) == list(pickle.loads(pickle.dumps(images))[0]) == ["image", "sample"]
    seen = []
    mockforge.load(segmentation, transform=lambda s: seen.append(list(s)), arrays=["truth"])[0]
    assert seen == [["truth", "sample"]]


def test_other_forms_read_what_they_need_whatever_was_chosen(segmentation: Path, redshift: Path) -> None:
    picture, target = mockforge.load(segmentation, arrays=["truth"]).as_detection()[0]
    expected, other = mockforge.load(segmentation).as_detection()[0]
    assert torch.equal(picture, expected)  # scaled by the sample's own rms
    assert torch.equal(target["masks"], other["masks"])
    seen = []
    noted = mockforge.load(segmentation, transform=lambda s: (seen.append(set(s)), s)[1], arrays=["truth"])
    noted.as_detection()[0]
    assert seen == [{"truth", "image", "instances", "sky_rms", "sample"}]
    ends = mockforge.load(redshift, arrays=["input"])
    assert torch.equal(ends.as_pairs()[1][1], ends.sample(1, "target")["target"])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ("image", r"load\(arrays='image'\): should be a list of names, such as \['image'\]; it has image, "),
        ([], r"should be a list of names"),
        ([3], r"should be a list of names"),
        (["imge"], r"no array 'imge'; it has image, instances, sky_rms, truth"),
        (["image", "sample"], r"no array 'sample'; it has image"),
    ],
)
def test_arrays_that_are_not_there_are_named(segmentation: Path, arrays: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        mockforge.load(segmentation, arrays=arrays)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # of fork
@pytest.mark.parametrize(("workers", "context"), [(0, None), (2, "fork"), (1, "spawn")])
def test_workers_read_the_same(segmentation: Path, workers: int, context: str | None) -> None:
    train = mockforge.load(segmentation, split="train")
    first = train[0]  # leaves a file open in this process
    loader = DataLoader(train, batch_size=3, num_workers=workers, multiprocessing_context=context)
    batches = list(loader)
    assert torch.cat([b["sample"] for b in batches]).tolist() == [0, 1, 4, 5, 8, 9]
    assert torch.equal(batches[0]["image"][0], first["image"])
    assert torch.equal(batches[1]["instances"][2], train[5]["instances"])


def test_pickles_with_files_open_and_after_close(segmentation: Path) -> None:
    train = mockforge.load(segmentation, split="val")
    before = train[1]["image"]
    again = pickle.loads(pickle.dumps(train))
    train.close()
    assert torch.equal(again[1]["image"], before)
    assert torch.equal(train[1]["image"], before)


def test_tables_have_units_and_only_this_split(segmentation: Path) -> None:
    table = mockforge.load(segmentation, split="val").table("catalogue")
    assert set(table["sample"]) == {2, 6, 10}
    assert str(table["flux_r"].unit) == "nJy"
    assert str(table["x"].unit) == "pix"
    assert set(table["sed"]) == {"Sbc", "elliptical"}
    assert len(mockforge.load(segmentation).table("catalogue")) == 27
    with pytest.raises(InputError, match="did you mean 'catalogue'"):
        mockforge.load(segmentation).table("catalog")


def test_pairs(redshift: Path) -> None:
    data = mockforge.load(redshift, split="test").as_pairs()
    source, target, z_in, z_out = data[1]
    batch = pairs(1)
    np.testing.assert_array_equal(source.numpy(), batch.arrays["input"][3])
    np.testing.assert_array_equal(target.numpy(), batch.arrays["target"][3])
    assert float(z_in) == batch.arrays["z_in"][3]
    assert z_out > z_in
    batched = next(iter(DataLoader(data, batch_size=3)))
    assert batched[0].shape == (3, 3, 32, 32)
    assert batched[3].shape == (3,)
    with pytest.raises(InputError, match="missing image, instances"):
        mockforge.load(redshift).as_detection()


def test_errors_say_what_to_do(segmentation: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'train'"):
        mockforge.load(segmentation, split="trian")
    with pytest.raises(InputError, match="missing input, target"):
        mockforge.load(segmentation).as_pairs()
    copy = Path(shutil.copytree(segmentation, tmp_path / "copy"))
    shard = copy / "shards" / "00001.h5"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"00001\.h5 has .* bytes, should have .*verify --repair"):
        mockforge.load(copy)
    shard.unlink()
    with pytest.raises(InputError, match=r"00001\.h5 missing"):
        mockforge.load(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(InputError, match="unfinished build"):
        mockforge.load(copy)


def test_more_shards_than_may_be_open(many_shards: Path) -> None:
    data = mockforge.load(many_shards)
    there = len(os.listdir("/dev/fd"))
    assert [data[i]["sample"] for i in range(len(data))] == list(range(len(data)))
    assert len(data) > MAX_OPEN and len(os.listdir("/dev/fd")) - there <= MAX_OPEN
    assert [data[i]["sample"] for i in (0, 69, 5, 1)] == [0, 69, 5, 1]


def test_a_shard_damaged_under_its_size_is_named(segmentation: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(segmentation, tmp_path / "copy"))
    shard = copy / "shards" / "00001.h5"
    raw = bytearray(shard.read_bytes())
    with h5py.File(shard, "r") as file:
        at = file["instances"].id.get_chunk_info(2)  # the gzipped labels of the shard's third sample
    raw[at.byte_offset : at.byte_offset + at.size] = bytes(at.size)
    shard.write_bytes(raw)
    data = mockforge.load(copy)
    assert data[5]["sample"] == 5
    with pytest.raises(InputError, match=r"00001\.h5: unreadable .*verify --repair"):
        data[6]
    data.close()
    shard.write_bytes(bytes(len(raw)))
    with pytest.raises(InputError, match=r"00001\.h5: unreadable .*verify --repair"):
        data[5]


def test_an_index_is_a_whole_number_or_a_slice(segmentation: Path) -> None:
    train = mockforge.load(segmentation, split="train")
    part = train[2:5]
    assert [part[i]["sample"] for i in range(len(part))] == [4, 5, 8]
    assert part[-1]["sample"] == train[np.int64(4)]["sample"] == train[torch.tensor(4)]["sample"] == 8
    assert set(part.table("catalogue")["sample"]) <= {4, 5, 8}
    assert [s["sample"] for s in train[::-2]] == [9, 5, 1]
    assert len(part.as_detection()) == len(train.as_detection()[2:5]) == 3
    assert train.as_detection()[2:5][0][1]["image_id"] == 4
    for wrong in (
        True,
        np.bool_(True),
        torch.tensor(True),
        1.0,
        np.float32(2),
        "0",
        [0, 1],
        np.arange(2),
        None,
    ):
        with pytest.raises(InputError, match="a sample is chosen by a whole number"):
            train[wrong]
        with pytest.raises(TypeError):
            train.as_detection()[wrong]


def test_torchvision_turns_images_and_labels_of_a_sample_alike(segmentation: Path) -> None:
    plain = mockforge.load(segmentation)[0]
    turned = mockforge.load(segmentation, transform=v2.RandomHorizontalFlip(1.0))[0]
    for name in ("image", "truth", "instances"):
        assert torch.equal(turned[name], plain[name].flip(-1)), name
    assert torch.equal(turned["sky_rms"], plain["sky_rms"])


def test_transforms_has_two_arguments(segmentation: Path, redshift: Path) -> None:
    flip = v2.RandomHorizontalFlip(1.0)
    data = mockforge.load(segmentation, transforms=flip)
    assert torch.equal(data.as_detection()[0][0], mockforge.load(segmentation).as_detection(flip)[0][0])
    with pytest.raises(InputError, match="as_detection"):
        data[0]
    with pytest.raises(InputError, match="should be a function"):
        mockforge.load(segmentation, transform="flip")
    doubled_image, _ = mockforge.load(segmentation).as_detection(transform=lambda image: 2 * image)[0]
    assert torch.equal(doubled_image, 2 * mockforge.load(segmentation).as_detection()[0][0])
    first, second, *_ = mockforge.load(redshift, transforms=flip).as_pairs()[0]
    plain = mockforge.load(redshift).as_pairs()[0]
    assert torch.equal(first, plain[0].flip(-1)) and torch.equal(second, plain[1].flip(-1))
    assert len(mockforge.load(redshift).as_pairs()[:3]) == 3


def test_repr_says_what_it_is(segmentation: Path) -> None:
    said = repr(mockforge.load(segmentation, split="val"))
    assert all(word in said for word in ("blobs", "val", "3 samples", "g, r, Z", '0.2"', "nJy", "catalogue"))
    assert "instances" in repr(mockforge.load(segmentation).as_detection())
