"""A model of sources that evaluations are tried on: disks, through the noise that its sky is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mockforge.rng import Stream
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.noise_sky import NoiseSky
from tests.builders.painted_sky import BANDS, RMS, light

FAR = 10_000


@dataclass(frozen=True)
class PaintedModel:
    """What an evaluation asks of a model."""

    name: str = "painted"
    bands: tuple[str, ...] = BANDS
    density: float = 1.0
    noise: NoiseField = field(default_factory=lambda: NoiseField.uniform(RMS.tolist()))
    training: Mapping[str, Any] = field(default_factory=lambda: {"hours": 0.25, "device": "CPU"})
    pixel_scale_arcsec: float | None = 0.2
    clean: bool = True


class PaintedSky:
    """The sky of a PaintedModel: a window is a fresh draw for each first row, which no test cuts twice."""

    def __init__(
        self, model: PaintedModel, seed: int, device: str = "cpu", kept_tiles: int = 0, *,
        noise: NoiseField | None = None, density: float = 1.0, magnitude_limits: object = None,
    ) -> None:  # fmt: skip
        self.model, self.seed = model, seed
        self.density = density * model.density
        self._noise = NoiseSky(noise or model.noise, Stream(seed, ("painted noise",)), (0, 0))

    def pixels(self, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, np.ndarray]:
        """Observed and noiseless pixels."""
        truth = light(FAR * (self.seed + 1) + y0, y1 - y0, x1 - x0, self.density).astype(np.float32)
        return self._noise.observed(truth, y0, x0, 1), truth
