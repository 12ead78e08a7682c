"""Writing a field of any size: windows go to disk as they are painted, and cut-off work continues."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mockforge.errors import InputError
from mockforge.files import from_home, sync_folder
from mockforge.lock import only_holder
from mockforge.mosaic import fits_file, packed_file, zarr_store
from mockforge.mosaic.painters import Painted, painted
from mockforge.mosaic.spec import MosaicSpec

Window = tuple[int, int, int, int]
Windows = Callable[[int, int, int, int], dict[str, np.ndarray]]
"""(y0, y1, x0, x1) -> plane -> (band, y, x); sent to worker processes, so it can be pickled."""
Advance = Callable[[int], None]


class Footprint(Protocol):
    """Which pixels of a field are wanted."""

    def any_inside(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Return whether a window has a pixel inside."""
        ...

    def inside(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return which pixels of a window are inside, (h, w) bool."""
        ...


def is_streamed(path: str | Path) -> bool:
    """Whether a name is that of one file that is written window by window."""
    return str(path).lower().endswith((".fits", ".fits.fz", ".zarr"))


def write_mosaic(
    path: str | Path,
    spec: MosaicSpec,
    paint: Windows,
    *,
    workers: int = 1,
    window: int | None = None,
    footprint: Footprint | None = None,
    advance: Advance | None = None,
    beside: AbstractContextManager[Any] | None = None,
) -> Path:
    """Write a field as FITS or Zarr, by the name's end, without ever holding it.

    The file is `NAME.part` until it is whole, with a journal of the windows that are there beside it:
    the same command after an interruption, also kill -9 or a full disk, paints what is missing. The
    bytes depend neither on the number of workers, nor on the windows' order, nor on interruptions.

    Parameters
    ----------
    path
        `.fits`, `.zarr`, or `.fits.fz`, which is tile-compressed without loss when all is painted; an older
        one of that name is replaced.
    spec
        What it is to be.
    paint
        Paints a window.
    workers
        Processes that paint, one thread each.
    window
        Side of a window in pixels; by default as large as memory allows, `spec.window`. It is the side of
        a shard of Zarr.
    footprint
        What is inside is painted; the rest is NaN (Zarr: absent).
    advance
        Called with the number of pixels done since the last call.
    beside
        Another file that belongs to the field: entered once the field has its room on the disk, left
        before the field gets its name.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        A disk that is too small, or becomes full; an unfinished file of another command; a name of
        another format.
    """
    path = from_home(path)
    if not is_streamed(path):
        raise InputError(f"{path}: a field is written as .fits, .fits.fz or .zarr; end its name so")
    side = window or spec.window
    if path.suffix == ".zarr":
        side = _shard(side)
    if path.is_dir() and path.suffix != ".zarr":
        raise InputError(f"{path}: is a folder; give the name of a file")
    made = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock")
        with only_holder(lock, f"{path}: another process writes it; wait for it, or choose another name"):
            job = _Job(path, spec, side)
            job.begin()
            with beside or nullcontext():
                job.run(paint, workers, footprint, advance or (lambda pixels: None))
            job.end(workers)
    except InputError:
        if made:
            with suppress(OSError):
                path.parent.rmdir()  # where nothing was begun there
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(path.parent).free
            raise InputError(
                f"{path}: the disk is full ({free:,} bytes are free); make room and type the same "
                "command: it continues where it stopped"
            ) from error
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    return path


def _shard(side: int) -> int:
    return max(256, side // 256 * 256)


class _Job:
    """One file being written: its part, its journal, and what is there."""

    def __init__(self, path: Path, spec: MosaicSpec, side: int) -> None:
        self.path, self.spec, self.side = path, spec, side
        self.part = path.with_name(path.name + ".part")
        self.journal = path.with_name(path.name + ".journal")
        self.is_fits = path.suffix != ".zarr"
        self.is_packed = path.suffix == ".fz"
        if self.is_packed:  # a table is no primary
            spec = replace(spec, in_primary=False)
        self.layout = fits_file.layout_of(spec) if self.is_fits else None
        self.done: dict[int, list[int]] = {}

    def begin(self) -> None:
        """Take up what an earlier run left, or make room for a new file."""
        first = json.dumps({"identity": self.spec.identity, "shape": [self.spec.height, self.spec.width],
                            "side": self.side}, sort_keys=True)  # fmt: skip
        lines = self._left()
        if lines and lines[0] != first:
            raise InputError(
                f"{self.part}: is the unfinished file of another command; type that command again to finish "
                f"it, or delete {self.part} and {self.journal}"
            )
        self._check_disk()
        if not lines or not self.part.exists():
            if self.layout is not None:
                fits_file.create(self.part, self.layout)
            else:
                zarr_store.create(self.part, self.spec, self.side)
            self.journal.write_text(first + "\n")
            return
        windows = list(self.spec.windows(self.side))
        for line in lines[1:]:
            number, *sums = (int(word) for word in line.split())
            if self._holds(windows[number], sums):
                self.done[number] = sums

    def _left(self) -> list[str]:
        """Return the whole lines of a journal; none where there is none."""
        try:
            text = self.journal.read_text()
        except FileNotFoundError:
            if self.part.exists():
                self._clear()
            return []
        return text.split("\n")[:-1]

    def _holds(self, window: Window, sums: list[int]) -> bool:
        """Whether the part holds a window that the journal names: a crash of the machine may lose it."""
        return self.layout is None or fits_file.sums_of(self.part, self.layout, window) == sums

    def _check_disk(self) -> None:
        wanted = self.layout.nbytes if self.layout else self.spec.nbytes
        if self.layout and self.is_packed:  # both are there at the end
            wanted += packed_file.most_bytes(self.layout)
        held = 0
        with suppress(OSError):
            files = self.part.rglob("*") if self.part.is_dir() else [self.part]
            held = sum(f.stat().st_blocks * 512 for f in files)
        free = shutil.disk_usage(self.path.parent).free
        if wanted - held > free:
            there = f", of which {held:,} are there," if held else ""
            raise InputError(
                f"{self.path}: {wanted:,} bytes are wanted{there} and {free:,} are free on the disk; choose "
                "a smaller --size or another disk"
            )

    def run(self, paint: Windows, workers: int, footprint: Footprint | None, advance: Advance) -> None:
        """Paint what is missing; the journal gets a line a window."""
        windows = list(self.spec.windows(self.side))
        missing = [i for i in range(len(windows)) if i not in self.done]
        advance(sum(_size(windows[i]) for i in self.done))
        painter = Painted(paint, self.part, self.spec, self.layout, footprint)
        with self.journal.open("a") as journal:
            for number, sums in painted(painter, windows, missing, workers):
                journal.write(" ".join(map(str, (number, *sums))) + "\n")
                journal.flush()
                self.done[number] = sums
                advance(_size(windows[number]))

    def end(self, workers: int) -> None:
        """Give the file its name, compressed where the name says so."""
        done = self.part
        if self.layout is not None:
            sums = [sum(column) for column in zip(*self.done.values(), strict=True)]
            fits_file.finish(self.part, self.layout, sums)
            if self.is_packed:
                done = self.path.with_name(self.path.name + ".packed")
                try:
                    packed_file.pack(self.part, done, self.layout, workers)
                except BaseException:
                    done.unlink(missing_ok=True)  # what was painted stays
                    raise
        else:
            zarr_store.finish(self.part, self.spec, self.side)
        if self.path.is_dir():
            shutil.rmtree(self.path)
        os.replace(done, self.path)
        if done != self.part:
            self.part.unlink()
        self.journal.unlink(missing_ok=True)
        sync_folder(self.path.parent)

    def _clear(self) -> None:
        if self.part.is_dir():
            shutil.rmtree(self.part)
        else:
            self.part.unlink()


def _size(window: Window) -> int:
    return (window[1] - window[0]) * (window[3] - window[2])
