"""What objects are injected into: what is known of an image, and light added as a detector records it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.batch import Batch
from mockforge.rng import Stream


def attributes_of(batch: Batch, i: int) -> dict[str, Any]:
    """Return what the source says of sample `i`: the attributes, and what differs from sample to sample.

    PSF and gain that differ are the columns `fwhm_<band>` and `electrons_per_njy_<band>` of the table `tile`.
    """
    about = dict(batch.attributes)
    tile = batch.tables.get("tile", {})
    for name, start in (("psf_fwhm_arcsec", "fwhm"), ("electrons_per_njy", "electrons_per_njy")):
        columns = [f"{start}_{band}" for band in about.get("bands") or ()]
        if about.get(name) is None and columns and all(c in tile for c in columns):
            row = int(np.flatnonzero(tile["sample"] == batch.sample[i])[0])
            about[name] = tuple(float(tile[c][row]) for c in columns)
    return about


def recorded(image: np.ndarray, light: np.ndarray, attributes: Any, stream: Stream) -> np.ndarray:
    """`image` (C, y, x) with noiseless `light` added as the detector records it.

    Photon noise is Gaussian of the variance light / gain, in the bands whose gain is known: what is
    added arrives beside what was there. Pixels end at the saturation.
    """
    added = image + light
    gain = attributes.get("electrons_per_njy")
    if gain is not None and any(g > 0 for g in gain):
        g = np.asarray(gain, dtype=np.float32)[:, None, None]
        spread = np.sqrt(np.divide(np.maximum(light, 0), g, out=np.zeros_like(light), where=g > 0))
        added = added + spread * stream.numpy().standard_normal(light.shape, dtype=np.float32)
    most = attributes.get("saturation_njy")
    if most is not None:
        added = np.minimum(added, np.asarray(most, dtype=np.float32)[:, None, None])
    return added.astype(np.float32)
