"""The redshifter as a task of the training loop: one network, pairs of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mockforge.field.picture import compared
from mockforge.field.symmetries import each_turned
from mockforge.rng import Stream
from mockforge.tasks.from_dataset import DatasetTask
from mockforge.tasks.redshifter.model import Redshifter

_SHOWN = 6


@dataclass
class RedshifterTask(DatasetTask):
    """A redshifter and pairs: input and target (N,C,H,W) in nJy, z_in and z_out (N,)."""

    model: Redshifter
    turns: bool = True
    """Whether pairs are turned and mirrored at random."""

    learned: ClassVar[str] = "redshifter"

    def losses(self, phase: str, stream: Stream) -> Mapping[str, Tensor]:
        """Named losses of one batch, drawn with replacement and turned at random."""
        rng = stream.child("rows").numpy()
        image, target, z_in, z_out = self.draw(rng)
        if self.turns:
            turns = torch.from_numpy(rng.integers(0, 8, self.batch)).to(image.device)
            image, target = each_turned(image, turns), each_turned(target, turns)
        source = stream.child("noise").torch(image.device)
        return self.network.losses(image, target, z_in, z_out, source)  # type: ignore[operator]

    def held_out_losses(self, network: nn.Module, rows: np.ndarray) -> Mapping[str, Tensor]:
        """Return the same losses of pairs held out; the same noise each time."""
        batch = self.shown.batch(rows)
        source = Stream(self.seed, ("validation", int(rows[0]))).torch(batch[0].device)
        return network.losses(*batch, source)  # type: ignore[operator]

    @torch.no_grad()
    def preview(self, averages: Mapping[str, nn.Module]) -> np.ndarray | None:
        """Return inputs, predictions and targets, a row each; a column has the stretch of its target."""
        image, target, z_in, z_out = self.shown.batch(np.arange(min(_SHOWN, len(self.shown))))
        predicted = averages[self.learned](image, z_in, z_out)
        scale = target.mean(dim=1).amax(dim=(1, 2)).clamp_min(1e-28) / 100
        rows = [x.cpu().numpy() for x in (image, predicted, target)]
        return compared(rows, scale.cpu().numpy(), self.model.bands)
