"""What a training run costs: its floating-point operations, and how well it uses its device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_FIRST = 16
"""Every step is counted up to here, so that all crop sizes have been seen."""
_EVERY = 499
"""Later, one step in so many: counting costs Python time at every operation. A prime, so that it
falls in with nothing else that happens every so many steps."""
_PEAKS = (
    ("H200", 989.0, 494.0, 67.0),
    ("H100 PCIe", 756.0, 378.0, 51.0),
    ("H100", 989.0, 494.0, 67.0),
    ("A100", 312.0, 156.0, 19.5),
    ("A40", 149.7, 74.8, 37.4),
    ("A10", 125.0, 62.5, 31.2),
    ("L40S", 362.0, 183.0, 91.6),
    ("L4", 121.0, 60.0, 30.3),
)
"""Part of the device's name, then 1e12 operations a second in bfloat16, TF32 and float32, dense
(without sparsity), from NVIDIA's data sheets of the cards."""


@dataclass
class Cost:
    """Floating-point operations of a run so far, a multiply and an add as two.

    Those of convolutions and matrix products, forward and backward, are counted; the rest
    (activations, optimiser) is small beside them. Some steps are counted; a step in between is
    taken to cost the mean of the last counts.
    """

    operations: float = 0.0
    counts: list[float] = field(default_factory=list)

    @contextmanager
    def step(self, step: int) -> Iterator[None]:
        """Add what the training step done inside costs; `step` from 0. Changes no result."""
        if step >= _FIRST and step % _EVERY and self.counts:
            yield
            self.operations += sum(self.counts) / len(self.counts)
            return
        with Operations() as counted:
            yield
        self.counts = [*self.counts, float(counted.total)][-_FIRST:]
        self.operations += self.counts[-1]

    def record(self, seconds: float, device: torch.device, processes: int, bfloat16: bool) -> dict[str, Any]:
        """Return what the model's history says of the cost; the fraction of the peak where it is known."""
        total = self.operations * processes
        record: dict[str, Any] = {"seconds": round(seconds, 1), "floating_point_operations": _rounded(total)}
        peak = peak_rate(device, bfloat16)
        if peak is not None and seconds > 0:
            record["peak_operations_per_second"] = peak * processes
            record["fraction_of_peak"] = _rounded(total / seconds / (peak * processes))
        return record


class Operations(TorchDispatchMode):
    """Counts the operations that run inside it into `total`; leaves them as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run `func` and add what it costs."""
        out = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        if packet is torch.ops.aten.convolution_backward:
            self.total += _convolution_backward(*args)
        elif packet in flop_registry:
            self.total += int(flop_registry[packet](*args, **(kwargs or {}), out_val=out))
        return out


def peak_rate(device: torch.device, bfloat16: bool) -> float | None:
    """Most operations a second of a GPU at a precision, None for a CPU or a GPU that is not listed."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    for part, *rates in _PEAKS:
        if part in name:
            precision = 0 if bfloat16 else 1 if torch.backends.cudnn.allow_tf32 else 2
            return rates[precision] * 1e12
    return None


def _convolution_backward(slope: Tensor, image: Tensor, weight: Tensor, *rest: Any) -> int:
    """Each weight meets every element of the coarser image once for each gradient that is wanted.

    torch's own formula counts a grouped convolution as if it were not grouped.
    """
    _bias, _stride, _padding, _dilation, transposed, _inset, _groups, output_mask = rest
    places = image.shape[2:] if transposed else slope.shape[2:]
    once = 2 * math.prod(weight.shape) * image.shape[0] * math.prod(places)
    return once * (bool(output_mask[0]) + bool(output_mask[1]))


def _rounded(value: float) -> float:
    """Four digits: more would feign a precision the count does not have."""
    return float(f"{value:.4g}")
