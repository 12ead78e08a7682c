"""Making one shard: the loop over a recipe's stages, in a process of its own.

A shard is a pure function of (recipe, shard number). A worker computes with one thread, so that
sums are added in one order whatever the machine and the number of workers.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from mockforge.batch import Batch, concatenate
from mockforge.data.shards import write_shard
from mockforge.engine.lock import hold_as_worker
from mockforge.engine.stage_check import problem_of
from mockforge.errors import InputError, MockforgeError
from mockforge.files import replace_file
from mockforge.progress import warn_in_sentences
from mockforge.recipe.read import NamedStage, Recipe
from mockforge.registry import STAGES
from mockforge.rng import Stream
from mockforge.torch_state import steadily

_KINDS: dict[str, type[BaseException]] = {
    kind.__name__: kind for kind in (InputError, MockforgeError, MemoryError)
}
"""The errors that a build tells apart, the narrower first."""

_FRUITLESS = 100
"""Attempts in a row that may add no sample to a shard."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to know once."""

    recipe: Recipe
    digest: str
    folder: Path
    """The folder that gets `shards/`."""
    lock_folder: Path


_job: Job | None = None  # of this worker process; set once by `start`


def start(job: Job, alive: Connection) -> None:
    """Make this process a worker that ends as soon as its build does."""
    global _job
    _job = job
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the build decides
    _quieten_h5py()
    warn_in_sentences()
    hold_as_worker(job.lock_folder)
    threading.Thread(target=_end_with_build, args=(alive,), daemon=True).start()


def _end_with_build(alive: Connection) -> None:
    try:
        alive.recv()
    except (EOFError, OSError):
        os._exit(1)  # at once, also from within a long computation


def serve(job: Job, alive: Connection, pipe: Connection, number: int | None) -> None:
    """Live as a worker process: make a shard, answer, wait for the number of the next.

    The answer is the shard's record or what went wrong; the number None ends the process.
    """
    start(job, alive)
    while number is not None:
        try:
            answer: dict[str, Any] | Failure = work(number)
        except BaseException as error:
            answer = Failure.of(error)
        pipe.send(answer)
        number = None if isinstance(answer, Failure) else pipe.recv()


@dataclass(frozen=True)
class Failure:
    """What went wrong in a worker, in plain words that any process can read."""

    kind: str
    """One of _KINDS."""
    message: str
    where: str
    """The traceback."""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return what is told of an error: one that is neither ours nor of memory is named in the message."""
        kind = next((name for name, error_class in _KINDS.items() if isinstance(error, error_class)), "")
        message = str(error) if kind else f"{type(error).__name__}: {error}"
        where = "".join(traceback.format_exception(error))
        return cls(kind or MockforgeError.__name__, message, where)

    def error(self) -> BaseException:
        """Return the error to raise in the build, with the place where it arose as a note."""
        error = _KINDS[self.kind](self.message)
        error.add_note(f"in a worker:\n{self.where}")
        return error


def work(number: int) -> dict[str, Any]:
    """Make, write and record shard `number` of this worker's job; the record as plain values."""
    if _job is None:
        raise MockforgeError("a worker was given a shard before it was started")
    recipe = _job.recipe
    _check_files(recipe, number)
    batch = make_batch(recipe, number)
    path = _job.folder / "shards" / shard_name(number)
    try:
        about = {"recipe": recipe.text(), "recipe_digest": _job.digest, "shard": number}
        record = write_shard(path, batch, recipe.save, about).to_json()
        replace_file(path.with_suffix(".json"), to_record(record, _job.digest))
    except (OSError, RuntimeError) as error:  # h5py reports a full disk as either
        raise MockforgeError(
            f"shard {number}: cannot write {path}: {_reason(error)}; the finished shards are kept, and "
            "the same command continues from them"
        ) from error
    return record


def _check_files(recipe: Recipe, number: int) -> None:
    """MockforgeError where a file that the recipe reads is no longer the one it was planned with."""
    for entry in recipe.stages:
        for name, digest in entry.stage.fingerprint().items():
            if recipe.weights.get(name) != digest:
                raise MockforgeError(
                    f"shard {number}: {name} changed while the dataset was being built; the finished shards "
                    "are of the old one: put it back and run this again, or start again with --overwrite"
                )


def _reason(error: Exception) -> str:
    """Why a file could not be written, in the system's words where it gave a number."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error).splitlines()[0]


def _quieten_h5py() -> None:
    """Leave out what h5py prints while it drops a file on a full disk: `work` reports the cause.

    It cannot raise there, so it calls both hooks, once an object. What is raised in a worker
    goes to the build through its future, and through neither hook.
    """
    full_disk = (OSError, RuntimeError)

    def unraisable(found: sys.UnraisableHookArgs) -> None:
        if not isinstance(found.exc_value, full_disk):
            sys.__unraisablehook__(found)

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, full_disk):
            sys.__excepthook__(kind, error, trace)

    sys.unraisablehook, sys.excepthook = unraisable, uncaught


def to_record(record: Mapping[str, Any], digest: str) -> str:
    """Return the text of a finished shard's record."""
    import json

    return json.dumps({"digest": digest, **record})


