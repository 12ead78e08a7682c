"""The local rms of a real field's sky: what a generated sky is given, so that depth tells nothing apart."""

from __future__ import annotations

import numpy as np

from mockforge.evaluate.sky.sample import free_sky
from mockforge.field.robust import sigma_mad
from mockforge.sgan.model import SganModel
from mockforge.sgan.paint.control import RmsMap

MESH = 128
"""Pixels; side of the squares the rms is measured in."""
_FEWEST = MESH**2 // 4
"""Source-free pixels a square needs; one with fewer has the rms of the nearest that has them."""


def local_rms(image: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """Return the robust rms of the source-free sky in squares of MESH pixels, (band, ny, nx).

    `image` (band, y, x), flux; `mask` (y, x), true where a pixel must not be used. What lies above
    1.5 sigma is left out with its surroundings, as wherever this evaluation speaks of the sky.
    None where no square has sky enough.
    """
    from scipy.ndimage import distance_transform_edt

    flat, free = free_sky(image, mask)
    bands, height, width = flat.shape
    njy = np.full((bands, -(-height // MESH), -(-width // MESH)), np.nan)
    for i, j in np.ndindex(*njy.shape[1:]):
        square = np.s_[i * MESH : (i + 1) * MESH, j * MESH : (j + 1) * MESH]
        values = flat[(slice(None), *square)][:, free[square]]
        if values.shape[1] >= _FEWEST:
            njy[:, i, j] = sigma_mad(values, axis=1)
    unknown = np.isnan(njy[0])
    if unknown.all():
        return None
    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return njy[:, nearest[0], nearest[1]]  # type: ignore[index]


def rms_map(found: np.ndarray, bands: tuple[str, ...], model: SganModel) -> RmsMap:
    """`local_rms` of the reference's `bands` as a sky of `model` takes it.

    Bands of the model that the reference lacks have the model's own rms.
    """
    own = np.asarray(model.instrument.rms_njy)[:, None, None]
    njy = np.repeat(np.repeat(own, found.shape[1], axis=1), found.shape[2], axis=2).astype(np.float64)
    for band, values in zip(bands, found, strict=True):
        njy[model.bands.index(band)] = values
    return RmsMap(njy, MESH)
