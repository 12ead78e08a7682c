"""Builds: plan -> shards -> publish. Worker processes make the shards, one shard a task.

A folder without a manifest is an unfinished build. It holds `build.json`, what is being built,
and beside each finished shard a record of it; both go when the manifest is there. Whenever a
build is stopped, the same command finishes it with the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mockforge.engine.lock import LOCK, WORKERS, only_build
from mockforge.engine.pool import make_shards
from mockforge.engine.worker import Job, shard_name
from mockforge.errors import InputError, MockforgeError
from mockforge.progress import Progress, say
from mockforge.recipe.read import Recipe, load, loads

if TYPE_CHECKING:
    from mockforge.data.manifest import Manifest
    from mockforge.data.shards import ShardRecord
    from mockforge.data.verify import BadShard

HEAD = "build.json"
_REPAIR = ".repair"
_PUBLISHED = ("manifest.json", "dataset.h5", "README.md", "croissant.json", "preview.png")
_WHOLE = (*_PUBLISHED, HEAD)
_OURS = {*_WHOLE, *(f"{name}.part" for name in _WHOLE), LOCK, WORKERS, _REPAIR, "shards"}


def build(
    recipe: str | Path,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    workers: int | None = None,
    *,
    overwrite: bool = False,
    quiet: int = 0,
) -> Path:
    """Build the dataset of a recipe, or finish one that was stopped; returns its folder.

    `recipe` is a file or the name of a bundled recipe, `out` a folder (default
    `datasets/<name>`), `overrides` are `key=value`, `workers` processes work at once (default:
    one a CPU). The bytes of every shard depend on the recipe alone. `overwrite` replaces a
    dataset of another recipe; `quiet` 1 shows no progress.

    Raises InputError for a faulty recipe (nothing is written then), for a folder with other
    files, and for a folder with shards of another recipe; MockforgeError where the work fails.
    """
    made = load(recipe, overrides)
    if workers is not None and workers < 1:
        raise InputError(f"workers should be 1 or more, found {workers}")
    folder = Path("datasets", made.name) if out is None else Path(out)
    new = not folder.exists()
    try:
        _check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with only_build(folder):
            if not _prepare(folder, made, overwrite):
                say(f"{folder}: already finished: this recipe built it", quiet)
                return folder
            _build(folder, made, workers, quiet)
    except InputError:  # in what a stage reads, such as an image: leave nothing behind
        if new and not any(folder.glob("shards/*.json")):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    except OSError as error:
        raise MockforgeError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return folder


def verify(
    folder: str | Path, repair: bool = False, workers: int | None = None, *, quiet: int = 0
) -> list[BadShard]:
    """Re-hash every file of a dataset; returns those that are missing or damaged.

    `repair` makes exactly those again from the recipe in the manifest, and puts a shard in
    place only when its sha256 is the recorded one. Raises InputError where `folder` is no
    finished dataset, MockforgeError where a repair does not give the recorded bytes.
    """
    from mockforge.data.manifest import read_manifest
    from mockforge.data.verify import bad_shards

    folder = Path(folder)
    manifest = read_manifest(folder)
    bad = bad_shards(folder)
    if not repair or not bad:
        return bad
    try:
        with only_build(folder):
            _repair(folder, manifest, {b.name for b in bad}, workers, quiet)
    except OSError as error:
        raise MockforgeError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return bad


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`stages.detect.threshold: 5.0 -> 4.0` for every value that differs."""
    before, after = _flat(old), _flat(new)
    absent = "(not there)"
    return [
        f"{key}: {before.get(key, absent)} -> {after.get(key, absent)}"
        for key in dict.fromkeys((*before, *after))
        if before.get(key, absent) != after.get(key, absent)
    ]


def _flat(value: Any, key: str = "") -> dict[str, str]:
    if isinstance(value, Mapping) and value:
        items = [(str(k), v) for k, v in value.items()]
    elif isinstance(value, list) and value and key == "stages":
        # Stages go by name, so that one more stage is not a change of all that follow.
        items = [(str(v.get("name", next(iter(v), i))), v) for i, v in enumerate(value)]
        items = [(name, next(iter(v.values()), v)) for name, v in items]
    else:
        return {key: json.dumps(value)}
    return {k: v for name, inner in items for k, v in _flat(inner, f"{key}.{name}".lstrip(".")).items()}


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; a dataset is a folder, choose another --out")
    there = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    foreign = there - _OURS
    if foreign and not there & {HEAD, "manifest.json"}:
        shown = ", ".join(sorted(foreign)[:5]) + (", ..." if len(foreign) > 5 else "")
        raise InputError(f"{folder}: holds other files ({shown}); choose an empty or a new folder with --out")


