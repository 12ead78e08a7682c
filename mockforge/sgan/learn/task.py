"""The SGAN as a task of the training loop: two networks that play against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mockforge.field.picture import asinh_rgb, mosaic
from mockforge.rng import Stream
from mockforge.sgan.config import AdamPair, AdversarialLoss, CropSizes
from mockforge.sgan.learn.crops import FieldCrops
from mockforge.sgan.model import SganModel
from mockforge.sgan.networks.augment import Augment
from mockforge.sgan.networks.forge import CELL
from mockforge.sgan.save import save_model
from mockforge.sgan.shorten import shortened
from mockforge.train.adversarial import critic_loss, decisions, generator_loss, gradient_penalty
from mockforge.train.members import Member
from mockforge.train.task import Phase


@dataclass
class SganTask:
    """What the loop asks of a SGAN; see `mockforge.train.task.Task`."""

    model: SganModel
    critic: nn.Module
    field: FieldCrops
    crops: CropSizes
    loss: AdversarialLoss
    adam: AdamPair
    seed: int = 0
    origin: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Where zeropoint, pixel scale, PSF, mask and variance of the field come from, in words."""

    def __post_init__(self) -> None:
        self.painter = self.model.painter()
        self.augment = Augment() if self.crops.augment == "adaptive" else None
        if self.augment is not None:  # part of the discriminator: its probability is checkpointed with it
            self.critic.add_module("augment", self.augment)
        self.networks: Mapping[str, nn.Module] = {"critic": self.critic, "generator": self.painter.generator}
        a = self.adam
        self.phases = (
            Phase("critic", "critic", a.rate_critic, a.beta1, a.beta2),
            Phase("generator", "generator", a.rate_generator, a.beta1, a.beta2),
        )
        self.averaged: tuple[str, ...] = ("generator",)
        height, width = self.field.image.shape[1:]
        self.levels = torch.from_numpy(self.model.instrument.rms_at(0, height, 0, width))
        self.ensemble = True
        self.device = torch.device("cpu")

    def to(self, device: Any) -> None:
        """Move the field and the instrument to `device`."""
        self.device = torch.device(device)
        self.painter.to(device)
        self.field.to(device)
        self.levels = self.levels.to(device)

    def losses(self, phase: str, stream: Stream) -> Mapping[str, Tensor]:
        """Named losses of one batch; one crop size a batch, drawn at random."""
        size = int(stream.child("size").numpy().choice(self.crops.sizes))
        n = self.crops.samples(size, self.critic.packed)  # type: ignore[arg-type]
        if phase == "critic":
            with torch.no_grad():
                fake, fake_condition = self.fakes(size, n, stream)
                fake = self._augmented(fake, "fake", stream)
            real, real_condition = self.reals(size, n, stream)
            real = self._augmented(real, "real", stream)
            every = self.loss.r1_every
            penalised = self.loss.r1 > 0 and bool(stream.child("r1").numpy().integers(every) == 0)
            real_logits = self.critic(real.requires_grad_(penalised), real_condition)
            fake_logits = self.critic(fake, fake_condition)
            out = {"loss/critic": critic_loss(self.loss.kind, real_logits, fake_logits)}
            if self.loss.r1 > 0:  # named in every batch, as a log has one row of names
                out["loss/r1"] = torch.zeros((), device=self.device)
            if penalised:
                out["loss/r1"] = 0.5 * self.loss.r1 * every * gradient_penalty(real, real_logits)
            if self.augment is not None:
                self.augment.follow(decisions(self.loss.kind, real_logits, fake_logits), n)
                out["augment/p"] = self.augment.p.clone()  # for the log; it moves no weight
            return out
        real_logits = None
        if self.loss.kind == "relativistic":
            with torch.no_grad():
                real, real_condition = self.reals(size, n, stream)
                real_logits = self.critic(self._augmented(real, "real", stream), real_condition)
        fake, fake_condition = self.fakes(size, n, stream)
        fake_logits = self.critic(self._augmented(fake, "fake", stream), fake_condition)
        return {"loss/generator": generator_loss(self.loss.kind, fake_logits, real_logits)}

    def _augmented(self, crops: Tensor, which: str, stream: Stream) -> Tensor:
        """Crops of class `which` as the discriminator is shown them."""
        return crops if self.augment is None else self.augment(crops, stream.child("augment", which))

    def reals(self, size: int, n: int, stream: Stream) -> tuple[Tensor, Tensor | None]:
        """Real crops as the discriminator sees them, and what it is told of them."""
        stream = stream.child("real")
        places = self.field.places(size, n, stream.child("place"))
        turns = stream.child("turn").numpy().integers(0, 8, n)
        condition = None if self.field.condition is None else self.field.conditions(size, places)
        return self._seen(self.field.draw(size, places, turns)), condition

    def fakes(self, size: int, n: int, stream: Stream) -> tuple[Tensor, Tensor | None]:
        """Return generated crops as the discriminator sees them, and what was requested of them.

        Each is given the density, and has the depth, of a place in the field of its own. They are
        not turned as the real ones are: what always lies one way in a painted sky must show.
        """
        source = stream.child("fake").torch(self.device)
        # The published network is trained as published: z of 4 for 64 pixels, zeros at the border.
        cells = self.painter.cells(size) if self.painter.clean else size // CELL
        z = torch.randn(
            n, self.painter.generator.z_channels, cells, cells, generator=source, device=self.device
        )
        condition = None
        if self.field.condition is not None:
            condition = self.field.conditions(size, self.field.places(size, n, stream.child("asked")))
            z[:, -1:] = condition[:, :, None, None]
        if self.painter.clean:
            depth = self.field.places(size, n, stream.child("depth"))
            flux = self._observe(self.painter.flux(z, size), depth, source)
        else:
            flux = self.model.scaling.to_flux(self.painter.generator(z), self.painter.optics.rms)
        return self._seen(flux), condition

    def _observe(self, truth: Tensor, depth: np.ndarray, source: torch.Generator) -> Tensor:
        n, bands, height, width = truth.shape
        r = self.model.instrument.noise_radius
        white = torch.randn(n, bands, height + 2 * r, width + 2 * r, generator=source, device=self.device)
        level = torch.stack([self.levels[:, y : y + height, x : x + width] for y, x in depth.tolist()])
        shot = None
        if self.model.instrument.electrons_per_njy:
            shot = torch.randn(truth.shape, generator=source, device=self.device)
        return self.painter.optics.observe(truth, white, shot, level)

    def _seen(self, flux: Tensor) -> Tensor:
        """Flux in units of the sky rms, or the published 0..1 scaling."""
        if self.painter.clean:
            return flux / self.painter.optics.rms
        return self.model.scaling.from_flux(flux)

    def _flux(self, seen: Tensor) -> Tensor:
        """One crop (band, y, x) as the discriminator sees it, in nJy: `_seen` undone."""
        if self.painter.clean:
            return seen * self.painter.optics.rms[0]
        return self.model.scaling.to_flux(seen[None], self.painter.optics.rms)[0]

    @torch.no_grad()
    def preview(self, averages: Mapping[str, nn.Module]) -> np.ndarray:
        """Six generated windows above six real ones, of the largest crop."""
        size, stream = max(self.crops.sizes), Stream(self.seed, ("preview",))
        live, self.painter.generator = self.painter.generator, averages["generator"]  # type: ignore[assignment]
        fake, real = self.fakes(size, 6, stream)[0], self.reals(size, 6, stream)[0]
        self.painter.generator = live
        flux = [self._flux(crop).cpu().numpy() for crop in (*fake, *real)]
        rms = np.array(self.model.instrument.rms_njy)
        pictures = [asinh_rgb(image, rms, bands=self.model.bands) for image in flux]
        return mosaic(pictures, columns=6)

    def export(
        self, folder: Path, averages: Mapping[str, nn.Module], history: Mapping[str, Any],
        members: Sequence[Member] = (),
    ) -> None:  # fmt: skip
        """Write the model: NAME.safetensors, NAME.json and its card NAME.md."""
        if self.augment is not None:
            history = {**history, "augmentation_probability": round(float(self.augment.p), 3)}
        trained = self.model.trained(averages["generator"], history, members)
        save_model(shortened(trained), folder)
