"""The manifest: what a finished dataset is made of. It is written last, so a folder without it
is an unfinished build."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mockforge.data.shards import ShardRecord, sync_folder
from mockforge.errors import InputError

MANIFEST = "manifest.json"
SHARDS = "shards"
VIEW = "dataset.h5"
FORMAT = 1
"""Raised when a reader of an older mockforge would misread the folder."""


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True)
class Manifest:
    """What a dataset is made of and how it was made."""

    name: str
    recipe: str
    """The resolved recipe, as YAML text that builds this dataset again."""
    recipe_digest: str
    """sha256 of what the recipe means (not of its comments or its formatting)."""
    shards: tuple[ShardRecord, ...]
    """In order of their samples."""
    splits: Mapping[str, int] = field(default_factory=dict)
    """Split -> number of samples; by default the sum over the shards."""
    versions: Mapping[str, str] = field(default_factory=lambda: versions())
    """Program or library -> version it was made with."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Network -> sha256 of its weights file."""
    model_cards: Mapping[str, str] = field(default_factory=dict)
    """Network -> its card, Markdown; quoted in the dataset's card."""
    made: str = field(default_factory=_today)
    """Day the dataset was finished, UTC, e.g. 2026-11-30."""

    def __post_init__(self) -> None:
        if not self.splits:
            object.__setattr__(self, "splits", split_counts(self.shards))

    @property
    def samples(self) -> int:
        """Number of samples of all shards."""
        return sum(record.samples for record in self.shards)

    def rows(self) -> dict[str, int]:
        """Table -> number of its rows in all shards."""
        out: dict[str, int] = {}
        for record in self.shards:
            for table, n in record.rows.items():
                out[table] = out.get(table, 0) + n
        return out

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain values for `json.dumps`."""
        out = {"format": FORMAT, "samples": self.samples, "rows": self.rows(), **asdict(self)}
        out["shards"] = [record.to_json() for record in self.shards]
        return out

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Manifest:
        """The manifest `to_json` wrote; KeyError, TypeError or ValueError where it is not one."""
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']!r}, this version reads {FORMAT}")
        return cls(
            name=str(value["name"]),
            recipe=str(value["recipe"]),
            recipe_digest=str(value["recipe_digest"]),
            shards=tuple(ShardRecord.from_json(record) for record in value["shards"]),
            splits=dict(value["splits"]),
            versions=dict(value["versions"]),
            weights=dict(value["weights"]),
            model_cards=dict(value["model_cards"]),
            made=str(value["made"]),
        )


def write_manifest(folder: str | Path, manifest: Manifest) -> None:
    """Write `manifest.json`, whole or not at all: from then on the dataset is finished."""
    path = Path(folder) / MANIFEST
    write_text(path, json.dumps(manifest.to_json(), indent=1, ensure_ascii=False) + "\n")


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of a finished dataset.

    Raises InputError where there is no such folder, where the build is unfinished and where the
    file is damaged.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not folder.is_dir():
        raise InputError(f"{folder}: no such dataset folder{_siblings(folder)}")
    if not path.is_file():
        shards = len(list((folder / SHARDS).glob("*.h5")))
        if shards == 0 and not (folder / "build.json").is_file():
            raise InputError(f"{folder}: not a dataset: found no {MANIFEST} and no shards{_inside(folder)}")
        raise InputError(
            f"{folder}: unfinished build: {MANIFEST} is missing ({shards} shard(s) are there); "
            f"run the same `mockforge build RECIPE --out {folder}` again to finish it"
        )
    try:
        return Manifest.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"missing key {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"{path}: not a manifest mockforge can read: {what}; build the dataset again"
        ) from error


def split_counts(records: Iterable[ShardRecord]) -> dict[str, int]:
    """Split -> number of samples in all of `records`."""
    out: dict[str, int] = {}
    for record in records:
        for split, n in record.splits.items():
            out[split] = out.get(split, 0) + n
    return out


def versions() -> dict[str, str]:
    """The versions a dataset's bytes can depend on: Python, mockforge and its libraries."""
    from importlib.metadata import PackageNotFoundError, version

    import mockforge

    out = {"mockforge": mockforge.__version__, "python": platform.python_version()}
    for library in ("numpy", "h5py", "torch", "sep", "galsim", "astropy"):
        try:
            out[library] = version(library)
        except PackageNotFoundError:  # an optional library that this dataset cannot have used
            continue
    return out


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _siblings(folder: Path) -> str:
    from mockforge.errors import nearest

    there = [p.parent.name for p in folder.parent.glob(f"*/{MANIFEST}")]
    return nearest(folder.name, there) if there else ""


def _inside(folder: Path) -> str:
    there = sorted(p.parent.name for p in folder.glob(f"*/{MANIFEST}"))
    return f"; datasets inside it: {', '.join(there)}" if there else ""