def _prepare(folder: Path, recipe: Recipe, overwrite: bool) -> bool:
    """Make `folder` ready for this recipe; False where the dataset is already finished.

    The new `build.json` is in place before anything old is removed, so that a kill in between
    leaves a folder that the same command goes on with.
    """
    from mockforge.data.manifest import SHARDS, read_manifest, versions, write_text
    from mockforge.data.verify import size_fault

    digest = recipe.digest()
    document = {**recipe.document(), "weights": dict(recipe.weights)}
    head = {"digest": digest, "document": document, "versions": versions()}
    finished = (folder / "manifest.json").is_file()
    if finished:
        manifest = read_manifest(folder)
        if manifest.recipe_digest == digest and not overwrite:
            for record in manifest.shards:
                if (fault := size_fault(folder, record)) is not None:
                    raise MockforgeError(
                        f"{folder}: this recipe built it, and since then {record.name} is bad ({fault}); "
                        f"`mockforge verify {folder} --repair` makes it again"
                    )
            _tidy(folder)
            return False
    begun = _read_head(folder)
    if begun is not None and not overwrite:
        if begun["digest"] == digest and begun["versions"] == head["versions"]:
            if finished:  # killed between replacing build.json and removing the old dataset
                _remove_published(folder)
            return True
        old = {**begun["document"], "versions": begun["versions"]}
        _refuse(folder, "unfinished build", changes(old, {**document, "versions": head["versions"]}))
    elif finished and not overwrite:
        recorded = loads(manifest.recipe, str(folder / "manifest.json")).document()
        old = {**recorded, "weights": manifest.weights}
        _refuse(folder, "finished dataset", changes(old, document))
    for record in (folder / SHARDS).glob("*.json"):
        record.unlink()
    write_text(folder / HEAD, json.dumps(head, indent=1) + "\n")
    _remove_published(folder)
    return True


def _refuse(folder: Path, what: str, changed: Sequence[str]) -> None:
    shown = "\n".join(f"  {line}" for line in changed[:20]) or "  (a default or a file it reads)"
    raise InputError(
        f"{folder}: holds a{'n' if what[0] in 'aeiou' else ''} {what} of another recipe; they are not mixed. "
        f"What changed:\n{shown}\nChoose another folder with --out, or replace this one with --overwrite."
    )


def _read_head(folder: Path) -> dict[str, Any] | None:
    path = folder / HEAD
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        return {key: head[key] for key in ("digest", "document", "versions")}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is damaged; start again with --overwrite") from None


def _build(folder: Path, recipe: Recipe, workers: int | None, quiet: int) -> None:
    from mockforge.data.manifest import SHARDS

    (folder / SHARDS).mkdir(exist_ok=True)
    for part in (*folder.glob("*.part"), *(folder / SHARDS).glob("*.part")):
        part.unlink()  # of a build that was killed
    kept = _finished_shards(folder, recipe)
    missing = [k for k in range(recipe.shards) if k not in kept]
    if kept:
        say(f"{folder}: {len(kept)} of {recipe.shards} shards are there and right", quiet)
    job = Job(recipe, recipe.digest(), folder, folder)
    with Progress(recipe.samples, recipe.name, "samples", quiet) as progress:
        progress.start_at(sum(record.samples for record in kept.values()))
        try:
            with closing(make_shards(job, missing, workers)) as made:
                for number, record in made:
                    kept[number] = record
                    progress.advance(record.samples)
        except KeyboardInterrupt:
            done = len(list((folder / SHARDS).glob("*.json")))
            raise KeyboardInterrupt(
                f"interrupted: {done} of {recipe.shards} shards are finished in {folder}; "
                "the same command goes on from there"
            ) from None
    wanted = {shard_name(k) for k in range(recipe.shards)}
    for path in (folder / SHARDS).glob("*.h5"):
        if path.name not in wanted:  # of a longer dataset that this one replaces
            path.unlink()
    _publish(folder, recipe, [kept[k] for k in range(recipe.shards)], quiet)


def _finished_shards(folder: Path, recipe: Recipe) -> dict[int, ShardRecord]:
    """The shards of an earlier run of this build whose bytes are still the recorded ones."""
    from mockforge.data.manifest import SHARDS
    from mockforge.data.shards import ShardRecord
    from mockforge.data.verify import shard_fault

    digest, kept = recipe.digest(), {}
    for number in range(recipe.shards):
        path = (folder / SHARDS / shard_name(number)).with_suffix(".json")
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            record = ShardRecord.from_json(value)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            continue
        if value.get("digest") == digest and shard_fault(folder, record) is None:
            kept[number] = record
    return kept


