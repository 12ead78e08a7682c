"""Weights in half the bytes where that leaves what is painted as it is, as measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from mockforge.rng import Stream
from mockforge.sgan.lattice.ensemble import joined, of_member
from mockforge.sgan.lattice.model import LatticeModel

HARMLESS = 1e-3
"""Largest change of the flux, in units of the sky rms, that a shorter number may make."""
_MEASURED = 256
"""Side in pixels of the window on which the change is measured."""


def shortened(model: LatticeModel) -> LatticeModel:
    """Return the model with the weights of each member in float16 where that is harmless.

    Measured: the same window painted with both. Harmless is a change below `HARMLESS` of the sky
    rms in every pixel and band. `training["weights"]` says in words what was measured.
    """
    weights, changes = [], []
    for member in range(model.n_members):
        full = of_member(model.weights, member, model.n_members, model.name)
        half = {k: v.half() if v.dtype == torch.float32 else v for k, v in full.items()}
        change = _flux_change(model, member, half)
        weights.append(half if change < HARMLESS else full)
        changes.append(change)
    count, n = sum(change < HARMLESS for change in changes), len(changes)
    word = "float16" if count == n else "float32" if not count else f"{count} of {n} in float16"
    note = f"{word} (float16 changes the flux by up to {max(changes):.1g} of the sky rms)"
    return replace(model, weights=joined(weights), training={**model.training, "weights": note})


@torch.no_grad()
def _flux_change(model: LatticeModel, member: int, weights: Mapping[str, Tensor]) -> float:
    """Largest change of a pixel's flux in units of the sky rms, with other weights for a member."""
    painter = model.painter(member)
    painter.generator.eval()
    first = painter.generator.lost
    cells = painter.span(first, _MEASURED)
    source = Stream(0, ("weights", "precision")).torch()
    z = torch.randn(1, painter.generator.z_channels, cells, cells, generator=source)
    flux = painter.window(z, first, _MEASURED)
    painter.generator.load_state_dict(dict(weights))
    change = (painter.window(z, first, _MEASURED) - flux).abs().amax(dim=(0, 2, 3))
    return float((change / torch.tensor(model.instrument.rms_njy)).max())
