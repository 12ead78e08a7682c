"""Tables on disk, under the hash of what they are made from: `MOCKFORGE_CACHE` or ~/.cache/mockforge."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from mockforge.files import appearing


def cache_folder() -> Path:
    """Where tables are kept; it need not exist."""
    folder = os.environ.get("MOCKFORGE_CACHE")
    return Path(folder).expanduser() if folder else Path.home() / ".cache" / "mockforge"


def cached_array(key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the array kept under `key`, or that of `make`, which is then kept.

    A file that cannot be read is made again; where nothing can be written, nothing is kept.
    """
    path = cache_folder() / f"{key}.npy"
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        array = make()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing(path, f".{os.getpid()}") as part, part.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    return array
