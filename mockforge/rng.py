"""Random streams: every draw in mockforge comes from a stream that is named, never global.

A stream is a seed and a key. Equal keys give equal numbers; different keys give independent
ones. A stream keeps no state of its own: `numpy()` and `torch()` start at the same place each
time, so what a stage draws cannot depend on what another stage drew before it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from mockforge.errors import InputError

if TYPE_CHECKING:
    import torch

Key = str | int


@dataclass(frozen=True)
class Stream:
    """A place in the tree of random numbers, e.g. `Stream(seed, ("shard", 3, "detect"))`."""

    seed: int
    key: tuple[Key, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.seed, Integral) or isinstance(self.seed, bool):
            raise InputError(f"a seed is a whole number, found {self.seed!r}")

    def child(self, *key: Key) -> Stream:
        """Return the stream below this one; independent of it and of every other child."""
        return Stream(self.seed, self.key + key)

    def digest(self) -> bytes:
        """128 bits that identify the stream: BLAKE2b of the seed and the key."""
        text = repr((int(self.seed), *(k if isinstance(k, str) else int(k) for k in self.key)))
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    def numpy(self) -> np.random.Generator:
        """Return a NumPy generator (Philox, counter-based), at its start."""
        return np.random.Generator(np.random.Philox(key=int.from_bytes(self.digest(), "little")))

    def torch(self, device: torch.device | str = "cpu") -> torch.Generator:
        """Return a torch generator on `device`, at its start."""
        import torch

        generator = torch.Generator(device=device)
        generator.manual_seed(int.from_bytes(self.digest()[:8], "little") >> 1)
        return generator
