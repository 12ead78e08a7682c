"""Whether a dataset fits into the memory and on the disk of this machine, said before work starts.

What is computed here is less than what a build takes: only what it cannot do without is
refused.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from mockforge.data.shards import ShardRecord
from mockforge.errors import InputError, MockforgeError
from mockforge.memory import total_memory
from mockforge.progress import say
from mockforge.recipe.read import Recipe

_AS_MADE = frozenset({"image", "truth", "input", "target"})
"""Arrays with at least one value for each pixel that the source made, where no stage changes the grid."""

_SPLITS = 25
"""Bytes a worker needs for each sample of the dataset while the splits are drawn: a random number,
its place in their order and what sorting takes, and the split."""

_MOST_FILES = 1_000_000
"""Shards a folder may have; file systems are slow, or full of names, beyond."""


def workers_that_fit(recipe: Recipe, folder: Path, workers: int | None, quiet: int = 0) -> int:
    """How many workers make the shards: `workers`, or as many as there are CPUs and memory for.

    Raises InputError, naming what should be smaller and by how much, where the samples, a shard or
    the dataset cannot be held by this machine.
    """
    count = min(workers or _cpus(), recipe.shards)
    if recipe.shards > _MOST_FILES:
        least = -(-recipe.samples // _MOST_FILES)
        raise InputError(
            f"samples: {recipe.samples:,} in shards of {recipe.shard_size:,} are {recipe.shards:,} files, "
            f"and should be {_MOST_FILES:,} at most; set shard_size={least} or more, or fewer samples"
        )
    pixels = recipe.stages[0].stage.pixels()
    shard_bytes = pixels * 4 * min(recipe.shard_size, recipe.samples)
    splits = _SPLITS * recipe.samples
    memory = total_memory()
    if splits > 0.2 * memory:
        raise InputError(
            f"samples: drawing the splits of {recipe.samples:,} samples needs {_size(splits)} of memory in "
            f"each worker, this machine has {_size(memory)}, and a fifth of it is given to that; "
            f"set samples={int(0.2 * memory / _SPLITS)} or fewer"
        )
    if shard_bytes > 0.8 * memory:
        most = int(0.8 * memory / (4 * pixels))
        advice = f"set shard_size={most} or less" if most else "set a smaller tile or stamp"
        raise InputError(
            f"shard_size: a shard of {recipe.shard_size:,} samples of {pixels:,} pixels needs "
            f"{_size(shard_bytes)} of memory at least, this machine has {_size(memory)}; {advice}"
        )
    if count * (shard_bytes + splits) > 0.8 * memory:
        fit = max(1, int(0.8 * memory / (shard_bytes + splits)))
        need = (
            f"{count} workers need {_size(count * (shard_bytes + splits))} of memory at least, "
            "this machine has"
        )
        if workers is not None:
            raise InputError(f"workers: {need} {_size(memory)}; use {fit} or fewer")
        say(f"{folder}: {need} {_size(memory)}: {fit} at work", quiet)
        count = fit
    _check_dataset(recipe, folder, pixels)
    return count


def check_disk(folder: Path, recipe: Recipe, record: ShardRecord, done: int) -> None:
    """MockforgeError where the missing shards, if they are as large as `record`, will not fit on the disk."""
    remaining = recipe.samples - done * recipe.shard_size
    need, free = remaining * record.bytes / max(1, record.samples), free_bytes(folder)
    if remaining > 0 and need > free:
        raise MockforgeError(
            f"{folder}: the {recipe.shards - done:,} shards that are missing need about {_size(need)}, and "
            f"{_size(free)} are free there; the finished shards are kept, and the same command continues "
            "from them when there is room"
        )


def free_bytes(folder: Path) -> float:
    """Bytes free on the disk that `folder` is on or will be on; infinite where it does not say."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return float(shutil.disk_usage(folder).free)
    except OSError:
        return float("inf")


def _check_dataset(recipe: Recipe, folder: Path, pixels: int) -> None:
    """InputError where the arrays of floating numbers, which do not compress, cannot fit on the disk."""
    for entry in recipe.stages:
        pixels = entry.stage.pixels_kept(pixels)
    saved = [dtype for name, dtype in recipe.save.items() if name in _AS_MADE]
    floats = sum(np.dtype(dtype).itemsize for dtype in saved if dtype.startswith("float"))
    sample_bytes = 8 + pixels * floats  # the sample's number
    written = sum(p.stat().st_size for p in (folder / "shards").glob("*.h5") if p.is_file())
    need, free = sample_bytes * recipe.samples, free_bytes(folder) + written
    if need > free:
        fit = int(free // sample_bytes)
        raise InputError(
            f"samples: {recipe.samples:,} samples of {_size(sample_bytes)} at least are {_size(need)}, and "
            f"{_size(free)} are free on the disk of {folder}; set samples={fit} or fewer, or another --out"
        )


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _size(n: float) -> str:
    """`45 GB`: bytes in three digits."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if n < 1000 or unit == "PB":
            break
        n /= 1000
    return f"{n:,.3g} {unit}" if n < 1000 else f"{n:,.0f} {unit}"
