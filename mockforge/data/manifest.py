"""The manifest: what a finished dataset is made of.

It is written last, so a folder without it is an unfinished build. It records the sha256 of every other
file and of its own contents.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mockforge._version import __version__
from mockforge.data.shards import ShardRecord, file_sha256, file_size_fault
from mockforge.errors import InputError, nearest
from mockforge.files import replace_file

MANIFEST = "manifest.json"
SHARDS = "shards"
VIEW = "dataset.h5"
PUBLISHED = (VIEW, "README.md", "croissant.json", "preview.png")
"""The files that join and show the shards, in the order in which they are made."""
FORMAT = 2
"""Raised when a reader of an older mockforge would misread the folder. 1 had no sha256 but the shards'."""


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True)
class FileRecord:
    """What the manifest knows of a file that is no shard."""

    name: str
    """One of PUBLISHED."""
    sha256: str
    bytes: int

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FileRecord:
        """Return the record as it was written; KeyError, TypeError or ValueError where it is not one."""
        if value["name"] not in PUBLISHED:
            raise ValueError(f"{value['name']!r} is none of {', '.join(PUBLISHED)}")
        return cls(name=str(value["name"]), sha256=str(value["sha256"]), bytes=int(value["bytes"]))

    def fault(self, folder: Path) -> str | None:
        """Return what is wrong with the file in `folder`, or None; hashes it only where its size is right."""
        path = folder / self.name
        if (fault := file_size_fault(path, self.bytes)) is not None:
            return fault
        try:
            digest = file_sha256(path)
        except OSError as error:  # a disk that fails
            return f"unreadable: {error.strerror}"
        return (
            None if digest == self.sha256 else f"sha256 is {digest[:12]}..., should be {self.sha256[:12]}..."
        )


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
    """What the recipe reads besides itself -> its sha256: `model NAME`, a network's weights; `file PATH`;
    and tables that come with mockforge, by name. In the JSON, networks are `weights`, the others `inputs`."""
    model_cards: Mapping[str, str] = field(default_factory=dict)
    """Network -> its card, Markdown; quoted in the dataset's card."""
    made: str = field(default_factory=_today)
    """Day the dataset was finished, UTC, e.g. 2026-11-30."""
    files: tuple[FileRecord, ...] = ()
    """The files of PUBLISHED; empty while they are not written, and in a manifest of format 1."""
    format: int = FORMAT

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
        """Return the manifest as plain values for `json.dumps`.

        The last, `digest`, is the sha256 of the others.
        """
        out = {"format": FORMAT, "samples": self.samples, "rows": self.rows(), **asdict(self)}
        out["format"] = FORMAT
        out["shards"] = [record.to_json() for record in self.shards]
        out["files"] = [asdict(record) for record in self.files]
        out["weights"] = {n: d for n, d in self.weights.items() if n.startswith("model ")}
        out["inputs"] = {n: d for n, d in self.weights.items() if not n.startswith("model ")}
        return {**out, "digest": content_digest(out)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Manifest:
        """Return the manifest `to_json` wrote; KeyError, TypeError or ValueError where it is not one."""
        version = value["format"]
        if version not in (1, FORMAT) or type(version) is not int:
            raise ValueError(f"format {version!r}, this version reads 1 and {FORMAT}")
        out = cls(
            name=str(value["name"]),
            recipe=str(value["recipe"]),
            recipe_digest=str(value["recipe_digest"]),
            shards=tuple(ShardRecord.from_json(record) for record in value["shards"]),
            splits=dict(value["splits"]),
            versions=dict(value["versions"]),
            weights={**value["weights"], **value.get("inputs", {})},
            model_cards=dict(value["model_cards"]),
            made=str(value["made"]),
            files=tuple(FileRecord.from_json(record) for record in value["files"]) if version > 1 else (),
            format=version,
        )
        names = [record.name for record in (*out.shards, *out.files)]
        if not out.shards:
            raise ValueError("it has no shards")
        if len(set(names)) < len(names):
            raise ValueError("a file is in it twice")
        if out.splits != split_counts(out.shards):
            raise ValueError(f"its splits, {out.splits}, are not those of its shards")
        if version > 1 and value["digest"] != content_digest(value):
            raise ValueError("its contents are not those that were written (their sha256 differs)")
        return out


def content_digest(value: Mapping[str, Any]) -> str:
    """sha256 of a manifest's values, whatever their order and spelling, without its own digest."""
    content = {key: v for key, v in value.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def manifest_text(manifest: Manifest) -> str:
    """Return the text of `manifest.json`."""
    return json.dumps(manifest.to_json(), indent=1, ensure_ascii=False) + "\n"


def write_manifest(folder: str | Path, manifest: Manifest) -> None:
    """Write `manifest.json`, whole or not at all: from then on the dataset is finished.

    It records size and sha256 of the other files as they are in `folder` now.
    """
    folder = Path(folder)
    published = [folder / name for name in PUBLISHED if (folder / name).is_file()]
    files = tuple(FileRecord(path.name, file_sha256(path), path.stat().st_size) for path in published)
    replace_file(folder / MANIFEST, manifest_text(replace(manifest, files=files, format=FORMAT)))


def read_manifest(folder: str | Path) -> Manifest:
    """Return the manifest of a finished dataset.

    Raises InputError where there is no such folder, where the build is unfinished and where the
    file is damaged or was changed.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    check_is_folder(folder)
    if not path.is_file():
        shards = len(list((folder / SHARDS).glob("*.h5")))
        if shards == 0 and not (folder / "build.json").is_file():
            raise InputError(f"{folder}: not a dataset: found no {MANIFEST} and no shards{_inside(folder)}")
        begun = (folder / "build.json").is_file()
        if not begun:
            raise InputError(
                f"{folder}: unfinished build: {MANIFEST} is missing ({shards} shard(s) are there), and no "
                f"build.json says what was being built; if it was whole, `mockforge verify --repair "
                f"{folder}` repairs it, else `mockforge build RECIPE --out {folder} --overwrite` starts again"
            )
        raise InputError(
            f"{folder}: unfinished build: {MANIFEST} is missing ({shards} shard(s) are there); "
            f"run the same `mockforge build RECIPE --out {folder}` again to finish it"
        )
    manifest, fault = parse_manifest(path)
    if manifest is None:
        raise InputError(
            f"{path}: not a manifest mockforge can read: {fault}; run `mockforge verify --repair {folder}` "
            "to repair it, or build the dataset again with --overwrite"
        )
    return manifest


def check_is_folder(folder: Path) -> None:
    """InputError where `folder` is no folder, or its name is one that no folder can have."""
    try:
        if folder.is_dir():
            return
    except (OSError, ValueError) as error:  # too long a name, a zero byte in it
        raise InputError(f"{folder}: no such dataset folder ({error})") from error
    raise InputError(f"{folder}: no such dataset folder{_siblings(folder)}")


def parse_manifest(path: Path) -> tuple[Manifest | None, str]:
    """Return the manifest in a file, and what keeps the file from being one, either of which is empty."""
    try:
        return Manifest.from_json(json.loads(path.read_text(encoding="utf-8"))), ""
    except KeyError as error:
        return None, f"missing key {error}"
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        return None, str(error)
    except OSError as error:
        return None, error.strerror or str(error)


def split_counts(records: Iterable[ShardRecord]) -> dict[str, int]:
    """Split -> number of samples in all of `records`."""
    out: dict[str, int] = {}
    for record in records:
        for split, n in record.splits.items():
            out[split] = out.get(split, 0) + n
    return out


def versions() -> dict[str, str]:
    """Return the versions a dataset's bytes can depend on: Python, mockforge and its libraries."""
    from importlib.metadata import PackageNotFoundError, version

    out = {"mockforge": __version__, "python": platform.python_version()}
    for library in ("numpy", "h5py", "torch", "sep", "galsim", "astropy"):
        try:
            out[library] = version(library)
        except PackageNotFoundError:  # an optional library that this dataset cannot have used
            continue
    return out


def _siblings(folder: Path) -> str:
    if len(folder.parts) == 1 and (Path("datasets") / folder / MANIFEST).is_file():
        return f"; did you mean 'datasets/{folder}'?"
    datasets = [str(p.parent) for p in folder.parent.glob(f"*/{MANIFEST}")]
    if datasets:
        return nearest(str(folder), datasets)
    return "; `mockforge build RECIPE --out DIR` makes one"


def _inside(folder: Path) -> str:
    datasets = sorted(p.parent.name for p in folder.glob(f"*/{MANIFEST}"))
    return f"; datasets inside it: {', '.join(datasets)}" if datasets else ""
