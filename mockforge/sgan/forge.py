"""The `forge` generator: a noiseless, endless sky from a lattice of random numbers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mockforge.sgan.config import Forge

CELL = 16
"""Pixels per z cell."""


class ForgeGenerator(nn.Module):
    """z (B, z_channels, h, w) -> y (B, bands, 16 (h - 2 halo), 16 (w - 2 halo)).

    Convolutions and upsamplings use no padding: what is missing at the border is cut away, so
    every pixel depends on z alone and not on where the window ends. The flux of a pixel is
    2 rms sinh(y).

    The channels of z beyond the spec's own hold the random numbers of the finer lattices, folded
    into the cells, so that one lattice of cells says everything about a sky.
    """

    def __init__(self, spec: Forge, bands: int) -> None:
        super().__init__()
        self.spec = spec
        self.fine: dict[int, int] = dict(zip((2, 4), spec.fine_channels, strict=True))
        self.z_channels = spec.z_channels + sum(n * k * k for k, n in self.fine.items())
        w = spec.widths
        extra = (*spec.fine_channels, 0, 0)
        cells = [nn.Conv2d(spec.z_channels if i == 0 else w[0], w[0], 3) for i in range(spec.cell_layers)]
        self.cells = nn.ModuleList(cells)
        self.ups = nn.ModuleList(nn.Conv2d(a + n, b, 3) for a, b, n in zip(w[:-1], w[1:], extra, strict=True))
        self.last = nn.Conv2d(w[-1], bands, 3)
        with torch.no_grad():
            for layer in (*self.cells, *self.ups, self.last):
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight, a=0.2)
                    layer.bias.zero_()  # type: ignore[union-attr]
            nn.init.normal_(self.last.weight, std=0.02)

    @property
    def lost(self) -> int:
        """Pixels of the z lattice's area that are lost on each side."""
        lost = self.spec.cell_layers  # in cells
        for _ in self.ups:
            lost = 2 * lost + 2  # upsampling cuts one element, the convolution another
        return lost + 1

    @property
    def halo(self) -> int:
        """z cells needed beyond the window on each side."""
        return -(-self.lost // CELL)

    removed = property(lambda self: self.halo, doc="Cells that forward takes off on each side.")

    def forward(self, z: Tensor) -> Tensor:
        """Paint y; see the class."""
        x, folded = z[:, : self.spec.z_channels], z[:, self.spec.z_channels :]
        for layer in self.cells:
            x = F.leaky_relu(layer(x), 0.2)
        lost, scale = len(self.cells), 1  # elements gone on each side, elements to a cell
        for layer in self.ups:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)[..., 1:-1, 1:-1]
            lost, scale = 2 * lost + 1, 2 * scale
            n = self.fine.get(scale, 0) * scale * scale
            if n:
                noise = F.pixel_shuffle(folded[:, :n], scale)
                x = torch.cat([x, noise[..., lost:-lost, lost:-lost].to(x.dtype)], dim=1)
                folded = folded[:, n:]
            x = F.leaky_relu(layer(x), 0.2)
            lost += 1
        y = self.last(x).float()
        spare = CELL * self.halo - self.lost
        if spare:
            y = y[..., spare:-spare, spare:-spare]
        return leaky_clamp(y, self.spec.y_low, self.spec.y_high)


def leaky_clamp(y: Tensor, low: float, high: float) -> Tensor:
    """Clamp that leaks a hundredth beyond its ends, so that no pixel loses its gradient for good."""
    held = y.clamp(low, high)
    return held + 0.01 * (y - held)
