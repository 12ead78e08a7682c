"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
import warnings
from types import TracebackType
from typing import Any

_EVERY = 10.0
"""Seconds between two plain lines."""


class Progress:
    """`with Progress(512, "segmentation", "samples") as progress: ... progress.advance(64)`.

    Writes to stderr. On a terminal it is a bar (plain lines where rich is not installed); when
    piped, a line every ten seconds and one at the end. `quiet` 1 or more shows nothing.
    """

    def __init__(self, total: int, what: str, unit: str, quiet: int = 0) -> None:
        self.total = total
        self.what = what
        self.unit = unit
        self.quiet = quiet
        self.done = self._first = 0
        self._bar: Any = None
        self._task: Any = None
        self._start = self._said = time.monotonic()

    def __enter__(self) -> Progress:
        self._start = self._said = time.monotonic()
        if self.quiet < 1 and sys.stderr.isatty():
            self._bar = _bar(self.unit)
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task(self.what, total=self.total, rate="", clock="left")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif kind is None and self.done > self._first:
            self._line(f"in {_duration(time.monotonic() - self._start)}")

    def advance(self, n: int = 1) -> None:
        """`n` more units are done."""
        self.reach(self.done + n)

    def start_at(self, done: int) -> None:
        """`done` units were done before: they count, and their time does not."""
        self.done = self._first = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def reach(self, done: int) -> None:
        """`done` units are done."""
        self.done = done
        if self._bar is not None:
            clock = "left" if self.done < self.total else "in"  # the clock stops at the time spent
            self._bar.update(self._task, completed=self.done, rate=self._rate(), clock=clock)
        elif time.monotonic() - self._said >= _EVERY and self.done < self.total:
            spent, finished = time.monotonic() - self._start, max(self.done - self._first, 1)
            seconds = spent / finished * (self.total - self.done)
            self._line(f"about {_duration(seconds)} left")

    def say(self, text: str) -> None:
        """Print a line of text that does not break the bar."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            say(text, self.quiet)

    def _rate(self) -> str:
        rate = (self.done - self._first) / max(time.monotonic() - self._start, 1e-6)
        return f"{_number(rate)} {self.unit}/s" if rate >= 1 else f"{_number(60 * rate)} {self.unit}/min"

    def _line(self, end: str) -> None:
        self._said = time.monotonic()
        say(f"{self.what}: {self.done:,}/{self.total:,} {self.unit}, {self._rate()}, {end}", self.quiet)


def say(text: str, quiet: int = 0) -> None:
    """Print a line on stderr, unless `quiet` is 1 or more."""
    if quiet < 1:
        print(text, file=sys.stderr, flush=True)


def warn_in_sentences() -> None:
    """Show warnings that are for the user of this process as a sentence alone, from here on.

    The line of the program that gave them is left out.
    """
    before = warnings.formatwarning

    def shown(message: Any, category: type[Warning], *where: Any) -> str:
        if category is UserWarning:
            return f"warning: {message}\n"
        return before(message, category, *where)

    warnings.formatwarning = shown


def _bar(unit: str) -> Any:
    try:
        from rich import progress
        from rich.console import Console
    except ImportError:  # a training machine may have torch, numpy and h5py alone
        return None
    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.TextColumn("{task.completed:,}/{task.total:,} " + unit, markup=False),
        progress.TextColumn("{task.fields[rate]}", markup=False),
        progress.TextColumn("{task.fields[clock]}"),
        progress.TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
    )


def _number(value: float) -> str:
    """Three digits, never a power of ten."""
    return f"{value:.3g}" if value < 1000 else f"{float(f'{value:.3g}'):,.0f}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
