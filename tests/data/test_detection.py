"""as_detection: torchvision's format, transforms v2, Mask R-CNN."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.ops import masks_to_boxes
from torchvision.transforms import v2

import mockforge
from mockforge.batch import Batch
from mockforge.data.torch.targets import objects
from mockforge.errors import InputError
from tests.builders.tiny_datasets import blobs, publish


def test_the_format(segmentation: Path) -> None:
    data = mockforge.load(segmentation, split="train").as_detection()
    image, target = data[2]
    assert isinstance(image, tv_tensors.Image)
    assert image.dtype == torch.float32
    assert isinstance(target["boxes"], tv_tensors.BoundingBoxes)
    assert target["boxes"].canvas_size == (48, 48)
    assert isinstance(target["masks"], tv_tensors.Mask)
    assert target["masks"].shape == (3, 48, 48)
    assert target["labels"].tolist() == [1, 1, 1]
    assert target["image_id"] == 4
    assert torch.equal(target["area"], target["masks"].sum(dim=(1, 2)).float())
    inclusive = masks_to_boxes(target["masks"])
    assert torch.equal(target["boxes"][:, :2], inclusive[:, :2])
    assert torch.equal(target["boxes"][:, 2:], inclusive[:, 2:] + 1)


def test_empty_sky_and_single_pixels(segmentation: Path) -> None:
    _, target = mockforge.load(segmentation, split="train").as_detection()[1]
    assert target["boxes"].shape == (0, 4)
    assert target["masks"].shape == (0, 48, 48)
    instances = np.zeros((5, 6), dtype=np.int64)
    instances[0, 5], instances[4, 0:2] = 3, 7  # labels with gaps, an object one pixel wide
    boxes, masks, area = objects(instances)
    assert boxes.tolist() == [[5, 0, 6, 1], [0, 4, 2, 5]]
    assert masks.sum() == 3
    assert area.tolist() == [1, 2]


def test_masks_of_the_truth(tmp_path: Path) -> None:
    """Another array of labels than the detector's: here each blob's core alone."""

    def made(shard: int) -> Batch:
        batch = blobs(shard)
        core = batch.arrays["truth"].max(axis=1) > 60.0
        return batch.with_arrays(instances_truth=np.where(core, batch.arrays["instances"], 0))

    save = {"image": "float32", "instances": "int32", "instances_truth": "int32"}
    base = mockforge.load(publish(tmp_path / "both", made, save, shards=1))
    for i in range(len(base)):
        _, target = base.as_detection(masks="instances_truth")[i]
        labels = base[i]["instances_truth"]
        wanted = [labels == k for k in labels.unique() if k > 0]
        assert len(target["masks"]) == len(wanted)
        for mask, own in zip(target["masks"], wanted, strict=True):
            assert torch.equal(mask.as_subclass(torch.Tensor).bool(), own)
    assert (
        base.as_detection()[0][1]["area"].sum()
        > base.as_detection(masks="instances_truth")[0][1]["area"].sum()
    )
    with pytest.raises(InputError, match="instances_visible"):
        base.as_detection(masks="instances_visible")


def test_scaling(segmentation: Path, tmp_path: Path) -> None:
    base = mockforge.load(segmentation)
    flux = base[0]["image"]
    raw, _ = base.as_detection(scaling=None)[0]
    assert torch.equal(raw.as_subclass(torch.Tensor), flux)
    data = base.as_detection()
    image, _ = data[0]
    torch.testing.assert_close(image.as_subclass(torch.Tensor), 0.25 + 0.1 * torch.asinh(flux / 3))
    torch.testing.assert_close(data.to_flux(image, base[0]["sky_rms"]), flux, rtol=1e-4, atol=1e-3)
    bare = publish(tmp_path / "bare", blobs, {"image": "float32", "instances": "uint8"}, shards=1)
    measured = mockforge.load(bare).as_detection()
    np.testing.assert_allclose(measured.rms, 3.0, rtol=0.15)
    assert abs(float(measured[1][0].std()) - 0.08) < 0.01
    with pytest.raises(InputError, match="should be 'asinh' or None"):
        base.as_detection(scaling="log")  # pyright: ignore[reportArgumentType]


def test_flips_and_crops_keep_boxes_on_their_masks(segmentation: Path) -> None:
    plain = mockforge.load(segmentation, split="train").as_detection()[0]
    flip = v2.RandomHorizontalFlip(p=1.0)
    base = mockforge.load(segmentation, split="train")
    image, target = base.as_detection(transforms=flip)[0]
    assert torch.equal(image, plain[0].flip(-1))
    assert torch.equal(target["boxes"][:, 0], 48 - plain[1]["boxes"][:, 2])
    torch.manual_seed(0)  # the user's transforms draw from torch's global stream
    crop = v2.Compose([v2.RandomRotation([30, 30]), v2.RandomCrop(20), v2.ToDtype(torch.float32, scale=True)])
    data = base.as_detection(transforms=crop)
    counts = []
    for i in [0, 1, 2, 3, 4, 5] * 4:
        image, target = data[i]
        assert image.shape == (3, 20, 20)
        n = len(target["boxes"])
        counts.append(n)
        assert all(len(target[k]) == n for k in ("labels", "masks", "area", "iscrowd"))
        assert target["boxes"].canvas_size == (20, 20)
        if n:
            inclusive = masks_to_boxes(target["masks"])
            assert torch.equal(target["boxes"].as_subclass(torch.Tensor)[:, 2:], inclusive[:, 2:] + 1)
            assert torch.equal(target["area"], target["masks"].sum(dim=(1, 2)).float())
    assert 0 < sum(counts) < 3 * len(counts)


def test_mask_rcnn_trains_on_it_as_it_is(segmentation: Path) -> None:
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    torch.manual_seed(0)  # the network's first weights
    model = maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=2,
        min_size=64,
        max_size=64,
        rpn_pre_nms_top_n_train=50,
        rpn_post_nms_top_n_train=20,
        box_batch_size_per_image=16,
    )
    data = mockforge.load(segmentation, split="train").as_detection(transforms=v2.RandomVerticalFlip())
    loader = DataLoader(data, batch_size=2, collate_fn=data.collate)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    steps = 0
    for images, targets in loader:
        losses = model(images, targets)
        total = torch.stack(list(losses.values())).sum()
        assert torch.isfinite(total)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        steps += 1
    assert steps == 3
    assert set(losses) >= {"loss_mask", "loss_box_reg", "loss_classifier"}


def with_planes(shard: int) -> Batch:
    """Blobs with one plane per object, the last one empty, and arrays that are no labels."""
    batch = blobs(shard)
    labels = batch.arrays["instances"]
    alone = np.stack([labels == k for k in (1, 2, 3, 4)], axis=1)
    alone[:, 1] |= alone[:, 0]  # it overlaps the first
    return batch.with_arrays(
        amodal=alone,
        multiplicity=alone.sum(axis=1).astype(np.int16),
        isolated=alone[:, :, None] * batch.arrays["truth"][:, None],
        instances_fine=labels.repeat(2, axis=1).repeat(2, axis=2),
    )


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory: pytest.TempPathFactory) -> mockforge.data.torch.dataset.Dataset:
    save = {"image": "float32", "instances": "int32", "amodal": "bool", "multiplicity": "int16"}
    save |= {"isolated": "float32", "instances_fine": "int32", "sky_rms": "float32"}
    return mockforge.load(publish(tmp_path_factory.mktemp("data") / "planes", with_planes, save, shards=1))


def test_masks_may_overlap_and_empty_planes_are_no_objects(overlapping) -> None:
    data = overlapping.as_detection(masks="amodal")
    for i in range(4):
        planes = overlapping[i]["amodal"]
        _, target = data[i]
        wanted = planes[planes.any(dim=2).any(dim=1)]
        assert torch.equal(target["masks"].as_subclass(torch.Tensor).bool(), wanted)
        assert target["boxes"].shape == (len(wanted), 4)
        assert torch.equal(target["area"], wanted.sum(dim=(1, 2)).float())
        if len(wanted):
            inclusive = masks_to_boxes(wanted)
            assert torch.equal(target["boxes"][:, 2:], inclusive[:, 2:] + 1)
    assert data[0][1]["masks"].sum(dim=0).max() == 2
    assert data[1][1]["boxes"].shape == (0, 4)


@pytest.mark.parametrize("name", ["multiplicity", "isolated", "instances_fine", "image", "sky_rms"])
def test_an_array_that_holds_no_objects_is_a_sentence(overlapping, name: str) -> None:
    with pytest.raises(InputError, match=rf"masks='{name}'"):
        overlapping.as_detection(masks=name)


@pytest.mark.parametrize("masks", ["instances", "amodal"])
@pytest.mark.parametrize(
    "transforms",
    [
        v2.SanitizeBoundingBoxes(min_size=8),
        v2.Compose([v2.RandomIoUCrop(), v2.SanitizeBoundingBoxes()]),
        v2.Compose([v2.RandomCrop(24), v2.ConvertBoundingBoxFormat("CXCYWH"), v2.SanitizeBoundingBoxes()]),
        v2.SanitizeBoundingBoxes(min_size=8, labels_getter=lambda x: (x[1]["labels"], x[1]["area"])),
    ],
)
def test_every_entry_follows_the_masks_that_are_left(overlapping, transforms, masks: str) -> None:
    torch.manual_seed(0)  # the user's transforms draw from torch's global stream
    data = overlapping.as_detection(transforms, masks=masks)
    for i in range(4):
        _, target = data[i]
        n = len(target["masks"])
        assert {name: len(target[name]) for name in ("boxes", "labels", "area", "iscrowd")} == dict.fromkeys(
            ("boxes", "labels", "area", "iscrowd"), n
        )
        assert torch.equal(target["area"], target["masks"].sum(dim=(1, 2)).float())
        corners = v2.functional.convert_bounding_box_format(target["boxes"], new_format="XYXY")
        if n:
            inclusive = masks_to_boxes(target["masks"])
            assert torch.equal(corners.as_subclass(torch.Tensor)[:, 2:], inclusive[:, 2:] + 1)


def test_without_masks_the_boxes_count(overlapping) -> None:
    def bare(image, target):
        kept = {k: v for k, v in target.items() if k != "masks"}
        return v2.SanitizeBoundingBoxes(min_size=8)(image, kept)

    for i in range(4):
        _, target = overlapping.as_detection(bare)[i]
        sides = target["boxes"][:, 2:] - target["boxes"][:, :2]
        assert torch.equal(target["area"], sides.prod(dim=1)) and len(target["iscrowd"]) == len(sides)


def test_labels_of_one_class_follow_too(overlapping) -> None:
    """labels_getter=None leaves the labels alone; all are 1."""

    def fewer(image, target):
        kept = {name: tv_tensors.wrap(target[name][1:], like=target[name]) for name in ("boxes", "masks")}
        return image, {**target, **kept}

    _, target = overlapping.as_detection(fewer)[0]
    assert len(target["labels"]) == len(target["masks"]) == 2 and (target["labels"] == 1).all()
    _, target = overlapping.as_detection(v2.SanitizeBoundingBoxes(min_size=40, labels_getter=None))[0]
    assert len(target["labels"]) == len(target["masks"]) == 0
    for wrong in (None, 3, ["instances"]):
        with pytest.raises(InputError, match="should be the name of an array"):
            overlapping.as_detection(masks=wrong)


def test_objects_dropped_of_one_entry_alone_are_a_sentence(overlapping) -> None:
    with pytest.raises(InputError, match="2 boxes, 2 labels, 3 masks"):
        overlapping.as_detection(lambda image, t: (image, {**t, "boxes": t["boxes"][1:]}))[0]


def test_labels_that_are_not_there_are_answered_with_those_that_are(overlapping) -> None:
    with pytest.raises(InputError, match=r"no array 'amodel'; labels that it has: .*masks='amodal'"):
        overlapping.as_detection(masks="amodel")
