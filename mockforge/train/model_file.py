"""What every model's JSON says; each kind of network adds its own fields in a dataclass below this one.

The fields are checked when they are read from a file, not when a model is made in memory.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from mockforge.names import name_problem
from mockforge.train.weights import wanted_weights
from mockforge.units import ZEROPOINT_NJY

Note = str | int | float | bool | tuple[str | int | float | bool | None, ...] | None
ALWAYS = ("format", "name", "unit", "zeropoint_ab", "sha256")
"""Keys that every description has."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """The fields of any model. A subclass adds `network` and what its network needs."""

    what: ClassVar[str] = "a network"
    """What a model of this kind is, in a sentence."""

    format: Literal[1]
    name: str
    unit: Literal["nJy"]
    zeropoint_ab: float
    sha256: str
    """Digest of the weights file."""
    description_sha256: str = ""
    """Digest of all other fields, so that a change of a number is not silent; empty in older files."""
    training: Mapping[str, Note] = field(default_factory=dict)

    def check_all(self) -> None:
        """ValueError where a field is not what it should be, or fields do not belong together."""
        problem = name_problem(self.name)
        if problem:
            raise ValueError(f"name: {problem}")
        if abs(self.zeropoint_ab - ZEROPOINT_NJY) > 1e-9:
            raise ValueError(
                f"zeropoint_ab: should be {ZEROPOINT_NJY:g}, that of nJy, found {self.zeropoint_ab:g}"
            )
        if not _DIGEST.fullmatch(self.sha256):
            raise ValueError(f"sha256: should be 64 hexadecimal digits, found {self.sha256[:70]!r}")
        self.check()

    def check(self) -> None:
        """ValueError where the fields do not belong together."""

    @property
    def count(self) -> int:
        """Networks whose weights the file of weights holds."""
        return 1

    def blank(self) -> nn.Module:
        """Return the network that is described, with any weights."""
        raise ValueError(f"network: {self.what} is not one that can be made")

    def wanted(self) -> dict[str, Tensor]:
        """Return what the file of weights should hold: tensors without memory, by their names.

        ValueError where the network cannot be made, or is too large.
        """
        return wanted_weights(self.blank, self.count)


def description_digest(found: Mapping[str, Any]) -> str:
    """sha256 of a description, all its fields but this one."""
    rest = {key: value for key, value in found.items() if key != "description_sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def one_each(**lists: Any) -> None:
    """ValueError where lists that belong together, one item a band, differ in length; empty ones may."""
    lengths = {name: len(values) for name, values in lists.items() if values}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {count}" for name, count in lengths.items())
        raise ValueError(f"one number per band is expected: {counts}")


def check_bands(name: str, bands: tuple[str, ...]) -> None:
    """ValueError where a band's name is there twice, or could not stand in a header or a column."""
    distinct(name, bands)
    odd = [band for band in bands if not band.isprintable() or band != band.strip() or "/" in band]
    if odd:
        raise ValueError(f"{name}: {odd[0]!r} is no name of a band: printable characters without /")


def distinct(name: str, values: tuple[Any, ...]) -> None:
    """ValueError where a value is there twice."""
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f"{name}: {twice[0]!r} is there twice")
