"""Tables on disk, under the hash of what they are made from: `MOCKFORGE_CACHE` or ~/.cache/mockforge."""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from mockforge.files import appearing

_DIGEST = 32
"""Bytes of the sha256 of a file's array, at its end."""


def cache_folder() -> Path:
    """Where tables are kept; it need not exist."""
    folder = os.environ.get("MOCKFORGE_CACHE")
    return Path(folder).expanduser() if folder else Path.home() / ".cache" / "mockforge"


def cached_array(key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the array kept under `key`, or that of `make`, which is then kept.

    A file that is damaged, cut or cannot be read is made again, and appears whole or not at all, whoever
    else writes it at once; where nothing can be written, nothing is kept.
    """
    path = cache_folder() / f"{key}.npy"
    with suppress(OSError, ValueError, EOFError):
        content = path.read_bytes()
        array = content[:-_DIGEST]
        if content[-_DIGEST:] == hashlib.sha256(array).digest():
            return np.load(io.BytesIO(array), allow_pickle=False)
    made = make()
    with suppress(OSError):
        stream = io.BytesIO()
        np.save(stream, made, allow_pickle=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing(path, f".{uuid.uuid4().hex}") as part:
            part.write_bytes(stream.getvalue() + hashlib.sha256(stream.getvalue()).digest())
    return made
