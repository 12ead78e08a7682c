"""First weights from a stream: layers draw theirs from torch's global generator, which stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mockforge.rng import Stream


@contextmanager
def first_weights(stream: Stream | None = None) -> Iterator[None]:
    """Networks made inside, on the CPU, have the first weights of `stream`.

    Without a stream they have any: for networks that get their weights from elsewhere.
    """
    with torch.random.fork_rng(devices=[]):
        if stream is not None:
            torch.set_rng_state(stream.torch().get_state())
        yield
