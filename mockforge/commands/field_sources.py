"""The sources of a field of any size as a table beside it, written window by window."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.wcs import sky_of_pixels
from mockforge.mosaic.footprint import Footprint
from mockforge.mosaic.rows import Column, TableSpec, TableWriter
from mockforge.mosaic.spec import MosaicSpec
from mockforge.mosaic.write import Window

_TEXT = "S32"
"""Names of sources: level, block, number; or what a user's table calls them."""

_PLACE = ("right ascension of the centre", "declination of the centre")


def sources_beside(field: Path) -> Path:
    """Return the table of a field's sources: a-sources.fits of a.fits or a.fits.fz, a.zarr-sources.fits."""
    name = field.name
    for ending in (".fz", ".gz", ".bz2", ".fits", ".fit", ".fts"):
        name = name.removesuffix(ending)
    return field.with_name(f"{name}-sources.fits")


@dataclass
class SourcesFile:
    """Writes the sources on entering, and gives the table its name on leaving, the field being painted.

    Rows and windows done are kept beside the unfinished table, as those of the field are: the same command
    continues both.

    Parameters
    ----------
    path
        `.fits` or `.parquet`.
    spec
        The field.
    table
        Window -> the sources that have light there.
    footprint
        Those whose place lies outside are left out.
    """

    path: Path
    spec: MosaicSpec
    table: Callable[..., Any]
    footprint: Footprint | None = None
    _writer: TableWriter | None = None

    @property
    def journal(self) -> Path:
        """The file that says which windows are done."""
        return self.path.with_name(f"{self.path.name}.journal")

    def __enter__(self) -> SourcesFile:
        windows = list(self.spec.windows(2 * self.spec.window))
        done, rows = self._left()
        first = self._of(windows[0])
        table = TableSpec(_columns(first), "SOURCES", self._cards())
        try:
            self._writer = TableWriter(self.path, table, keep=rows)
        except InputError:
            if not rows:
                raise
            done, self._writer = 0, TableWriter(self.path, table)  # the journal is there, the rows are not
        try:
            self._append(self._writer, windows, done, first)
        except BaseException:
            self._writer.leave()
            raise
        return self

    def _append(self, writer: TableWriter, windows: list[Window], done: int, first: Any) -> None:
        """Write the rows of the windows that are not done; `first`: the table of the first of all."""
        with self.journal.open("a" if done else "w") as journal:
            if not done:
                journal.write(self._first + "\n")
            for number, window in enumerate(windows[done:], done):
                table = self._of(window) if number else first
                writer.append(_rows(table, window, self.spec, self.footprint))
                journal.write(f"{writer.flush()}\n")
                journal.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._writer is not None
        if error is not None:
            self._writer.leave()
            return
        self._writer.close()
        self.journal.unlink()

    @property
    def _first(self) -> str:
        return json.dumps({"identity": self.spec.identity})

    def _left(self) -> tuple[int, int]:
        """Return how many windows, and rows, an earlier run of the same command left."""
        try:
            lines = self.journal.read_text().split("\n")[:-1]
        except FileNotFoundError:
            return 0, 0
        if lines and lines[0] != self._first:
            raise InputError(
                f"{self.path}.part: is the unfinished table of another command; type that command again to "
                f"finish it, or delete it and {self.journal}"
            )
        return len(lines[1:]), int(lines[-1]) if lines[1:] else 0

    def _of(self, window: Window) -> Any:
        table = self.table(*window)
        if self.spec.wcs is not None:  # the field's own plane, which need not be the sky's
            places = sky_of_pixels(self.spec.wcs, np.asarray(table["x"]), np.asarray(table["y"]))
            for name, values, what in zip(("ra", "dec"), places, _PLACE, strict=True):
                table[name] = values
                table[name].unit, table[name].description = "deg", what
        return table

    def _cards(self) -> dict[str, Any]:
        header = {key: self.spec.header[key] for key in ("MFMODEL", "MFSEED") if key in self.spec.header}
        return {key: value[0] if isinstance(value, tuple) else value for key, value in header.items()}


def _rows(
    table: Any, window: Window, spec: MosaicSpec, footprint: Footprint | None
) -> Mapping[str, np.ndarray]:
    """Return the sources of a window; one beyond the field's edge is the nearest pixel's."""
    y0, y1, x0, x1 = window
    y, x = (
        np.clip(np.floor(np.asarray(table[name]) + 0.5), 0, side - 1).astype(np.int64)
        for name, side in (("y", spec.height), ("x", spec.width))
    )
    chosen = (y >= y0) & (y < y1) & (x >= x0) & (x < x1)
    if footprint is not None:
        inside = footprint.inside(*window)
        chosen[chosen] = inside[y[chosen] - y0, x[chosen] - x0]
    return {name: np.asarray(table[name])[chosen] for name in table.colnames}


def _columns(table: Any) -> tuple[Column, ...]:
    columns = []
    for name in table.colnames:
        own = table[name]
        dtype = _TEXT if own.dtype.kind in "US" else str(own.dtype)
        columns.append(Column(name, dtype, str(own.unit or ""), str(own.description or ""), own.shape[1:]))
    return tuple(columns)
