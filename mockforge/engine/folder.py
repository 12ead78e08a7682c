"""The folder of a build: what in it is ours, what is being built there, and replacing it.

Only what mockforge wrote is ever removed: the files it publishes, by name, and in `shards/` the
files that a manifest or a record names or that say themselves that mockforge made them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mockforge.data.manifest import parse_manifest, versions
from mockforge.data.shards import file_size_fault, made_here
from mockforge.engine.changes import changes
from mockforge.engine.in_the_way import SHARD_FILE, check_no_folders
from mockforge.engine.lock import LOCK, WORKERS
from mockforge.engine.publish import published
from mockforge.engine.repair import REPAIR
from mockforge.engine.worker import shard_name
from mockforge.errors import InputError, MockforgeError
from mockforge.files import replace_file
from mockforge.recipe.read import Recipe, loads

HEAD = "build.json"
"""What is being built: there from the start of a build to its end."""
MANIFEST = "manifest.json"


def check_folder(folder: Path) -> None:
    """InputError where `folder` is a file or holds files of others and no build or dataset of ours."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; a dataset is a folder, choose another --out")
    present = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    own_files = {*published(), MANIFEST, HEAD}
    check_no_folders(folder, {*own_files, LOCK, WORKERS})
    own_names = {*own_files, *(f"{name}.part" for name in own_files), LOCK, WORKERS, REPAIR, "shards"}
    foreign = present - own_names
    if present & {HEAD, MANIFEST}:
        if HEAD not in present and not _is_ours(folder):
            raise InputError(
                f"{folder}: its {MANIFEST} is not of mockforge, and no shards of mockforge are there; choose "
                "an empty or a new folder with --out"
            )
        return
    if any(_says_so(p) for p in (folder / "shards").glob("*.h5")):
        return
    if not foreign and present & {*published(), "shards"}:
        foreign = {f"shards/{p.name}" for p in foreign_shards(folder, ())} | (present & set(published()))
    if foreign:
        shown = ", ".join(sorted(foreign)[:5]) + (", ..." if len(foreign) > 5 else "")
        raise InputError(f"{folder}: holds other files ({shown}); choose an empty or a new folder with --out")


def _is_ours(folder: Path) -> bool:
    """Whether a folder with a manifest is a dataset: by its words, or by shards that say so."""
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        text = ""
    return "recipe_digest" in text or any(_says_so(p) for p in (folder / "shards").glob("*.h5"))


def already_finished(folder: Path, recipe: Recipe) -> bool:
    """Whether `folder` is the finished dataset of this recipe and nothing is left to tidy.

    Looks only, so that a dataset on a disk that cannot be written is found finished too. Raises
    MockforgeError where a file of it is missing or has another size.
    """
    if not (folder / MANIFEST).is_file() or (folder / HEAD).exists():
        return False
    manifest, _ = parse_manifest(folder / MANIFEST)
    if manifest is None or manifest.recipe_digest != recipe.digest():
        return False
    files = [(folder / "shards" / r.name, r.bytes) for r in manifest.shards]
    files += [(folder / entry.name, entry.bytes) for entry in manifest.files]
    for path, size in files:
        if (fault := file_size_fault(path, size)) is not None:
            raise MockforgeError(
                f"{folder}: this recipe built it, and since then {path.name} is damaged ({fault}); "
                f"`mockforge verify {folder} --repair` rebuilds it"
            )
    return not any((folder / "shards").glob("*.json"))


def prepare(folder: Path, recipe: Recipe, overwrite: bool) -> bool:
    """Make `folder` ready for this recipe; False where the dataset is already finished.

    The new `build.json` is in place before anything old is removed, so that a kill in between
    leaves a folder that the same command continues.
    """
    digest = recipe.digest()
    document = {**recipe.document(), "weights": dict(recipe.weights)}
    head = {"digest": digest, "document": document, "versions": versions()}
    finished = (folder / MANIFEST).is_file()
    manifest, fault = parse_manifest(folder / MANIFEST) if finished else (None, "")
    if not overwrite:
        if manifest is not None and manifest.recipe_digest == digest:
            tidy(folder)
            return not already_finished(folder, recipe)
        begun = _read_head(folder)
        if begun is not None:
            if begun["digest"] == digest and begun["versions"] == head["versions"]:
                if finished:  # killed between replacing build.json and removing the old dataset
                    _remove_published(folder)
                return True
            old = {**begun["document"], "versions": begun["versions"]}
            _refuse(folder, "unfinished build", changes(old, {**document, "versions": head["versions"]}))
        elif manifest is not None:
            try:
                old = {
                    **loads(manifest.recipe, str(folder / MANIFEST)).document(),
                    "weights": manifest.weights,
                }
                changed = changes(old, document)
            except InputError as error:  # such as for an image that is gone
                changed = [f"the recipe in {MANIFEST} cannot be read any more: {error}"]
            _refuse(folder, "finished dataset", changed)
        elif finished:
            raise InputError(
                f"{folder / MANIFEST}: is damaged ({fault}); `mockforge verify --repair {folder}` repairs "
                "it, and --overwrite replaces the dataset"
            )
        elif shards := [p for p in (folder / "shards").glob("*.h5") if _says_so(p)]:
            raise InputError(
                f"{folder}: holds {len(shards)} shard(s) of a dataset whose {MANIFEST} and {HEAD} are lost; "
                f"`mockforge verify --repair {folder}` repairs it where croissant.json is whole, and "
                "--overwrite builds again in its place"
            )
    recorded = {record.name for record in manifest.shards} if manifest is not None else set()
    _clear_shards(folder, recipe, recorded)
    replace_file(folder / HEAD, json.dumps(head, indent=1) + "\n")
    _remove_published(folder)
    return True


