"""What the JSON of a learned sky says, and within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from mockforge.config import Bands, Limit, Size
from mockforge.train.model_file import ModelFile, check_bands, one_each

PixelScale = Annotated[float, Limit(ge=0.001, le=60)]
Magnitude = Annotated[float, Limit(ge=0, le=60)]
Side = Annotated[int, Limit(ge=0, le=65536)]
_MOST = 8_000_000
"""Numbers of all arrays together: a model is a small file."""


@dataclass(frozen=True)
class ForgeNetwork:
    """The learned sky: sources at places, painted by one coordinate network."""

    latent: Annotated[int, Limit(ge=0, le=256)] = 0
    """Numbers of the latent z of a source's morphology; 0: smooth profiles alone."""
    width: Annotated[int, Limit(ge=0, le=4096)] = 0
    """Channels of the coordinate network."""


@dataclass(frozen=True)
class ForgeChoice:
    """The word `forge` in a model's JSON."""

    forge: ForgeNetwork


@dataclass(frozen=True, kw_only=True)
class ForgeFile(ModelFile):
    """A learned sky: its bands, what its arrays are, and what a user wants to know of its field."""

    what: ClassVar[str] = "a SGAN"

    network: ForgeChoice
    bands: Bands
    pixel_scale_arcsec: PixelScale | None
    limit_mag: Annotated[tuple[Magnitude | None, ...], Size(0, 64)] = ()
    """AB magnitude to which the training field's sources were complete, a number a band, where known."""
    arrays: Mapping[str, Annotated[tuple[Side, ...], Size(0, 8)]] = field(default_factory=dict)
    """Name -> shape of each array in the file of weights."""

    def check(self) -> None:
        """ValueError where a band lacks a number, or the arrays are too many numbers."""
        one_each(bands=self.bands, limit_mag=self.limit_mag)
        check_bands("bands", self.bands)
        count = sum(int(torch.Size(shape).numel()) for shape in self.arrays.values())
        if count > _MOST:
            raise ValueError(f"arrays: have {count:.3g} numbers together, at most {_MOST:.0e} are read")

    def wanted(self) -> dict[str, Tensor]:
        """Return the arrays that the file of weights should hold."""
        return {name: torch.empty(shape, device="meta") for name, shape in self.arrays.items()}
