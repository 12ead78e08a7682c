"""The redshifter as a task of the training loop: one network, pairs of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mockforge.field.picture import compared
from mockforge.field.symmetries import each_turned
from mockforge.rng import Stream
from mockforge.tasks.redshifter.config import Adam
from mockforge.tasks.redshifter.model import Redshifter
from mockforge.tasks.redshifter.pairs import Pairs
from mockforge.train.dataset import validation
from mockforge.train.members import Member
from mockforge.train.task import Phase

_SHOWN = 6


@dataclass
class RedshifterTask:
    """What the loop asks of a redshifter; see `mockforge.train.task.Task`."""

    model: Redshifter
    pairs: Pairs
    held_out: Pairs | None
    """Pairs for previews and the loss on what was not trained on."""
    batch: int
    turns: bool
    adam: Adam
    seed: int = 0

    def __post_init__(self) -> None:
        self.network = self.model.network_with_weights()
        self.networks: Mapping[str, nn.Module] = {"redshifter": self.network}
        a = self.adam
        self.phases = (Phase("redshifter", "redshifter", a.rate, a.beta1, a.beta2),)
        self.averaged: tuple[str, ...] = ("redshifter",)
        self.ensemble = False

    def to(self, device: Any) -> None:
        """Move the pairs to `device`."""
        for pairs in (self.pairs, self.held_out):
            if pairs is not None:
                pairs.to(torch.device(device))

    def losses(self, phase: str, stream: Stream) -> Mapping[str, Tensor]:
        """Named losses of one batch, drawn with replacement and turned at random."""
        rng = stream.child("rows").numpy()
        image, target, z_in, z_out = self.pairs.batch(rng.integers(0, len(self.pairs), self.batch))
        if self.turns:
            turns = torch.from_numpy(rng.integers(0, 8, self.batch)).to(image.device)
            image, target = each_turned(image, turns), each_turned(target, turns)
        source = stream.child("noise").torch(image.device)
        return self.network.losses(image, target, z_in, z_out, source)  # type: ignore[operator]

    @torch.no_grad()
    def validation(self, network: nn.Module) -> dict[str, float]:
        """Mean losses over the pairs held out; the same noise each time."""
        known = self.held_out
        if known is None:
            return {}

        def losses(rows: np.ndarray) -> Mapping[str, Tensor]:
            batch = known.batch(rows)
            source = Stream(self.seed, ("validation", int(rows[0]))).torch(batch[0].device)
            return network.losses(*batch, source)  # type: ignore[operator]

        return validation(len(known), losses)

    @torch.no_grad()
    def preview(self, averages: Mapping[str, nn.Module]) -> np.ndarray | None:
        """Show inputs, predictions and targets, a row each; a column has the stretch of its target."""
        pairs = self.held_out or self.pairs
        image, target, z_in, z_out = pairs.batch(np.arange(min(_SHOWN, len(pairs))))
        made = averages["redshifter"](image, z_in, z_out)
        scale = target.mean(dim=1).amax(dim=(1, 2)).clamp_min(1e-28) / 100
        rows = [x.cpu().numpy() for x in (image, made, target)]
        return compared(rows, scale.cpu().numpy(), self.model.bands)

    def export(
        self, folder: Path, averages: Mapping[str, nn.Module], history: Mapping[str, Any],
        members: Sequence[Member] = (),
    ) -> None:  # fmt: skip
        """Write the model: NAME.safetensors, NAME.json and its card NAME.md."""
        network = averages["redshifter"]
        self.model.trained(network, {**history, **self.validation(network)}).save(folder)
