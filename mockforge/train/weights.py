"""A model's weights compared with its network: names, shapes, types, and that every number is finite."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from mockforge.errors import InputError
from mockforge.train.first_weights import first_weights

_MOST = 500_000_000
"""Numbers that a network may learn; those of the package have less than a hundredth of it."""
_LARGEST = 1e12
"""Absolute value of a weight, beyond which sums over a layer leave float32; trained ones stay below 1e4."""
_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def wanted_weights(make: Callable[[], nn.Module], members: int) -> dict[str, Tensor]:
    """Return what the weights of a network should be: tensors without memory, by their names in the file.

    Nothing of the network's size is allocated. ValueError where it cannot be made, or is too large.
    """
    try:
        with first_weights(), torch.device("meta"):
            state = make().state_dict()
    except (RuntimeError, ZeroDivisionError, IndexError, OverflowError, MemoryError) as error:
        raise ValueError(f"network: cannot be made ({str(error).splitlines()[0]})") from error
    count = members * sum(tensor.numel() for tensor in state.values())
    if count > _MOST:
        raise ValueError(f"network: would have {count:.3g} weights, at most {_MOST:.0e} are read")
    if members == 1:
        return dict(state)
    return {f"{k}/{name}": tensor for k in range(members) for name, tensor in state.items()}


def most_bytes(wanted: Mapping[str, Tensor]) -> int:
    """Bytes that a file of these weights may have, its header included."""
    return 1_000_000 + 1000 * len(wanted) + 8 * sum(tensor.numel() for tensor in wanted.values())


def check_weights(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], name: str) -> None:
    """InputError where the weights of the file `name` are not those of the network, or not finite."""
    again = "; the file is damaged or of another network: export the model again"
    missing, more = sorted(wanted.keys() - weights.keys()), sorted(weights.keys() - wanted.keys())
    if missing or more:
        faults = [f"lacks {_few(missing)}"] * bool(missing) + [f"has {_few(more)} beside them"] * bool(more)
        raise InputError(f"{name}: the weights do not fit its network, it {' and '.join(faults)}{again}")
    for key, tensor in weights.items():
        expected = wanted[key]
        if tensor.shape != expected.shape:
            shapes = f"{tuple(tensor.shape)}, expected {tuple(expected.shape)}"
            raise InputError(f"{name}: the weights do not fit its network, {key} is {shapes}{again}")
        floats = expected.dtype.is_floating_point
        if tensor.dtype not in (_FLOATS if floats else (expected.dtype,)):
            kind = "floating-point numbers" if floats else str(expected.dtype).removeprefix("torch.")
            dtype = str(tensor.dtype).removeprefix("torch.")
            raise InputError(f"{name}: {key} is of {dtype}, expected {kind}{again}")
        if floats and not bool(torch.isfinite(tensor).all()):
            count = int((~torch.isfinite(tensor)).sum())
            raise InputError(f"{name}: {count} of {tensor.numel()} numbers of {key} are not finite{again}")
        if floats and tensor.numel() and (most := float(tensor.abs().max())) > _LARGEST:
            raise InputError(f"{name}: {key} holds {most:.3g}, at most {_LARGEST:g} is read{again}")


def check_painted(made: Tensor, model: str) -> None:
    """InputError where what a network has painted of finite input is not finite."""
    if not bool(torch.isfinite(made).all()):
        count = int((~torch.isfinite(made)).sum())
        raise InputError(
            f"model {model}: {count} of {made.numel()} pixels that it paints are not finite; its weights are "
            "damaged or were not trained to the end: export the model again, or use another"
        )


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
