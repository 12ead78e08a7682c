"""What a painted sky is told of the reference, so that depth and crowding do not tell them apart.

The reference's noise, kernels and all, place by place, and how many sources there are on average: neither
is what a model of sources is judged by, and either alone would decide a comparison of pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mockforge.evaluate.sky.counts import MEAN, add_columns, completeness_limit
from mockforge.evaluate.sky.generated import from_model
from mockforge.evaluate.sky.local_noise import reference_noise, unresolved
from mockforge.evaluate.sky.reference import Reference
from mockforge.evaluate.sky.sample import Sample, measure_sample
from mockforge.sgan.model import SganModel

_DENSITY = (0.3, 3.0)
"""Factors on a model's density that are told at most."""
_PARTS = 2
"""Times the reference's area on which a model's own density is counted, not where it is compared."""
_BELOW_LIMIT_MAG = 0.25
"""Half of the sources so much fainter than where the counts turn over are found."""
_FEWEST = 20
"""Detections on either side without which a density is not told."""


@dataclass(frozen=True)
class Told:
    """Keywords of `mockforge.Sky`, and what to note of them in a report."""

    asked: Mapping[str, Any] = field(default_factory=dict)
    noted: Mapping[str, str] = field(default_factory=dict)
    faintest_mag: float | None = None
    """AB magnitude of the mean of the bands below which a source is not found on the reference."""

    @property
    def bright(self) -> dict[str, Any]:
        """Keywords of a sky without the sources that are too faint to be found.

        Real source-free sky, onto which it is put, has such sources of its own.
        """
        return {**self.asked, "magnitude_limits": (None, self.faintest_mag)}


def told_of(reference: Reference, model: SganModel, seed: int, device: str, own_noise: bool) -> Told:
    """Return what a sky of a model is told of the reference.

    A model that paints noise with the sky is told nothing. `own_noise`: the noise of its own field.
    """
    if not model.clean:
        return Told(noted={"noise": "painted by the model with the sky"})
    noise = None if own_noise else reference_noise(reference, model.noise, model.bands)  # type: ignore
    asked = {} if noise is None else {"noise": noise}
    made = _tried(reference, model, seed, device, asked)
    density, note = _density(reference, made)
    noted = {"noise": "the model's own", "density": note}
    if noise is not None:
        own = unresolved(made, reference)
        asked["noise"] = reference_noise(reference, model.noise, model.bands, own)  # type: ignore
        noted["noise"] = (
            "the reference's, kernels and rms measured place by place, the light of the model's own "
            "unresolved sources taken off"
        )
    limit = completeness_limit(reference.sample.table[MEAN])
    return Told(
        asked | ({} if density is None else {"density": density}),
        noted,
        limit + _BELOW_LIMIT_MAG if np.isfinite(limit) else None,
    )


def _tried(
    reference: Reference, model: SganModel, seed: int, device: str, asked: Mapping[str, Any]
) -> Sample:
    """Measure a sky of another seed with the model's own density."""
    height, width = reference.shape
    painted = from_model(model, (_PARTS * height, width), seed + 1, device, asked)
    painted = painted.ordered(reference.field.bands, reference.field.unit)
    real = reference.sample
    return measure_sample(painted.images, real.bands, side=real.side, mask_peaks_above=real.most_peak)


def _density(reference: Reference, made: Sample) -> tuple[float | None, str]:
    """Factor on the model's density that gives the reference's mean number of detections, and a note."""
    real = reference.sample
    for sample in (real, made):
        add_columns(sample, reference.zeropoint)
    limit = completeness_limit(real.table[MEAN])
    (n_real, area_real), (n_made, area_made) = (_counted(s, limit) for s in (real, made))
    if min(n_real, n_made) < _FEWEST:
        return None, f"the model's own: {n_real} real and {n_made} painted detections are too few to count by"
    per_real, per_made = 1e6 * n_real / area_real, 1e6 * n_made / area_made
    factor = float(np.clip(per_real / per_made, *_DENSITY))
    return factor, (
        f"{factor:.3f} of the model's own, to be the reference's: {per_real:.0f} detections per Mpix to "
        f"{limit:.2f} mag, the model's own {per_made:.0f}"
    )


def _counted(sample: Sample, limit: float) -> tuple[int, float]:
    """Count the detections of the reference (or of all that was painted) to a magnitude, and its pixels."""
    inside = sample.reference[sample.table["block"]] & (sample.table[MEAN] < limit)
    return int(inside.sum()), float(sample.clear[sample.reference].sum())
