"""Detections joined with what is there: whose light is in whose pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError

_NUMBERS = ("magnitude", "z", "r_e_arcsec", "n", "axis_ratio", "position_angle", "blendedness")


@dataclass(frozen=True)
class MatchRule:
    """When a detection is of an object, and an object part of another's detection."""

    radius_arcsec: float
    """Farthest that an object's centre may lie from the detection's, unless in its pixels."""
    pixel_scale_arcsec: float
    least_share: float
    """Least light of the object in the detection's pixels over the flux there."""
    merged_share: float
    """Share of an object's light that makes it part of another's detection."""


@dataclass(frozen=True)
class _Sample:
    """One sample: its rows of both tables and what its pixels hold."""

    rows: np.ndarray
    """Of the catalogue."""
    there: np.ndarray
    """Of `objects`."""
    instances: np.ndarray
    """(y, x)"""
    light: np.ndarray
    """(rows + 1, objects) noiseless light of each object in the pixels of each detection; 0 is the sky."""
    flux: np.ndarray
    """(rows,) observed flux in the detections' pixels."""


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


def matches_of(
    arrays: Mapping[str, np.ndarray],
    samples: np.ndarray,
    catalogue: Mapping[str, np.ndarray],
    objects: Mapping[str, np.ndarray],
    rule: MatchRule,
) -> Matches:
    """Match the detections of samples with their objects.

    Parameters
    ----------
    arrays : mapping of str to array
        `instances` (N, y, x), `image` and `truth` (N, band, y, x) of the tiles, and whose the pixels are.
    samples : array
        (N,) numbers of the samples.
    catalogue, objects : mapping of str to array
        The tables, columns by name; places in pixels.
    rule : MatchRule
        When a detection is of an object.

    Raises
    ------
    InputError
        Where nothing says which pixels are whose.
    """
    matches = Matches.none(len(catalogue["sample"]), len(objects["sample"]))
    for i, sample in enumerate(samples.tolist()):
        rows = np.flatnonzero(catalogue["sample"] == sample)
        object_rows = np.flatnonzero(objects["sample"] == sample)
        owner, mean = arrays["instances"][i], arrays["image"][i].mean(axis=0, dtype=np.float64)
        light = light_shared(
            owner, arrays["truth"][i].mean(axis=0), *_shares(arrays, i), len(rows), len(object_rows)
        )
        flux = np.bincount(owner.ravel(), weights=mean.ravel(), minlength=len(rows) + 1)[1:]
        _match_sample(matches, _Sample(rows, object_rows, owner, light, flux), catalogue, objects, rule)
    return matches


def _match_sample(
    found: Matches,
    sample: _Sample,
    catalogue: Mapping[str, np.ndarray],
    objects: Mapping[str, np.ndarray],
    rule: MatchRule,
) -> None:
    """Fill in the matches of one sample's rows of both tables."""
    rows, object_rows, light = sample.rows, sample.there, sample.light
    instances, scale = sample.instances, rule.pixel_scale_arcsec
    if not len(object_rows):
        return
    x, y = objects["x"][object_rows], objects["y"][object_rows]
    distance = np.hypot(x - catalogue["x"][rows][:, None], y - catalogue["y"][rows][:, None]) * scale
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    inside = (column >= 0) & (row >= 0) & (row < instances.shape[0]) & (column < instances.shape[1])
    under = np.where(inside, instances[np.where(inside, row, 0), np.where(inside, column, 0)], 0)
    near = (distance <= rule.radius_arcsec) | (under == catalogue["label"][rows][:, None])
    usable = np.where(
        near & (light[1:] >= rule.least_share * sample.flux[:, None]) & (light[1:] > 0), light[1:], 0
    )
    best = usable.argmax(axis=1)
    real = usable[np.arange(len(rows)), best] > 0
    found.row[rows] = np.where(real, object_rows[best], -1)
    total = light[1:].sum(axis=1)
    found.share[rows] = np.where(total > 0, light[1:][np.arange(len(rows)), best], 0) / np.where(
        total > 0, total, 1
    )
    found.distance[rows] = distance[np.arange(len(rows)), best]
    strongest = np.where(real[:, None] & (best[:, None] == np.arange(len(object_rows))), usable, 0)
    if len(rows):
        chosen = strongest.argmax(axis=0)
        is_own = strongest[chosen, np.arange(len(object_rows))] > 0
        found.detected[object_rows] = np.where(is_own, catalogue["label"][rows][chosen], 0)
        total_light = np.maximum(light.sum(axis=0), 1e-30)
        found.merged[object_rows] = ~is_own & (light[1:].max(axis=0) >= rule.merged_share * total_light)


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


def with_truth(
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
