"""One build a folder at a time. The locks are the kernel's: they end with their process, also
when it is killed, so a killed build never leaves a folder locked."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mockforge.errors import MockforgeError
from mockforge.lock import only_holder, try_lock

LOCK = ".lock"
WORKERS = ".workers"
_PATIENCE = 60.0
"""Seconds to wait for the workers of a killed build; they end when they see it is gone."""


@contextmanager
def only_build(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; MockforgeError where another build holds it.

    Also waits until no worker of an earlier, killed build is writing there any more.
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
    try_lock(handle, fcntl.LOCK_SH)
    return handle


def _wait_for_workers(folder: Path) -> None:
    handle = os.open(folder / WORKERS, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = time.monotonic() + _PATIENCE
        while not try_lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if time.monotonic() > end:
                raise MockforgeError(
                    f"{folder}: a worker of an earlier build is still running; end it, then run this again"
                )
            time.sleep(0.05)
    finally:
        os.close(handle)
