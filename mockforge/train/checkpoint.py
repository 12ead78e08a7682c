"""Checkpoints: everything a run needs to go on as if it had never stopped."""

from __future__ import annotations

import errno
import os
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mockforge.errors import InputError
from mockforge.files import appearing, stamp
from mockforge.train.cost import Cost
from mockforge.train.digest import tensors_digest

_UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, LookupError, TypeError, ValueError, AttributeError),
    *(EOFError, OSError, MemoryError, OverflowError),
)


@dataclass
class State:
    """What changes while a network is trained."""

    networks: Mapping[str, nn.Module]
    averages: Mapping[str, nn.Module]
    optimisers: Mapping[str, torch.optim.Optimizer]
    step: int = 0
    seconds: float = 0.0
    cost: Cost = field(default_factory=Cost)

    def save(self, path: Path) -> None:
        """Write a checkpoint; the file appears whole or not at all."""
        content: dict[str, Any] = {"step": self.step, "seconds": self.seconds, "cost": asdict(self.cost)}
        for group in ("networks", "averages", "optimisers"):
            content[group] = {k: v.state_dict() for k, v in getattr(self, group).items()}
        content["sha256"] = tensors_digest(content)
        try:
            with appearing(path) as part, part.open("wb") as stream:
                torch.save(content, stream)
                stream.flush()
                os.fsync(stream.fileno())
        except RuntimeError as error:  # torch's writer hides the disk's own error behind one of its own
            raise OSError(errno.EIO, str(error).splitlines()[0], str(path)) from error

    def restore(self, path: Path, device: torch.device) -> None:
        """Take the state from a checkpoint of the same networks.

        Raises InputError where the file is not such a checkpoint, or not as it was written.
        """
        stamp(path)  # no pipe or device: reading one would not end
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of pickles' own: what it reads is checked below
                content = torch.load(path, map_location=device, weights_only=True)
            digest = content.pop("sha256", None)
            if digest is not None and digest != tensors_digest(content):
                raise InputError(
                    f"{path}: is damaged (its content is not what was written, by its sha256); start again "
                    "in another --out, or put back a copy of the file"
                )
            for group in ("networks", "averages", "optimisers"):
                for name, item in getattr(self, group).items():
                    item.load_state_dict(content[group][name])
            self.step, self.seconds = int(content["step"]), float(content["seconds"])
            self.cost = Cost(**content["cost"])
        except InputError:
            raise
        except _UNREADABLE as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"{path}: not a checkpoint of this recipe's networks ({reason}); "
                "train into another --out, or with the recipe the run began with"
            ) from error
