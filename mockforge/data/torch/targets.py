"""The target of torchvision's detection models: made of labels, and measured again after transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mockforge.errors import InputError

Target = dict[str, Any]

PER_OBJECT = ("boxes", "labels", "masks", "area", "iscrowd")
"""Entries of a target with one row per object."""


def objects(instances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (n,4) float32 XYXY with exclusive ends, masks (n,H,W) uint8 and areas (n,) float32.

    `instances` is int (H,W), 0 = sky; objects come in the order of their labels.
    """
    pixels = np.flatnonzero(instances != 0)  # of booleans, six times as fast as of whole numbers
    labels = instances.reshape(-1)[pixels]
    if len(labels) and labels.min() > 0 and labels.max() < 1 << 16:
        labels = labels.astype(np.uint16)  # NumPy sorts 16 bits in one pass
    order = np.argsort(labels, kind="stable")  # within an object, pixels stay row by row
    labels, pixels = labels[order], pixels[order]
    starts = np.flatnonzero(np.diff(labels, prepend=labels[:1] - 1))
    counts = np.diff(starts, append=len(pixels))
    masks = np.zeros((len(starts), instances.size), dtype=np.uint8)
    masks[np.repeat(np.arange(len(starts)), counts), pixels] = 1
    boxes = np.empty((len(starts), 4), dtype=np.float32)
    if len(starts):
        y, x = np.divmod(pixels, instances.shape[1])
        boxes[:, 0], boxes[:, 1] = np.minimum.reduceat(x, starts), y[starts]
        boxes[:, 2], boxes[:, 3] = np.maximum.reduceat(x, starts) + 1, y[starts + counts - 1] + 1
    return boxes, masks.reshape(-1, *instances.shape), counts.astype(np.float32)


def planes(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same of masks (n,H,W), one per object, which may overlap; empty planes are left out."""
    covered = masks != 0
    columns, rows = covered.any(axis=1), covered.any(axis=2)
    non_empty = columns.any(axis=1)
    covered, columns, rows = covered[non_empty], columns[non_empty], rows[non_empty]
    ends = [e for axis in (columns, rows) for e in _span(torch.from_numpy(axis))]
    boxes = np.stack([e.numpy() for e in ends], axis=1)[:, [0, 2, 1, 3]].astype(np.float32)
    return boxes, covered.astype(np.uint8), covered.sum(axis=(1, 2)).astype(np.float32)


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
        counts = ", ".join(f"{n} {name}" for name, n in rows.items())
        raise InputError(f"transforms left {counts}: drop the same objects of each")
    if not rows:
        return out
    if masks is None:
        return _in_step(out, None if boxes is None else _area_of(boxes), next(iter(rows.values())))
    covered = masks.as_subclass(torch.Tensor).bool()
    columns, lines = covered.any(dim=1), covered.any(dim=2)
    non_empty = columns.any(dim=1)
    out = _in_step(out, covered.sum(dim=(1, 2)).to(torch.float32), len(covered))
    for name in PER_OBJECT:
        if name in out and name != "boxes":
            out[name] = out[name].as_subclass(torch.Tensor)[non_empty]
    out["masks"] = tv_tensors.Mask(out["masks"], device=out["masks"].device)
    if boxes is not None:
        edges = torch.stack([*_span(columns), *_span(lines)], dim=1)[:, [0, 2, 1, 3]][non_empty]
        out["boxes"] = _like(boxes, non_empty, edges, covered.shape[-2:])
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
    corners = boxes_of(edges.to(boxes.dtype), canvas)
    if boxes.format == tv_tensors.BoundingBoxFormat.XYXY:
        return corners
    return v2.convert_bounding_box_format(corners, new_format=boxes.format)


def boxes_of(edges: torch.Tensor, canvas: Sequence[int]) -> torch.Tensor:
    """Return edges (n,4) XYXY as tv_tensors.BoundingBoxes of an image of `canvas` (height, width)."""
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
