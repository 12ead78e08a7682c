"""One build a folder at a time, and none before the workers of a killed one have ended."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mockforge.errors import MockforgeError
from mockforge.lock import only_holder, share_lock, try_lock

LOCK = ".lock"
WORKERS = ".workers"
_PATIENCE = 60.0
"""Seconds to wait for the workers of a killed build; they end when they see it is gone."""


@contextmanager
def only_build(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process, once no worker of an earlier, killed build writes there any more.

    Raises
    ------
    MockforgeError
        Another build holds the folder, or such a worker does not end within a minute.
    """
    with only_holder(folder / LOCK, f"{folder}: another mockforge build is running here; wait for it to end"):
        _wait_for_workers(folder)
        try:
            yield
        finally:
            (folder / WORKERS).unlink(missing_ok=True)


def hold_as_worker(folder: Path) -> int:
    """Show that a worker is at work in `folder`, until the process ends."""
    handle = os.open(folder / WORKERS, os.O_RDWR | os.O_CREAT, 0o644)
    share_lock(handle)
    return handle


def _wait_for_workers(folder: Path) -> None:
    handle = os.open(folder / WORKERS, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = time.monotonic() + _PATIENCE
        while not try_lock(handle):
            if time.monotonic() > end:
                raise MockforgeError(
                    f"{folder}: a worker of an earlier build is still running; end it, then run this again"
                )
            time.sleep(0.05)
    finally:
        os.close(handle)
