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

    Dilated convolutions on the cells give every pixel a neighbourhood of more than 256 pixels;
    their features, brought up to 8 and 4 pixels by an anti-aliased filter, meet finer lattices
    of random numbers and modulate the layers that paint sources. The last layer paints 2 x 2
    pixels at once. Nothing is padded: what is missing at the border is cut away, so that every
    pixel depends on z alone and not on where the window ends. The flux of a pixel is 2 rms sinh(y).

    The channels of z beyond the spec's own hold the random numbers of the finer lattices, folded
    into the cells, so that one lattice of cells says everything about a sky; a conditioned
    network's last channel is the density of sources (`mockforge.sgan.density`).
    """

    def __init__(self, spec: Forge, bands: int) -> None:
        super().__init__()
        self.spec = spec
        self.folded = sum(n * k * k for n, k in zip(spec.fine_channels, (2, 4), strict=True))
        self.z_channels = spec.z_channels + self.folded + int(spec.density)
        w, fine = spec.widths, spec.fine_channels
        self.first = nn.Conv2d(spec.z_channels + int(spec.density), w[0], 3)
        self.context = nn.ModuleList(nn.Conv2d(w[0], w[0], 3, dilation=d) for d in spec.dilations)
        self.to8 = nn.Conv2d(w[0] + fine[0], w[1], 3)
        self.to4 = nn.Conv2d(w[1] + fine[1], w[2], 3)
        self.details = nn.ModuleList(nn.Conv2d(w[2], w[2], 3) for _ in range(spec.detail_layers))
        self.style8 = nn.Conv2d(w[0], w[1], 1)
        self.style4 = nn.Conv2d(w[1], w[2], 1)
        self.to2 = nn.Conv2d(w[2], w[3], 3)
        self.last = nn.Conv2d(w[3], 4 * bands, 3)
        self._first_weights()

    @torch.no_grad()
    def _first_weights(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.2)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        for layer in (self.style8, self.style4):  # modulation begins as none
            layer.weight.mul_(0.1)
        for layer in (*self.context, *self.details):  # residual branches: keep the variance
            layer.weight.mul_(0.5)  # type: ignore[operator]
        nn.init.normal_(self.last.weight, std=0.02)

    @property
    def lost(self) -> int:
        """Pixels of the z lattice's area that are lost on each side."""
        cells = 1 + sum(self.spec.dilations)
        to8 = 2 * cells + 3  # doubling cuts one element, its filter another, the convolution a third
        to4 = 2 * to8 + 3 + self.spec.detail_layers
        to2 = 2 * to4 + 2  # this doubling is bilinear: no filter
        return 2 * (to2 + 1)

    @property
    def halo(self) -> int:
        """z cells needed beyond the window on each side."""
        return -(-self.lost // CELL)

    @property
    def receptive_field(self) -> int:
        """Pixels on a side that one z cell can change."""
        return 2 * self.lost + CELL

    removed = property(lambda self: self.halo, doc="Cells that forward takes off on each side.")

    def forward(self, z: Tensor) -> Tensor:
        """Paint y of whole cells; see the class."""
        return trimmed(self.paint(z), CELL * self.halo - self.lost)

    def paint(self, z: Tensor) -> Tensor:
        """Paint y of every pixel that z reaches: all but the `lost` ones on each side."""
        own, density = self.spec.z_channels, z[:, self.spec.z_channels + self.folded :]
        x = leaky(self.first(torch.cat([z[:, :own], density], dim=1)))
        for step, layer in zip(self.spec.dilations, self.context, strict=True):
            x = trimmed(x, step) + leaky(layer(x))
        cells = 1 + sum(self.spec.dilations)
        n8 = self.spec.fine_channels[0] * 4
        style, x = up(self.style8(x)), up(x)
        x = self._meet(x, z[:, own : own + n8], 2, 2 * cells + 2)
        x = leaky(self.to8(x)) * (1.0 + trimmed(style, 1))
        style, x = up(self.style4(x)), up(x)
        x = self._meet(x, z[:, own + n8 : own + self.folded], 4, 2 * (2 * cells + 3) + 2)
        x = leaky(self.to4(x)) * (1.0 + trimmed(style, 1))
        for layer in self.details:
            x = trimmed(x, 1) + leaky(layer(x))
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)[..., 1:-1, 1:-1]
        y = F.pixel_shuffle(self.last(leaky(self.to2(x))), 2).float()
        return leaky_clamp(y, self.spec.y_low, self.spec.y_high)

    @staticmethod
    def _meet(x: Tensor, folded: Tensor, scale: int, lost: int) -> Tensor:
        """Features beside the random numbers of their own lattice."""
        if not folded.shape[1]:
            return x
        noise = F.pixel_shuffle(folded, scale)
        return torch.cat([x, trimmed(noise, lost).to(x.dtype)], dim=1)


def leaky(x: Tensor) -> Tensor:
    """Return the activation of every layer."""
    return F.leaky_relu(x, 0.2)


def trimmed(x: Tensor, border: int) -> Tensor:
    """x without `border` elements on each side."""
    return x[..., border:-border, border:-border] if border else x


def up(x: Tensor) -> Tensor:
    """Twice the elements, less two on each side, by the filter 1 5 10 10 5 1.

    With bilinear interpolation alone neighbours are more alike within an element than across two,
    which prints the lattice on the sky; this filter leaves a fifth of that.
    """
    return _doubled(_doubled(x, 3), 2)


def _doubled(x: Tensor, axis: int) -> Tensor:
    """One axis of `up` (2 or 3): n elements become 2 n - 4, each of three neighbours."""
    before, here, after = (x.narrow(axis, k, x.shape[axis] - 2) for k in range(3))
    middle = 0.625 * here
    left = middle.add(before, alpha=0.3125).add_(after, alpha=0.0625)
    right = middle.add(before, alpha=0.0625).add_(after, alpha=0.3125)
    if middle.is_contiguous(memory_format=torch.channels_last):  # whole pixels are copied, and stay together
        rows = [half.permute(0, 2, 3, 1) for half in (left, right)]
        return torch.stack(rows, dim=axis).flatten(axis - 1, axis).permute(0, 3, 1, 2)
    return torch.stack([left, right], dim=axis + 1).flatten(axis, axis + 1)


def leaky_clamp(y: Tensor, low: float, high: float) -> Tensor:
    """Clamp that leaks a hundredth beyond its ends, so that no pixel loses its gradient for good."""
    held = y.clamp(low, high)
    return held + 0.01 * (y - held)
