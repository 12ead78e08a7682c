"""Builds: plan -> shards -> publish. Worker processes make the shards, one shard per task.

A folder without a manifest is an unfinished build. It holds `build.json`, what is being built,
and beside each finished shard a record of it; both go when the manifest is there. Whenever a
build is stopped, the same command finishes it with the same bytes.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mockforge.data.manifest import SHARDS
from mockforge.data.shards import ShardRecord
from mockforge.data.verify import shard_fault
from mockforge.engine.changes import changes
from mockforge.engine.executors.local import made_by_workers
from mockforge.engine.folder import (
    already_finished,
    check_folder,
    prepare,
    remove_all,
    remove_others,
    remove_parts,
    tidy,
)
from mockforge.engine.limits import check_disk, workers_that_fit
from mockforge.engine.lock import only_build
from mockforge.engine.publish import publish
from mockforge.engine.repair import verify
from mockforge.engine.worker import Job, shard_name
from mockforge.errors import InputError, MockforgeError
from mockforge.files import from_home, origins_of
from mockforge.progress import Progress, say
from mockforge.recipe.overrides import Overrides
from mockforge.recipe.read import Recipe, load

__all__ = ["build", "changes", "verify"]


def build(
    recipe: str | Path,
    out: str | Path | None = None,
    overrides: Overrides = (),
    workers: int | None = None,
    *,
    overwrite: bool = False,
    quiet: int = 0,
) -> Path:
    """Build the dataset of a recipe, or finish one that was stopped.

    The bytes of every shard depend on the recipe alone.

    Parameters
    ----------
    recipe
        A YAML file or the name of a bundled recipe.
    out
        The dataset's folder; default `datasets/<name>`.
    overrides
        `["samples=64"]` or `{"samples": 64}`; keys with dots.
    workers
        Processes at work at once; default one per CPU.
    overwrite
        Replace a dataset of another recipe.
    quiet
        1 shows no progress.

    Returns
    -------
    Path
        The dataset's folder.

    Raises
    ------
    InputError
        A faulty recipe (nothing is written then), a folder with other files or with shards of another
        recipe.
    MockforgeError
        The work fails.
    """
    build_recipe = load(recipe, overrides)
    if workers is not None and workers < 1:
        raise InputError(f"workers should be 1 or more, found {workers}")
    folder = Path("datasets", build_recipe.name) if out is None else from_home(out)
    with _explained(folder):
        check_folder(folder)
        if not overwrite and already_finished(folder, build_recipe):
            say(f"{folder}: already finished: this recipe built it", quiet)
            return folder
        count = workers_that_fit(build_recipe, folder, workers, quiet)
        folder.mkdir(parents=True, exist_ok=True)
        with only_build(folder):
            if prepare(folder, build_recipe, overwrite):
                _build(folder, build_recipe, count, quiet)
            else:
                say(f"{folder}: already finished: this recipe built it", quiet)
    return folder


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Leave nothing of a new folder behind where the input is at fault, and say why one cannot be written."""
    new = False
    try:
        new = not folder.exists()
        yield
    except InputError:  # in what a stage reads, such as an image
        if new and folder.is_dir() and not any(folder.glob("shards/*.json")):
            remove_all(folder)
        raise
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"{folder}: {error.strerror}; choose a shorter --out") from error
        raise MockforgeError(f"{folder}: cannot be written: {error.strerror or error}") from error


def _build(folder: Path, recipe: Recipe, workers: int, quiet: int) -> None:
    (folder / SHARDS).mkdir(exist_ok=True)
    remove_parts(folder)
    finished = _finished_shards(folder, recipe)
    missing = (k for k in range(recipe.shards) if k not in finished)
    if finished:
        say(f"{folder}: {len(finished)} of {recipe.shards} shards are there and right", quiet)
    if missing:
        _say_origins(recipe, quiet)
    job = Job(recipe, recipe.digest(), folder, folder)
    try:
        with (  # workers first: the bar has a thread of its own, and a process with one can be copied
            made_by_workers(job, missing, workers) as shards,
            Progress(recipe.samples, recipe.name, "samples", quiet) as progress,
        ):
            progress.start_at(sum(record.samples for record in finished.values()))
            for number, record in shards:
                finished[number] = record
                progress.advance(record.samples)
                check_disk(folder, recipe, record, len(finished))
    except KeyboardInterrupt:
        done = len(list((folder / SHARDS).glob("*.json")))
        raise KeyboardInterrupt(
            f"interrupted: {done} of {recipe.shards} shards are finished in {folder}; "
            "the same command continues from there"
        ) from None
    remove_others(folder, recipe)
    publish(folder, recipe, [finished[k] for k in range(recipe.shards)], quiet)
    tidy(folder)


def _say_origins(recipe: Recipe, quiet: int) -> None:
    """Print a line on each fact that a stage takes from the user's headers, and on PSFs moved."""
    for entry in recipe.stages:
        for fact, text in origins_of(entry.stage).items():
            say(f"{entry.name}: {fact}: {text}", quiet)


def _finished_shards(folder: Path, recipe: Recipe) -> dict[int, ShardRecord]:
    """Return the shards of an earlier run of this build whose bytes are still the recorded ones."""
    digest, finished = recipe.digest(), {}
    for path in (folder / SHARDS).glob("*.json"):
        if not path.stem.isdecimal() or (number := int(path.stem)) >= recipe.shards:
            continue
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            record = ShardRecord.from_json(value)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            continue
        right = value.get("digest") == digest and record.name == shard_name(number)
        if right and shard_fault(folder, record) is None:
            finished[number] = record
    return finished
