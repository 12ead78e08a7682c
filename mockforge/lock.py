"""One process a folder at a time, by the kernel's own locks (flock).

They end with their process, also when it is killed, so that nothing is ever left locked.
The package `filelock` does the same on Windows too, but refuses to work on file systems without locks
(some clusters'), and its locks on files cannot be shared, as the workers of a build share theirs.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mockforge.errors import InputError, MockforgeError

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def only_holder(path: Path, held: str) -> Iterator[None]:
    """Hold the lock file `path` for this process.

    The file is removed at the end. Where the file system has no locks, nothing is held.

    Parameters
    ----------
    path
        The lock file; its folder exists.
    held
        The sentence for the case that another process holds it.

    Raises
    ------
    MockforgeError
        Another process holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not try_lock(handle) or not _same(handle, path):
            raise MockforgeError(held)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool:
    """Return whether the lock of an open file is now ours alone, without waiting for it.

    True also where the file system has no locks at all (some clusters').
    """
    return _flock(handle, "LOCK_EX", "LOCK_NB")


def share_lock(handle: int) -> None:
    """Hold the lock of an open file beside others that share it; waits for one that holds it alone."""
    _flock(handle, "LOCK_SH")


def _flock(handle: int, *kinds: str) -> bool:
    if fcntl is None:
        raise InputError(
            "builds and training lock their folder, which takes Linux or macOS; "
            "on Windows run mockforge in WSL (type: wsl --install)"
        )
    try:
        fcntl.flock(handle, sum(getattr(fcntl, kind) for kind in kinds))
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
