"""`mockforge generate -o field.fits`: a field of any size, window by window, with its sources beside it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mockforge.commands.field_painters import FieldPainter
from mockforge.commands.field_sources import SourcesFile, sources_beside
from mockforge.errors import InputError
from mockforge.files import from_home, sha256_of
from mockforge.mosaic.footprint import Footprint, read_footprint
from mockforge.mosaic.spec import MosaicSpec
from mockforge.mosaic.write import is_streamed, write_mosaic
from mockforge.sky.stream import KEPT, Asked, SkyWindows, spec_of
from mockforge.torch_state import steady

_PROCESS, _SHARED = 300_000_000, 230_000_000
"""Bytes of a process that paints, before it holds a pixel, and what all of them share."""
_COPIES = 5
"""Copies of a window's pixels that painting it takes."""


@dataclass(frozen=True)
class FileAsked:
    """The one file that is to be written."""

    path: Path
    size: tuple[int, int]
    seed: int
    cube: bool = False
    noiseless: bool = False
    center: tuple[float, float] | None = None
    workers: int = 1
    footprint: Path | None = None
    sources: bool = False


@dataclass(frozen=True)
class FieldFile:
    """A field that is ready to be written: its sky, what it is to be, and what of it is wanted."""

    asked: FileAsked
    painter: FieldPainter
    sky: Any
    spec: MosaicSpec
    footprint: Footprint | None

    def write(self, advance: Callable[[int], None]) -> list[Path]:
        """Write it; returns the field, and the table of its sources where it is asked for."""
        asked, beside = self.asked, None
        if asked.sources:
            table = partial(self.painter.table, self.sky)
            beside = SourcesFile(sources_beside(asked.path), self.spec, table, self.footprint)
        path = write_mosaic(
            asked.path,
            self.spec,
            SkyWindows(self.sky, noiseless=asked.noiseless),
            workers=asked.workers,
            footprint=self.footprint,
            advance=advance,
            beside=beside,
        )
        return [path] if beside is None else [path, beside.path]

    def plan(self, fields: int = 1) -> list[str]:
        """Return what writing it will take, one window of it painted and nothing written.

        `fields`: so many of its size one after another, of which the disk is to have room for all.
        """
        spec, side, asked = self.spec, self.spec.window, self.asked
        workers = asked.workers
        tiles, pixels, (y0, y1, x0, x1) = self._wanted()
        start = time.perf_counter()
        with steady():
            self.sky.pixels(y0, y1, x0, x1)
        rate = (y1 - y0) * (x1 - x0) / (time.perf_counter() - start)
        bands = sum(len(plane.bands) for plane in spec.planes)
        window = _COPIES * 4 * bands * min(side, spec.height) * min(side, spec.width)
        memory = workers * (_PROCESS + window + 2 * KEPT) + _SHARED
        return [
            f"{spec.height} x {spec.width} pixels in {len(spec.planes[0].bands)} bands, "
            f"{', '.join(p.name for p in spec.planes)}",
            f"tiles: {tiles:,} of {side} x {side} pixels"
            + (f", {spec.count(side) - tiles:,} outside the footprint" if self.footprint else ""),
            f"bytes: {spec.nbytes:,}"
            + (
                ", and the compressed file's beside them at the end"
                if self.asked.path.suffix == ".fz"
                else ""
            ),
            f"time: about {_words(pixels / rate / workers)} with {workers} worker{'s' * (workers > 1)}, at "
            f"{rate / 1e6:.2f} Mpix/s of one tile on one thread",
            f"memory: about {memory / 1e9:.1f} GB",
            *self._too_small(fields),
        ]

    def _too_small(self, fields: int) -> list[str]:
        """Return a line where the disk has not the room."""
        folder = self.asked.path.absolute().parent
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        return [] if free >= fields * self.spec.nbytes else [f"disk: TOO SMALL, {free:,} bytes are free"]

    def _wanted(self) -> tuple[int, int, tuple[int, int, int, int]]:
        """Return the windows to paint, their pixels, and one in their middle.

        Without a footprint they are counted, not listed: the largest size has 10^18 of them.
        """
        spec, side = self.spec, self.spec.window
        if self.footprint is not None:
            chosen = [w for w in spec.windows(side) if self.footprint.any_inside(*w)]
            pixels = sum((w[1] - w[0]) * (w[3] - w[2]) for w in chosen)
            return len(chosen), pixels, chosen[len(chosen) // 2]
        y0, x0 = ((length // side) // 2 * side for length in (spec.height, spec.width))
        middle = y0, min(y0 + side, spec.height), x0, min(x0 + side, spec.width)
        return spec.count(side), spec.height * spec.width, middle


def field_file(painter: FieldPainter, asked: FileAsked) -> FieldFile:
    """Return what writes a field; everything that can be refused is, before a pixel is painted.

    Raises
    ------
    InputError
        For a size that is not positive, a sky without what is requested, or an unusable footprint.
    """
    path = from_home(asked.path)
    if not is_streamed(path):
        raise InputError(f"{path}: one field is written as .fits, .fits.fz or .zarr; a folder takes several")
    sky = painter.endless(asked.seed).keeping(KEPT)
    known_by = painter.known_by + (f" footprint {sha256_of(asked.footprint)}" if asked.footprint else "")
    spec = spec_of(sky, asked.size, Asked((0, 0), asked.center, asked.cube, asked.noiseless, known_by))
    footprint = None if asked.footprint is None else read_footprint(asked.footprint, spec.wcs, asked.size)
    if asked.sources and painter.table(sky, 0, 1, 0, 1) is None:
        raise InputError(
            "--sources: pixels of this model have no owners; choose a model of the network `forge`, or a "
            "scene"
        )
    return FieldFile(replace(asked, path=path), painter, sky, spec, footprint)


def _words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 72 else f"{hours / 24:,.0f} days"
