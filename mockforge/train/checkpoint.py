"""Checkpoints: everything a run needs to go on as if it had never stopped."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mockforge.errors import InputError


@dataclass
class State:
    """What changes while a network is trained."""

    networks: Mapping[str, nn.Module]
    averages: Mapping[str, nn.Module]
    optimisers: Mapping[str, torch.optim.Optimizer]
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write a checkpoint; the file appears whole or not at all."""
        found: dict[str, Any] = {"step": self.step, "seconds": self.seconds}
        for group in ("networks", "averages", "optimisers"):
            found[group] = {k: v.state_dict() for k, v in getattr(self, group).items()}
        part = path.with_name(path.name + ".part")
        with open(part, "wb") as stream:
            torch.save(found, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)

    def restore(self, path: Path, device: torch.device) -> None:
        """Take the state from a checkpoint of the same networks.

        Raises InputError where the file is not such a checkpoint.
        """
        try:
            found = torch.load(path, map_location=device, weights_only=True)
            for group in ("networks", "averages", "optimisers"):
                for name, item in getattr(self, group).items():
                    item.load_state_dict(found[group][name])
            self.step, self.seconds = int(found["step"]), float(found["seconds"])
        except (pickle.UnpicklingError, RuntimeError, KeyError, ValueError, EOFError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{path}: not a checkpoint of this recipe's networks ({reason}); "
                "train into another --out, or with the recipe the run began with"
            ) from error
