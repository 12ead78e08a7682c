"""What a configuration reads besides itself: each file by name, and the sha256 of its content.

A specification that reads files says which by one method, `files_read`, from which fingerprints,
cards and origins follow; a word that may name a file (a band, for one) says so by the mark on its type.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, get_args, get_origin, get_type_hints

from mockforge.errors import InputError

Stamp = tuple[int, int, int, int]
"""Size, time of content, time of any change and number of a file: what changes when its content does."""

_FRESH_NS = 2_000_000_000
"""A file that changed more recently may change again without another time: its digest is not kept."""


def from_home(name: str | Path) -> Path:
    """Return a path whose `~` is the home folder.

    InputError for `~somebody` whom the machine does not know.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise InputError(f"{name}: no home folder is known for {str(name).split('/')[0]}") from error


def located(name: str | Path) -> Path:
    """Return the file that a name means; `~` is the home folder, `name.fits[SCI]` an extension of a file."""
    path = from_home(name)
    if path.exists() or not path.name.endswith("]"):
        return path
    return path.with_name(re.sub(r"\[[^\[\]]+\]$", "", path.name))


def named(names: Iterable[str | Path], folder: str | Path = "") -> dict[str, Path]:
    """`file NAME` -> path, of names that are looked for in a folder, as `files_read` returns them."""
    paths = [located(from_home(folder) / from_home(name)) for name in names]
    return {f"file {path}": path for path in paths}


def stamp(name: str | Path) -> Stamp:
    """Return what tells a file that changed from one that did not. InputError where it is missing."""
    path = located(name)
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: no such file") from error
    if not (S_ISREG(status.st_mode) or S_ISDIR(status.st_mode)):
        raise InputError(
            f"{path}: is no regular file but a pipe, a device or a socket; write it to a file first"
        )
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def sha256_of(path: Path) -> str:
    """Digest of a file's content, taken once while the file stays. InputError where it cannot be read."""
    file_stamp = stamp(path)
    if time.time_ns() - file_stamp[2] < _FRESH_NS:
        return _digest.__wrapped__(str(path), file_stamp)
    return _digest(str(path), file_stamp)


@lru_cache(maxsize=4096)
def _digest(path: str, stamp: Stamp) -> str:
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


@contextmanager
def appearing(path: Path, mark: str = "") -> Iterator[Path]:
    """Give a place beside `path` to write to; what is there when the block ends appears under `path`.

    Whatever ends the block early, an error, a full disk or Ctrl-C, leaves nothing under either name but
    what was under `path` before. `mark` keeps writers apart that may write the same file at once.
    """
    part = path.with_name(f"{path.name}{mark}.part")
    try:
        yield part
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes | memoryview | str) -> None:
    """Write a file that appears whole under its name or not at all, on the disk when this returns."""
    with appearing(path) as part, part.open("wb") as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force a rename in `folder` to the disk, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def files_of(spec: Any) -> dict[str, Path]:
    """Every file that a configuration reads, with all that it is made of: what it is called -> path.

    InputError where a file that names others cannot be read.
    """
    return _gathered(spec, "files_read", "files")


def origins_of(spec: Any) -> dict[str, str]:
    """Return what a configuration and its parts take from files: fact -> words, for the log."""
    return _gathered(spec, "origins", "origins")


def fingerprint(spec: Any) -> dict[str, str]:
    """Return what a configuration reads -> sha256 of its content. InputError where a file cannot be read."""
    return {name: sha256_of(path) for name, path in files_of(spec).items()}


def _gathered(spec: Any, method: str, of_mark: str) -> dict[str, Any]:
    """Return what `method` of a configuration and its parts says, and `of_mark` of the marks on its words."""
    entries: dict[str, Any] = {}
    if is_dataclass(spec) and not isinstance(spec, type):
        entries |= getattr(spec, method, dict)()
        for name, hint in _hints(type(spec)).items():
            entries |= _within(getattr(spec, name), hint, method, of_mark)
    return entries


def _within(value: Any, hint: Any, method: str, of_mark: str) -> dict[str, Any]:
    """Return the same of a value whose type is `hint`."""
    entries: dict[str, Any] = {}
    if is_dataclass(value):
        return _gathered(value, method, of_mark)
    if isinstance(value, str):
        for mark in _marks(hint):
            entries |= getattr(mark, of_mark)(value)
    elif isinstance(value, (Mapping, list, tuple)):
        for item in value.values() if isinstance(value, Mapping) else value:
            entries |= _within(item, hint, method, of_mark)
    return entries


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {f.name: hints[f.name] for f in fields(kind)}


def _marks(hint: Any) -> list[Any]:
    """Return the marks with a method `files` anywhere in a type."""
    own = [m for m in getattr(hint, "__metadata__", ()) if hasattr(m, "files")]
    inner = (hint.__origin__,) if hasattr(hint, "__metadata__") else get_args(hint)
    nested = [] if get_origin(hint) is type else [m for h in inner for m in _marks(h)]
    return own + nested
