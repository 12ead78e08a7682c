"""`mockforge verify`: what is wrong with a finished dataset, and making exactly that again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mockforge.data.manifest import MANIFEST, SHARDS, Manifest, read_manifest, versions, write_manifest
from mockforge.data.shards import file_sha256, made_here
from mockforge.data.verify import BadShard, bad_files, bad_shards, trusted_manifest
from mockforge.engine.changes import changes
from mockforge.engine.executors.local import made_by_workers
from mockforge.engine.in_the_way import check_no_folders
from mockforge.engine.lock import LOCK, WORKERS, only_build
from mockforge.engine.publish import published, write_published
from mockforge.engine.worker import Job, shard_name
from mockforge.errors import InputError, MockforgeError
from mockforge.files import from_home
from mockforge.progress import Progress, say
from mockforge.recipe.read import loads

REPAIR = ".repair"
"""Where a repair works; what it makes is put in place when it is right."""


def verify(
    folder: str | Path, repair: bool = False, workers: int | None = None, *, quiet: int = 0
) -> list[BadShard]:
    """Re-hash every file of a dataset; returns those that are missing or damaged.

    `repair` makes exactly those again: shards from the recipe in the manifest, put in place only
    when their sha256 is the recorded one; the joined view, card and preview from the shards; the
    manifest from its copy in croissant.json. `mended` of each says what was done. Raises
    InputError where `folder` is no finished dataset or nothing is left to repair its manifest
    from, MockforgeError where a shard made again has other bytes.
    """
    folder = from_home(folder)
    if not (folder / MANIFEST).is_file() and trusted_manifest(folder)[0] is None:
        begun = (folder / "build.json").is_file()
        if begun or not any(made_here(path) for path in (folder / SHARDS).glob("*.h5")):
            read_manifest(folder)  # says what the folder is instead
        raise InputError(_lost(folder, "missing"))
    damaged = bad_shards(folder)
    if not repair or not damaged:
        return damaged
    check_no_folders(folder, (*published(), MANIFEST, LOCK, WORKERS))
    try:
        with only_build(folder):
            return _repair(folder, workers, quiet)
    except OSError as error:
        raise MockforgeError(f"{folder}: cannot be written: {error.strerror or error}") from error


def _repair(folder: Path, workers: int | None, quiet: int) -> list[BadShard]:
    manifest, fault = trusted_manifest(folder)
    if manifest is None:
        raise InputError(_lost(folder, fault))
    damaged = bad_files(folder, manifest)
    if fault is not None:
        damaged.insert(0, BadShard(MANIFEST, fault))
    shards = [b.name for b in damaged if b.name in {record.name for record in manifest.shards}]
    aside = folder / REPAIR
    _clear(aside)
    try:
        if shards:
            _make_shards(folder, aside, manifest, shards, workers, quiet)
        mended = dict.fromkeys(shards, "rebuilt, sha256 as recorded")
        _clear(aside)
        aside.mkdir()
        (aside / "shards").symlink_to(Path("..", "shards"), target_is_directory=True)
        names = {b.name for b in damaged}
        mended |= _make_joined(folder, aside, manifest, names, quiet)
    finally:
        _clear(aside)
    named = {b.name for b in damaged}
    damaged += [BadShard(name, "is not what the shards give") for name in mended if name not in named]
    return [replace(b, mended=mended.get(b.name, "")) for b in damaged]


def _lost(folder: Path, fault: str | None) -> str:
    return (
        f"{folder / 'manifest.json'}: {fault}, and croissant.json, which has a copy, is damaged too; the "
        f"recipe is in README.md and in every shard: save it, and build it again with "
        f"`mockforge build recipe.yaml --out {folder} --overwrite`"
    )


def _clear(aside: Path) -> None:
    if (aside / "shards").is_symlink():
        (aside / "shards").unlink()
    if aside.is_symlink() or aside.is_file():
        aside.unlink()
    shutil.rmtree(aside, ignore_errors=True)


def _make_shards(
    folder: Path, aside: Path, manifest: Manifest, bad: Sequence[str], workers: int | None, quiet: int
) -> None:
    """Make shards again, and put each in place when it has the recorded bytes."""
    recipe = loads(manifest.recipe, str(folder / "manifest.json"))
    differing = changes(manifest.versions, versions()) + changes(manifest.weights, recipe.weights)
    if manifest.format == 1:
        differing.insert(0, "the dataset is of format 1, whose shards had no checksums to read with")
    why = "; what changed since:\n  " + "\n  ".join(differing) if differing else ""
    if recipe.digest() != manifest.recipe_digest:
        raise MockforgeError(f"{folder}: its recipe no longer means what it meant{why}")
    recorded = {record.name: record for record in manifest.shards}
    numbers = [k for k in range(recipe.shards) if shard_name(k) in set(bad)]
    job = Job(recipe, recipe.digest(), aside, folder)
    with (
        made_by_workers(job, numbers, workers) as records,
        Progress(len(numbers), f"repair of {folder}", "shards", quiet) as progress,
    ):
        for number, record in records:
            name = shard_name(number)
            if record.sha256 != recorded[name].sha256:
                raise MockforgeError(
                    f"{folder}: {name} was rebuilt with different bytes, so it was not put in place{why}"
                )
            (folder / SHARDS).mkdir(exist_ok=True)
            (aside / SHARDS / name).replace(folder / SHARDS / name)
            progress.advance()


def _make_joined(folder: Path, aside: Path, manifest: Manifest, bad: set[str], quiet: int) -> dict[str, str]:
    """Make the bad ones of the view, card, preview and manifest again; file -> what was done.

    Where a file rebuilt has other bytes than the recorded ones (another version of mockforge
    or of a library made those), what is made now takes its place, and is recorded.
    """
    recorded = {entry.name: entry.sha256 for entry in manifest.files}
    lost = MANIFEST in bad and not recorded
    differing = changes(manifest.versions, versions())
    why = f" ({'; '.join(differing)})" if differing else ""
    mended, anew = dict[str, str](), False
    for name in published():
        # Without records, nothing says that a file is right but making it again.
        if not (lost or name in bad or (name == "croissant.json" and anew)):
            (aside / name).symlink_to(Path("..", name))
            continue
        try:
            write_published(name, aside, manifest)
        except InputError as error:  # of the recipe: the card says what its stages make
            say(f"{folder / name}: cannot be rebuilt: {error}", quiet)
            continue
        digest = file_sha256(aside / name)
        if lost and name not in bad and (folder / name).is_file() and digest == file_sha256(folder / name):
            continue
        if digest == recorded.get(name):
            mended[name] = "rebuilt, sha256 as recorded"
        elif recorded:
            mended[name] = f"rebuilt; its bytes differ from before, and are now recorded{why}"
            anew = True
        else:
            mended[name] = "rebuilt from the shards, its sha256 recorded"
            anew = True
        (aside / name).replace(folder / name)
        (aside / name).symlink_to(Path("..", name))
    if anew or MANIFEST in bad:
        write_manifest(folder, manifest)
        mended[MANIFEST] = "restored from its copy in croissant.json" if lost else "written again"
    return mended
