"""What the JSON of a learned sky, or of single galaxies, says, and within which limits."""

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


@dataclass(frozen=True)
class GalaxyNetwork:
    """Single galaxies: a population, painted by one coordinate network."""

    latent: Annotated[int, Limit(ge=0, le=256)] = 0
    """Numbers of the latent z of a galaxy's morphology; 0: smooth profiles alone."""
    width: Annotated[int, Limit(ge=0, le=4096)] = 0
    """Channels of the coordinate network."""


@dataclass(frozen=True)
class GalaxyChoice:
    """The word `galaxies` in a model's JSON."""

    galaxies: GalaxyNetwork


@dataclass(frozen=True, kw_only=True)
class ArraysFile(ModelFile):
    """A model of learned sources: its bands, and what its arrays are."""

    bands: Bands
    pixel_scale_arcsec: PixelScale | None
    arrays: Mapping[str, Annotated[tuple[Side, ...], Size(0, 8)]] = field(default_factory=dict)
    """Name -> shape of each array in the file of weights."""

    def check(self) -> None:
        """ValueError where a band is named badly, or the arrays are too many numbers."""
        check_bands("bands", self.bands)
        count = sum(int(torch.Size(shape).numel()) for shape in self.arrays.values())
        if count > _MOST:
            raise ValueError(f"arrays: have {count:.3g} numbers together, at most {_MOST:.0e} are read")

    def wanted(self) -> dict[str, Tensor]:
        """Return the arrays that the file of weights should hold."""
        return {name: torch.empty(shape, device="meta") for name, shape in self.arrays.items()}


@dataclass(frozen=True, kw_only=True)
class ForgeFile(ArraysFile):
    """A learned sky: its arrays, and what a user wants to know of its field."""

    what: ClassVar[str] = "a SGAN"

    network: ForgeChoice
    limit_mag: Annotated[tuple[Magnitude | None, ...], Size(0, 64)] = ()
    """AB magnitude to which the training field's sources were complete, a number a band, where known."""

    def check(self) -> None:
        """ValueError where a band lacks a number, or the arrays are too many numbers."""
        one_each(bands=self.bands, limit_mag=self.limit_mag)
        super().check()


@dataclass(frozen=True, kw_only=True)
class GalaxyFile(ArraysFile):
    """A model of single galaxies."""

    what: ClassVar[str] = "a model of single galaxies"

    network: GalaxyChoice
