"""What a person looks at of the scene fit: a part of the field, its model, and what is left."""

from __future__ import annotations

import numpy as np

from mockforge.field.picture import asinh_rgb, mosaic
from mockforge.sgan.learn.field import LearnField
from mockforge.sgan.learn.fit.fitted import FittedScene


def fit_picture(field: LearnField, scene: FittedScene, side: int = 400) -> np.ndarray:
    """Return data, model and residual of the part about the brightest good source, side by side.

    uint8 (y, x, 3) in one stretch, masked pixels black; `side` in pixels.
    """
    height, width = field.mask.shape
    best = np.argmax(np.where(scene.good, scene.marks.mean_flux, -np.inf)) if len(scene) else None
    y, x = (height / 2, width / 2) if best is None else (scene.marks.y[best], scene.marks.x[best])
    rows, columns = (_about(place, n, side) for place, n in ((y, height), (x, width)))
    known = ~field.mask[rows, columns]
    data, model = (image[:, rows, columns] for image in (field.image, scene.model))
    rms = np.median(field.rms, axis=(1, 2))
    pictures = [asinh_rgb(i, rms, bands=field.bands) for i in (data * known, model, (data - model) * known)]
    return mosaic(pictures, columns=3)


def _about(place: float, size: int, side: int) -> slice:
    first = int(np.clip(round(float(place)) - side // 2, 0, max(size - side, 0)))
    return slice(first, min(first + side, size))
