"""Members: averaged weights kept on the way, so that one run ends in an ensemble.

The published SGAN kept every tenth epoch of its 200 as a model of its own (Smith & Geach 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from mockforge.errors import InputError
from mockforge.train.config import TrainConfig

FOLDER = "members"
"""Where a run keeps them."""


@dataclass(frozen=True)
class Member:
    """Averaged weights of a run at a step: network -> name of the tensor -> tensor, on the CPU."""

    step: int
    weights: Mapping[str, Mapping[str, Tensor]]


def member_steps(settings: TrainConfig) -> tuple[int, ...]:
    """Steps after which a member is kept, equally spaced; the last is the end of the run.

    They lie in the last part of the run, after the fraction `members_from` of its steps; fewer
    than `members` where that part has fewer steps.
    """
    first, n = settings.members_from * settings.steps, settings.members
    span = settings.steps - first
    return tuple(sorted({max(1, round(first + span * (k + 1) / n)) for k in range(n)}))


def keep_member(folder: Path, step: int, averages: Mapping[str, nn.Module]) -> None:
    """Write a member into the run's folder; the file appears whole or not at all."""
    from safetensors.torch import save_file

    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    path = _path(folder, step)
    part = path.with_name(path.name + ".part")
    save_file(
        {
            f"{name}/{key}": tensor.detach().cpu().contiguous()
            for name, network in averages.items()
            for key, tensor in network.state_dict().items()
        },
        part,
    )
    part.replace(path)


def forget_members(folder: Path, step: int) -> None:
    """Delete members of steps after `step`: what a run that goes on from there has not done yet."""
    for path in (folder / FOLDER).glob("*.safetensors"):
        if int(path.stem) > step:
            path.unlink()


def kept_members(folder: Path, steps: Sequence[int]) -> list[Member]:
    """The members kept at some of `steps`, the earliest first.

    Raises InputError where a file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    out = []
    for step in steps:
        path = _path(folder, step)
        if not path.exists():  # the run was asked for other steps when it passed here
            continue
        weights: dict[str, dict[str, Tensor]] = {}
        try:
            for name, tensor in load_file(path).items():
                network, key = name.split("/", 1)
                weights.setdefault(network, {})[key] = tensor
        except (SafetensorError, ValueError, OSError) as error:
            raise InputError(f"{path}: not a member of a run ({error}); delete it and resume") from error
        out.append(Member(step, weights))
    return out


def _path(folder: Path, step: int) -> Path:
    return folder / FOLDER / f"{step:07d}.safetensors"
