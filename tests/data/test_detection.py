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
from mockforge.data.detection import objects
from mockforge.errors import InputError
from tests.data.conftest import blobs, publish


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
