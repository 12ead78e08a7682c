"""Worker processes that make shards, and end with their build whatever ends it.

Each worker has a pipe of its own. There are no semaphores, of which a killed program leaves some
behind, and a death is known to be that of the worker of one shard.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from mockforge.data.shards import ShardRecord
from mockforge.engine.executors.launch import launched
from mockforge.engine.worker import Failure, Job
from mockforge.errors import MockforgeError

_LAST = 5.0
"""Seconds a worker gets to end by itself."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    shard: int


@contextmanager
def made_by_workers(
    job: Job, numbers: Iterable[int], workers: int | None
) -> Iterator[Iterator[tuple[int, ShardRecord]]]:
    """Start worker processes; gives the shards of these numbers, each as it is finished.

    Every worker listens on `parent_end`: it ends at once when this process closes it or is killed.
    The iterator raises what a worker raised, and MockforgeError where one died.
    """
    worker_end, parent_end = get_context("spawn").Pipe(duplex=False)
    waiting = iter(numbers)
    running: dict[Connection, _Worker] = {}
    ended: list[_Worker] = []
    try:
        for _, number in zip(range(workers or os.cpu_count() or 1), waiting, strict=False):
            process, pipe = launched(job, worker_end, number, (parent_end, *running))
            running[pipe] = _Worker(process, pipe, number)
        with closing(_finished(job, waiting, running, ended)) as shards:
            yield shards
    finally:
        parent_end.close()
        worker_end.close()
        for worker in (*ended, *running.values()):
            worker.process.join(_LAST)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()


def _finished(
    job: Job, waiting: Iterator[int], running: dict[Connection, _Worker], ended: list[_Worker]
) -> Generator[tuple[int, ShardRecord], None, None]:
    """Yield every shard with its number when it is done, and give its worker the next one."""
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


def _died(job: Job, worker: _Worker) -> str:
    worker.process.join(_LAST)
    code = worker.process.exitcode
    how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    return (
        f"{job.lock_folder}: a worker died while it made shard {worker.shard} ({how}: killed, or out of "
        "memory: fewer --workers or a smaller shard_size need less); the finished shards are kept, and the "
        "same command continues from them"
    )