def foreign_shards(folder: Path, known: Iterable[str]) -> list[Path]:
    """Return what is in `shards/` and was not written by mockforge, as far as is known."""
    known = set(known) | {p.with_suffix(".h5").name for p in _records(folder)}
    return [
        path
        for path in sorted((folder / "shards").glob("*"))
        if (match := SHARD_FILE.fullmatch(path.name)) is None
        or (match[2] == "h5" and path.name not in known and not _says_so(path))
    ]


def remove_others(folder: Path, recipe: Recipe) -> None:
    """Remove shards of a longer dataset that this one replaces."""
    expected = {shard_name(k) for k in range(recipe.shards)}
    for path in (folder / "shards").glob("*.h5"):
        if path.name not in expected and SHARD_FILE.fullmatch(path.name) and _says_so(path):
            path.unlink()


def remove_parts(folder: Path) -> None:
    """Remove the half-written files of a build that was killed."""
    for name in (*published(), MANIFEST, HEAD):
        (folder / f"{name}.part").unlink(missing_ok=True)
    for path in (folder / "shards").glob("*.part"):
        if SHARD_FILE.fullmatch(path.name):
            path.unlink()


def tidy(folder: Path) -> None:
    """Remove what only an unfinished build needs."""
    for record in _records(folder):
        record.unlink()
    (folder / HEAD).unlink(missing_ok=True)


def remove_all(folder: Path) -> None:
    """Remove a folder that this build made and that nothing was finished in; what is not ours stays."""
    remove_parts(folder)
    tidy(folder)
    _remove_published(folder)
    shutil.rmtree(folder / REPAIR, ignore_errors=True)
    for path in (folder / LOCK, folder / WORKERS):
        path.unlink(missing_ok=True)
    for path in (folder / "shards", folder):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _records(folder: Path) -> list[Path]:
    return [p for p in (folder / "shards").glob("*.json") if SHARD_FILE.fullmatch(p.name)]


def _clear_shards(folder: Path, recipe: Recipe, known: set[str]) -> None:
    """Forget what an older build finished; InputError where a file of others is in the way."""
    in_the_way = [
        path.name
        for path in foreign_shards(folder, known)
        if (match := SHARD_FILE.fullmatch(path.name)) and int(match[1]) < recipe.shards
    ]
    if in_the_way:
        raise InputError(
            f"{folder / 'shards'}: {', '.join(in_the_way[:5])} would be replaced, and nothing says that "
            "mockforge wrote it; move it away, or choose another folder with --out"
        )
    for record in _records(folder):
        record.unlink()


def _says_so(path: Path) -> bool:
    """Whether a file is HDF5 that says that mockforge made it."""
    return made_here(path)


def _refuse(folder: Path, what: str, changed: Sequence[str]) -> None:
    shown = "\n".join(f"  {line}" for line in changed[:20]) or "  (a default or a file it reads)"
    raise InputError(
        f"{folder}: holds a{'n' if what[0] in 'aeiou' else ''} {what} of another recipe; they cannot be "
        "mixed. "
        f"What changed:\n{shown}\nChoose another folder with --out, or replace this one with --overwrite."
    )


def _read_head(folder: Path) -> dict[str, Any] | None:
    path = folder / HEAD
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        entries = {key: head[key] for key in ("digest", "document", "versions")}
        if not isinstance(entries["document"], dict) or not isinstance(entries["versions"], dict):
            raise TypeError
        return entries
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            f"{path}: is damaged, so what was being built here is not known; --overwrite starts again"
        ) from None


def _remove_published(folder: Path) -> None:
    for name in (MANIFEST, *published()):
        (folder / name).unlink(missing_ok=True)
