"""How many blends a detector separates: in the sharp image, the degraded one and the recovered one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.evaluate.recover.truth import MeasuredStamps
from mockforge.label.detect import detect
from mockforge.rng import Stream
from mockforge.stages.detect import Detect

REACH_ARCSEC = 0.3
"""A detection stands for an object whose true place is within this."""
_GAP_ARCSEC = 1.2
"""Of sky between the stamps on the plane they are detected on."""
_SPLIT_ARCSEC = 0.9
"""Detections within this of a single galaxy's place count as parts of it."""


@dataclass(frozen=True)
class Found:
    """What the detector made of the stamps, seen in one way."""

    recognised: np.ndarray
    """(pairs,) whether both galaxies of a pair were detected, each on its own."""
    split: np.ndarray
    """(singles,) whether a galaxy without neighbour came out as more than one."""


def detector() -> Detect:
    """Our detector at 3 sigma, with one sky for the whole plane of stamps."""
    return Detect(threshold=3.0, background_mesh=100_000, local_rms=False, detection_image="snr")


def pairs(stamps: MeasuredStamps) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples with exactly two galaxies, and the distance of these in arcsec."""
    chosen = np.flatnonzero(stamps.count == 2)
    x, y = (
        (np.stack([v[stamps.owner == i] for i in chosen]).reshape(-1, 2) for v in (stamps.x, stamps.y))
        if (len(chosen))
        else (np.zeros((0, 2)), np.zeros((0, 2)))
    )
    return chosen, np.hypot(*(v[:, 1] - v[:, 0] for v in (x, y))) * stamps.scales.fine_arcsec


def blends(stamps: MeasuredStamps, images: np.ndarray, scale: float, rms: np.ndarray, add: bool) -> Found:
    """Return what is detected on `images` (N,C,h,w) with pixels of `scale` arcsec.

    `rms` (N,C) is that of their noise; with `add` the images have none, and get it. All stamps lie
    on one plane, with sky between them, and are detected at once.
    """
    side, gap = images.shape[2:], round(_GAP_ARCSEC / scale)
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    level = np.median(rms, axis=0)
    shape = (images.shape[1], rows * (side[0] + gap), columns * (side[1] + gap))
    rng = Stream(1, ("blends",)).numpy()
    plane = rng.standard_normal(shape, dtype=np.float32) * level[:, None, None].astype(np.float32)
    for i, image in enumerate(images):
        y, x = (i // columns) * (side[0] + gap), (i % columns) * (side[1] + gap)
        part = plane[:, y : y + side[0], x : x + side[1]]
        part[:] = part + image if add else image
    table = detect(plane, detector()).table
    row, column = (table["y"] // (side[0] + gap)).astype(int), (table["x"] // (side[1] + gap)).astype(int)
    owner = row * columns + column
    step = stamps.scales.fine_arcsec / scale  # fine pixels -> these
    x, y = (
        (v - o * (n + gap) - (n - 1) / 2) / step + (fine - 1) / 2
        for v, o, n, fine in (
            (table["x"], column, side[1], stamps.scales.fine[1]),
            (table["y"], row, side[0], stamps.scales.fine[0]),
        )
    )
    return _joined(stamps, owner, x, y)


def _joined(stamps: MeasuredStamps, owner: np.ndarray, x: np.ndarray, y: np.ndarray) -> Found:
    """Hold detections, in fine pixels of their stamps, against what is there."""
    from scipy.optimize import linear_sum_assignment

    reach = REACH_ARCSEC / stamps.scales.fine_arcsec
    recognised, split = [], []
    for i, count in enumerate(stamps.count):
        detected, true = owner == i, stamps.owner == i
        away = np.hypot(
            x[detected][None] - stamps.x[true][:, None], y[detected][None] - stamps.y[true][:, None]
        )
        if count == 2:
            rows, columns = linear_sum_assignment(np.minimum(away, 1e3))
            recognised.append(int((away[rows, columns] < reach).sum()) == 2)
        elif count == 1:
            split.append(int((away < _SPLIT_ARCSEC / stamps.scales.fine_arcsec).sum()) > 1)
    return Found(np.array(recognised, dtype=bool), np.array(split, dtype=bool))
