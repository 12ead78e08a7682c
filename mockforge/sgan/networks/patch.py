"""The `patch` discriminator: a logit per patch, at several scales, on an asinh of the flux."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from mockforge.sgan.config import PatchCritic


class PatchDiscriminator(nn.Module):
    """Observed flux in units of the sky rms (B, bands, s, s) -> logits of each scale's patches.

    With `conditions` it also sees that many numbers a sample, such as the density of sources.
    """

    def __init__(self, spec: PatchCritic, bands: int, conditions: int = 0) -> None:
        super().__init__()
        self.packed = spec.packed
        self.scales = spec.scales
        self.towers = nn.ModuleList(_Tower(spec, bands, conditions) for _ in spec.scales)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> list[Tensor]:
        """x (B, bands, s, s) in units of the band's sky rms, B a multiple of `packed`; condition (B, n)."""
        out = []
        n = x.shape[0] // self.packed
        if condition is not None:
            condition = condition.reshape(n, -1)
        for scale, tower in zip(self.scales, self.towers, strict=True):
            pooled = F.avg_pool2d(x, scale) * scale if scale > 1 else x  # white noise stays at rms 1
            pooled = torch.asinh(pooled / 2.0)
            out.append(tower(pooled.reshape(n, -1, *pooled.shape[2:]), condition))
        return out


class _Tower(nn.Module):
    def __init__(self, spec: PatchCritic, bands: int, conditions: int) -> None:
        super().__init__()
        norm = spectral_norm if spec.spectral_norm else (lambda layer: layer)
        w = spec.widths
        # 2 x 2 pixels become channels first: full resolution is kept at a quarter of the cost.
        self.first = norm(nn.Conv2d((4 * bands + conditions) * spec.packed, w[0], 3, padding=1))
        self.downs = nn.ModuleList(norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in zip(w[:-1], w[1:], strict=True))
        self.mix = norm(nn.Conv2d(w[-1], w[-1], 3, padding=1))
        self.logit = norm(nn.Conv2d(w[-1], 1, 3, padding=1))

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        x = F.pixel_unshuffle(x, 2)
        if condition is not None:
            plane = condition[:, :, None, None].to(x.dtype).expand(-1, -1, *x.shape[2:])
            x = torch.cat([x, plane], dim=1)
        x = F.leaky_relu(self.first(x), 0.2)
        for layer in self.downs:
            x = F.leaky_relu(layer(x), 0.2)
        return self.logit(F.leaky_relu(self.mix(x), 0.2))
