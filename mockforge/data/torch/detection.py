"""A dataset as torchvision's detection models take it.

>>> train = mockforge.load("datasets/segmentation", split="train").as_detection()
>>> image, target = train[0]                   # tv_tensors.Image, dict
>>> loader = DataLoader(train, batch_size=4, shuffle=True, collate_fn=train.collate)
>>> losses = torchvision.models.detection.maskrcnn_resnet50_fpn(num_classes=2)(*next(iter(loader)))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch

from mockforge.data.columns import meaning_of
from mockforge.errors import InputError
from mockforge.field.picture import sky_rms

Target = dict[str, Any]

PER_OBJECT = ("boxes", "labels", "masks", "area", "iscrowd")
"""Entries of a target with one row per object."""


class Samples(Protocol):
    """What a detection dataset asks of the split whose images it gives: a `Dataset`."""

    path: Path
    transform: Callable[..., Any] | None

    @property
    def arrays(self) -> dict[str, tuple[int, ...]]:
        """Array -> shape of one sample."""
        ...

    @property
    def kinds(self) -> dict[str, str]:
        """Array -> NumPy's letter for the kind of its numbers."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Any: ...

    def sample(self, index: int, *arrays: str) -> dict[str, Any]:
        """Arrays of one sample, without the transform."""
        ...

    def needs(self, arrays: tuple[str, ...], what: str) -> None:
        """InputError naming the arrays that `what` needs and the split lacks."""
        ...


class DetectionDataset(torch.utils.data.Dataset[tuple[torch.Tensor, Target]]):
    """Samples as (image, target), accepted as they are by transforms.v2 and Mask R-CNN.

    `image` is a tv_tensors.Image, float32 (C,H,W). `target` holds, for n objects: `boxes`,
    tv_tensors.BoundingBoxes (n,4) float32 XYXY, whose right and lower sides are exclusive (a mask one
    pixel wide has a box of width 1); `labels` (n,) int64, all 1 (0 is background); `masks`,
    tv_tensors.Mask (n,H,W) uint8; `image_id`, the sample's number; `area` (n,) float32 in pixels;
    `iscrowd` (n,) int64, all 0. A sample without objects has boxes of shape (0,4). Objects come in the
    order of their labels or planes, so that where no label is left out (`instances` never does), row i of
    `boxes` is label i+1 of the catalogue, or of the table `objects`, before `transforms`.

    Parameters
    ----------
    base
        The split; its own `transform` sees the dict of arrays before all this.
    transforms
        Called as transforms(image, target). Afterwards objects without a pixel left are dropped, boxes and
        areas are measured again on the masks, and every entry follows the masks that are left:
        v2.SanitizeBoundingBoxes drops rows of boxes, labels and masks alone.
    scaling
        "asinh" (the default) is `0.25 + 0.1 asinh(flux / sky rms)`: the sky lies at 0.25 +- 0.08, a pixel
        at 5 sigma at 0.48, one at 900 sigma at 1; brighter ones lie above 1, nothing is clipped, and
        `to_flux` inverts it. The rms is the sample's own `sky_rms` where the dataset has it, else one
        robust rms per band for the whole split, measured outside the objects of 16 of its samples.
        None leaves nJy.
    masks
        The array the objects come from: labels (H,W), such as `instances` (what was detected) or
        `instances_truth` (what is there), or one plane per object (n,H,W), such as `amodal`, whose masks
        may overlap and whose empty planes are no objects.
    transform
        Called before `transforms` as transform(image); it must not move a pixel.

    Raises
    ------
    InputError
        Where the dataset lacks the arrays, or `masks` holds no objects.

    Notes
    -----
    Mask R-CNN takes three bands unless it is told `image_mean` and `image_std` of another
    number and its first convolution is replaced.
    """

    def __init__(
        self,
        base: Samples,
        transforms: Callable[..., Any] | None = None,
        scaling: Literal["asinh"] | None = "asinh",
        masks: str = "instances",
        transform: Callable[..., Any] | None = None,
    ) -> None:
        if not isinstance(masks, str):
            raise InputError(f"as_detection(masks={masks!r}): should be the name of an array")
        base.needs(("image",) if "image" in base.arrays else ("image", masks), "as_detection()")
        needs_masks(base, masks)
        if scaling not in ("asinh", None):
            raise InputError(f"as_detection(scaling={scaling!r}): should be 'asinh' or None")
        self.base = base
        self.transforms = transforms
        self.transform = transform
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

    def __repr__(self) -> str:
        return f"<as_detection(masks={self.masks!r}, scaling={self.scaling!r}) of {self.base!r}>"

    def __getitem__(self, index: Any) -> Any:
        """(image, target) of one sample; of a slice, a DetectionDataset of those samples."""
        from torchvision import tv_tensors

        if isinstance(index, slice):
            part = copy(self)
            part.base = self.base[index]
            return part
        sample = self.base.sample(index, *(self._names if self.base.transform is None else ()))
        if self.base.transform is not None:
            sample = self.base.transform(sample)
        image, found = sample["image"], sample[self.masks]
        if self.scaling is not None:
            rms = _positive(sample["sky_rms"].numpy()) if self._own_rms else self.rms
            scaled = np.arcsinh(image.numpy() / rms[:, None, None])  # 20 times as fast as torch's
            image = torch.from_numpy(0.25 + 0.1 * scaled)
        boxes, masks, area = (objects if found.ndim == 2 else planes)(found.numpy())
        target: Target = {
            "boxes": _boxes(torch.from_numpy(boxes), found.shape[-2:]),
            "labels": torch.ones(len(boxes), dtype=torch.int64, device="cpu"),
            "masks": tv_tensors.Mask(torch.from_numpy(masks), device="cpu"),
            "image_id": sample["sample"],
            "area": torch.from_numpy(area),
            "iscrowd": torch.zeros(len(boxes), dtype=torch.int64, device="cpu"),
        }
        picture = tv_tensors.Image(image, device=image.device)
        if self.transform is not None:
            picture = self.transform(picture)
        if self.transforms is None:
            return picture, target
        picture, target = self.transforms(picture, target)
        return picture, remeasured(target)

    def to_flux(self, image: torch.Tensor, rms: torch.Tensor | np.ndarray | None = None) -> torch.Tensor:
        """Return a scaled image (C,H,W) back in nJy.

        `rms` (C,) is the sample's `sky_rms` where it has one.
        """
        if self.scaling is None:
            return image
        scale = torch.as_tensor(self.rms if rms is None else rms, dtype=image.dtype, device=image.device)
        return scale[:, None, None] * torch.sinh((image - 0.25) / 0.1)

    @staticmethod
    def collate(batch: Sequence[tuple[torch.Tensor, Target]]) -> tuple[list[torch.Tensor], list[Target]]:
        """Return a DataLoader's `collate_fn`: lists of images and of targets, as the models take them."""
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


