"""Folders that stand where a dataset has a file: none can replace them, and they are not ours to remove."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from mockforge.errors import InputError

SHARD_FILE = re.compile(r"([0-9]{5,18})\.(h5|json|h5\.part|json\.part)")
"""Names of the files in `shards/`."""


def check_no_folders(folder: Path, names: Iterable[str]) -> None:
    """InputError where one of `names`, or a file of `shards/`, is a folder, or `shards` is a file."""
    shards = folder / "shards"
    if shards.is_symlink() and not shards.exists():
        raise InputError(f"{shards}: is a broken link; restore its target, or remove it")
    if shards.exists() and not shards.is_dir():
        raise InputError(f"{shards}: is a file, where a dataset has a folder; move it away or remove it")
    inside = [path for path in sorted(shards.glob("*")) if SHARD_FILE.fullmatch(path.name)]
    for path in (*(folder / name for name in sorted(names)), *inside):
        if path.is_dir():
            raise InputError(f"{path}: is a folder, where a dataset has a file; move it away or remove it")
