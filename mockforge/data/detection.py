"""A dataset as torchvision's detection models take it.

>>> train = mockforge.load("datasets/segmentation", split="train").as_detection()
>>> image, target = train[0]                   # tv_tensors.Image, dict
>>> loader = DataLoader(train, batch_size=4, shuffle=True, collate_fn=train.collate)
>>> losses = torchvision.models.detection.maskrcnn_resnet50_fpn(num_classes=2)(*next(iter(loader)))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from mockforge.errors import InputError
from mockforge.picture import sky_rms

if TYPE_CHECKING:
    from mockforge.data.dataset import Dataset

Target = dict[str, Any]

PER_OBJECT = ("boxes", "labels", "masks", "area", "iscrowd")
"""Entries of a target with one row per object."""


class DetectionDataset(torch.utils.data.Dataset[tuple[torch.Tensor, Target]]):
    """Samples as (image, target), accepted as they are by transforms.v2 and Mask R-CNN.

    `image` is a tv_tensors.Image, float32 (C,H,W). Scaling "asinh" (the default) is
    `0.25 + 0.1 asinh(flux / sky rms)`: the sky lies at 0.25 +- 0.08, a pixel at 5 sigma at
    0.48, one at 900 sigma at 1; brighter ones lie above 1, nothing is clipped, and
    `to_flux` inverts it. The rms is the sample's own `sky_rms` where the dataset has it, else
    one robust rms per band for the whole split, measured outside the objects of 16
    of its samples. `scaling=None`
    leaves nJy.

    `target` holds, for n objects: `boxes`, tv_tensors.BoundingBoxes (n,4) float32 XYXY, whose
    right and lower sides are exclusive (a mask one pixel wide has a box of width 1);
    `labels` (n,) int64, all 1 (0 is background); `masks`, tv_tensors.Mask (n,H,W) uint8;
    `image_id`, the sample's number; `area` (n,) float32 in pixels; `iscrowd` (n,) int64, all 0.
    A sample without objects has boxes of shape (0,4). Row i is the object labelled i+1 in the
    array `masks`: `instances`, what was detected, unless named otherwise, such as `instances_truth`,
    what is there. So before `transforms` row i of `boxes` is label i+1 of the catalogue, or of the
    table `objects`.

    `transforms` is called as `transforms(image, target)`. Afterwards objects without a pixel
    left are dropped, and boxes and areas are measured again on the masks, so that a crop or a
    rotation leaves tight boxes and never an empty one. The dataset's own `transform` sees the
    dict of arrays before all this.

    Mask R-CNN takes three bands unless it is told `image_mean` and `image_std` of another
    number and its first convolution is replaced.
    """

    def __init__(
        self,
        base: Dataset,
        transforms: Callable[..., Any] | None = None,
        scaling: Literal["asinh"] | None = "asinh",
        masks: str = "instances",
    ) -> None:
        base.needs(("image", masks), "as_detection()")
        if scaling not in ("asinh", None):
            raise InputError(f"as_detection(scaling={scaling!r}): should be 'asinh' or None")
        self.base = base
        self.transforms = transforms
        self.scaling = scaling
        self.masks = masks
        self.rms = np.ones(base.arrays["image"][0], dtype=np.float32)
        """(C,) sky rms used where the sample has no `sky_rms` of its own."""
        self._own_rms = scaling is not None and "sky_rms" in base.arrays
        self._names = ("image", masks, "sky_rms") if self._own_rms else ("image", masks)
        if scaling is not None and not self._own_rms and len(base):
            chosen = np.unique(np.linspace(0, len(base) - 1, 16).astype(int))
            skies = [_rms_of_sky(base.sample(int(i)), masks) for i in chosen]
            self.rms = _positive(np.median(skies, axis=0))

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, Target]:
        from torchvision import tv_tensors

        sample = self.base.sample(index, *(self._names if self.base.transform is None else ()))
        if self.base.transform is not None:
            sample = self.base.transform(sample)
        image, instances = sample["image"], sample[self.masks]
        if self.scaling is not None:
            rms = _positive(sample["sky_rms"].numpy()) if self._own_rms else self.rms
            scaled = np.arcsinh(image.numpy() / rms[:, None, None])  # 20 times as fast as torch's
            image = torch.from_numpy(0.25 + 0.1 * scaled)
        boxes, masks, area = objects(instances.numpy())
        target: Target = {
            "boxes": _boxes(torch.from_numpy(boxes), instances.shape),
            "labels": torch.ones(len(boxes), dtype=torch.int64),
            "masks": tv_tensors.Mask(torch.from_numpy(masks)),
            "image_id": sample["sample"],
            "area": torch.from_numpy(area),
            "iscrowd": torch.zeros(len(boxes), dtype=torch.int64),
        }
        picture = tv_tensors.Image(image)
        if self.transforms is None:
            return picture, target
        picture, target = self.transforms(picture, target)
        return picture, remeasured(target)

    def to_flux(self, image: torch.Tensor, rms: torch.Tensor | np.ndarray | None = None) -> torch.Tensor:
        """A scaled image (C,H,W) back in nJy; `rms` (C,) is the sample's `sky_rms` where it has one."""
        if self.scaling is None:
            return image
        scale = torch.as_tensor(self.rms if rms is None else rms, dtype=image.dtype)
        return scale[:, None, None] * torch.sinh((image - 0.25) / 0.1)

    @staticmethod
    def collate(batch: Sequence[tuple[torch.Tensor, Target]]) -> tuple[list[torch.Tensor], list[Target]]:
        """A DataLoader's `collate_fn`: lists of images and of targets, as the models take them."""
        return [image for image, _ in batch], [target for _, target in batch]


