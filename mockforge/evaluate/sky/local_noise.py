"""The local noise of a real field: what a painted sky is observed with, so that noise tells nothing apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mockforge.errors import InputError
from mockforge.evaluate.sky.reference import Reference
from mockforge.evaluate.sky.sample import Sample
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.learn.noise.kernels import covariance, measure_noise


def reference_noise(
    reference: Reference, own: NoiseField, bands: Sequence[str], painted: np.ndarray | None = None
) -> NoiseField | None:
    """Return the noise of the reference's rows by place, kernels and all, as a sky of a model takes it.

    Parameters
    ----------
    reference
        The real field.
    own, bands
        The model's noise and its bands: gains and saturation are the model's, since a field without a
        header does not say them; bands that the reference lacks have the model's median kernel.
    painted
        (C, 29, 29) nJy^2, in the reference's bands: covariance of the model's own unresolved light
        (`unresolved`), which is painted with the sources and would count twice.

    Returns
    -------
    NoiseField or None
        In the model's bands and order; None where the reference has too little source-free sky.
    """
    first, last = reference.rows
    sample = reference.sample
    at = [list(bands).index(band) for band in sample.bands]
    try:
        found = measure_noise(
            sample.images[0][:, first:last],
            sample.free[0][first:last],
            electrons_per_njy=own.electrons_per_njy[at],
            saturation_njy=own.saturation_njy[at],
            painted=painted,
        ).noise
    except InputError:
        return None
    return found if at == list(range(len(bands))) else _in_bands(found, own, at)


def unresolved(painted: Sample, reference: Reference) -> np.ndarray:
    """Return the covariance of a painted sky's light below detection, in the bands of its sample.

    That of a sky observed with the reference's noise, at the reference's places, less the reference's own:
    what background and detection make of light and noise is in it.
    """
    first, last = reference.rows
    real = reference.sample
    own = covariance(real.images[0][:, first:last], real.free[0][first:last])
    return covariance(painted.images[0], painted.free[0]) - own


def _in_bands(found: NoiseField, own: NoiseField, at: Sequence[int]) -> NoiseField:
    """Noise of the reference's bands, `at` their places among the model's, the others the model's own."""
    ny, nx, _, side, _ = found.kernels.shape
    usual = _cut(np.median(own.kernels, axis=(0, 1)), side)
    kernels = np.broadcast_to(usual, (ny, nx, *usual.shape)).copy()
    tail = own.tail.copy()
    kernels[:, :, at], tail[list(at)] = found.kernels, found.tail
    return NoiseField(kernels, found.mesh, tail, own.electrons_per_njy, own.saturation_njy)


def _cut(kernels: np.ndarray, side: int) -> np.ndarray:
    """Return the middle (C, side, side) of kernels (C, k, k), with zeros around where they are smaller."""
    out = np.zeros((len(kernels), side, side), dtype=np.float32)
    k = kernels.shape[-1]
    n = min(side, k)
    a, b = (side - n) // 2, (k - n) // 2
    out[:, a : a + n, a : a + n] = kernels[:, b : b + n, b : b + n]
    return out
