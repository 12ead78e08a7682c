"""The `patch` discriminator: a logit per patch, at several scales, on an asinh of the flux."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from mockforge.sgan.config import PatchCritic


class PatchDiscriminator(nn.Module):
    """Observed flux in units of the sky rms (B, bands, s, s) -> logits of each scale's patches."""

    def __init__(self, spec: PatchCritic, bands: int) -> None:
        super().__init__()
        self.packed = spec.packed
        self.scales = spec.scales
        self.towers = nn.ModuleList(_Tower(spec, bands) for _ in spec.scales)

    def forward(self, x: Tensor) -> list[Tensor]:
        """x (B, bands, s, s) in units of the band's sky rms, B a multiple of `packed`."""
        out = []
        for scale, tower in zip(self.scales, self.towers, strict=True):
            seen = F.avg_pool2d(x, scale) * scale if scale > 1 else x  # white noise stays at rms 1
            seen = torch.asinh(seen / 2.0)
            out.append(tower(seen.reshape(seen.shape[0] // self.packed, -1, *seen.shape[2:])))
        return out


class _Tower(nn.Module):
    def __init__(self, spec: PatchCritic, bands: int) -> None:
        super().__init__()
        norm = spectral_norm if spec.spectral_norm else (lambda layer: layer)
        sizes = (bands * spec.packed, *spec.widths)
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.first = norm(nn.Conv2d(pairs[0][0], pairs[0][1], 3, padding=1))
        self.downs = nn.ModuleList(norm(nn.Conv2d(max(a, sizes[1]), b, 4, 2, 1)) for a, b in pairs)
        self.mix = norm(nn.Conv2d(sizes[-1], sizes[-1], 3, padding=1))
        self.logit = norm(nn.Conv2d(sizes[-1], 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.first(x), 0.2)
        for layer in self.downs:
            x = F.leaky_relu(layer(x), 0.2)
        return self.logit(F.leaky_relu(self.mix(x), 0.2))
