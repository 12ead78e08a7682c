"""Recovering as a task of the training loop: a network, perhaps a discriminator, and degraded images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mockforge.field.picture import compared
from mockforge.field.symmetries import each_turned
from mockforge.rng import Stream
from mockforge.tasks.from_dataset import DatasetTask
from mockforge.tasks.recover.config import AdversarialAdam, Critic, RecovererLoss
from mockforge.tasks.recover.degraded import DegradedSplit, Examples, depth_of
from mockforge.tasks.recover.model import Recoverer
from mockforge.tasks.recover.networks import Dcgan, stretched
from mockforge.train.adversarial import critic_loss, generator_loss
from mockforge.train.task import Phase

_SHOWN = 6
_CELL = 8
"""Side in fine pixels of the cells whose flux is compared."""


@dataclass
class RecoverTask(DatasetTask):
    """A network that recovers, perhaps a discriminator, and degraded images."""

    model: Recoverer
    samples: DegradedSplit
    held_out: DegradedSplit | None
    adam: AdversarialAdam
    critic: Critic = Critic()  # noqa: RUF009  frozen
    loss: RecovererLoss = RecovererLoss()  # noqa: RUF009
    crop: int | None = None
    """Side in fine pixels of what is learned from at once; None: the whole stamp."""
    extra_noise: float = 0.0
    """Most noise that is added to an image, in its own rms."""

    learned: ClassVar[str] = "generator"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.judge = Dcgan(self.critic, len(self.model.scales.bands)) if self.loss.adversarial else None
        if self.judge is not None:
            a = self.adam
            self.networks = {"critic": self.judge, **self.networks}
            self.phases = (Phase("critic", "critic", a.rate_critic, a.beta1, a.beta2), *self.phases)
        if self.model.kind != "residual":
            self.crop = None

    def losses(self, phase: str, stream: Stream) -> Mapping[str, Tensor]:
        """Named losses of one batch, drawn with replacement, turned and cropped at random."""
        if phase == "critic":
            return {"loss/critic": self._judged(self.examples(stream, max(2, self.batch // 2)))}
        return self.compare(self.network, self.examples(stream, self.batch))

    def compare(self, network: nn.Module, found: Examples, judged: bool = True) -> dict[str, Tensor]:
        """Return the losses of what the network makes of some examples."""
        recovered = self.made(network, found)
        out = {
            "loss/pixels": self.loss.pixels
            * F.l1_loss(stretched(recovered, found.unit), stretched(found.truth, found.unit)),
            "loss/light": self.loss.light * light_error(recovered, found.truth),
            "loss/flux": self.loss.flux * self._flux_error(recovered, found),
        }
        if judged and self.judge is not None:
            real = None
            if self.loss.kind == "relativistic":
                with torch.no_grad():
                    real = self._verdict(found.truth, found)
            verdict = generator_loss(self.loss.kind, self._verdict(recovered, found), real)
            out["loss/adversarial"] = self.loss.adversarial * verdict
        return out

    def made(self, network: nn.Module, found: Examples) -> Tensor:
        """Return the fine images (N,C,H,W) that the network makes of some examples."""
        return network(
            found.base, found.unit, depth_of(found.unit, self.model.rms_njy, self.model.scales.step)
        )

    def examples(self, stream: Stream, count: int) -> Examples:
        """Return samples of the split, turned and mirrored, with more noise for half of them, and cropped."""
        rng = stream.child("rows").numpy()
        image, truth, rms = self.samples.batch(rng.integers(0, len(self.samples), count))
        turns = torch.from_numpy(rng.integers(0, 8, count)).to(image.device)
        image, truth = each_turned(image, turns), each_turned(truth, turns)
        if self.extra_noise:
            extra = torch.from_numpy(rng.uniform(-1, 1, count).astype(np.float32)).to(image.device)
            extra = self.extra_noise * extra.clamp_min(0)[:, None] * rms
            source = stream.child("noise").torch(image.device)
            white = torch.randn(image.shape, generator=source, device=image.device)
            image = image + extra[:, :, None, None] * white
            rms = torch.hypot(rms, extra)
        return self._cropped(self.samples.examples(image, truth, rms), rng)

    def _cropped(self, found: Examples, rng: np.random.Generator) -> Examples:
        height, width = found.truth.shape[2:]
        if self.crop is None or self.crop >= min(height, width):
            return found
        y, x = (int(rng.integers(0, n - self.crop + 1)) for n in (height, width))
        window = (slice(None), slice(None), slice(y, y + self.crop), slice(x, x + self.crop))
        return Examples(found.base[window], found.truth[window], found.unit)

    def _judged(self, found: Examples) -> Tensor:
        with torch.no_grad():
            recovered = self.made(self.network, found)
        return critic_loss(self.loss.kind, self._verdict(found.truth, found), self._verdict(recovered, found))

    def _verdict(self, image: Tensor, found: Examples) -> list[Tensor]:
        assert self.judge is not None
        return self.judge(stretched(image, found.unit), stretched(found.base, found.unit))

    def _flux_error(self, made: Tensor, found: Examples) -> Tensor:
        """Mean error of the flux of cells and of the whole, linear below its noise, relative above."""
        step = self.model.scales.step
        total = 0.0
        for size in ((_CELL, _CELL), tuple(made.shape[2:])):
            side = (size[0] * size[1]) ** 0.5
            noise = found.unit * step * side
            flux, true_flux = (F.avg_pool2d(v, size) * side**2 / noise for v in (made, found.truth))
            total = total + 0.5 * (torch.asinh(flux) - torch.asinh(true_flux)).abs().mean()
        return total

    def held_out_losses(self, network: nn.Module, rows: np.ndarray) -> Mapping[str, Tensor]:
        """Return the same losses of samples held out, without the discriminator's."""
        held_out = self.held_out or self.samples
        return self.compare(network, held_out.examples(*held_out.batch(rows)), judged=False)

    @torch.no_grad()
    def preview(self, averages: Mapping[str, nn.Module]) -> np.ndarray | None:
        """Coarse images interpolated, recovered ones and truths, a row each; the truth's stretch."""
        shown = self.held_out or self.samples
        examples = shown.examples(*shown.batch(np.arange(min(_SHOWN, len(shown)))))
        recovered = self.made(averages[self.learned], examples)
        scale = examples.truth.mean(dim=1).amax(dim=(1, 2)).clamp_min(1e-28) / 100
        rows = [x.cpu().numpy() for x in (examples.base, recovered, examples.truth)]
        return compared(rows, scale.cpu().numpy(), self.model.scales.fine_bands)


def light_error(made: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error over the truth's rms, each sample and band alike."""
    rms = truth.square().mean(dim=(2, 3), keepdim=True).sqrt().clamp_min(1e-20)
    return ((made - truth).abs() / rms).mean()
