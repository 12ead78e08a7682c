"""What is known of the instrument that a lattice model's pixels were observed with."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from mockforge.config import Limit
from mockforge.train.described import NullIs, described

_Flux = Annotated[float, Limit(ge=0, le=1e15)]


@dataclass(frozen=True)
class Instrument:
    """Numbers that describe an instrument, per band; nJy and pixels.

    `noise_kernel` turns white noise of rms 1 into noise of rms 1 with the measured autocorrelation.
    `rms_map` (band, y, x) is the local sky rms over the training field relative to `rms_njy`, a number per
    mesh of `rms_mesh` pixels. `saturation_njy` is the most a pixel holds above the sky, infinite in a band
    that never saturates. The network paints observed pixels: nothing of this is applied to them.
    """

    rms_njy: tuple[_Flux, ...]
    psf_fwhm_pix: tuple[Annotated[float, Limit(ge=0, le=200)], ...]
    noise_kernel: tuple[tuple[tuple[float, ...], ...], ...]
    rms_map: tuple[tuple[tuple[Annotated[float, Limit(gt=0, le=1e6)], ...], ...], ...] = ()
    rms_mesh: Annotated[int, Limit(ge=1, le=65536)] = 128
    electrons_per_njy: tuple[_Flux, ...] = ()
    saturation_njy: tuple[Annotated[float, Limit(ge=0), NullIs(math.inf)], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON takes them."""
        most = [v if math.isfinite(v) else None for v in self.saturation_njy]  # JSON has no infinity
        return {**asdict(self), "saturation_njy": most}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Instrument:
        """Return the inverse of `to_json`; ValueError where a number is missing or beyond its limits."""
        return described(cls, found)
