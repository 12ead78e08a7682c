"""The conditional variational autoencoder of the original experiment (Kingma & Welling 2013)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mockforge.tasks.redshifter.config import Cvae
from mockforge.tasks.redshifter.geometry import FirstGuess, Geometry


class CvaeRedshifter(nn.Module):
    """A galaxy at z_in to the same galaxy at z_out; see `mockforge.tasks.redshifter.config.Cvae`.

    The input is in units of its brightest pixel, the output in units of the brightest pixel of
    the first guess, so that flux stays absolute; the network sees neither the first guess nor
    the flux. A prediction decodes the mean of the latent distribution.
    """

    def __init__(self, spec: Cvae, bands: int, geometry: Geometry, shape: tuple[int, int]) -> None:
        super().__init__()
        self.spec = spec
        self.guess = FirstGuess(geometry)
        wide = (bands, *spec.widths)
        layers = list(zip(wide, wide[1:], spec.strides, strict=False))
        self.encoder = nn.ModuleList(nn.Conv2d(a, b, 3, stride=s, padding=1) for a, b, s in layers)
        self.shapes = [shape]
        for s in spec.strides:
            h, w = self.shapes[-1]
            self.shapes.append(((h - 1) // s + 1, (w - 1) // s + 1))
        cells = wide[-1] * self.shapes[-1][0] * self.shapes[-1][1]
        self.describe = nn.Linear(cells, 2 * spec.latent)
        self.unfold = nn.Linear(spec.latent + 2, cells)
        self.decoder = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 3, stride=s, padding=1) for a, b, s in reversed(layers)
        )

    def forward(self, image: Tensor, z_in: Tensor, z_out: Tensor) -> Tensor:
        """Return the galaxy at `z_out`, (N,C,H,W) in the unit of `image` (N,C,H,W); z (N,)."""
        mean, _ = self.encode(image / peak(image))
        return self.decode(mean, z_in, z_out).float() * peak(self.guess(image, z_in, z_out))

    def losses(
        self, image: Tensor, target: Tensor, z_in: Tensor, z_out: Tensor, source: torch.Generator
    ) -> Mapping[str, Tensor]:
        """Squared error summed over the pixels, and the Kullback-Leibler divergence, per sample."""
        noise = torch.randn(image.shape, generator=source, device=image.device)
        mean, log_variance = self.encode(image / peak(image) + self.spec.noise * noise)
        draw = torch.randn(mean.shape, generator=source, device=image.device)
        decoded = self.decode(mean + torch.exp(0.5 * log_variance) * draw, z_in, z_out)
        scaled_target = target / peak(self.guess(image, z_in, z_out))
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return {
            "loss/squares": (decoded - scaled_target).square().sum(dim=(1, 2, 3)).mean(),
            "loss/kl": kl.mean(),
        }

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent distribution, each (N, latent)."""
        for layer in self.encoder:
            image = F.relu(layer(image))
        mean, log_variance = self.describe(image.flatten(1)).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 10)

    def decode(self, latent: Tensor, z_in: Tensor, z_out: Tensor) -> Tensor:
        """(N, latent) and redshifts (N,) to an image (N,C,H,W) in units of the first guess's peak."""
        joined = torch.cat([latent, z_in.float()[:, None], z_out.float()[:, None]], dim=1)
        x = F.relu(self.unfold(joined)).unflatten(1, (-1, *self.shapes[-1]))
        for k, (layer, shape) in enumerate(zip(self.decoder, reversed(self.shapes[:-1]), strict=True)):
            x = layer(F.relu(x) if k else x, output_size=shape)
        return x


def peak(image: Tensor) -> Tensor:
    """Return the brightest pixel of each sample in any band, (N,1,1,1)."""
    return image.amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-30)
