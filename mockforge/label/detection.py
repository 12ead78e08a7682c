"""What a detection gives: objects and their catalogue, and the background and noise of the sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detection:
    """What was found on one image."""

    instances: np.ndarray
    """(y, x) int32: 0 = sky, 1..n = objects; row i of `table` is object i + 1."""
    sky_rms: np.ndarray
    """(band,) float32: rms of the sky, in the image's unit."""
    table: dict[str, np.ndarray]
    """Columns of the catalogue without `sample`; positions in pixels of this image."""
    bands: tuple[str, ...]
    levels: tuple[np.ndarray, ...] = ()
    """Of each band: (y, x) level of the sky, that was subtracted."""


@dataclass(frozen=True)
class SkyBackground:
    """Background level and noise of one image, both (y, x) float32, and the rms of the whole."""

    level: np.ndarray
    rms: np.ndarray
    global_rms: float
