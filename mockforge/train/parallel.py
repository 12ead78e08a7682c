"""Data parallelism under torchrun: equal weights at the start, averaged gradients at each step."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mockforge.errors import InputError


@dataclass(frozen=True)
class World:
    """Place of this process among the processes of a run; one of one without torchrun."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes logs and checkpoints."""
        return self.rank == 0

    def share(self, networks: Iterable[nn.Module]) -> None:
        """Give every process the leader's weights."""
        if self.size > 1:
            for network in networks:
                for tensor in network.state_dict().values():
                    dist.broadcast(tensor, src=0)

    def average_gradients(self, network: nn.Module) -> None:
        """Replace every gradient by its mean over the processes."""
        grads = [p.grad for p in network.parameters() if p.grad is not None]
        if self.size > 1 and grads:
            flat = torch.cat([g.reshape(-1) for g in grads])
            dist.all_reduce(flat)
            flat /= self.size
            for grad, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
                grad.copy_(part.view_as(grad))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether `flag` is true in any process."""
        if self.size == 1:
            return flag
        vote = torch.tensor([float(flag)], device=device)
        dist.all_reduce(vote, op=dist.ReduceOp.MAX)
        return bool(vote.item())

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a detached scalar over the processes."""
        if self.size > 1:
            dist.all_reduce(value)
            value /= self.size
        return value

    def leave(self) -> None:
        """End the process group."""
        if self.size > 1:
            dist.destroy_process_group()


def total(value: Tensor) -> Tensor:
    """Return the sum of a detached tensor over the processes of the run; every process must ask for it."""
    if dist.is_available() and dist.is_initialized():
        value = value.clone()
        dist.all_reduce(value)
    return value


def leads() -> bool:
    """Whether this process is the first of those torchrun started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def usable(device: str) -> torch.device:
    """Return the device a configuration names; InputError where this machine lacks it."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {device!r}: not usable here ({reason}); use auto or cpu") from error


def join(device: str) -> tuple[World, torch.device]:
    """Join the run that torchrun started, if any, and choose this process's device."""
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    own_device = usable(device)
    if own_device == torch.device("cuda") and size > 1:
        own_device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if size > 1:
        dist.init_process_group("nccl" if own_device.type == "cuda" else "gloo")
        if own_device.type == "cuda":
            torch.cuda.set_device(own_device)
    return World(rank, size), own_device