def planes(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same of masks (n,H,W), one per object, which may overlap; empty planes are left out."""
    there = masks != 0
    columns, rows = there.any(axis=1), there.any(axis=2)
    left = columns.any(axis=1)
    there, columns, rows = there[left], columns[left], rows[left]
    ends = [e for axis in (columns, rows) for e in _span(torch.from_numpy(axis))]
    boxes = np.stack([e.numpy() for e in ends], axis=1)[:, [0, 2, 1, 3]].astype(np.float32)
    return boxes, there.astype(np.uint8), there.sum(axis=(1, 2)).astype(np.float32)


def needs_masks(base: Samples, name: str) -> None:
    """InputError unless the array `name` holds objects: labels (H,W), or one plane per object (n,H,W)."""
    usable = [n for n, s in base.arrays.items() if _holds_objects(n, s, base.kinds[n])]
    if name not in base.arrays:
        instead = (
            " or ".join(f"masks={n!r}" for n in usable) or "none; the recipe's `save` says which are kept"
        )
        raise InputError(
            f"{base.path}: as_detection(masks={name!r}): this dataset has no array {name!r}; labels that it"
            f" has: {instead}"
        )
    shape, kind = base.arrays[name], base.kinds[name]
    if not _holds_objects(name, shape, kind):
        what = meaning_of(name) or "no labels"
        raise InputError(
            f"{base.path}: as_detection(masks={name!r}): should be labels (H,W), 0 = sky, or masks (n,H,W), "
            f"a plane an object; {name} {_size(shape)} is not: {what}; of this dataset "
            f"{', '.join(usable) or 'none'} can be used"
        )
    if shape[-2:] != base.arrays["image"][-2:]:
        raise InputError(
            f"{base.path}: as_detection(masks={name!r}): is {_size(shape)}, on another grid than image "
            f"{_size(base.arrays['image'])}; give labels of the image's own grid"
        )


def _holds_objects(name: str, shape: tuple[int, ...], kind: str) -> bool:
    """By name, since numbers alone do not tell labels from counts (`multiplicity`)."""
    return kind in "biu" and (
        (len(shape) == 2 and name.startswith("instances")) or (len(shape) == 3 and name.startswith("amodal"))
    )


def _size(shape: tuple[int, ...]) -> str:
    return f"({', '.join(str(n) for n in shape)})"


def remeasured(target: Target) -> Target:
    """Return the target with boxes and areas measured on its masks, and objects without a pixel dropped.

    Every entry of PER_OBJECT follows the masks: one whose rows a transform left out of step is
    made again (`area` from the masks, `iscrowd` 0). Where a transform took the masks away, `area` is
    that of the boxes. Boxes keep the format they have. Raises InputError where boxes, labels and masks
    are of different numbers.
    """
    from torchvision import tv_tensors

    out = dict(target)
    boxes, masks = target.get("boxes"), target.get("masks")
    out = _labels_in_step(out)
    rows = {name: len(out[name]) for name in ("boxes", "labels", "masks") if name in out}
    if len(set(rows.values())) > 1:
        found = ", ".join(f"{n} {name}" for name, n in rows.items())
        raise InputError(f"transforms left {found}: drop the same objects of each")
    if not rows:
        return out
    if masks is None:
        return _in_step(out, None if boxes is None else _area_of(boxes), next(iter(rows.values())))
    plain = masks.as_subclass(torch.Tensor).bool()
    columns, lines = plain.any(dim=1), plain.any(dim=2)
    left = columns.any(dim=1)
    out = _in_step(out, plain.sum(dim=(1, 2)).to(torch.float32), len(plain))
    for name in PER_OBJECT:
        if name in out and name != "boxes":
            out[name] = out[name].as_subclass(torch.Tensor)[left]
    out["masks"] = tv_tensors.Mask(out["masks"], device=out["masks"].device)
    if boxes is not None:
        edges = torch.stack([*_span(columns), *_span(lines)], dim=1)[:, [0, 2, 1, 3]][left]
        out["boxes"] = _like(boxes, left, edges, plain.shape[-2:])
    return out


def _labels_in_step(target: Target) -> Target:
    """Labels of as many objects as there are boxes, where all are of one class and a transform left them."""
    labels, boxes = target.get("labels"), target.get("boxes")
    if labels is None or boxes is None or len(labels) == len(boxes):
        return target
    kinds = labels.unique()
    if len(kinds) != 1 or len(boxes) > len(labels):
        return target
    return {**target, "labels": kinds.expand(len(boxes)).clone()}


def _in_step(target: Target, area: torch.Tensor | None, count: int) -> Target:
    """`area` and `iscrowd` of `count` objects, where the target has them."""
    if "area" in target and area is not None:
        target["area"] = area
    if "iscrowd" in target and len(target["iscrowd"]) != count:
        target["iscrowd"] = torch.zeros(count, dtype=torch.int64, device=target["iscrowd"].device)
    return target


def _area_of(boxes: torch.Tensor) -> torch.Tensor | None:
    """(n,) pixels of the boxes, where their format is one of edges, or of centre and size."""
    from torchvision import tv_tensors

    if not isinstance(boxes, tv_tensors.BoundingBoxes) or boxes.shape[-1] != 4:
        return None
    plain = boxes.as_subclass(torch.Tensor).to(torch.float32)
    side = plain[:, 2:]
    if boxes.format == tv_tensors.BoundingBoxFormat.XYXY:
        side = side - plain[:, :2]
    return side.prod(dim=1)


def _like(boxes: Any, left: torch.Tensor, edges: torch.Tensor, canvas: Sequence[int]) -> torch.Tensor:
    """Return the measured edges (n,4) in the format of `boxes`.

    Those themselves where it has no such format.
    """
    from torchvision import tv_tensors
    from torchvision.transforms.v2 import functional as v2

    if not isinstance(boxes, tv_tensors.BoundingBoxes) or boxes.shape[-1] != 4:
        return tv_tensors.wrap(boxes[left], like=boxes)  # pyright: ignore[reportCallIssue]
    made = _boxes(edges.to(boxes.dtype), canvas)
    if boxes.format == tv_tensors.BoundingBoxFormat.XYXY:
        return made
    return v2.convert_bounding_box_format(made, new_format=boxes.format)


def _boxes(edges: torch.Tensor, canvas: Sequence[int]) -> torch.Tensor:
    from torchvision import tv_tensors

    return tv_tensors.BoundingBoxes(  # pyright: ignore[reportCallIssue]  (its overloads leave out keywords)
        edges,
        format=tv_tensors.BoundingBoxFormat.XYXY,
        canvas_size=(canvas[0], canvas[1]),
        device=edges.device,
    )


def _span(there: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First true position and one past the last, of each row of (n, L) bool."""
    marks = there.to(torch.uint8)
    return marks.argmax(dim=1), there.shape[1] - marks.flip(1).argmax(dim=1)


def _rms_of_sky(sample: dict[str, Any], masks: str) -> np.ndarray:
    """(C,) robust rms of the pixels outside every object."""
    image, labels = sample["image"].numpy(), sample[masks].numpy()
    sky = (labels == 0) if labels.ndim == 2 else ~labels.any(axis=0)
    return sky_rms(np.where(sky, image, np.nan)) if sky.any() else sky_rms(image)


def _positive(rms: np.ndarray) -> np.ndarray:
    """Return a band without noise (a noiseless image) is scaled by 1 nJy."""
    return np.where(np.isfinite(rms) & (rms > 0), rms, 1.0).astype(np.float32)