def _publish(folder: Path, recipe: Recipe, records: Sequence[ShardRecord], quiet: int) -> None:
    """Write what joins the shards; the manifest comes last and makes the dataset finished."""
    from mockforge.data.card import write_card
    from mockforge.data.croissant import write_croissant
    from mockforge.data.manifest import Manifest, write_manifest
    from mockforge.data.preview import write_preview
    from mockforge.data.view import write_view

    manifest = Manifest(
        name=recipe.name,
        recipe=recipe.text(),
        recipe_digest=recipe.digest(),
        shards=tuple(records),
        weights=recipe.weights,
        model_cards=recipe.model_cards,
    )
    write_view(folder, records)
    notices = _notices(folder, manifest, recipe)
    for notice in notices:
        say(f"{folder}: {notice}", quiet)
    worth = "\n".join(["## Worth knowing\n", *(f"- {notice}." for notice in notices)]) if notices else ""
    write_card(folder, manifest, [worth, _labels_against_truth(folder, manifest)])
    write_croissant(folder, manifest)
    write_preview(folder, manifest)
    write_manifest(folder, manifest)
    _tidy(folder)


def _notices(folder: Path, manifest: Manifest, recipe: Recipe) -> list[str]:
    """What the stages say of the samples that were made, from their tables."""
    from mockforge.data.reader import Reader

    asked = [entry.stage.notices for entry in recipe.stages if hasattr(entry.stage, "notices")]
    if not asked:
        return []
    with Reader(folder, manifest) as reader:
        tables = {name: reader.table(name)[0] for name in reader.tables}
    return [sentence for notices in asked for sentence in notices(tables)]


def _labels_against_truth(folder: Path, manifest: Manifest) -> str:
    """The card's section on completeness and purity; empty where the dataset has no truth to compare with."""
    from mockforge.data.reader import Reader
    from mockforge.label.completeness import section

    with Reader(folder, manifest) as reader:
        if not {"objects", "catalogue"} <= set(reader.tables):
            return ""
        tables = {name: reader.table(name)[0] for name in ("objects", "catalogue")}
        bands = reader.attributes.get("bands", ())
        bands = (bands,) if isinstance(bands, str) else tuple(bands)
        return section(tables, bands, reader.attributes.get("zeropoint_ab"))


def _tidy(folder: Path) -> None:
    """Remove what only an unfinished build needs."""
    for record in (folder / "shards").glob("*.json"):
        record.unlink()
    (folder / HEAD).unlink(missing_ok=True)


def _remove_published(folder: Path) -> None:
    for name in _PUBLISHED:
        (folder / name).unlink(missing_ok=True)


def _repair(folder: Path, manifest: Manifest, bad: set[str], workers: int | None, quiet: int) -> None:
    from mockforge.data.manifest import SHARDS, versions
    from mockforge.data.verify import view_fault
    from mockforge.data.view import write_view

    recipe = loads(manifest.recipe, str(folder / "manifest.json"))
    differing = changes(manifest.versions, versions()) + changes(manifest.weights, recipe.weights)
    why = "; what changed since:\n  " + "\n  ".join(differing) if differing else ""
    if recipe.digest() != manifest.recipe_digest:
        raise MockforgeError(f"{folder}: its recipe no longer means what it meant{why}")
    recorded = {record.name: record for record in manifest.shards}
    numbers = [k for k in range(recipe.shards) if shard_name(k) in bad]
    aside = folder / _REPAIR
    shutil.rmtree(aside, ignore_errors=True)
    try:
        job = Job(recipe, recipe.digest(), aside, folder)
        with (
            Progress(len(numbers), f"repair of {folder}", "shards", quiet) as progress,
            closing(make_shards(job, numbers, workers)) as made,
        ):
            for number, record in made:
                name = shard_name(number)
                if record.sha256 != recorded[name].sha256:
                    raise MockforgeError(
                        f"{folder}: {name} was made again with other bytes, so it was not put in place{why}"
                    )
                (folder / SHARDS).mkdir(exist_ok=True)
                (aside / SHARDS / name).replace(folder / SHARDS / name)
                progress.advance()
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    if view_fault(folder, manifest) is not None:
        write_view(folder, manifest.shards)
