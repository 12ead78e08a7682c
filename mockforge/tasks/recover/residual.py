"""The residual U-Net: the interpolated image, and what it lacks."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mockforge.tasks.recover.config import Residual
from mockforge.tasks.recover.networks import STEEPEST, stretched, unstretched


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions on top of what comes in."""

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(wide_in, wide_out, 3, padding=1)
        self.second = _scaled(nn.Conv2d(wide_out, wide_out, 3, padding=1), 0.3)
        self.skip = nn.Conv2d(wide_in, wide_out, 1) if wide_in != wide_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, wide_in, H, W) to (N, wide_out, H, W)."""
        return self.skip(x) + self.second(F.silu(self.first(F.silu(x))))


class ResidualGenerator(nn.Module):
    """Base image to fine image; see `mockforge.tasks.recover.config.Residual` and `make.make_network`.

    The output is unit * sinh(asinh(base / unit) + change): faint pixels change by addition, bright
    ones by a factor, and flux is absolute. Before training it is the base. It can change the flux
    of a band, for the bands of the two telescopes need not be the same.
    """

    def __init__(self, spec: Residual, bands: int) -> None:
        super().__init__()
        self.spec = spec
        wide, fine = spec.widths, spec.fine_width
        self.enter = nn.Conv2d(5 * bands, wide[0], 3, padding=1)
        self.down = nn.ModuleList(_blocks(n, n, spec.blocks) for n in wide[:-1])
        self.coarser = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(wide))
        self.middle = _blocks(wide[-1], wide[-1], spec.blocks + 1)
        self.finer = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(wide))
        self.up = nn.ModuleList(_blocks(2 * n, n, spec.blocks) for n in wide[:-1])
        self.spread = nn.Conv2d(wide[0], 4 * fine, 1)
        self.mix = nn.Conv2d(fine + bands, fine, 3, padding=1)
        self.leave = _scaled(nn.Conv2d(fine, bands, 3, padding=1), 0.0)
        self.to(memory_format=torch.channels_last)

    @property
    def multiple(self) -> int:
        """Fine pixels between places where the network does exactly the same."""
        return 2 ** len(self.spec.widths)

    @property
    def reach(self) -> int:
        """Fine pixels beyond which nothing has an influence: a bound, a multiple of `multiple`."""
        levels, blocks = len(self.spec.widths), self.spec.blocks
        per_level = [2 ** (k + 1) * (2 * 2 * blocks + 1) for k in range(levels - 1)]
        most = sum(per_level) + 2**levels * (2 * (blocks + 1) + 1) + 2 + 4
        return -(-most // self.multiple) * self.multiple

    def forward(self, base: Tensor, unit: Tensor, depth: Tensor) -> Tensor:
        """Return the fine image (N,C,H,W), nJy."""
        start = stretched(base, unit)
        with torch.autocast(base.device.type, torch.bfloat16, enabled=_half(base)):
            change = self._change(start, depth).float()
        return unstretched((start + change).clamp(-STEEPEST, STEEPEST), unit)

    def _change(self, start: Tensor, depth: Tensor) -> Tensor:
        height, width = start.shape[2:]
        start = F.pad(start, (0, -width % self.multiple, 0, -height % self.multiple), mode="replicate")
        x = F.pixel_unshuffle(start, 2)
        depth = depth[:, :, None, None].expand(-1, -1, *x.shape[2:])
        x = self.enter(torch.cat([x, depth], dim=1))
        skips = []
        for blocks, coarser in zip(self.down, self.coarser, strict=True):
            x = blocks(x)
            skips.append(x)
            x = coarser(x)
        x = self.middle(x)
        for blocks, finer, beside in zip(
            reversed(self.up), reversed(self.finer), reversed(skips), strict=True
        ):
            x = F.interpolate(finer(x), scale_factor=2.0, mode="nearest")
            x = blocks(torch.cat([x, beside], dim=1))
        x = F.pixel_shuffle(self.spread(x), 2)
        x = self.mix(torch.cat([F.silu(x), start], dim=1))
        return self.leave(F.silu(x))[:, :, :height, :width]


def _half(image: Tensor) -> bool:
    return torch.is_autocast_enabled(image.device.type)


def _blocks(wide_in: int, wide_out: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(wide_in if k == 0 else wide_out, wide_out) for k in range(count)))


def _scaled(layer: nn.Conv2d, factor: float) -> nn.Conv2d:
    """Return the layer with its first weights times a factor; 0: it then starts by changing nothing."""
    with torch.no_grad():
        layer.weight.mul_(factor)
        if layer.bias is not None:
            layer.bias.mul_(factor)
    return layer
