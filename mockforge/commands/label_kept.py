"""What `label` finds window by window, kept on disk until all is there: a run that was cut off goes on."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import MockforgeError
from mockforge.files import appearing
from mockforge.label.mesh import Mesh
from mockforge.label.streamed import Background, Detector, Map, Window


@dataclass(frozen=True)
class Kept:
    """Detects a window and keeps what is found, unless it was kept before."""

    work: Path
    detector: Detector

    def __call__(self, window: Window) -> None:
        """Leave the window's objects in its file."""
        path = file_of(self.work, window)
        if path.exists():
            return
        found = self.detector(window)
        arrays: dict[str, Any] = {f"column {name}": values for name, values in found.table.items()}
        with appearing(path) as part, part.open("wb") as stream:
            np.savez(stream, pixels=found.pixels, owner=found.owner, **arrays)


def file_of(work: Path, window: Window) -> Path:
    """Return where what is found in a window is kept."""
    return work / f"{window[0]}-{window[2]}.npz"


@dataclass(frozen=True)
class Segmentation:
    """Paints the labels of any window from what was found in windows; sent to worker processes."""

    work: Path
    windows: list[Window]
    first: list[int]
    """Objects before those of each window."""
    boxes: np.ndarray
    """(window, 4): y0, y1, x0, x1 of the pixels of its objects."""
    width: int

    def labels(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return (y, x) int32, 0 = sky."""
        out = np.zeros((y1 - y0, x1 - x0), dtype=np.int32)
        b = self.boxes
        near = (b[:, 0] < y1) & (b[:, 1] > y0) & (b[:, 2] < x1) & (b[:, 3] > x0)
        for i in np.flatnonzero(near):
            with np.load(file_of(self.work, self.windows[i])) as found:
                y, x = np.divmod(found["pixels"], self.width)
                inside = (y >= y0) & (y < y1) & (x >= x0) & (x < x1)
                out[y[inside] - y0, x[inside] - x0] = found["owner"][inside] + self.first[i]
        return out

    def __call__(self, y0: int, y1: int, x0: int, x1: int) -> dict[str, np.ndarray]:
        """Return the plane of labels as `write_mosaic` takes it."""
        return {"segmentation": self.labels(y0, y1, x0, x1)[None]}


def table_of(work: Path, window: Window) -> dict[str, np.ndarray]:
    """Return the catalogue's columns of what is kept of a window."""
    with np.load(file_of(work, window)) as found:
        mark = "column "
        return {n.removeprefix(mark): found[n] for n in found.files if n.startswith(mark)}


def kept_background(work: Path, measured: Callable[[], Background]) -> Background:
    """Return the background that an earlier run left, or `measured()`, which is kept."""
    path = work / "background.npz"
    if not path.exists():
        background = measured()
        arrays: dict[str, Any] = {"masked": background.masked, "empty": background.empty}
        meshes = [*background.bands, *([] if background.mean is None else [background.mean])]
        for i, mesh in enumerate(meshes):
            arrays |= {f"level {i}": mesh.level, f"rms {i}": mesh.rms, f"noise {i}": mesh.global_rms}
        arrays |= {"bands": len(background.bands), "meshes": len(meshes), "cell": meshes[0].cell}
        with appearing(path) as part, part.open("wb") as stream:
            np.savez(stream, **arrays)
    with np.load(path) as held:
        cell = int(held["cell"])
        kept = tuple(
            Mesh(held[f"level {i}"], held[f"rms {i}"], cell, float(held[f"noise {i}"]))
            for i in range(int(held["meshes"]))
        )
        bands, masked, empty = int(held["bands"]), bool(held["masked"]), float(held["empty"])
    return Background(kept[:bands], kept[bands] if len(kept) > bands else None, masked, empty)


@contextmanager
def processes(workers: int) -> Iterator[Map]:
    """Give a `map` in order, here or in worker processes that end when this one does."""
    if workers <= 1:
        yield map
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _end_with, (os.getpid(),))
    try:
        yield partial(pool.map)
    except BrokenProcessPool as error:
        raise MockforgeError(
            "a worker process was killed (out of memory?); type the same command with fewer --workers: it"
            " continues where it stopped"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
