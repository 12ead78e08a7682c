"""What a sample of a sky with owners is saved with: label maps, masks, isolated images, rows of `objects`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mockforge.sky.layers import Layers
from mockforge.sky.truth import Truth, amodal_of, isolated_images, truth_of
from mockforge.units import ZEROPOINT_NJY


@dataclass(frozen=True)
class Wanted:
    """Which truth of a window is made."""

    isophote: float
    """nJy per pixel, mean of the bands: an object's amodal mask is where it alone is brighter."""
    margin: int = 0
    """Pixels around the tile that are no part of it."""
    overlap: int | None = 4
    """K, objects of a pixel that are distinguished; None for none but the brightest."""
    isolated: int | None = None
    """M, objects whose images are made alone."""
    amodal: int | None = None
    """M, objects whose amodal masks are made."""

    def names(self) -> frozenset[str]:
        """Return the names of the arrays."""
        names = {"truth", "instances_visible", "multiplicity"}
        names |= {"overlap_label", "overlap_fraction"} if self.overlap is not None else set()
        optional = {"isolated": self.isolated, "amodal": self.amodal}
        return frozenset(names | {name for name, value in optional.items() if value is not None})


@dataclass(frozen=True)
class Labelled:
    """The truth of one sample. Labels are 1, 2, ... from the brightest object in the tile on."""

    arrays: dict[str, np.ndarray]
    """By the names of `Wanted.names()`."""
    order: np.ndarray
    """(n,) rows of the window's sources that have light in the tile, by label."""
    truth: Truth


def labelled(layers: Layers, count: int, shape: tuple[int, int, int], wanted: Wanted) -> Labelled:
    """Return the truth of a window of `shape` (C, H, W) with `count` sources.

    `truth` (C,H,W) float32 nJy without noise; `instances_visible` (H,W), the label of the brightest
    object of a pixel among those brighter there than the isophote; `multiplicity` (H,W), how many those
    are; `overlap_label`, `overlap_fraction` (K,H,W), the K brightest objects of a pixel and their shares
    of its light, the K-th with all that is fainter; `isolated` (M+1,C,H,W), slot k the object of label
    k + 1 alone, the last all others together; `amodal` (M,H,W) of the same objects.
    """
    truth = truth_of(layers, count, shape, wanted.isophote, wanted.overlap or 0, wanted.margin)
    lit = np.flatnonzero(truth.light > 0)
    order = lit[np.argsort(-truth.light[lit], kind="stable")]
    number = np.zeros(count + 1, dtype=np.int32)
    number[order + 1] = np.arange(1, len(order) + 1)
    out = {
        "truth": truth.image,
        "instances_visible": number[truth.visible],
        "multiplicity": truth.multiplicity,
    }
    if wanted.overlap is not None:
        out |= {"overlap_label": number[truth.overlap_row], "overlap_fraction": truth.overlap_fraction}
    if wanted.isolated is not None:
        out["isolated"] = isolated_images(layers, shape, order, wanted.isolated)
    if wanted.amodal is not None:
        out["amodal"] = amodal_of(layers, shape[1:], order, wanted.amodal, wanted.isophote)
    return Labelled(out, order, truth)


@dataclass(frozen=True)
class Known:
    """What is known of the sources of a window, in the order of its layers, for the table `objects`."""

    x: np.ndarray
    """(N,) centres, pixels of the sky."""
    y: np.ndarray
    flux: np.ndarray
    """(N, C) nJy, all of it."""
    marks: Mapping[str, np.ndarray]
    """Other columns, (N, ...)."""
    ids: np.ndarray | None = None
    """(N,) text; None where sources have none."""


def objects_of(
    found: Labelled, known: Known, bands: Sequence[str], tile: int, origin: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Return the columns of `objects` that every sky has, a row a label, and the sources' own marks.

    Places are in pixels of the tile of `tile` pixels, whose first pixel is `origin` (y, x) on the sky.
    """
    rows, truth = found.order, found.truth
    x, y, flux = known.x[rows] - origin[1], known.y[rows] - origin[0], known.flux[rows]
    table: dict[str, np.ndarray] = {"label": np.arange(1, len(rows) + 1, dtype=np.int32)}
    if known.ids is not None:
        table["id"] = known.ids[rows]
    table |= {"x": x, "y": y}
    table["inside"] = (x > -0.5) & (x < tile - 0.5) & (y > -0.5) & (y < tile - 0.5)
    table |= {name: values[rows] for name, values in known.marks.items()}
    for i, band in enumerate(bands):
        table[f"true_flux_{band}"] = flux[:, i]
        table[f"true_mag_{band}"] = ZEROPOINT_NJY - 2.5 * np.log10(np.maximum(flux[:, i], 1e-30))
    mean = np.maximum(flux.mean(axis=1), 1e-30)
    return table | {
        "fraction": np.minimum(truth.light[rows] / mean, 1.0),
        "amodal_area": truth.amodal_area[rows],
        "visible_area": truth.visible_area[rows],
        "blendedness": truth.blendedness[rows],
    }


def gathered(
    samples: np.ndarray, made: Sequence[tuple[dict[str, np.ndarray], Mapping[str, np.ndarray]]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the arrays (N, ...) and the table, with the column `sample`, of N samples' arrays and tables.

    `samples` (N,) are their numbers in the dataset. The samples' own arrays are used up, one name after the
    other, so that a shard is not in memory twice.
    """
    arrays = {name: np.stack([own.pop(name) for own, _ in made]) for name in list(made[0][0])}
    count = [len(table["label"]) for _, table in made]
    table = {name: np.concatenate([own[name] for _, own in made]) for name in made[0][1]}
    return arrays, {"sample": np.repeat(samples, count), **table}
