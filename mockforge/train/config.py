"""How long and how a network is trained, whatever the network."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from mockforge.config import Count, Fraction, Index, Limit, NonNegative, Positive, config


@config
class Schedule:
    """Learning rate over the run, as a factor on each network's own rate."""

    kind: Literal["constant", "cosine", "linear"] = "constant"
    """What happens after the warm-up."""
    warmup_steps: Index = 0
    """Steps over which the rate rises from zero."""
    floor: Fraction = 0.0
    """The factor at the last step (cosine, linear)."""

    def factor(self, step: int, steps: int) -> float:
        """Return the factor at `step` (from 0) of `steps`."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        elapsed = min(1.0, (step - self.warmup_steps) / max(1, steps - self.warmup_steps))
        if self.kind == "constant":
            return 1.0
        fall = 1.0 - elapsed if self.kind == "linear" else 0.5 * (1.0 + math.cos(math.pi * elapsed))
        return self.floor + (1.0 - self.floor) * fall


@config
class Adam:
    """Adam, for the one network."""

    rate: Positive = 1e-3
    """Learning rate."""
    beta1: Annotated[float, Limit(ge=0, lt=1)] = 0.9
    """Decay of the first moment."""
    beta2: Annotated[float, Limit(ge=0, lt=1)] = 0.99
    """Decay of the second moment."""


@config
class TrainConfig:
    """The training loop's settings."""

    steps: Annotated[int, Limit(ge=1, le=1_000_000_000)] = 20000
    """Optimiser steps of the whole run."""
    minutes: Positive | None = None
    """Stop, with a checkpoint, after this many minutes of this call; `--resume` goes on."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, ..."""
    threads: Annotated[int, Limit(ge=0, le=1024)] = 0
    """CPU threads; 0 = torch's own choice."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """bfloat16 = autocast; auto = bfloat16 on a GPU that has it, float32 elsewhere."""
    accumulate: Annotated[int, Limit(ge=1, le=65536)] = 1
    """Batches whose gradients are averaged before a step."""
    ema_decay: Fraction = 0.999
    """Decay of the running average of the weights; the average is what is exported."""
    members: Annotated[int, Limit(ge=1, le=64)] = 1
    """Averaged weights kept on the way, as members of one model; the last are those of the end."""
    members_from: Annotated[float, Limit(ge=0, lt=1)] = 0.5
    """Fraction of the steps after which members are kept, at equal distances in steps."""
    clip_norm: NonNegative = 0.0
    """Largest norm of a network's gradient; 0 = no clipping."""
    schedule: Schedule = Schedule()
    """Learning rate over the run."""
    checkpoint_minutes: Positive = 5.0
    """Minutes between checkpoints."""
    preview_steps: Index = 500
    """Steps between preview pictures; 0 = none."""
    log_steps: Count = 10
    """Steps between rows of the log."""
