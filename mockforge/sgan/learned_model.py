"""What every model of learned sources shares: its arrays, its files, and the checks of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.sgan.card import CardFacts, model_card
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.model_file import ArraysFile
from mockforge.sgan.sources.population import Population
from mockforge.train.model_files import write_model
from mockforge.units import ZEROPOINT_NJY

MOST_BYTES = 8_000_000
"""Of a model's file of arrays."""
M = TypeVar("M")
F = TypeVar("F", bound=ArraysFile)


class LearnedModel(ABC):
    """Sources of a population in C bands, painted with a learned morphology, seen through PSF and noise."""

    kind: ClassVar[str]
    """The network's word in the model's JSON."""
    name: str
    bands: tuple[str, ...]
    psf: PixelPsf
    noise: NoiseField
    modulation: Modulation | None
    pixel_scale_arcsec: float | None
    training: Mapping[str, Any]

    @abstractmethod
    def learned(self) -> dict[str, np.ndarray]:
        """Return what was learned of the sources, by the names in the file."""

    @abstractmethod
    def card_facts(self) -> CardFacts:
        """Return what its card says of it."""

    def check(self, population: Population) -> None:
        """InputError where parts are of other bands, or of another latent."""
        counts = {"psf": self.psf.bands, "noise": self.noise.bands, "population": population.bands}
        for what, number in counts.items():
            if number != len(self.bands):
                raise InputError(f"{what}: is of {number} bands, the model has {', '.join(self.bands)}")
        if self.modulation is not None and self.modulation.latent != population.latent:
            raise InputError(
                f"modulation: takes a latent of {self.modulation.latent} numbers, the population draws "
                f"{population.latent}"
            )

    @property
    def latent(self) -> int:
        """Numbers of a source's latent z; 0: smooth profiles alone."""
        return 0 if self.modulation is None else self.modulation.latent

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that was learned, float32, by the names in the file."""
        out = {**self.psf.to_arrays(), **self.noise.to_arrays(), **self.learned()}
        if self.modulation is not None:
            out |= self.modulation.to_arrays()
        return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in out.items()}

    def to_json(self) -> dict[str, Any]:
        """Return what the model's JSON says of it, beside its name and digests."""
        width = 0 if self.modulation is None else self.modulation.width
        return {
            "network": {self.kind: {"latent": self.latent, "width": width}},
            "bands": list(self.bands),
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
            "pixel_scale_arcsec": self.pixel_scale_arcsec,
            "arrays": {name: list(values.shape) for name, values in self.arrays().items()},
            "training": dict(self.training),
        }

    def save(self, folder: Path) -> Path:
        """Write NAME.safetensors, NAME.json and the card NAME.md; returns the JSON's path.

        InputError where the arrays have more bytes than a model may.
        """
        arrays = {name: torch.from_numpy(values) for name, values in self.arrays().items()}
        size = sum(values.numel() * 4 for values in arrays.values())
        if size > MOST_BYTES:
            raise InputError(f"model {self.name}: its arrays have {size:,} bytes, at most {MOST_BYTES:,}")
        return write_model(folder, self.name, arrays, self.to_json(), model_card(self))

    def what_it_learned(self) -> str:
        """Return a line of `mockforge info`: the kind, the numbers, and how shapes are."""
        numbers = sum(values.size for values in self.arrays().values())
        shapes = f"learned morphology, latent of {self.latent}" if self.latent else "smooth profiles"
        return f"{self.kind}, {numbers:,} numbers, {shapes}"

    def sky_rms(self) -> str:
        """Return a line of `mockforge info`: the rms of empty sky in each band."""
        rms = zip(self.bands, self.noise.rms_njy, strict=True)
        return ", ".join(f"{band} {value:.4g} nJy" for band, value in rms)


def below(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return arrays by NAME.key for each key."""
    return {f"{name}.{key}": values for key, values in arrays.items()}


def made(make: Callable[[F, dict[str, np.ndarray]], M]) -> Callable[[F, dict[str, Tensor]], M]:
    """Return `make(description, arrays)` as models are opened: of tensors, and with a word where it fails."""

    def opened(found: F, weights: dict[str, Tensor]) -> M:
        try:
            return make(found, {name: tensor.float().numpy() for name, tensor in weights.items()})
        except InputError as error:
            raise InputError(
                f"model {found.name}: {error}; the file is damaged: fetch or train it again"
            ) from error

    return opened


def modulation_of(
    kind: str, latent: int, width: int, arrays: Mapping[str, np.ndarray], bands: int
) -> Modulation | None:
    """Return the network of a file, None of smooth profiles; InputError where it is not the one described."""
    if not latent:
        return None
    out = Modulation.from_arrays(arrays, bands)
    if (out.latent, out.width) != (latent, width):
        raise InputError(
            f"network.{kind}: latent {latent} and width {width} are described, the weights are of latent "
            f"{out.latent} and width {out.width}"
        )
    return out


def of(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays NAME.key by their key."""
    head = f"{name}."
    return {key.removeprefix(head): values for key, values in arrays.items() if key.startswith(head)}
