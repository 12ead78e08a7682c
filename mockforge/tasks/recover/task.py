"""Recovering as a task of the training loop: a network, perhaps a discriminator, and degraded images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mockforge.field.picture import compared
from mockforge.field.symmetries import each_turned
from mockforge.rng import Stream
from mockforge.tasks.recover.config import Adam, Critic, Loss, Residual
from mockforge.tasks.recover.degraded import Degraded, Examples, depth_of
from mockforge.tasks.recover.model import Recoverer
from mockforge.tasks.recover.networks import Dcgan, stretched
from mockforge.train.adversarial import critic_loss, generator_loss
from mockforge.train.dataset import validation
from mockforge.train.members import Member
from mockforge.train.task import Phase

_SHOWN = 6
_CELL = 8
"""Side in fine pixels of the cells whose flux is compared."""


@dataclass
class RecoverTask:
    """What the loop asks of a network that recovers; see `mockforge.train.task.Task`."""

    model: Recoverer
    degraded: Degraded
    held_out: Degraded | None
    """Samples for previews and the loss on what was not trained on."""
    batch: int
    critic: Critic
    loss: Loss
    adam: Adam
    crop: int | None = None
    """Side in fine pixels of what is learned from at once; None: the whole stamp."""
    extra_noise: float = 0.0
    """Most noise that is added to an image, in its own rms."""
    seed: int = 0

    def __post_init__(self) -> None:
        self.network = self.model.network_with_weights()
        self.judge = Dcgan(self.critic, len(self.model.scales.bands)) if self.loss.adversarial else None
        a = self.adam
        self.networks: Mapping[str, nn.Module] = {"generator": self.network}
        self.phases = (Phase("generator", "generator", a.rate_generator, a.beta1, a.beta2),)
        if self.judge is not None:
            self.networks = {"critic": self.judge, **self.networks}
            self.phases = (Phase("critic", "critic", a.rate_critic, a.beta1, a.beta2), *self.phases)
        self.averaged: tuple[str, ...] = ("generator",)
        self.ensemble = False
        if not isinstance(self.model.network, Residual):
            self.crop = None

    def to(self, device: Any) -> None:
        """Move the samples to `device`."""
        for one in (self.degraded, self.held_out):
            if one is not None:
                one.to(torch.device(device))

    def losses(self, phase: str, stream: Stream) -> Mapping[str, Tensor]:
        """Named losses of one batch, drawn with replacement, turned and cropped at random."""
        if phase == "critic":
            return {"loss/critic": self._judged(self.draw(stream, max(2, self.batch // 2)))}
        return self.compare(self.network, self.draw(stream, self.batch))

    def compare(self, network: nn.Module, found: Examples, judged: bool = True) -> dict[str, Tensor]:
        """Return the losses of what the network makes of some examples."""
        made = self.made(network, found)
        out = {
            "loss/pixels": self.loss.pixels
            * F.l1_loss(stretched(made, found.unit), stretched(found.truth, found.unit)),
            "loss/light": self.loss.light * light_error(made, found.truth),
            "loss/flux": self.loss.flux * self._flux_error(made, found),
        }
        if judged and self.judge is not None:
            real = None
            if self.loss.kind == "relativistic":
                with torch.no_grad():
                    real = self._verdict(found.truth, found)
            verdict = generator_loss(self.loss.kind, self._verdict(made, found), real)
            out["loss/adversarial"] = self.loss.adversarial * verdict
        return out

    def made(self, network: nn.Module, found: Examples) -> Tensor:
        """Return the fine images (N,C,H,W) that the network makes of some examples."""
        return network(
            found.base, found.unit, depth_of(found.unit, self.model.rms_njy, self.model.scales.step)
        )

    def draw(self, stream: Stream, count: int) -> Examples:
        """Draw samples of the split, turned and mirrored, with more noise for half of them, and cropped."""
        rng = stream.child("rows").numpy()
        image, truth, rms = self.degraded.batch(rng.integers(0, len(self.degraded), count))
        turns = torch.from_numpy(rng.integers(0, 8, count)).to(image.device)
        image, truth = each_turned(image, turns), each_turned(truth, turns)
        if self.extra_noise:
            extra = torch.from_numpy(rng.uniform(-1, 1, count).astype(np.float32)).to(image.device)
            extra = self.extra_noise * extra.clamp_min(0)[:, None] * rms
            source = stream.child("noise").torch(image.device)
            white = torch.randn(image.shape, generator=source, device=image.device)
            image = image + extra[:, :, None, None] * white
            rms = torch.hypot(rms, extra)
        return self._cropped(self.degraded.examples(image, truth, rms), rng)

    def _cropped(self, found: Examples, rng: np.random.Generator) -> Examples:
        height, width = found.truth.shape[2:]
        if self.crop is None or self.crop >= min(height, width):
            return found
        y, x = (int(rng.integers(0, n - self.crop + 1)) for n in (height, width))
        window = (slice(None), slice(None), slice(y, y + self.crop), slice(x, x + self.crop))
        return Examples(found.base[window], found.truth[window], found.unit)

    def _judged(self, found: Examples) -> Tensor:
        with torch.no_grad():
            made = self.made(self.network, found)
        return critic_loss(self.loss.kind, self._verdict(found.truth, found), self._verdict(made, found))

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
            got, wanted = (F.avg_pool2d(v, size) * side**2 / noise for v in (made, found.truth))  # type: ignore[arg-type]
            total = total + 0.5 * (torch.asinh(got) - torch.asinh(wanted)).abs().mean()
        return total  # type: ignore[return-value]

    @torch.no_grad()
    def validation(self, network: nn.Module) -> dict[str, float]:
        """Mean losses over the samples held out, without the discriminator's."""
        known = self.held_out
        if known is None:
            return {}
        found = lambda rows: known.examples(*known.batch(rows))  # noqa: E731
        return validation(len(known), lambda rows: self.compare(network, found(rows), judged=False))

    @torch.no_grad()
    def preview(self, averages: Mapping[str, nn.Module]) -> np.ndarray | None:
        """Coarse images interpolated, recovered ones and truths, a row each; the truth's stretch."""
        shown = self.held_out or self.degraded
        found = shown.examples(*shown.batch(np.arange(min(_SHOWN, len(shown)))))
        made = self.made(averages["generator"], found)
        scale = found.truth.mean(dim=1).amax(dim=(1, 2)).clamp_min(1e-28) / 100
        rows = [x.cpu().numpy() for x in (found.base, made, found.truth)]
        return compared(rows, scale.cpu().numpy(), self.model.scales.fine_bands)

    def export(
        self, folder: Path, averages: Mapping[str, nn.Module], history: Mapping[str, Any],
        members: Sequence[Member] = (),
    ) -> None:  # fmt: skip
        """Write the model: NAME.safetensors, NAME.json and its card NAME.md."""
        network = averages["generator"]
        self.model.trained(network, {**history, **self.validation(network)}).save(folder)


def light_error(made: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error over the truth's rms, each sample and band alike."""
    rms = truth.square().mean(dim=(2, 3), keepdim=True).sqrt().clamp_min(1e-20)
    return ((made - truth).abs() / rms).mean()
