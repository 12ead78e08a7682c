"""The published SGAN as a task of the training loop: two networks that play against each other."""

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
from mockforge.sgan.lattice.config import AdamPair, AdversarialLoss, CropSizes
from mockforge.sgan.lattice.crops import FieldCrops
from mockforge.sgan.lattice.model import LatticeModel
from mockforge.sgan.lattice.networks import CELL
from mockforge.sgan.lattice.save import save_model
from mockforge.sgan.lattice.shorten import shortened
from mockforge.train.adversarial import critic_loss, generator_loss, gradient_penalty
from mockforge.train.members import Member
from mockforge.train.task import Phase


@dataclass
class LatticeTask:
    """What the loop asks of a SGAN; see `mockforge.train.task.Task`."""

    model: LatticeModel
    critic: nn.Module
    field: FieldCrops
    crops: CropSizes
    loss: AdversarialLoss
    adam: AdamPair
    seed: int = 0
    origin: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Where zeropoint, pixel scale, PSF, mask and variance of the field come from, in words."""

    def __post_init__(self) -> None:
        self.generator: nn.Module = self.model.painter().generator
        self.networks: Mapping[str, nn.Module] = {"critic": self.critic, "generator": self.generator}
        a = self.adam
        self.phases = (
            Phase("critic", "critic", a.rate_critic, a.beta1, a.beta2),
            Phase("generator", "generator", a.rate_generator, a.beta1, a.beta2),
        )
        self.averaged: tuple[str, ...] = ("generator",)
        self.ensemble = True
        self.device = torch.device("cpu")

    def to(self, device: Any) -> None:
        """Move the field to `device`."""
        self.device = torch.device(device)
        self.field.to(device)

    def losses(self, phase: str, stream: Stream) -> Mapping[str, Tensor]:
        """Named losses of one batch; one crop size a batch, drawn at random."""
        size = int(stream.child("size").numpy().choice(self.crops.sizes))
        n = self.crops.samples(size, self.critic.packed)  # type: ignore[arg-type]
        if phase == "critic":
            with torch.no_grad():
                fake = self.fakes(size, n, stream)
            real, every = self.reals(size, n, stream), self.loss.r1_every
            penalised = self.loss.r1 > 0 and bool(stream.child("r1").numpy().integers(every) == 0)
            real_logits, fake_logits = self.critic(real.requires_grad_(penalised)), self.critic(fake)
            out = {"loss/critic": critic_loss(self.loss.kind, real_logits, fake_logits)}
            if self.loss.r1 > 0:  # named in every batch, as a log has one row of names
                out["loss/r1"] = torch.zeros((), device=self.device)
            if penalised:
                out["loss/r1"] = 0.5 * self.loss.r1 * every * gradient_penalty(real, real_logits)
            return out
        real_logits = None
        if self.loss.kind == "relativistic":
            with torch.no_grad():
                real_logits = self.critic(self.reals(size, n, stream))
        fake_logits = self.critic(self.fakes(size, n, stream))
        return {"loss/generator": generator_loss(self.loss.kind, fake_logits, real_logits)}

    def reals(self, size: int, n: int, stream: Stream) -> Tensor:
        """Real crops in the published 0..1 scaling, each turned by one of the eight symmetries."""
        stream = stream.child("real")
        places = self.field.places(size, n, stream.child("place"))
        turns = stream.child("turn").numpy().integers(0, 8, n)
        return self.model.scaling.from_flux(self.field.draw(size, places, turns))

    def fakes(self, size: int, n: int, stream: Stream, generator: nn.Module | None = None) -> Tensor:
        """Return generated crops in the published scaling; `generator` is the trained one by default.

        Trained as published: z of 4 for 64 pixels, zeros at the border. They are not turned as the real
        ones are: what always lies one way in a painted sky must show.
        """
        source, cells = stream.child("fake").torch(self.device), size // CELL
        shape = (n, self.model.network.z_channels, cells, cells)
        z = torch.randn(shape, generator=source, device=self.device)
        flux = self.model.scaling.to_flux((generator or self.generator)(z))
        return self.model.scaling.from_flux(flux)

    @torch.no_grad()
    def preview(self, averages: Mapping[str, nn.Module]) -> np.ndarray:
        """Six generated windows above six real ones, of the largest crop."""
        size, stream, scaling = max(self.crops.sizes), Stream(self.seed, ("preview",)), self.model.scaling
        seen = (self.fakes(size, 6, stream, averages["generator"]), self.reals(size, 6, stream))
        flux = [crop for crops in seen for crop in scaling.to_flux(crops).cpu().numpy()]
        rms = np.array(self.model.instrument.rms_njy)
        return mosaic([asinh_rgb(image, rms, bands=self.model.bands) for image in flux], columns=6)

    def export(
        self, folder: Path, averages: Mapping[str, nn.Module], history: Mapping[str, Any],
        members: Sequence[Member] = (),
    ) -> None:  # fmt: skip
        """Write the model: NAME.safetensors, NAME.json and its card NAME.md."""
        save_model(shortened(self.model.trained(averages["generator"], history, members)), folder)
