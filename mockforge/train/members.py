"""Members: averaged weights kept on the way, so that one run ends in an ensemble.

The published SGAN kept every tenth epoch of its 200 as a model of its own (Smith & Geach 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from mockforge.errors import InputError
from mockforge.files import replace_file, stamp
from mockforge.train.config import TrainConfig
from mockforge.train.digest import tensors_digest

FOLDER = "members"
"""Where a run keeps them."""


@dataclass(frozen=True)
class Member:
    """Averaged weights of a run at a step: network -> name of the tensor -> tensor, on the CPU."""

    step: int
    weights: Mapping[str, Mapping[str, Tensor]]


def member_steps(settings: TrainConfig) -> tuple[int, ...]:
    """Return the steps after which a member is kept, equally spaced; the last is the end of the run.

    They lie in the last part of the run, after the fraction `members_from` of its steps; fewer
    than `members` where that part has fewer steps.
    """
    first, n = settings.members_from * settings.steps, settings.members
    span = settings.steps - first
    return tuple(sorted({max(1, round(first + span * (k + 1) / n)) for k in range(n)}))


def keep_member(folder: Path, step: int, averages: Mapping[str, nn.Module]) -> None:
    """Write a member into the run's folder; the file appears whole or not at all."""
    from safetensors.torch import save

    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    path = _path(folder, step)
    weights = {
        f"{name}/{key}": tensor.detach().cpu().contiguous()
        for name, network in averages.items()
        for key, tensor in network.state_dict().items()
    }
    replace_file(path, save(weights, {"sha256": tensors_digest(weights)}))


def forget_members(folder: Path, step: int) -> None:
    """Delete members of steps after `step`: what a run that goes on from there has not done yet."""
    for path in (folder / FOLDER).glob("*.safetensors"):
        if path.stem.isdecimal() and int(path.stem) > step:
            path.unlink()


def kept_members(
    folder: Path, steps: Sequence[int], averages: Mapping[str, nn.Module] | None = None
) -> list[Member]:
    """Return the members kept at some of `steps`, the earliest first.

    Raises InputError where a file is damaged or, with `averages`, of other networks than these.
    """
    shapes = (
        None
        if averages is None
        else {
            f"{name}/{key}": tuple(tensor.shape)
            for name, network in averages.items()
            for key, tensor in network.state_dict().items()
        }
    )

    out = []
    for step in steps:
        path = _path(folder, step)
        if not path.exists():  # the run was asked for other steps when it passed here
            continue
        weights: dict[str, dict[str, Tensor]] = {}
        for name, tensor in _read(path, shapes).items():
            network, key = name.split("/", 1)
            weights.setdefault(network, {})[key] = tensor
        out.append(Member(step, weights))
    return out


def _read(path: Path, wanted: Mapping[str, tuple[int, ...]] | None) -> dict[str, Tensor]:
    """Return the tensors of a member's file; InputError where it is damaged or of another network."""
    from safetensors import SafetensorError, safe_open

    stamp(path)  # no pipe or device: reading one would not end
    try:
        with safe_open(path, "pt") as stream:
            digest = (stream.metadata() or {}).get("sha256")
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, OSError, RuntimeError) as error:
        raise InputError(f"{path}: not a member of a run ({error}); delete it and resume") from error
    if digest is not None and digest != tensors_digest(tensors):
        raise InputError(f"{path}: is damaged (its content is not what was written); delete it and resume")
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if (wanted and shapes != wanted) or any("/" not in name for name in shapes):
        raise InputError(f"{path}: is a member of another network; delete it and resume")
    return tensors


def _path(folder: Path, step: int) -> Path:
    return folder / FOLDER / f"{step:07d}.safetensors"
