"""Painter: the published generator with its scaling, from z to observed flux in nJy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from mockforge.config import Limit
from mockforge.sgan.lattice.networks import CELL, Smith2019Generator

_Flux = Annotated[float, Limit(ge=-1e15, le=1e15)]


@dataclass(frozen=True)
class Scaling:
    """From the network's 0..1 to nJy, one entry a band: flux = low + (high - low) y."""

    low_njy: tuple[_Flux, ...]
    high_njy: tuple[_Flux, ...]

    def to_flux(self, y: Tensor) -> Tensor:
        """Network output (B, band, y, x) to nJy."""
        low, high = self._ends(y)
        return low + (high - low) * y

    def from_flux(self, flux: Tensor) -> Tensor:
        """nJy to the published scaling's 0..1, clipped at both ends."""
        low, high = self._ends(flux)
        return ((flux - low) / (high - low)).clamp(0.0, 1.0)

    def _ends(self, like: Tensor) -> tuple[Tensor, Tensor]:
        low, high = (
            torch.tensor(v, device=like.device)[None, :, None, None] for v in (self.low_njy, self.high_njy)
        )
        return low, high


class Painter:
    """Paints windows: z in, observed flux out."""

    def __init__(self, generator: Smith2019Generator, scaling: Scaling) -> None:
        self.generator = generator
        self.scaling = scaling

    def to(self, device: torch.device | str) -> None:
        """Move the network to `device`."""
        self.generator.to(device)

    def span(self, first: int, size: int) -> int:
        """z cells on a side for `window(z, first, size)`."""
        return -(-(first + size + self.generator.lost) // CELL)

    def window(self, z: Tensor, first: int, size: int) -> Tensor:
        """Paint (B, bands, size, size) in nJy of the pixels after pixel `first` of z's area.

        The generator needs `lost` pixels before `first`, and `span(first, size)` cells.
        """
        y = self.generator(z)
        end = first + size
        return self.scaling.to_flux(y[..., first:end, first:end].float())
