"""One process a folder at a time, by the kernel's own locks: they end with their process, also when it
is killed, so that nothing is ever left locked."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mockforge.errors import MockforgeError

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def only_holder(path: Path, held: str) -> Iterator[None]:
    """Hold the lock file `path` for this process; MockforgeError `held` where another process has it.

    The file is removed at the end. Where the file system has no locks, nothing is held.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not try_lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB) or not _same(handle, path):
            raise MockforgeError(held)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def try_lock(handle: int, kind: int) -> bool:
    """Whether the lock is ours; also where the file system has no locks at all (some clusters')."""
    try:
        fcntl.flock(handle, kind)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _same(handle: int, path: Path) -> bool:
    """Whether the locked file is still the one at `path`: its last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
