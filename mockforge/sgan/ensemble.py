"""Several trained networks of one run as one model: how their weights lie in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.rng import Stream

if TYPE_CHECKING:
    from mockforge.sgan.model import SganModel

HARMLESS = 1e-3
"""Largest change of the flux, in units of the sky rms, that a shorter number may make."""
_MEASURED = 256
"""Side in pixels of the window on which the change is measured."""


def joined(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the weights of all members under names `k/name`; of a single one under `name`."""
    if len(members) == 1:
        return dict(members[0])
    return {f"{k}/{name}": tensor for k, one in enumerate(members) for name, tensor in one.items()}


def of_member(weights: Mapping[str, Tensor], member: int, count: int, name: str) -> dict[str, Tensor]:
    """Return the weights of member `member` (from 0) of the `count` in the model called `name`.

    InputError where there is no such member.
    """
    if not 0 <= member < count:
        wanted = f"0 to {count - 1}" if count > 1 else "0: it has one"
        raise InputError(f"model {name} has no member {member}; choose {wanted}")
    if count == 1:
        return dict(weights)
    prefix = f"{member}/"
    return {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}


def shortened(model: SganModel) -> tuple[dict[str, Tensor], str]:
    """Return the model's weights, of each member in float16 where that is harmless.

    And in words, what was found.

    Measured: the same window painted with both. Harmless is a change below `HARMLESS` of the sky
    rms in every pixel and band.
    """
    out, changes = [], []
    for member in range(model.n_members):
        whole = of_member(model.weights, member, model.n_members, model.name)
        half = {k: v.half() if v.dtype == torch.float32 else v for k, v in whole.items()}
        change = _flux_change(model, member, half)
        out.append(half if change < HARMLESS else whole)
        changes.append(change)
    count = sum(change < HARMLESS for change in changes)
    word = "float16" if count == len(out) else "float32" if not count else f"{count} of {len(out)} in float16"
    note = f"{word} (float16 changes the flux by up to {max(changes):.1g} of the sky rms)"
    return joined(out), note


@torch.no_grad()
def _flux_change(model: SganModel, member: int, weights: Mapping[str, Tensor]) -> float:
    """Largest change of a pixel's flux in units of the sky rms, with other weights for a member."""
    painter = model.painter(member)
    painter.generator.eval()
    cells = painter.cells(_MEASURED)
    source = Stream(0, ("weights", "precision")).torch()
    z = torch.randn(1, painter.generator.z_channels, cells, cells, generator=source)
    flux = painter.flux(z, _MEASURED)
    painter.generator.load_state_dict(dict(weights))
    return float(((painter.flux(z, _MEASURED) - flux) / painter.optics.rms).abs().max())
