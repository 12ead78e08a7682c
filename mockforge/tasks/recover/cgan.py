"""The original's generator: the coarse stamp is encoded, and a DCGAN paints the fine one from it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from mockforge.tasks.recover.config import Cgan
from mockforge.tasks.recover.networks import stretched, unstretched

_HALVINGS = 4


class CganGenerator(nn.Module):
    """Base stamp to fine stamp; see `mockforge.tasks.recover.config.Cgan` and `make.make_network`.

    The stretched base is brought back to the coarse pixels, encoded by convolutions of stride 2
    to a sixteenth of the fine size, and painted by transposed ones. Batch normalisation, as in
    the DCGAN. The output is unstretched: flux is absolute.
    """

    def __init__(self, spec: Cgan, bands: int, shape: tuple[int, int], fine: tuple[int, int]) -> None:
        super().__init__()
        self.spec, self.shape = spec, shape
        self.seed = tuple(-(-n // 2**_HALVINGS) for n in fine)
        n = spec.ngf
        wide = (bands, n, 2 * n, 8 * n)
        self.encoder = nn.ModuleList(
            nn.Conv2d(a, b, 4 if k < 2 else 3, stride=2 if k < 2 else 1, padding=1)
            for k, (a, b) in enumerate(zip(wide, wide[1:], strict=False))
        )
        wide = (8 * n, 4 * n, 2 * n, n)
        self.decoder = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in zip(wide, wide[1:], strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in wide[1:])
        self.leave = nn.ConvTranspose2d(n, bands, 4, stride=2, padding=1)

    def forward(self, base: Tensor, unit: Tensor, depth: Tensor) -> Tensor:
        """Return the fine image (N,C,H,W), nJy."""
        height, width = base.shape[2:]
        x = F.interpolate(stretched(base, unit), size=self.shape, mode="bilinear", align_corners=False)
        for layer in self.encoder:
            x = F.leaky_relu(layer(x), 0.2)
        x = F.adaptive_avg_pool2d(x, self.seed)  # type: ignore[arg-type]
        for layer, norm in zip(self.decoder, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return unstretched(self.leave(x)[:, :, :height, :width].float(), unit)


def fits(generator: nn.Module, fine: tuple[int, int]) -> bool:
    """Whether the network takes images of this fine size."""
    return not isinstance(generator, CganGenerator) or tuple(-(-n // 2**_HALVINGS) for n in fine) == (
        generator.seed
    )
