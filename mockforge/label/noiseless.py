"""Separating the sources of a noiseless image: what is really there, down to a surface brightness.

Without noise every peak is real, so nothing has to be significant: the threshold is an isophote,
and two peaks are two sources unless they are of one bright body. sep's multi-threshold deblending
(Bertin & Arnouts 1996, A&AS 117, 393, section 6) asks a part for a share of the flux of all that
is connected to it, and a faint source in the wings of a bright one never has that; the lower the
isophote, the more is connected. On log(1 + flux / isophote) the levels are just as evenly spaced
in log flux, but the share is one of contrast times area: a peak stands out by how many times it
is brighter than the saddle, whatever is next to it, and a bright galaxy's knots do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mockforge.label.catalogue import boxes, magnitude_of
from mockforge.label.extract import extracted

MOST_PARTS = 65_536
"""Parts of one connected region that sep may follow; of a noiseless sky a region is large."""


@dataclass(frozen=True)
class Separated:
    """The sources of one noiseless image."""

    instances: np.ndarray
    """(y, x) int32: 0 = below the isophote, 1..n = sources from the brightest on."""
    table: dict[str, np.ndarray]
    """A row per source; positions in pixels of the image."""


@dataclass(frozen=True)
class SeparationRule:
    """Down to which brightness, and how readily, sources are separated."""

    isophote: float
    """Mean of the bands, in the image's unit per pixel."""
    min_pixels: int
    """Fewest contiguous pixels (corners count) above the isophote."""
    levels: int
    """Thresholds, spaced evenly in log flux, at which a source is looked at for parts."""
    contrast: float
    """Least share of log(1 + flux / isophote) that makes a part a source of its own."""
    reach: float
    """Radii (of a circle of its area) to which light below the isophote is a source's."""


def separate(
    truth: np.ndarray,
    bands: Sequence[str],
    rule: SeparationRule,
    *,
    zeropoint_ab: float | None,
    margin: int = 0,
) -> Separated:
    """Separate the sources of a noiseless image `truth` (band, y, x).

    Sources are distinguished on the mean of the bands where it is above the isophote. The true flux of
    a source is all light in its pixels and, of those below the isophote, in those nearer to it than to
    any other and within its reach. `fraction` is the share of it `margin` pixels inside the image.
    Raises MockforgeError where sep fails.
    """
    mean = truth.mean(axis=0, dtype=np.float64).clip(0.0)
    instances, deblended = _parts(mean, rule)
    n, (height, width) = len(deblended), mean.shape
    light = OwnedPixels.of(grown(instances, rule.reach), n)
    flux = [light.sums(band) for band in truth]
    order = np.argsort(-np.mean(flux, axis=0), kind="stable")
    number = np.zeros(n + 1, dtype=np.int32)
    number[order + 1] = np.arange(1, n + 1)
    instances = number[instances]
    light, own = light.numbered(number), OwnedPixels.of(instances, n)
    core = np.zeros((height, width), dtype=bool)
    core[margin : height - margin, margin : width - margin] = True
    table = {
        "label": np.arange(1, n + 1, dtype=np.int32),
        **_moments(own, mean),
        **boxes(own.owner, own.pixels, width, n),
        "fraction": light.sums(mean * core) / np.maximum(light.sums(mean), 1e-30),
        "deblended": deblended[order],
    }
    table["half_light_radius_pix"] = _half_light(light, mean, table["x"], table["y"])
    table["truncated"] = (
        (table["bbox_x0"] == 0) | (table["bbox_y0"] == 0)
        | (table["bbox_x1"] == width) | (table["bbox_y1"] == height)
    )  # fmt: skip
    for i, band in enumerate(bands):
        table[f"true_flux_{band}"] = flux[i][order]
        table[f"true_mag_{band}"] = magnitude_of(flux[i][order], zeropoint_ab)
        table[f"true_flux_iso_{band}"] = own.sums(truth[i])
    return Separated(instances, table)


