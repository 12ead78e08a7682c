"""Several trained networks of one run as one model: how their weights lie in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from mockforge.errors import InputError


def joined(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the weights of all members under names `k/name`; of a single one under `name`."""
    if len(members) == 1:
        return dict(members[0])
    return {f"{k}/{name}": tensor for k, weights in enumerate(members) for name, tensor in weights.items()}


def of_member(weights: Mapping[str, Tensor], member: int, count: int, name: str) -> dict[str, Tensor]:
    """Return the weights of member `member` (from 0) of the `count` in the model called `name`.

    InputError where there is no such member.
    """
    if not 0 <= member < count:
        choice = f"0 to {count - 1}" if count > 1 else "0: it has one"
        raise InputError(f"model {name} has no member {member}; choose {choice}")
    if count == 1:
        return dict(weights)
    prefix = f"{member}/"
    return {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