def shard_name(number: int) -> str:
    """File name of a shard: `00003.h5`."""
    return f"{number:05d}.h5"


@steadily()
def make_batch(recipe: Recipe, number: int) -> Batch:
    """Return the finished samples of shard `number`, in order, without margins.

    Samples that a stage drops are drawn again until the shard is full.
    Raises MockforgeError where a hundred attempts in a row add no sample.
    """
    first = number * recipe.shard_size
    missing = np.arange(first, min(first + recipe.shard_size, recipe.samples), dtype=np.int64)
    pieces: list[Batch] = []
    attempt = fruitless = 0
    while len(missing):
        piece = _attempt(recipe, number, attempt, missing)
        if piece is None:
            fruitless += 1
        else:
            fruitless = 0
            pieces.append(piece)
            missing = np.setdiff1d(missing, piece.sample)
        if fruitless >= _FRUITLESS:
            raise MockforgeError(
                f"shard {number}: {fruitless} attempts in a row gave no sample that passed; "
                f"{len(missing)} are missing; relax what drops samples (`select`) and run this again"
            )
        attempt += 1
    return concatenate(pieces).in_order()


def _attempt(recipe: Recipe, number: int, attempt: int, sample: np.ndarray) -> Batch | None:
    numbers = _split_numbers(recipe.seed, recipe.samples, tuple(recipe.splits.items()))[sample]
    batch = Batch(
        sample=sample,
        draw=sample + attempt * recipe.samples,
        split=np.array(list(recipe.splits))[numbers],
        splits=recipe.splits,
    )
    stream = Stream(recipe.seed, ("shard", number, "attempt", attempt))
    for i, entry in enumerate(recipe.stages):
        read = [later.stage.reads() for later in recipe.stages[i + 1 :]]
        batch = replace(batch, wanted=frozenset(recipe.save).union(*read))
        batch = _run(entry, batch, stream.child(entry.name), number)
        if len(batch) == 0:
            return None
    batch = replace(batch, arrays={k: v for k, v in batch.arrays.items() if k in recipe.save}).trimmed()
    for name in recipe.save:
        array = batch.arrays.get(name)
        if array is not None and array.dtype.kind not in "biuf":
            raise MockforgeError(f"shard {number}: {name!r} should hold numbers, found {array.dtype}")
        if array is not None and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise MockforgeError(f"shard {number}: {name!r} holds NaN or infinity; nothing was written")
    return batch


def _run(entry: NamedStage, batch: Batch, stream: Stream, number: int) -> Batch:
    package = STAGES.giver(entry.kind)
    where = f"shard {number}: stage {entry.name!r}{package and ' of '}{package}"
    try:
        out = entry.stage(batch, stream)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except MockforgeError as error:
        raise MockforgeError(f"{where}: {error}") from error
    except (Exception, SystemExit) as error:
        raise MockforgeError(f"{where} failed: {type(error).__name__}: {error}") from error
    if problem := problem_of(batch, out):
        raise MockforgeError(f"{where} {problem}")
    made = {*out.arrays, *out.tables}
    absent = [n for n in entry.stage.writes() if n not in made and batch.wants(n)]
    if absent:
        raise MockforgeError(f"{where} should have made {', '.join(map(repr, sorted(absent)))} and did not")
    return out


def sample_splits(seed: int, samples: int, shares: tuple[tuple[str, float], ...]) -> np.ndarray:
    """Return (samples,) str: the split of every sample, in random order with exact shares.

    Shares are rounded by largest remainder; where there are enough samples, every split gets
    at least one.
    """
    return np.array([name for name, _ in shares])[_split_numbers(seed, samples, shares)]


@lru_cache(maxsize=4)
def _split_numbers(seed: int, samples: int, shares: tuple[tuple[str, float], ...]) -> np.ndarray:
    """Return (samples,): which of the splits every sample is in; one byte per sample where that is enough."""
    exact = np.array([share for _, share in shares], dtype=np.float64) * samples
    counts = np.floor(exact + 1e-9).astype(np.int64)
    for i in np.argsort(-(exact - counts), kind="stable")[: samples - counts.sum()]:
        counts[i] += 1
    while samples >= len(shares) and (counts == 0).any():
        counts[np.argmin(counts)] += 1
        counts[np.argmax(counts)] -= 1
    order = np.argsort(Stream(seed, ("splits",)).numpy().random(samples), kind="stable")
    out = np.empty(samples, dtype=np.min_scalar_type(len(shares)))
    at = 0
    for number, count in enumerate(counts.tolist()):
        out[order[at : at + count]] = number
        at += count
    return out
