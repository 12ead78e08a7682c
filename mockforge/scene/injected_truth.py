"""What injected objects add to a sample: noiseless light, masks, shares, and rows of `objects`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mockforge.batch import Batch
from mockforge.galaxies.real.library import library
from mockforge.galaxies.real.rule import RealStamps
from mockforge.scene.objects import Objects
from mockforge.scene.table import objects_table
from mockforge.sky.labels import Labelled
from mockforge.sky.layers import Layer
from mockforge.sky.truth import truth_of


@dataclass(frozen=True)
class SkyBefore:
    """One sample of a sky before the injection."""

    truth: np.ndarray
    """(C, H, W) nJy, noiseless."""
    label: np.ndarray
    """(K, H, W) labels of the objects of a pixel that stages before have distinguished; 0 for none."""
    share: np.ndarray
    """(K, H, W) their shares of its light."""
    count: int
    """The highest label."""
    multiplicity: np.ndarray
    """(H, W) how many of them are brighter than the isophote."""

    def layers(self, first: int, rest_row: int) -> list[Layer]:
        """Return the sky's light by object: label L is row `first` + L - 1, what has no label `rest_row`."""
        from scipy.ndimage import find_objects

        unlabelled, out = self.truth.copy(), []
        for label, share in zip(self.label, self.share, strict=True):
            for number, box in enumerate(find_objects(label, max_label=self.count), start=1):
                if box is None:
                    continue
                part = np.where(label[box] == number, share[box], 0) * self.truth[:, *box]
                unlabelled[:, *box] -= part
                out.append(Layer(first + number - 1, part.astype(np.float32), *box))
        window = (slice(0, unlabelled.shape[1]), slice(0, unlabelled.shape[2]))
        return [*merged(out), Layer(rest_row, unlabelled, *window)]


def merged(layers: Sequence[Layer]) -> list[Layer]:
    """One layer a row: an object can be the brightest in one pixel and the second in another."""
    rows: dict[int, list[Layer]] = {}
    for layer in layers:
        rows.setdefault(layer.row, []).append(layer)
    out = []
    for row, parts in sorted(rows.items()):
        y0, x0 = (min(getattr(p, n).start for p in parts) for n in ("y", "x"))
        y1, x1 = (max(getattr(p, n).stop for p in parts) for n in ("y", "x"))
        image = np.zeros((len(parts[0].image), y1 - y0, x1 - x0), dtype=np.float32)
        for p in parts:
            image[:, p.y.start - y0 : p.y.stop - y0, p.x.start - x0 : p.x.stop - x0] += p.image
        out.append(Layer(row, image, slice(y0, y1), slice(x0, x1)))
    return out


@dataclass(frozen=True)
class InjectedSample:
    """One sample after the injection."""

    truth: np.ndarray
    instances_visible: np.ndarray
    multiplicity: np.ndarray
    overlap_label: np.ndarray
    overlap_fraction: np.ndarray
    table: dict[str, np.ndarray]
    """Rows of the injected objects that have light in the tile, by brightness."""
    order: np.ndarray
    """Which of the objects drawn they are."""

    def with_pictures(self, rule: RealStamps, made: Objects) -> InjectedSample:
        """Return the same, the table with the real galaxy whose picture an object has."""
        names = library(rule).names[made.picture[self.order]]
        return replace(self, table=self.table | {"real_stamp": names})


def sky_before(batch: Batch, i: int) -> SkyBefore:
    """Return what the stages before say of sample `i`: shares of overlapping objects, masks, or nothing."""
    truth = batch.arrays["truth"][i]
    shape = truth.shape[1:]
    objects = batch.tables.get("objects")
    none = np.zeros((0, *shape), dtype=np.int32)
    label, share, several = none, none.astype(np.float32), np.zeros(shape, dtype=np.int32)
    if objects is not None and "overlap_label" in batch.arrays:
        label, share = batch.arrays["overlap_label"][i], batch.arrays["overlap_fraction"][i]
        several = batch.arrays.get("multiplicity", several[None].repeat(len(batch), axis=0))[i]
    elif objects is not None and "instances_truth" in batch.arrays:
        label = batch.arrays["instances_truth"][i][None]
        share, several = (label > 0).astype(np.float32), (label[0] > 0).astype(np.int32)
    count = 0
    if objects is not None and (of_sample := objects["sample"] == batch.sample[i]).any():
        count = int(objects["label"][of_sample].max())
    return SkyBefore(truth, label, share, count, several)


@dataclass(frozen=True)
class InjectedObjects:
    """The objects of one sample and their light."""

    objects: Objects
    """Places count from the window's first pixel, the margin before the tile's."""
    magnitude: np.ndarray
    """(N,) AB, as drawn."""
    layers: Sequence[Layer]
    """Light of the objects, each of its row."""


def injected(
    bands: Sequence[str], sky: SkyBefore, new: InjectedObjects, isophote: float, depth: int, margin: int
) -> InjectedSample:
    """Return sample, masks and table with the new objects.

    `isophote` in nJy per pixel, mean of the bands; `depth` objects of a pixel are distinguished.
    """
    n, last = len(new.objects), len(new.objects) + sky.count
    every = [*new.layers, *sky.layers(n, last)]
    truth = sky.truth.copy()
    several = sky.multiplicity.copy()
    for layer in new.layers:
        truth[:, layer.y, layer.x] += layer.image
        several[layer.y, layer.x] += layer.image.mean(axis=0) > isophote
    overlap = truth_of(lambda: every, last + 1, truth.shape, isophote, depth, margin)
    lit = np.flatnonzero(overlap.light[:n] > 0)
    order = lit[np.argsort(-overlap.light[lit], kind="stable")]
    number = np.zeros(last + 2, dtype=np.int32)  # of row + 1; light without a label keeps 0
    number[n + 1 : last + 1] = np.arange(1, sky.count + 1)
    number[order + 1] = sky.count + np.arange(1, len(order) + 1)
    tile = truth.shape[1] - 2 * margin
    table = objects_table(bands, tile, new.objects, Labelled({}, order, overlap), (margin, margin))
    del table["occlusion_order"]  # it would be theirs alone, among objects of unknown distance
    table |= {
        "label": number[order + 1], "magnitude": new.magnitude[order],
        "injected": np.ones(len(order), dtype=bool),
    }  # fmt: skip
    return InjectedSample(
        truth, number[overlap.visible], several, number[overlap.overlap_row], overlap.overlap_fraction, table,
        order,
    )  # fmt: skip


def joined(batch: Batch, tables: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the batch's `objects` with the rows of each sample's injected ones behind its own.

    A column that only one side has is nan, 0, false or empty in the other's rows.
    """
    new = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    count = [len(t["label"]) for t in tables]
    new = {"sample": np.repeat(batch.sample, count), **new}
    old = batch.tables.get("objects")
    if old is None:
        return new
    old = {**old, "injected": old.get("injected", np.zeros(len(old["sample"]), dtype=bool))}
    out = {}
    for name in [*new, *(c for c in old if c not in new)]:
        first = old[name] if name in old else _empty(len(old["sample"]), new[name])
        second = new[name] if name in new else _empty(len(new["sample"]), old[name])
        out[name] = np.concatenate([first, second])
    rows = np.argsort(out["sample"], kind="stable")
    return {name: column[rows] for name, column in out.items()}


def _empty(count: int, like: np.ndarray) -> np.ndarray:
    """Return a column like another, for rows it says nothing of."""
    value = np.nan if like.dtype.kind == "f" else np.zeros((), dtype=like.dtype)
    return np.full((count, *like.shape[1:]), value, dtype=like.dtype)
