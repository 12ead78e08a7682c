"""The stretch that both networks work in, and the discriminator that judges them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mockforge.tasks.recover.config import Critic

STEEPEST = 12.0
"""Largest stretched pixel: exp(12) / 2 times the noise."""


def stretched(flux: Tensor, unit: Tensor) -> Tensor:
    """asinh(flux / unit), (N,C,H,W) with a unit (N,C,1,1): linear below the noise, log above."""
    return torch.asinh(flux / unit)


def unstretched(values: Tensor, unit: Tensor) -> Tensor:
    """Return the flux of stretched values; the inverse of `stretched`."""
    return unit * torch.sinh(values.clamp(-STEEPEST, STEEPEST))


class Dcgan(nn.Module):
    """The discriminator: stretched fine image and stretched base, (N,2C,H,W), to logits of patches."""

    def __init__(self, spec: Critic, bands: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        wide = 2 * bands
        for k in range(spec.layers):
            layers += [nn.Conv2d(wide, spec.ndf * 2**k, 4, stride=2, padding=1)]
            wide = spec.ndf * 2**k
            if k:
                layers += [nn.GroupNorm(1, wide)]
            layers += [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(wide, 1, 3, padding=1))
        self.to(memory_format=torch.channels_last)

    def forward(self, fine: Tensor, base: Tensor) -> list[Tensor]:
        """Logits (N,1,h,w), one list element for the one scale."""
        return [self.layers(torch.cat([fine, base], dim=1))]
