"""The stage `match`: what was detected, joined with what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.batch import Batch, Stage, Table
from mockforge.config import Fraction, Positive, config
from mockforge.errors import InputError
from mockforge.label.completeness import brief, section
from mockforge.rng import Stream

_NUMBERS = ("magnitude", "z", "r_e_arcsec", "n", "axis_ratio", "position_angle", "blendedness")


@config
class Match(Stage):
    """Join the `catalogue` of `detect` with the `objects` of a source or of `separate`, both ways.

    A detection is the object that gives most of the light in its pixels, among those whose centre
    lies within `radius_arcsec` of the detection's or in its pixels, and whose light there is at
    least `least_share` of all the flux in them. Columns of that object go into the catalogue as
    `true_*`; `true_label` is 0 and the others nan for a spurious detection. `objects` says of each
    object whether it is `detected` (and as which `detected_label`), else `blended`, with at least
    `merged_share` of its light in the pixels of another's detection, or `missed`.
    """

    radius_arcsec: Positive = 0.3
    """Farthest that an object's centre may lie from the detection's, unless in its pixels."""
    least_share: Fraction = 0.3
    """Least light of the object in the detection's pixels over the flux there, noise included (mean of
    the bands)."""
    merged_share: Fraction = 0.5
    """Share of an object's light that makes it part of another's detection."""

    def reads(self) -> frozenset[str]:
        """Labels and truth."""
        return frozenset({"catalogue", "objects", "instances", "image", "truth"})

    def writes(self) -> frozenset[str]:
        """Further columns."""
        return frozenset({"catalogue", "objects"})

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"catalogue", "objects"})

    def card_sections(
        self, tables: Mapping[str, Table], attributes: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        """Return how complete and how pure the labels are."""
        if not {"objects", "catalogue"} <= set(tables):
            return []
        bands = attributes.get("bands", ())
        about = tables, (bands,) if isinstance(bands, str) else tuple(bands), attributes.get("zeropoint_ab")
        return [(section(*about), brief(*about))]

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Return the batch with both tables matched.

        InputError without a pixel scale, and where nothing says which pixels the objects have.
        """
        scale = batch.attributes.get("pixel_scale_arcsec")
        if scale is None:
            raise InputError("match: needs the pixel scale of the images, and no stage before gives it")
        inner = batch.trimmed().arrays
        catalogue, objects = batch.tables["catalogue"], batch.tables["objects"]
        bands = tuple(batch.attributes["bands"])
        found = Matches.none(len(catalogue["sample"]), len(objects["sample"]))
        for i, sample in enumerate(batch.sample.tolist()):
            rows = np.flatnonzero(catalogue["sample"] == sample)
            there = np.flatnonzero(objects["sample"] == sample)
            light = light_shared(
                inner["instances"][i], inner["truth"][i].mean(axis=0), *_shares(inner, i),
                len(rows), len(there),
            )  # fmt: skip
            owner, mean = inner["instances"][i], inner["image"][i].mean(axis=0, dtype=np.float64)
            flux = np.bincount(owner.ravel(), weights=mean.ravel(), minlength=len(rows) + 1)[1:]
            self._one(found, rows, there, light, flux, catalogue, objects, owner, scale)
        return batch.with_table("catalogue", _with_truth(catalogue, objects, found, bands)).with_table(
            "objects",
            {
                **objects,
                "detected": found.detected > 0,
                "detected_label": found.detected,
                "blended": found.merged,
                "missed": (found.detected == 0) & ~found.merged,
            },
        )

    def _one(
        self, found: Matches, rows: np.ndarray, there: np.ndarray, light: np.ndarray, flux: np.ndarray,
        catalogue: Mapping[str, np.ndarray], objects: Mapping[str, np.ndarray], instances: np.ndarray,
        scale: float,
    ) -> None:  # fmt: skip
        """Match one sample's rows of both tables.

        `light` (rows + 1, objects) has 0 for the sky, `flux` (rows,) is in the detections' pixels.
        """
        if not len(there):
            return
        x, y = objects["x"][there], objects["y"][there]
        distance = np.hypot(x - catalogue["x"][rows][:, None], y - catalogue["y"][rows][:, None]) * scale
        column, row = np.rint(x).astype(int), np.rint(y).astype(int)
        inside = (column >= 0) & (row >= 0) & (row < instances.shape[0]) & (column < instances.shape[1])
        under = np.where(inside, instances[np.where(inside, row, 0), np.where(inside, column, 0)], 0)
        near = (distance <= self.radius_arcsec) | (under == catalogue["label"][rows][:, None])
        usable = np.where(
            near & (light[1:] >= self.least_share * flux[:, None]) & (light[1:] > 0), light[1:], 0
        )
        best = usable.argmax(axis=1)
        real = usable[np.arange(len(rows)), best] > 0
        found.row[rows] = np.where(real, there[best], -1)
        total = light[1:].sum(axis=1)
        found.share[rows] = np.where(total > 0, light[1:][np.arange(len(rows)), best], 0) / np.where(
            total > 0, total, 1
        )
        found.distance[rows] = distance[np.arange(len(rows)), best]
        strongest = np.where(real[:, None] & (best[:, None] == np.arange(len(there))), usable, 0)
        if len(rows):
            chosen = strongest.argmax(axis=0)
            held = strongest[chosen, np.arange(len(there))] > 0
            found.detected[there] = np.where(held, catalogue["label"][rows][chosen], 0)
            whole = np.maximum(light.sum(axis=0), 1e-30)
            found.merged[there] = ~held & (light[1:].max(axis=0) >= self.merged_share * whole)


