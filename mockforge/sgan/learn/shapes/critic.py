"""The critic of the adversarial stage: it sees measured features, and pixels of many enough sources."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

_BOUND = 4.0
"""Features farther from the real sources' mean, in their scatter, count as about so far."""


class FeatureCritic(nn.Module):
    """A logit from measured features, each in units of the real sources' scatter."""

    middle: Tensor
    spread: Tensor

    def __init__(self, real: Tensor, width: int = 32) -> None:
        super().__init__()
        middle = real.median(dim=0).values
        spread = (real - middle).abs().median(dim=0).values * 1.4826
        self.register_buffer("middle", middle)
        self.register_buffer("spread", torch.where(spread > 1e-6, spread, 1.0))
        features = real.shape[1]
        self.layers = nn.Sequential(
            nn.Linear(features, width), nn.SiLU(),
            nn.Linear(width, width // 2), nn.SiLU(),
            nn.Linear(width // 2, 1),
        )  # fmt: skip

    def units(self, features: Tensor) -> Tensor:
        """Return features (N, F) in the units the network sees, bounded smoothly."""
        return _BOUND * torch.tanh((features - self.middle) / (_BOUND * self.spread))

    def forward(self, units: Tensor) -> Tensor:
        """Return logits (N,) of features in the network's units."""
        return self.layers(units)[:, 0]


class PixelCritic(nn.Module):
    """A logit from cutouts (N, C, S, S) nJy: convolutions of stride 2 on asinh of pixel over noise."""

    noise: Tensor

    def __init__(self, noise_njy: tuple[float, ...], widths: tuple[int, ...] = (16, 32, 64)) -> None:
        super().__init__()
        self.register_buffer("noise", torch.tensor(noise_njy)[:, None, None])
        channels = (len(noise_njy), *widths)
        layers: list[nn.Module] = []
        for a, b in zip(channels[:-1], channels[1:], strict=True):
            layers += [spectral_norm(nn.Conv2d(a, b, 4, stride=2)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(widths[-1], 1)

    def units(self, cutouts: Tensor) -> Tensor:
        """Return what the network sees of cutouts: less their median, asinh over the noise."""
        level = cutouts.detach().flatten(2).median(dim=2).values[..., None, None]
        return torch.asinh((cutouts - level) / (2.0 * self.noise))

    def forward(self, units: Tensor) -> Tensor:
        """Return logits (N,) of cutouts in the network's units."""
        return self.last(self.layers(units).mean(dim=(2, 3)))[:, 0]


class Critics(nn.Module):
    """The critics of a run: on features, and on pixels where there is one."""

    def __init__(self, features: FeatureCritic, pixels: PixelCritic | None) -> None:
        super().__init__()
        self.features = features
        self.pixels = pixels

    def units(self, features: Tensor, cutouts: Tensor) -> list[Tensor]:
        """Return what each critic sees."""
        out = [self.features.units(features)]
        return out if self.pixels is None else [*out, self.pixels.units(cutouts)]

    def forward(self, units: list[Tensor]) -> list[Tensor]:
        """Return the logits (N,) of each critic."""
        networks = [self.features] if self.pixels is None else [self.features, self.pixels]
        return [network(u) for network, u in zip(networks, units, strict=True)]


def squared_slope(inputs: list[Tensor], logits: list[Tensor]) -> Tensor:
    """Mean squared gradient of each critic's logits in what it sees: R1 on real, R2 on painted samples.

    Mescheder et al. 2018, arXiv:1801.04406, equations 9 and 10; both together as Huang et al. 2024
    (arXiv:2501.05441). `inputs` must require a gradient.
    """
    total = torch.stack([values.sum() for values in logits]).sum()
    slopes = torch.autograd.grad(total, inputs, create_graph=True)
    return torch.stack([slope.square().flatten(1).sum(dim=1).mean() for slope in slopes]).sum()
