"""The training loop: owns device, precision, accumulation, averages, schedule, checkpoints, logs."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mockforge.errors import InputError, MockforgeError
from mockforge.rng import Stream
from mockforge.torch_state import steadily
from mockforge.train.checkpoint import State
from mockforge.train.config import TrainConfig
from mockforge.train.log import Log
from mockforge.train.members import FOLDER as MEMBERS
from mockforge.train.members import forget_members, keep_member, kept_members, member_steps
from mockforge.train.parallel import World, join
from mockforge.train.task import Phase, Task

Report = Callable[[int, Mapping[str, float]], None]
"""Called with the step and the means of its losses; once before the first step, without losses."""


class LossNotFinite(MockforgeError):
    """A loss or a gradient became NaN or infinite; the last good checkpoint is kept."""


@steadily(None)
def fit(
    task: Task,
    settings: TrainConfig,
    seed: int,
    folder: Path,
    *,
    resume: bool = False,
    report: Report | None = None,
) -> State:
    """Train `task` and export its averaged networks into `folder`.

    Writes `checkpoint.pt`, `log.csv`, `previews/`, `members/` (of an ensemble), TensorBoard
    events and what the task exports. With `resume` the run goes on from `folder/checkpoint.pt`
    with the losses it would have had without the stop. Under torchrun every process works on its
    own batches and the gradients are averaged. Returns the final state.

    Raises LossNotFinite, naming the loss, when one is not finite, and InputError when there is
    nothing to resume from, or members are asked of a network that has none.
    """
    if settings.members > 1 and not task.ensemble:
        raise InputError(f"train.members is {settings.members}: this network has no members; set it to 1")
    world, device = join(settings.device)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    task.to(device)
    state = _start(task, device, world)
    checkpoint = folder / "checkpoint.pt"
    if resume:
        if not checkpoint.exists():
            raise InputError(f"{checkpoint}: not found, nothing to resume; train without --resume")
        state.restore(checkpoint, device)
    if world.leads:
        folder.mkdir(parents=True, exist_ok=True)
        forget_members(folder, state.step)
    log = Log(folder, state.step) if world.leads else None
    try:
        run = _Run(task, settings, Stream(seed, ("train",)), state, world, device)
        _steps(run, checkpoint, log, report or (lambda step, losses: None))
        if world.leads and log is not None:
            state.save(checkpoint)
            _preview(task, state, log)
            _export(task, settings, state, folder, _history(state, settings, device, world))
    finally:
        if log is not None:
            log.close()
        world.leave()
    return state


def _start(task: Task, device: torch.device, world: World) -> State:
    networks = {name: network.to(device).train() for name, network in task.networks.items()}
    world.share(networks.values())
    averages = {name: copy.deepcopy(networks[name]).eval().requires_grad_(False) for name in task.averaged}
    optimisers: dict[str, torch.optim.Optimizer] = {
        phase.name: torch.optim.Adam(
            networks[phase.network].parameters(), lr=phase.rate, betas=(phase.beta1, phase.beta2)
        )
        for phase in task.phases
    }
    return State(networks, averages, optimisers)


@dataclass(frozen=True)
class _Run:
    """What does not change from step to step."""

    task: Task
    settings: TrainConfig
    stream: Stream
    state: State
    world: World
    device: torch.device


def _steps(run: _Run, checkpoint: Path, log: Log | None, report: Report) -> None:
    """Take the steps of a run, until their number or the minutes are reached."""
    task, settings, state = run.task, run.settings, run.state
    report(state.step, {})
    keep = member_steps(settings)[:-1]
    began, earlier_seconds = time.monotonic(), state.seconds
    saved = began
    while state.step < settings.steps:
        step = state.step
        values: dict[str, float] = {}
        with state.cost.step(step):
            for phase in task.phases:
                values |= _phase(run, phase)
        _average(state, settings.ema_decay, step)
        state.step = step + 1
        now = time.monotonic()
        state.seconds = earlier_seconds + now - began
        report(state.step, values)
        if log is not None:
            if state.step % settings.log_steps == 0 or state.step == 1:
                log.scalars(state.step, values)
            if settings.preview_steps and state.step % settings.preview_steps == 0:
                _preview(task, state, log)
            if state.step in keep:
                keep_member(checkpoint.parent, state.step, state.averages)
            if now - saved > 60.0 * settings.checkpoint_minutes:
                state.save(checkpoint)
                saved = now
        out_of_time = settings.minutes is not None and now - began > 60.0 * settings.minutes
        if settings.minutes is not None and run.world.any(out_of_time, run.device):
            break


def _export(task: Task, settings: TrainConfig, state: State, folder: Path, history: dict[str, Any]) -> None:
    earlier = [step for step in member_steps(settings) if step < state.step]
    members = kept_members(folder, earlier, state.averages)
    missing = sorted({*earlier} - {member.step for member in members})
    if missing:
        warnings.warn(
            f"{folder / MEMBERS}: nothing kept of steps {', '.join(map(str, missing))}, which the run passed "
            f"before they were requested; the model has {len(members) + 1} members",
            stacklevel=2,
        )
    task.export(folder, state.averages, history, members)


def _preview(task: Task, state: State, log: Log) -> None:
    picture = task.preview(state.averages)
    if picture is not None:
        log.picture(state.step, picture)


def _phase(run: _Run, phase: Phase) -> dict[str, float]:
    """One optimiser step of one network; the means of its losses."""
    settings, state, world, device = run.settings, run.state, run.world, run.device
    network, optimiser = state.networks[phase.network], state.optimisers[phase.name]
    for group in optimiser.param_groups:
        group["lr"] = phase.rate * settings.schedule.factor(state.step, settings.steps)
    for other in state.networks.values():
        other.requires_grad_(other is network)
    optimiser.zero_grad(set_to_none=True)
    sums: dict[str, torch.Tensor] = {}
    for part in range(settings.accumulate):
        draw = run.stream.child(state.step).child(phase.name, part * world.size + world.rank)
        with torch.autocast(device.type, torch.bfloat16, enabled=_bfloat16(settings.precision, device)):
            losses = run.task.losses(phase.name, draw)
        torch.stack(list(losses.values())).sum().div(settings.accumulate).backward()
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value.detach().float() / settings.accumulate
    world.average_gradients(network)
    norm = nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm or float("inf"))
    means = {name: float(world.mean(value)) for name, value in sums.items()}
    _guard({**means, f"gradient of {phase.network}": float(norm)}, state.step)
    optimiser.step()
    return means


def _guard(values: Mapping[str, float], step: int) -> None:
    bad = [f"{name} = {value}" for name, value in values.items() if not abs(value) < float("inf")]
    if bad:
        raise LossNotFinite(
            f"step {step}: {', '.join(bad)}; training stopped before the weights changed. "
            "The last checkpoint is good: resume it with a lower learning rate or clip_norm"
        )


def _average(state: State, decay: float, step: int) -> None:
    """Move each running average towards its network; the decay warms up with the step."""
    decay = min(decay, (1.0 + step) / (10.0 + step))
    with torch.no_grad():
        for name, average in state.averages.items():
            current = state.networks[name].state_dict()
            for key, tensor in average.state_dict().items():
                if tensor.is_floating_point():
                    tensor.lerp_(current[key].to(tensor.dtype), 1.0 - decay)
                else:
                    tensor.copy_(current[key])


def _bfloat16(precision: str, device: torch.device) -> bool:
    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bfloat16"


def _history(state: State, settings: TrainConfig, device: torch.device, world: World) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    bfloat16 = _bfloat16(settings.precision, device)
    return {
        "steps": state.step,
        "hours": round(state.seconds / 3600.0, 3),
        **state.cost.record(state.seconds, device, world.size, bfloat16),
        "device": f"{world.size} x {name}" if world.size > 1 else name,
        "precision": "bfloat16" if bfloat16 else "float32",
        "torch": torch.__version__.split("+")[0],
    }
