"""How one piece of work is measured: by the processor's time, in a process of its own.

A case is a function that does some work and says how much; each module of `tests.benchmarks.rows` has a
dict of them, `CASES`, and `python -m tests.benchmarks.rows.scene ours` prints one as JSON. Where a library
that a case needs is not installed, it says so and measures nothing.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}


@dataclass(frozen=True)
class Measured:
    """What a case took."""

    cpu_s: float
    """Processor seconds of all threads and children."""
    clock_s: float
    """Seconds of the clock."""
    count: float = 1.0
    """How much was done: samples, blends, Mpix."""
    peak_mb: float = 0.0
    """Largest memory of the process or of one of its children."""
    note: str = ""
    """What else there is to say: how many objects, what differs."""

    @property
    def rate(self) -> float:
        """Done per processor second."""
        return self.count / self.cpu_s


def spent() -> float:
    """Processor seconds of this process and of its children that have ended."""
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def peak_mb() -> float:
    """Largest memory of this process or of one of its children, MB."""
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(use.ru_maxrss for use in uses) * 1024 / 1e6


def once(work: Callable[[], object], count: float = 1.0, note: str = "") -> Measured:
    """Measure one go."""
    cpu, clock = spent(), time.perf_counter()
    work()
    return Measured(spent() - cpu, time.perf_counter() - clock, count, peak_mb(), note)


def least(work: Callable[[], object], count: float = 1.0, rounds: int = 3, note: str = "") -> Measured:
    """Measure several goes after one that does not count: the one that took the least of the processor."""
    work()
    return min((once(work, count, note) for _ in range(rounds)), key=lambda m: m.cpu_s)


def command(*words: str, count: float = 1.0, note: str = "") -> Measured:
    """Measure a command of mockforge, from its start to its end."""
    line = [sys.executable, "-m", "mockforge", *words]

    def work() -> None:
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-500:]}")

    return once(work, count, note)


def script(text: str, count: float = 1.0, note: str = "") -> Measured:
    """Measure a Python program, from its start to its end."""
    return once(lambda: subprocess.run([sys.executable, "-c", text], check=True), count, note)


def main(cases: dict[str, Callable[[], Measured]]) -> None:
    """Measure the case that the command line names, and print it as JSON."""
    chosen = cases[sys.argv[1]]
    os.environ.update(ONE_THREAD)
    try:
        print("MEASURED " + json.dumps(asdict(chosen())))
    except ImportError as error:
        print("ABSENT " + str(error))