@dataclass(frozen=True)
class OwnedPixels:
    """Which pixels are whose: few of an image's are anyone's, so sums over these alone are fast."""

    pixels: np.ndarray
    """(P,) places in the flattened image of the pixels of sources."""
    owner: np.ndarray
    """(P,) labels of their sources, 1..count."""
    count: int
    width: int
    """Pixels in a row of the image."""

    @classmethod
    def of(cls, labels: np.ndarray, count: int) -> OwnedPixels:
        """Return that of an image of labels (y, x), 0 = nobody's."""
        pixels = np.flatnonzero(labels)
        return cls(pixels, labels.ravel()[pixels], count, labels.shape[1])

    def numbered(self, number: np.ndarray) -> OwnedPixels:
        """Return the same with label k called `number[k]`."""
        return replace(self, owner=number[self.owner])

    def sums(self, image: np.ndarray) -> np.ndarray:
        """Sum (count,) of an image over the pixels of each source."""
        return self.add(image.ravel()[self.pixels])

    def add(self, values: np.ndarray) -> np.ndarray:
        """Sum (count,) of a value (P,) for each pixel."""
        return np.bincount(self.owner, weights=values, minlength=self.count + 1)[1:]

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows (P,) of the pixels."""
        y, x = np.divmod(self.pixels, self.width)
        return x.astype(np.float64), y.astype(np.float64)


def grown(instances: np.ndarray, reach: float) -> np.ndarray:
    """Grow labels (y, x) to the pixels around, each to that of the nearest source.

    It is at most `reach` times its radius (that of a circle of its area) away.
    """
    from scipy.ndimage import distance_transform_edt

    if reach <= 0.0 or not instances.any():
        return instances
    distance, (y, x) = distance_transform_edt(instances == 0, return_indices=True)  # type: ignore[misc]
    nearest = instances[y, x]
    radius = np.sqrt(np.bincount(instances.ravel()) / math.pi)
    return np.where(distance <= reach * radius[nearest], nearest, 0).astype(np.int32)


def _parts(mean: np.ndarray, rule: SeparationRule) -> tuple[np.ndarray, np.ndarray]:
    """Labels (y, x) of sources 1..n, and (n,) whether each was separated from a neighbour."""
    parts, labels = extracted(
        np.log1p(mean / rule.isophote), math.log(2.0), parts=MOST_PARTS,
        lower="raise `isophote_sigma`, or lower `isophote_mag_arcsec2`", minarea=rule.min_pixels,
        filter_kernel=None, deblend_nthresh=rule.levels, deblend_cont=rule.contrast, clean=False,
    )  # fmt: skip
    return in_one_piece(labels), (parts["flag"] & 1).astype(bool)


def in_one_piece(instances: np.ndarray) -> np.ndarray:
    """Labels (y, x) of which each has one connected region, corners count: its largest.

    sep deals out the pixels between parts at random, by their light there, which leaves specks; they
    go to the nearest source.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.measure import label

    regions = np.asarray(label(instances, connectivity=2), dtype=np.int64)
    pixels = np.flatnonzero(regions)
    size = np.bincount(regions.ravel()[pixels], minlength=1)
    owner = np.zeros(len(size), dtype=np.int64)
    owner[regions.ravel()[pixels]] = instances.ravel()[pixels]
    order = np.lexsort((-size, owner))  # by source, the largest region first
    _, first = np.unique(owner[order], return_index=True)
    kept = np.zeros(len(size), dtype=bool)
    kept[order[first]] = True
    speck = ~kept[regions] & (instances > 0)
    if not speck.any():
        return instances
    sure = np.where(speck, 0, instances)
    y, x = distance_transform_edt(sure == 0, return_distances=False, return_indices=True)  # type: ignore[misc]
    return np.where(speck, sure[y, x], instances)


def _moments(own: OwnedPixels, mean: np.ndarray) -> dict[str, np.ndarray]:
    """Centre, rms lengths of the axes and position angle of the light in each source's own pixels.

    The second moments are those of light spread evenly over a pixel, so no axis is zero.
    """
    weight, (x, y) = mean.ravel()[own.pixels], own.places()
    flux = np.maximum(own.add(weight), 1e-30)
    cx, cy = own.add(weight * x) / flux, own.add(weight * y) / flux
    dx, dy = x - cx[own.owner - 1], y - cy[own.owner - 1]
    xx, yy, xy = (own.add(weight * v) / flux for v in (dx * dx, dy * dy, dx * dy))
    xx, yy = xx + 1.0 / 12.0, yy + 1.0 / 12.0
    half, spread = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    return {
        "x": cx,
        "y": cy,
        "a": np.sqrt(half + spread).astype(np.float32),
        "b": np.sqrt(np.maximum(half - spread, 0.0)).astype(np.float32),
        "theta": np.degrees(0.5 * np.arctan2(2.0 * xy, xx - yy)).astype(np.float32),
    }


def _half_light(light: OwnedPixels, mean: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Radius (n,) in pixels of the circle about the centre with half of a source's own light."""
    if not light.count:
        return np.zeros(0)
    label, (columns, rows) = light.owner - 1, light.places()
    radius = np.hypot(columns - x[label], rows - y[label])
    order = np.argsort(label + radius / (radius.max() + 1.0))  # by source, then by radius
    label, radius = label[order], radius[order]
    weight = mean.ravel()[light.pixels][order]
    total = np.cumsum(weight)
    first = np.searchsorted(label, np.arange(light.count))
    last = np.append(first[1:], len(label)) - 1
    half = np.searchsorted(total, 0.5 * (total[first] - weight[first] + total[last]))
    return radius[np.clip(half, first, last)]
