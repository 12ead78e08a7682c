"""Stage 4 as a whole: noise measured on the field, and again less what the painted sky has of it.

The painted sky has light below detection, as the field's has, and background and detection change what they
are applied to. All that is in the difference of the two skies' covariances: after a round or two of taking
it off the noise, the painted sky is the field's where no source is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from mockforge.config import Index, Limit, config
from mockforge.label.bright import grown
from mockforge.label.bright import sources as sources_above
from mockforge.label.extract import less_background
from mockforge.rng import Stream
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.noise_sky import NoiseSky
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.detect import detect, source_free
from mockforge.sgan.learn.field import LearnField
from mockforge.sgan.learn.noise.kernels import covariance, measure_noise
from mockforge.sgan.learn.noise.page import NoiseCompared
from mockforge.sgan.learn.population.rehearse import seeing_of
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.model import SourceModel
from mockforge.sgan.sources.process import LearnedProcess
from mockforge.sky.endless import Endless

_GROWN = 4
"""Pixels about sources that the background leaves out, as of the field."""
_MOST_KERNELS = 2700
"""Places times bands of the map, at most: 2.4 MB of a model's file. Larger fields have a coarser mesh."""


@config
class NoiseChoice:
    """How the noise of the field is measured."""

    mesh: Annotated[int, Limit(ge=32, le=1024)] = 128
    """Pixels between the places of the map of noise."""
    rehearsals: Index = 2
    """Times that a sky is painted, so that unresolved light is not counted as noise; 0 = never."""
    saturation_njy: Annotated[float, Limit(ge=0)] | tuple[Annotated[float, Limit(ge=0)], ...] = 0.0
    """Most that a pixel holds above the sky, nJy, of all bands or each; 0 = no limit."""


@dataclass(frozen=True, eq=False)
class LearnedNoise:
    """What the stage found."""

    noise: NoiseField
    facts: Mapping[str, Any]
    picture: np.ndarray | None = None


def learn_noise(
    field: LearnField, psf: PixelPsf, sources: SourceModel, choice: NoiseChoice, stream: Stream
) -> LearnedNoise:
    """Measure a field's noise by place, less the light that the painted sky itself leaves unresolved.

    The painted sky is observed with the noise so far, and its background and its sources are taken off as
    the field's are.
    """
    saturation = np.broadcast_to(np.asarray(choice.saturation_njy, dtype=float), len(field.bands))
    rest: dict[str, Any] = {
        "electrons_per_njy": field.gains,
        "saturation_njy": np.where(saturation > 0, saturation, np.inf),
        "mesh": _mesh(choice.mesh, field.image.shape),
    }
    found = measure_noise(field.image, field.free, **rest)
    real = covariance(field.image, field.free, found.noise.mesh)
    painted = np.zeros_like(real)
    for i in range(choice.rehearsals):
        sky, free = painted_sky(field, psf, sources, found.noise, stream.child("rehearsal", i))
        painted = painted + covariance(sky, free, found.noise.mesh) - real
        found = measure_noise(field.image, field.free, painted=painted, **rest)
    made = None
    if choice.rehearsals:
        made = painted_sky(field, psf, sources, found.noise, stream.child("compared"))
    compared = NoiseCompared((field.image, field.free), made, found, stream.child("compared"))
    facts = {"source-free sky": float(field.free.mean()), **compared.facts(field.bands)}
    return LearnedNoise(found.noise, facts, compared.picture())


def _mesh(mesh: int, shape: tuple[int, ...]) -> int:
    """Return the asked mesh, within the field, doubled until a model's file holds the map."""
    bands, height, width = shape
    mesh = min(mesh, height, width)
    while bands * round(height / mesh) * round(width / mesh) > _MOST_KERNELS and mesh < 2048:
        mesh *= 2
    return mesh


def painted_sky(
    field: LearnField, psf: PixelPsf, sources: SourceModel, noise: NoiseField, stream: Stream
) -> tuple[np.ndarray, np.ndarray]:
    """Return a painted field (C, H, W) nJy less its background, and where no source of it reaches.

    Background and detection as `learn_field` has them.
    """
    painter = SourcePainter(psf, None, 0.05 * np.median(field.rms_mesh, axis=(1, 2)))  # type: ignore
    sky: Endless[Marks] = Endless(LearnedProcess(sources, stream.child("sky"), painter.sides), painter)  # type: ignore
    height, width = field.mask.shape
    half = noise.mesh // 2
    image = sky.image(0, height, 0, width)
    # the sky's pixel (0, 0) is the middle of the first place: noise at the field's own places
    image = NoiseSky(noise, stream.child("noise"), (0, 0)).observed(image, -half, -half)
    flat = less_background(image, field.mask, field.mesh)
    _, labels, _ = sources_above(flat, field.mask)
    flat = less_background(image, field.mask | grown(labels > 0, _GROWN), field.mesh)
    weights = field.rms * field.correlated[:, None, None].astype(np.float32)
    detections = detect(flat, field.mask, weights, seeing_of(field))
    return flat, source_free(detections.labels, field.mask)
