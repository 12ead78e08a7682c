"""Task: what a network must say of itself to be trained by the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from mockforge.rng import Stream
from mockforge.train.members import Member


@dataclass(frozen=True)
class Phase:
    """One optimiser step within a training step: whose weights move, and how fast."""

    name: str
    network: str
    rate: float
    beta1: float = 0.9
    beta2: float = 0.999


class Task(Protocol):
    """A network with its data and losses.

    Everything random comes from the stream the loop passes in, which is keyed by (seed, step,
    phase, batch): a resumed run draws what the uninterrupted run would have drawn.
    """

    networks: Mapping[str, nn.Module]
    phases: tuple[Phase, ...]
    averaged: tuple[str, ...]
    """Networks whose running average is kept and exported."""
    ensemble: bool
    """Whether averages of several steps can be exported as one model."""

    def to(self, device: Any) -> None:
        """Move everything that is not a network to `device`."""
        ...

    def losses(self, phase: str, stream: Stream) -> Mapping[str, Tensor]:
        """Named scalar losses of one batch; their sum is minimised in this phase."""
        ...

    def preview(self, averages: Mapping[str, nn.Module]) -> np.ndarray | None:
        """Return a picture of the state of training, uint8 (y, x, 3), or None."""
        ...

    def export(
        self, folder: Path, averages: Mapping[str, nn.Module], history: Mapping[str, Any],
        members: Sequence[Member] = (),
    ) -> None:  # fmt: skip
        """Write the trained weights; `history` says how they came about (steps, seconds, ...).

        `members` are the averages of earlier steps, the earliest first; none but of an `ensemble`.
        """
        ...
