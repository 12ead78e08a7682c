"""The processes that paint windows of a field and write them where they belong."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import MockforgeError
from mockforge.memory import give_back
from mockforge.mosaic import fits_file, zarr_store
from mockforge.mosaic.spec import MosaicSpec
from mockforge.torch_state import steady

Window = tuple[int, int, int, int]
_RUN = 4
"""Neighbouring windows that one worker paints in turn: sources near their borders are painted once."""


@dataclass(frozen=True)
class Painted:
    """What paints a window and writes it."""

    paint: Any
    part: Path
    spec: MosaicSpec
    layout: fits_file.Layout | None
    footprint: Any = None

    def __call__(self, window: Window) -> list[int]:
        """Paint and write a window; return the sums of its words in each unit of a FITS file."""
        outside = self.footprint is not None and not self.footprint.any_inside(*window)
        if outside and self.layout is None:
            return []
        pixels = self._empty(window) if outside else self.paint(*window)
        if self.footprint is not None and not outside:
            out = ~self.footprint.inside(*window)
            for plane in self.spec.planes:
                pixels[plane.name][:, out] = np.nan if plane.dtype == "float32" else 0
        sums: list[int] = []
        if self.layout is None:
            zarr_store.write_window(self.part, window, pixels)
        else:
            sums = fits_file.write_window(self.part, self.layout, window, pixels)
        give_back()
        return sums

    def _empty(self, window: Window) -> dict[str, np.ndarray]:
        y0, y1, x0, x1 = window
        return {
            p.name: np.full((len(p.bands), y1 - y0, x1 - x0), np.nan if p.dtype == "float32" else 0, p.dtype)
            for p in self.spec.planes
        }


def painted(
    painter: Painted, windows: list[Window], missing: list[int], workers: int
) -> Iterator[tuple[int, list[int]]]:
    """Yield the number and the sums of each missing window as it comes to be on the disk.

    This process is one of the workers, on one thread like the others: it costs half a GB more to wait.
    """
    size = max(1, min(_RUN, len(missing) // (2 * workers)))
    runs = deque(missing[i : i + size] for i in range(0, len(missing), size))
    helpers = min(workers, len(runs)) - 1
    if helpers < 1:
        for number in missing:
            yield number, _alone(painter, windows[number])
        return
    pool = ProcessPoolExecutor(helpers, multiprocessing.get_context("spawn"), _start, (painter, os.getpid()))
    running: dict[Future[list[list[int]]], list[int]] = {}
    try:
        while runs or running:
            while runs and len(running) < 2 * helpers:
                run = runs.popleft()
                running[pool.submit(_work, [windows[number] for number in run])] = run
            for number in runs.popleft() if runs else ():
                yield number, _alone(painter, windows[number])
            for future in wait(running, 0 if runs else None, FIRST_COMPLETED)[0]:
                yield from zip(running.pop(future), future.result(), strict=True)
    except BrokenProcessPool as error:
        raise MockforgeError(
            f"{painter.part}: a worker process was killed (out of memory?); type the same command with fewer "
            "--workers: it continues where it stopped"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _alone(painter: Painted, window: Window) -> list[int]:
    """Paint and write a window in this process, on one thread."""
    with steady():
        return painter(window)


_painter: Painted | None = None


def _start(painter: Painted, parent: int) -> None:
    """Begin a worker: one thread, and an end when its parent ends in whatever way."""
    global _painter
    import torch

    torch.set_num_threads(1)
    _painter = painter

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work(run: list[Window]) -> list[list[int]]:
    assert _painter is not None
    return [_painter(window) for window in run]
