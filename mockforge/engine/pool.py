"""Worker processes that make shards, and end with their build whatever ends it."""

from __future__ import annotations

import os
import sys
import types
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mockforge.engine.worker import ONE_THREAD, Job, start, work
from mockforge.errors import MockforgeError

if TYPE_CHECKING:
    from mockforge.data.shards import ShardRecord


def make_shards(
    job: Job, numbers: Sequence[int], workers: int | None
) -> Generator[tuple[int, ShardRecord], None, None]:
    """Have worker processes make these shards; yields each as it is finished.

    Every worker listens on `ours`: it ends at once when this process closes it or is killed.
    """
    from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    from mockforge.data.shards import ShardRecord

    if not numbers:
        return
    context = get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    count = min(workers or _cpus(), len(numbers))
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=start, initargs=(job, theirs))
    waiting, running = deque(numbers), dict[Future[dict[str, Any]], int]()
    try:
        while waiting or running:
            # No more than the workers are making, so that a death can be laid to its shard.
            while waiting and len(running) < count:
                number = waiting.popleft()
                with _launch():
                    running[pool.submit(work, number)] = number
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                record = ShardRecord.from_json(future.result())
                yield running.pop(future), record
        pool.shutdown()
    except BrokenProcessPool:
        names = " or ".join(str(n) for n in sorted(running.values()))
        raise MockforgeError(
            f"{job.lock_folder}: a worker died while it made shard {names} (killed, or out of memory: "
            "fewer --workers or a smaller shard_size need less); the finished shards are kept, and the same "
            "command goes on from them"
        ) from None
    finally:
        ours.close()
        pool.shutdown(cancel_futures=True)
        theirs.close()


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _launch() -> Iterator[None]:
    """Start workers with one thread for numbers, and without running the caller's script again.

    A spawned process imports the script that is `__main__`, and a script that builds at its top
    level would then start builds without end; the workers need nothing from it.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    main = sys.modules["__main__"]
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
