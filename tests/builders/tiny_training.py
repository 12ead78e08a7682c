"""A training task small enough to follow by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch

from mockforge.train.config import TrainConfig
from mockforge.train.task import Phase

SETTINGS = TrainConfig(
    steps=12, device="cpu", precision="float32", log_steps=1, preview_steps=4, checkpoint_minutes=1e-6
)


class Line:
    """Fits y = 2 x + 1 with two competing phases' worth of machinery."""

    def __init__(self, poison: int = -1) -> None:
        net = torch.nn.Linear(1, 1)
        torch.nn.init.zeros_(net.weight)
        torch.nn.init.zeros_(net.bias)
        self.networks = {"line": net}
        self.phases = (Phase("fit", "line", rate=0.05),)
        self.averaged = ("line",)
        self.ensemble = True
        self.poison = poison

    def to(self, device):
        self.device = device

    def losses(self, phase, stream):
        x = torch.randn(64, 1, generator=stream.torch())
        error = (self.networks["line"](x) - (2 * x + 1)).pow(2).mean()
        if stream.key[1] == self.poison:
            error = error * float("nan")
        return {"loss/error": error, "loss/size": 1e-4 * self.networks["line"].weight.pow(2).sum()}

    def preview(self, averages):
        return np.zeros((8, 8, 3), dtype=np.uint8)

    def export(self, folder, averages, history, members=()):
        self.exported = {k: v.clone() for k, v in averages["line"].state_dict().items()}
        self.history, self.members = history, list(members)


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "log.csv") as stream:
        return list(csv.DictReader(stream))
