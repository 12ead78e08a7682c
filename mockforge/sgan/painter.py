"""Painter: a generator with its scaling, from z to flux in nJy, whatever the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from mockforge.config import Limit
from mockforge.sgan.lattice.instrument import ForwardModel, Instrument
from mockforge.sgan.networks.forge import CELL
from mockforge.sgan.networks.make import Generator

_Flux = Annotated[float, Limit(ge=-1e15, le=1e15)]


@dataclass(frozen=True)
class Scaling:
    """From what a network puts out to nJy; one entry a band.

    `forge`: flux = 2 rms sinh(y). `smith2019`: flux = low + (high - low) y.
    """

    low_njy: tuple[_Flux, ...] = ()
    high_njy: tuple[_Flux, ...] = ()

    def to_flux(self, y: Tensor, rms: Tensor) -> Tensor:
        """Network output (B, band, y, x) to nJy; `rms` (1, band, 1, 1) in nJy."""
        if not self.low_njy:
            # 2 rms sinh(y), to 1e-7 of the larger of flux and rms; torch.sinh takes nine times as long.
            grown = torch.exp(y)
            return rms * (grown - grown.reciprocal())
        low, high = (
            torch.tensor(v, device=y.device)[None, :, None, None] for v in (self.low_njy, self.high_njy)
        )
        return low + (high - low) * y

    def from_flux(self, flux: Tensor) -> Tensor:
        """nJy to the published scaling's 0..1, clipped at the top."""
        low, high = (
            torch.tensor(v, device=flux.device)[None, :, None, None] for v in (self.low_njy, self.high_njy)
        )
        return ((flux - low) / (high - low)).clamp(0.0, 1.0)


class Painter:
    """Paints windows: z in, flux out, seen through the instrument where the network has one."""

    def __init__(self, generator: Generator, scaling: Scaling, instrument: Instrument) -> None:
        self.generator = generator
        self.scaling = scaling
        self.instrument = instrument
        self.clean = not scaling.low_njy
        """Whether the network paints the sky without noise."""
        self.optics: ForwardModel = instrument.tensors()
        self.reach = instrument.psf_radius if self.clean else 0
        """Pixels that the PSF takes off each side."""

    def to(self, device: torch.device | str) -> None:
        """Move network and instrument to `device`."""
        self.generator.to(device)
        self.optics = self.instrument.tensors(device)

    def cells(self, size: int) -> int:
        """z cells on a side to paint `size` pixels."""
        return -(-(size + 2 * self.reach) // CELL) + 2 * self.generator.halo

    def flux(self, z: Tensor, size: int) -> Tensor:
        """Paint (B, bands, size, size) in nJy from z of `cells(size)` on a side.

        The window begins `reach` pixels inside the cell after the halo. Noiseless and blurred
        by the PSF where the network paints the sky clean, observed pixels otherwise.
        """
        return self.window(z, CELL * self.generator.halo, size)

    def span(self, first: int, size: int) -> int:
        """z cells on a side for `window(z, first, size)`."""
        return -(-(first + size + 2 * self.reach + self.generator.lost) // CELL)

    def window(self, z: Tensor, first: int, size: int) -> Tensor:
        """Return the same as `flux` of pixels that begin anywhere: `reach` after pixel `first` of z's area.

        The generator needs `lost` pixels before `first`, and `span(first, size)` cells.
        """
        y = self.generator.paint(z)
        begin = first - (CELL * z.shape[-1] - y.shape[-1]) // 2
        end = begin + size + 2 * self.reach
        flux = self.scaling.to_flux(y[..., begin:end, begin:end].float(), self.optics.rms)
        return self.optics.blur(flux) if self.clean else flux
