"""How a worker process begins: a copy of this process where that is safe, else a new one.

A copy (fork) shares what this process has loaded: it begins at once, and its libraries take memory
once. It is safe where this process has one thread and no GPU open: a lock that another thread holds
stays locked in a copy, and drivers of GPUs do not work there. Elsewhere a worker starts anew (spawn).
Shards have the same bytes both ways.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from mockforge.engine.worker import Job, serve
from mockforge.threads import ONE_THREAD

_GPUS = ("/dev/nvidia", "/dev/kfd")
"""Files that a process with a GPU has open."""


def launched(
    job: Job, alive: Connection, number: int, ours: Sequence[Connection]
) -> tuple[BaseProcess, Connection]:
    """Start the worker that makes shard `number` first; the process, and our end of its pipe.

    Parameters
    ----------
    job
        What it works on.
    alive
        Its end of a pipe that closes with the build.
    number
        Its first shard.
    ours
        Our ends of pipes, which a copy of this process closes: who waits for an end waits for all of them.
    """
    parent_end, worker_end = get_context("spawn").Pipe()
    process: BaseProcess
    if can_be_copied():
        arguments = (job, alive, worker_end, number, (*ours, parent_end))
        process = get_context("fork").Process(target=_serve_as_copy, args=arguments, daemon=True)
        with _deaf_to_ctrl_c():
            process.start()
    else:
        process = get_context("spawn").Process(
            target=serve, args=(job, alive, worker_end, number), daemon=True
        )
        with _started_anew():
            process.start()
    worker_end.close()
    return process, parent_end


def can_be_copied() -> bool:
    """Whether a copy of this process works: one thread, those of numerical libraries counted, and no GPU."""
    try:
        if len(os.listdir("/proc/self/task")) > 1:
            return False
        opened = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    except OSError:  # not Linux
        return False
    return not any(path.startswith(_GPUS) for path in opened)


def _serve_as_copy(
    job: Job, alive: Connection, pipe: Connection, number: int, theirs: Sequence[Connection]
) -> None:
    """`serve` in a copy of the build's process, whose own ends of pipes it lets go."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the build's way of ending is not a worker's
    for end in theirs:
        end.close()
    gc.freeze()  # what was there stays untouched, and so in memory that all workers share
    serve(job, alive, pipe, number)


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Start a worker with Ctrl-C blocked: it reaches the whole group of processes, and the build decides.

    A worker is not interrupted while it begins either; this process gets it as soon as the worker runs.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _started_anew() -> Iterator[None]:
    """Start a worker with one thread for numbers, without running the caller's script again.

    A spawned process imports the script that is `__main__`, and a script that builds at its top
    level would then start builds without end; the workers need nothing from it.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    main = sys.modules["__main__"]
    resource_tracker.ensure_running()  # before: it takes its own block of Ctrl-C off again
    with _deaf_to_ctrl_c():
        os.environ.update(ONE_THREAD)
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
