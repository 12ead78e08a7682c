"""The published SGAN (Smith & Geach 2019, MNRAS 490, 4985): generator and discriminator."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mockforge.sgan.lattice.config import PackedCritic, Smith2019

CELL = 16
"""Pixels per z cell."""


class UnitTranspose(nn.ConvTranspose2d):
    """Transposed convolution k4 s1 that keeps the size (the odd pixel is cut at the far side)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 4, stride=1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, h, w) -> (B, channels_out, h, w)."""
        return super().forward(x)[..., :-1, :-1]


class Smith2019Generator(nn.Module):
    """z (B, 50, h, w) -> pixels in 0..1 (B, bands, 16 h, 16 w), noise and all.

    Transposed convolution k4 s2 to 256 filters, then three sets of k4 s2 and `unit_layers`
    k4 s1 with 128, 64 and 32 filters, ELU; a k3 convolution to the bands; sigmoid.
    """

    halo = 4
    """z cells beyond which zero padding no longer reaches a pixel (60 pixels, rounded up)."""
    lost = 64
    """Pixels of the z lattice's area on each side that zero padding changes: `halo` in pixels."""

    def __init__(self, spec: Smith2019, bands: int) -> None:
        super().__init__()
        self.spec = spec
        self.z_channels = spec.z_channels
        w = spec.widths
        layers: list[nn.Module] = [nn.ConvTranspose2d(spec.z_channels, w[0], 4, 2, 1), nn.ELU()]
        for wide, narrow in zip(w[:-1], w[1:], strict=True):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1), nn.ELU()]
            for _ in range(spec.unit_layers):
                layers += [UnitTranspose(narrow, narrow), nn.ELU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(w[-1], bands, 3, padding=1))

    def forward(self, z: Tensor) -> Tensor:
        """Paint observed pixels, 0..1."""
        return self.layers(z).float().sigmoid()


class PackedDiscriminator(nn.Module):
    """Packed samples (B, packed x bands, s, s) -> one logit each (B / packed, 1)."""

    def __init__(self, spec: PackedCritic, bands: int) -> None:
        super().__init__()
        self.packed = spec.packed
        sizes = (bands * spec.packed, *spec.widths)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 4, 2, 1) for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        )
        self.logit = nn.Linear(sizes[-1], 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """x (B, bands, s, s), B a multiple of `packed`; a list of one logit tensor."""
        x = x.reshape(x.shape[0] // self.packed, -1, *x.shape[2:])
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
        return [self.logit(x.mean(dim=(2, 3)))]
