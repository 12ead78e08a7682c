"""One sky seen by several telescopes: the same sources on each one's pixels, with one set of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np

from mockforge.sky.layers import Layer, layer_of, light_of
from mockforge.sky.process import Painter, S
from mockforge.sky.truth import Truth, truth_of
from mockforge.units import ZEROPOINT_NJY


@dataclass(frozen=True)
class Frame:
    """Where a view's tile lies: its lower left corner, and its pixels."""

    name: str
    bands: tuple[str, ...]
    pixel_scale_arcsec: float
    side: int
    """Pixels of the tile, on a side."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (C, side, side)."""
        return len(self.bands), self.side, self.side

    def places(self, arcsec: np.ndarray) -> np.ndarray:
        """Return pixels of the tile of places in arcsec from its corner, the outer edge of pixel 0."""
        return arcsec / self.pixel_scale_arcsec - 0.5


def layers_on(painter: Painter[S], sources: S, frame: Frame) -> list[Layer]:
    """Return the light of sources, placed in pixels of a tile, inside it; row i is source i.

    Sources with stamps of one side are painted together, those alone that have light in the tile.
    """
    top, left, side = painter.footprints(sources)
    touching = (top < frame.side) & (top + side > 0) & (left < frame.side) & (left + side > 0)
    out: dict[int, Layer] = {}
    for one in np.unique(side[touching]).tolist():
        rows = np.flatnonzero(touching & (side == one))
        for row, image in zip(rows.tolist(), painter.paint(sources.rows(rows), one), strict=True):
            corner = int(top[row]), int(left[row])
            window = (0, frame.side, 0, frame.side)
            light = light_of(image)
            out[row] = layer_of(row, image, *corner, window, light, float(light.max(initial=0.0)))
    return [out[row] for row in sorted(out)]


@dataclass(frozen=True)
class Seen(Generic[S]):
    """What one telescope sees of a tile."""

    frame: Frame
    sources: S
    """In pixels of its tile; the same rows for all views."""
    layers: Sequence[Layer]
    truth: Truth

    @classmethod
    def of(cls, painter: Painter[S], sources: S, frame: Frame, isophote_njy: float) -> Seen[S]:
        """Return a view of sources, whose masks are bounded by an isophote in nJy per pixel."""
        layers = layers_on(painter, sources, frame)
        truth = truth_of(lambda: layers, len(sources), frame.shape, isophote_njy, 1)
        return cls(frame, sources, layers, truth)


def common_order(views: Sequence[Seen[Any]]) -> np.ndarray:
    """Return the rows of the sources with light in any view's tile, by label.

    Brightest first in the first view; those that it has no light of come last.
    """
    light = np.stack([view.truth.light for view in views])
    lit = np.flatnonzero((light > 0).any(axis=0))
    return lit[np.lexsort((lit, *(-row[lit] for row in light[::-1])))]


def labels_of(view: Seen[Any], order: np.ndarray) -> np.ndarray:
    """Return (side, side) int32: label of the brightest source of a pixel above the isophote; 0 for none."""
    number = np.zeros(len(view.truth.light) + 1, dtype=np.int32)
    number[order + 1] = np.arange(1, len(order) + 1)
    return number[view.truth.visible]


def objects_in_views(
    views: Sequence[Seen[Any]],
    order: np.ndarray,
    flux: Mapping[str, np.ndarray],
    marks: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return the table `objects`, a row a label.

    Parameters
    ----------
    views : sequence of Seen
        `x`, `y` and `inside` are those of the first; all have `x_<view>`, `y_<view>` and the areas.
    order : ndarray
        Rows of the sources, by label.
    flux : mapping
        Band -> (N,) nJy, all of the light, of every band of any view.
    marks : mapping
        Other columns, (N, ...).
    """
    first = views[0]
    x, y, side = first.sources.x[order], first.sources.y[order], first.frame.side
    table: dict[str, np.ndarray] = {"label": np.arange(1, len(order) + 1, dtype=np.int32)}
    table |= {"x": x, "y": y}
    table["inside"] = (x > -0.5) & (x < side - 0.5) & (y > -0.5) & (y < side - 0.5)
    table |= {name: values[order] for name, values in marks.items()}
    for band, values in flux.items():
        table[f"true_flux_{band}"] = values[order]
        table[f"true_mag_{band}"] = ZEROPOINT_NJY - 2.5 * np.log10(np.maximum(values[order], 1e-30))
    for view in views:
        name, truth = view.frame.name, view.truth
        total = np.mean([flux[band] for band in view.frame.bands], axis=0)
        table |= {
            f"x_{name}": view.sources.x[order],
            f"y_{name}": view.sources.y[order],
            f"fraction_{name}": np.minimum(truth.light / np.maximum(total, 1e-30), 1.0)[order],
            f"amodal_area_{name}": truth.amodal_area[order],
            f"visible_area_{name}": truth.visible_area[order],
            f"blendedness_{name}": truth.blendedness[order],
        }
    return table
