"""What the JSON of a lattice SGAN says, and within which limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from torch import nn

from mockforge.config import Bands, Limit, Size
from mockforge.sgan.lattice.config import GeneratorChoice
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.lattice.networks import Smith2019Generator
from mockforge.sgan.lattice.painter import Scaling
from mockforge.train.model_file import ModelFile, check_bands, distinct, one_each

PixelScale = Annotated[float, Limit(ge=0.001, le=60)]
Fwhm = Annotated[float, Limit(gt=0, le=600)]
_UNIT_RMS = 0.01
"""By how much the rms of noise through the kernel may differ from 1."""


@dataclass(frozen=True, kw_only=True)
class LatticeFile(ModelFile):
    """A lattice SGAN: network, bands, scaling, instrument."""

    what: ClassVar[str] = "a SGAN"

    network: GeneratorChoice
    bands: Bands
    pixel_scale_arcsec: PixelScale | None
    psf_fwhm_arcsec: Annotated[tuple[Fwhm, ...], Size(1, 64)] | None
    scaling: Scaling
    instrument: Instrument
    density: None = None
    """Only of the lattice network that is gone."""
    members: Annotated[tuple[Annotated[int, Limit(ge=0)], ...], Size(0, 64)] = field(default_factory=tuple)

    def check(self) -> None:
        """ValueError where a band lacks a number, or numbers contradict each other."""
        low, high = self.scaling.low_njy, self.scaling.high_njy
        one_each(bands=self.bands, psf_fwhm_arcsec=self.psf_fwhm_arcsec, low_njy=low, high_njy=high)
        check_bands("bands", self.bands)
        distinct("members", self.members)
        if not (low and high):
            raise ValueError("scaling: smith2019 needs low_njy and high_njy, a number per band each")
        if any(b <= a for a, b in zip(low, high, strict=True)):
            raise ValueError(f"scaling: high_njy should be above low_njy, found {high} and {low}")
        _check_instrument(self.instrument, self.bands)

    @property
    def count(self) -> int:
        """Members of the ensemble, or 1."""
        return max(1, len(self.members))

    def blank(self) -> nn.Module:
        """Return the generator."""
        return Smith2019Generator(self.network.chosen, len(self.bands))


def _check_instrument(found: Instrument, bands: tuple[str, ...]) -> None:
    one_each(
        bands=bands,
        **{
            f"instrument.{name}": getattr(found, name)
            for name in ("rms_njy", "psf_fwhm_pix", "noise_kernel", "rms_map", "electrons_per_njy")
        },
        **{"instrument.saturation_njy": found.saturation_njy},
    )
    for name in ("rms_njy", "psf_fwhm_pix", "noise_kernel"):
        if not getattr(found, name):
            raise ValueError(f"instrument.{name}: one number per band is expected, found none")
    side = _square("instrument.noise_kernel", found.noise_kernel)
    if side[0] != side[1] or side[0] % 2 == 0 or side[0] > 129:
        raise ValueError(
            f"instrument.noise_kernel: should be odd squares up to 129, found {side[0]} x {side[1]}"
        )
    for band, kernel in zip(bands, found.noise_kernel, strict=True):
        rms = math.sqrt(math.fsum(v * v for row in kernel for v in row))
        if abs(rms - 1.0) > _UNIT_RMS:
            raise ValueError(f"instrument.noise_kernel: noise of rms 1 has rms {rms:.3g} after it in {band}")
    if found.rms_map:
        _square("instrument.rms_map", found.rms_map)


def _square(name: str, planes: Any) -> tuple[int, int]:
    """Rows and columns of planes that all have the same; ValueError where they have not, or none."""
    shapes = {(len(plane), len(row)) for plane in planes for row in plane} or {(0, 0)}
    if len(shapes) > 1 or len({len(plane) for plane in planes}) > 1 or 0 in next(iter(shapes)):
        raise ValueError(f"{name}: should have equal rows in every band")
    return next(iter(shapes))
