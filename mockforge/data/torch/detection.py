"""A dataset as torchvision's detection models take it.

>>> train = mockforge.load("datasets/segmentation", split="train").as_detection()
>>> image, target = train[0]                   # tv_tensors.Image, dict
>>> loader = DataLoader(train, batch_size=4, shuffle=True, collate_fn=train.collate)
>>> losses = torchvision.models.detection.maskrcnn_resnet50_fpn(num_classes=2)(*next(iter(loader)))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Literal

import numpy as np
import torch

from mockforge.data.columns import meaning_of
from mockforge.data.torch.samples import Samples
from mockforge.data.torch.targets import Target, boxes_of, objects, planes, remeasured
from mockforge.errors import InputError
from mockforge.field.picture import sky_rms


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
        base.needs(("image",) if "image" in base.shapes else ("image", masks), "as_detection()")
        needs_masks(base, masks)
        if scaling not in ("asinh", None):
            raise InputError(f"as_detection(scaling={scaling!r}): should be 'asinh' or None")
        self.base = base
        self.transforms = transforms
        self.transform = transform
        self.scaling = scaling
        self.masks = masks
        self.rms = np.ones(base.shapes["image"][0], dtype=np.float32)
        """(C,) sky rms used where the sample has no `sky_rms` of its own."""
        self._own_rms = scaling is not None and "sky_rms" in base.shapes
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
        sample = self.base.sample(index, *self.base.wanted(self._names))
        if self.base.transform is not None:
            sample = self.base.transform(sample)
        image, instances = sample["image"], sample[self.masks]
        if self.scaling is not None:
            rms = _positive(sample["sky_rms"].numpy()) if self._own_rms else self.rms
            scaled = image.numpy() / rms[:, None, None]
            np.arcsinh(scaled, out=scaled)  # 20 times as fast as torch's
            scaled *= 0.1
            scaled += 0.25
            image = torch.from_numpy(scaled)
        boxes, masks, area = (objects if instances.ndim == 2 else planes)(instances.numpy())
        target: Target = {
            "boxes": boxes_of(torch.from_numpy(boxes), instances.shape[-2:]),
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


def needs_masks(base: Samples, name: str) -> None:
    """InputError unless the array `name` holds objects: labels (H,W), or one plane per object (n,H,W)."""
    usable = [n for n, s in base.shapes.items() if _holds_objects(n, s, base.kinds[n])]
    if name not in base.shapes:
        instead = (
            " or ".join(f"masks={n!r}" for n in usable) or "none; the recipe's `save` says which are kept"
        )
        raise InputError(
            f"{base.path}: as_detection(masks={name!r}): this dataset has no array {name!r}; labels that it"
            f" has: {instead}"
        )
    shape, kind = base.shapes[name], base.kinds[name]
    if not _holds_objects(name, shape, kind):
        meaning = meaning_of(name) or "no labels"
        raise InputError(
            f"{base.path}: as_detection(masks={name!r}): should be labels (H,W), 0 = sky, or masks (n,H,W), "
            f"a plane an object; {name} {_size(shape)} is not: {meaning}; of this dataset "
            f"{', '.join(usable) or 'none'} can be used"
        )
    if shape[-2:] != base.shapes["image"][-2:]:
        raise InputError(
            f"{base.path}: as_detection(masks={name!r}): is {_size(shape)}, on another grid than image "
            f"{_size(base.shapes['image'])}; give labels of the image's own grid"
        )


def _holds_objects(name: str, shape: tuple[int, ...], kind: str) -> bool:
    """By name, since numbers alone do not tell labels from counts (`multiplicity`)."""
    return kind in "biu" and (
        (len(shape) == 2 and name.startswith("instances")) or (len(shape) == 3 and name.startswith("amodal"))
    )


def _size(shape: tuple[int, ...]) -> str:
    return f"({', '.join(str(n) for n in shape)})"


def _rms_of_sky(sample: dict[str, Any], masks: str) -> np.ndarray:
    """(C,) robust rms of the pixels outside every object."""
    image, labels = sample["image"].numpy(), sample[masks].numpy()
    sky = (labels == 0) if labels.ndim == 2 else ~labels.any(axis=0)
    return sky_rms(np.where(sky, image, np.nan)) if sky.any() else sky_rms(image)


def _positive(rms: np.ndarray) -> np.ndarray:
    """Return a band without noise (a noiseless image) is scaled by 1 nJy."""
    return np.where(np.isfinite(rms) & (rms > 0), rms, 1.0).astype(np.float32)
