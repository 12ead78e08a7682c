"""How much memory this machine has, and a sentence before more than that is asked of it."""

from __future__ import annotations

import ctypes
import math
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from mockforge.errors import InputError

_USABLE = 0.8
"""Share of the memory that one array may take."""


def total_memory() -> float:
    """Bytes of memory this process may use: the machine's, or less where a control group limits it.

    Infinite where neither is known.
    """
    limits = [math.inf]
    with suppress(ValueError, OSError, AttributeError):
        limits.append(float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(ValueError, OSError):  # no such group, or "max"
            limits.append(float(Path(path).read_text()))
    return min(limits)


def check_fits(needed: float, what: str, instead: str) -> None:
    """InputError where `needed` bytes for `what` are more than this machine can hold, and what to do."""
    total = total_memory()
    if needed > _USABLE * total:
        sizes = f"{needed / 1e9:,.1f} GB of memory, this machine has {total / 1e9:,.1f}"
        raise InputError(f"{what} needs {sizes}; {instead}")


def give_back() -> None:
    """Give memory that is free inside this process back to the system, where the C library can (glibc).

    What a window needed for a moment otherwise stays with the process, and with each of its workers.
    """
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)


@cache
def _libc() -> Any:
    return ctypes.CDLL(None) if os.name == "posix" else None
