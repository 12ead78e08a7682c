"""Worker processes that make shards, and end with their build whatever ends it.

Each worker has a pipe of its own. There are no semaphores, of which a killed program leaves some
behind, and a death is known to be that of the worker of one shard.
"""

from __future__ import annotations

import os
import signal
import sys
import types
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from mockforge.data.shards import ShardRecord
from mockforge.engine.worker import ONE_THREAD, Failure, Job, serve
from mockforge.errors import MockforgeError

_LAST = 5.0
"""Seconds a worker gets to end by itself."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    shard: int


def make_shards(
    job: Job, numbers: Iterable[int], workers: int | None
) -> Generator[tuple[int, ShardRecord], None, None]:
    """Have worker processes make these shards; yields each as it is finished.

    Every worker listens on `parent_end`: it ends at once when this process closes it or is killed.
    Raises what a worker raised, and MockforgeError where one died.
    """
    worker_end, parent_end = get_context("spawn").Pipe(duplex=False)
    waiting = iter(numbers)
    running: dict[Connection, _Worker] = {}
    ended: list[_Worker] = []
    try:
        for _, number in zip(range(workers or os.cpu_count() or 1), waiting, strict=False):
            worker = _started(job, worker_end, number)
            running[worker.pipe] = worker
        while running:
            for pipe in wait(list(running)):
                worker = running[pipe]  # type: ignore[index]
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    raise MockforgeError(_died(job, worker)) from None
                if isinstance(answer, Failure):
                    raise answer.error()
                done, following = worker.shard, next(waiting, None)
                with suppress(OSError):  # it died since: the next look at its pipe says so
                    worker.pipe.send(following)
                if following is None:
                    ended.append(running.pop(worker.pipe))
                else:
                    worker.shard = following
                yield done, ShardRecord.from_json(answer)
    finally:
        parent_end.close()
        worker_end.close()
        for worker in (*ended, *running.values()):
            worker.process.join(_LAST)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()


def _died(job: Job, worker: _Worker) -> str:
    worker.process.join(_LAST)
    code = worker.process.exitcode
    how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    return (
        f"{job.lock_folder}: a worker died while it made shard {worker.shard} ({how}: killed, or out of "
        "memory: fewer --workers or a smaller shard_size need less); the finished shards are kept, and the "
        "same command continues from them"
    )


def _started(job: Job, alive: Connection, number: int) -> _Worker:
    context = get_context("spawn")
    parent_end, worker_end = context.Pipe()
    with _launch():
        process = context.Process(target=serve, args=(job, alive, worker_end, number), daemon=True)
        process.start()
    worker_end.close()
    return _Worker(process, parent_end, number)


@contextmanager
def _launch() -> Iterator[None]:
    """Start a worker with one thread for numbers, deaf to Ctrl-C, without running the caller's script again.

    A spawned process imports the script that is `__main__`, and a script that builds at its top
    level would then start builds without end; the workers need nothing from it. Ctrl-C reaches
    the whole group of processes, and the build decides: a worker starts with it blocked, so that
    it is not interrupted while it imports either. This process gets it as soon as the worker runs.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    main = sys.modules["__main__"]
    resource_tracker.ensure_running()  # before: it takes its own block of Ctrl-C off again
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
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
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
