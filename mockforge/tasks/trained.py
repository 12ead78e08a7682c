"""A trained network as two files, weights (safetensors) and what they mean (JSON), with a card beside them.

A network's own class lists its fields once, by the types and limits within which they are read:

>>> @dataclass(frozen=True, kw_only=True)
... class Denoiser(Trained):
...     what: ClassVar[str] = "a denoiser"
...     network: Network
...     bands: Bands
...     def blank(self) -> nn.Module:
...         return Unet(self.network.unet, len(self.bands))
>>> Denoiser.open("runs/denoiser").network_with_weights()(image)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from torch import Tensor, nn

from mockforge.config import given_of
from mockforge.train.described import NOT_READ
from mockforge.train.first_weights import first_weights
from mockforge.train.model_file import ModelFile
from mockforge.train.model_files import (
    count_parameters,
    load,
    training_notes,
    weights_of,
    with_weights,
    write_model,
)
from mockforge.units import ZEROPOINT_NJY


@dataclass(frozen=True, kw_only=True)
class Trained(ModelFile):
    """A network's configuration, what it was trained on, and its weights.

    A subclass says the type of `network` and adds the fields that its network needs; `blank` makes the
    network of them, and `check` says which belong together.
    """

    network: Any
    """A choice of which one field is given, e.g. `Network(unet=Unet())`."""
    format: Literal[1] = 1
    unit: Literal["nJy"] = "nJy"
    zeropoint_ab: float = ZEROPOINT_NJY
    sha256: str = ""
    weights: Mapping[str, Tensor] = field(default_factory=dict, metadata=NOT_READ, repr=False)
    """Of the network, by the names of its state; empty before it was trained."""

    @classmethod
    def open(cls, name: str | Path) -> Self:
        """Open the model of a bundled name or a path, weights checked against their recorded sha256.

        Raises
        ------
        InputError
            Where a file is missing, unreadable, damaged or of another kind.
        """
        return load(name, cls, _with)

    @property
    def kind(self) -> str:
        """The word that says which network it is."""
        return given_of(self.network)[0]

    def network_with_weights(self) -> nn.Module:
        """Return the network with these weights (fresh ones where there are none), on the CPU."""
        return with_weights(self.blank, self.weights or None, self.name)

    def trained(self, network: nn.Module, history: Mapping[str, Any]) -> Self:
        """Return this model with the weights of `network` and a record of how they came about."""
        return replace(self, weights=weights_of(network), training={**self.training, **history})

    def save(self, folder: Path) -> Path:
        """Write `NAME.safetensors`, `NAME.json` and the card `NAME.md`; returns the JSON's path."""
        kind = self.kind
        own = {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name not in _OF_ANY}
        bands = {"bands": own.pop("bands")} if "bands" in own else {}
        entries = {
            "network": {kind: asdict(getattr(self.network, kind))},
            **bands,
            "unit": self.unit,
            "zeropoint_ab": self.zeropoint_ab,
            **own,
            "training": dict(self.training),
        }
        return write_model(folder, self.name, self.weights, entries, self.card())

    def describe(self) -> dict[str, str]:
        """Return what `mockforge info` prints of it."""
        with first_weights():
            n = count_parameters(self.network_with_weights())
        facts = {"model": self.name, "network": f"{self.kind}, {n:,} parameters", **self.facts()}
        return facts | training_notes(self.training) | {"sha256": self.sha256}

    def facts(self) -> dict[str, str]:
        """Return the rows of `describe` that are this network's own."""
        return {"is": self.what}

    def card(self) -> str:
        """Write the card, Markdown; everything in it is read from the model."""
        facts = {"network": self.kind, **self.facts()}
        return "\n".join([f"# {self.name}", "", *listed(facts), "", *self.training_lines(), ""])

    def training_lines(self) -> list[str]:
        """Return the part of a card that says how the weights came about."""
        return ["## Training", "", *listed(training_notes(self.training))]


_OF_ANY = {f.name for f in fields(Trained)}


def listed(facts: Mapping[str, str]) -> list[str]:
    """Facts as a list in Markdown."""
    return [f"- {key}: {value}" for key, value in facts.items()]


def of_bands(bands: tuple[str, ...], values: tuple[float, ...] | None, text: str) -> str:
    """Return a number per band in words, e.g. by `"{:.2f} arcsec"`; `not known` where there are none."""
    return (
        ", ".join(f"{b} {text.format(v)}" for b, v in zip(bands, values or (), strict=False)) or "not known"
    )


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _with(model: Trained, weights: dict[str, Tensor]) -> Any:
    return replace(model, weights=weights)