@dataclass(frozen=True)
class Matches:
    """Row of `objects` of each row of the catalogue, and what became of each object."""

    row: np.ndarray
    """-1: none."""
    share: np.ndarray
    distance: np.ndarray
    detected: np.ndarray
    merged: np.ndarray

    @classmethod
    def none(cls, rows: int, objects: int) -> Matches:
        """Nothing matched yet."""
        return cls(
            np.full(rows, -1), np.zeros(rows), np.full(rows, np.nan), np.zeros(objects, dtype=np.int32),
            np.zeros(objects, dtype=bool),
        )  # fmt: skip


def light_shared(
    instances: np.ndarray, truth: np.ndarray, labels: np.ndarray, shares: np.ndarray, rows: int, objects: int
) -> np.ndarray:
    """Noiseless light (rows + 1, objects) that object m + 1 has in the pixels of label r; 0 is the sky.

    `instances`, `truth` (y, x); `labels`, `shares` (K, y, x) of the brightest objects of a pixel, of
    whose shares the last counts all that is fainter.
    """
    out = np.zeros((rows + 1) * (objects + 1))
    for label, share in zip(labels, shares, strict=True):
        pair = instances.astype(np.int64) * (objects + 1) + label
        out += np.bincount(pair.ravel(), weights=(share * truth).ravel().clip(0), minlength=len(out))
    return out.reshape(rows + 1, objects + 1)[:, 1:]


def _shares(arrays: Mapping[str, np.ndarray], i: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and shares (K, y, x) of the objects in a pixel of sample i.

    Of K objects from a source with exact truth, else of the one that `separate` gave the pixel to.
    """
    if "overlap_label" in arrays:
        return arrays["overlap_label"][i], arrays["overlap_fraction"][i]
    if "instances_truth" not in arrays:
        raise InputError(
            "match: needs `overlap_label` and `overlap_fraction` of a source, or `instances_truth`, to know"
            " which pixels are whose; put the stage `separate` before it"
        )
    labels = arrays["instances_truth"][i][None]
    return labels, (labels > 0).astype(np.float32)


def _with_truth(
    catalogue: Mapping[str, np.ndarray], objects: Mapping[str, np.ndarray], found: Matches,
    bands: Sequence[str],
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return the catalogue with the true columns."""
    real, row = found.row >= 0, np.maximum(found.row, 0)

    def of(name: str) -> np.ndarray:
        values = objects[name]
        return np.where(real, values[row] if len(values) else 0, np.nan).astype(np.float64)

    names = [*_NUMBERS, *(f"{kind}_{band}" for band in bands for kind in ("flux", "mag"))]
    source = [n if n in _NUMBERS else f"true_{n}" for n in names]
    label = objects["label"][row] if len(objects["label"]) else np.zeros(len(row), dtype=np.int32)
    joined = {
        **catalogue,
        "true_label": np.where(real, label, 0).astype(np.int32),
        "true_share": np.where(real, found.share, np.nan),
        "true_distance_arcsec": np.where(real, found.distance, np.nan),
        **{f"true_{n}": of(s) for n, s in zip(names, source, strict=True) if s in objects},
    }
    if "star" in objects:  # not known of what was separated
        star = objects["star"][row] if len(objects["star"]) else np.zeros(len(row), dtype=bool)
        joined["true_star"] = real & star
    return joined