def objects(instances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (n,4) float32 XYXY with exclusive ends, masks (n,H,W) uint8 and areas (n,) float32.

    `instances` is int (H,W), 0 = sky; objects come in the order of their labels.
    """
    y, x = np.nonzero(instances)
    labels, which = np.unique(instances[y, x], return_inverse=True)
    masks = np.zeros((len(labels), *instances.shape), dtype=np.uint8)
    masks[which, y, x] = 1
    boxes = np.zeros((len(labels), 4), dtype=np.float32)
    boxes[:, :2] = np.inf
    np.minimum.at(boxes[:, 0], which, x)
    np.minimum.at(boxes[:, 1], which, y)
    np.maximum.at(boxes[:, 2], which, x + 1)
    np.maximum.at(boxes[:, 3], which, y + 1)
    return boxes, masks, np.bincount(which, minlength=len(labels)).astype(np.float32)


def remeasured(target: Target) -> Target:
    """The target with boxes and areas measured on its masks; objects without a pixel dropped.

    Left as it is where a transform took the masks away or changed the boxes' format.
    """
    from torchvision import tv_tensors

    boxes, masks = target.get("boxes"), target.get("masks")
    xyxy = tv_tensors.BoundingBoxFormat.XYXY
    if masks is None or not isinstance(boxes, tv_tensors.BoundingBoxes) or boxes.format != xyxy:
        return target
    plain = masks.as_subclass(torch.Tensor).bool()
    columns, rows = plain.any(dim=1), plain.any(dim=2)
    left = columns.any(dim=1)
    edges = torch.stack([*_span(columns), *_span(rows)], dim=1)[:, [0, 2, 1, 3]]
    out = dict(target)
    for name in PER_OBJECT:
        if name in out:
            out[name] = out[name].as_subclass(torch.Tensor)[left]
    out["masks"] = tv_tensors.Mask(out["masks"])
    out["boxes"] = _boxes(edges[left].to(boxes.dtype), plain.shape[-2:])
    if "area" in out:
        out["area"] = plain[left].sum(dim=(1, 2)).to(torch.float32)
    return out


def _boxes(edges: torch.Tensor, canvas: Sequence[int]) -> torch.Tensor:
    from torchvision import tv_tensors

    return tv_tensors.BoundingBoxes(  # pyright: ignore[reportCallIssue]  (its overloads leave out keywords)
        edges, format=tv_tensors.BoundingBoxFormat.XYXY, canvas_size=(canvas[0], canvas[1])
    )


def _span(there: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First true position and one past the last, of each row of (n, L) bool."""
    marks = there.to(torch.uint8)
    return marks.argmax(dim=1), there.shape[1] - marks.flip(1).argmax(dim=1)


def _rms_of_sky(sample: dict[str, Any], masks: str) -> np.ndarray:
    """(C,) robust rms of the pixels outside every object."""
    image, sky = sample["image"].numpy(), sample[masks].numpy() == 0
    return sky_rms(np.where(sky, image, np.nan)) if sky.any() else sky_rms(image)


def _positive(rms: np.ndarray) -> np.ndarray:
    """A band without noise (a noiseless image) is scaled by 1 nJy."""
    return np.where(np.isfinite(rms) & (rms > 0), rms, 1.0).astype(np.float32)
