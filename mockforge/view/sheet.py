"""The samples of a dataset laid on a grid, read by windows as a field on disk is."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mockforge.data.kinds import PAIRS, VIEWS, kind_of
from mockforge.data.reader import Reader
from mockforge.errors import InputError

_KEPT = 64_000_000
"""Bytes of samples that were read last and are kept: neighbouring windows want them again."""
_MOST_BANDS = 16
"""Of an image whose bands no attribute names; a cube has more."""
Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Panel:
    """One array's place in a cell."""

    array: str
    left: int
    """Pixels from the left of the cell; the panel lies at its top."""
    height: int
    width: int


@dataclass(frozen=True)
class Grid:
    """Where each sample lies: row by row from the top left, a gap between them."""

    count: int
    columns: int
    cell: tuple[int, int]
    """Width and height with the gap, pixels."""
    gap: int

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width of all."""
        rows = -(-self.count // self.columns)
        return rows * self.cell[1] - self.gap, self.columns * self.cell[0] - self.gap

    def corner(self, index: np.ndarray | int, panel: Panel) -> tuple[Any, Any]:
        """Return (x, y) of the first pixel, at the bottom left, of a panel of samples."""
        x = index % self.columns * self.cell[0] + panel.left
        y = self.size[0] - index // self.columns * self.cell[1] - panel.height
        return x, y

    def cells_in(self, y0: int, y1: int, x0: int, x1: int) -> Iterator[int]:
        """Yield the samples whose cell a window touches."""
        height = self.size[0]
        for row in range((height - y1) // self.cell[1], (height - 1 - y0) // self.cell[1] + 1):
            for column in range(x0 // self.cell[0], (x1 - 1) // self.cell[0] + 1):
                index = row * self.columns + column
                if column < self.columns and 0 <= index < self.count:
                    yield index


@dataclass
class SampleSheet:
    """A dataset as one field: NaN between the samples. It holds no more than a few samples."""

    reader: Reader
    panels: tuple[Panel, ...]
    bands: tuple[str, ...]
    grid: Grid
    view: str = ""
    """Of one sky in several views, the one shown."""
    header: Mapping[str, Any] = field(default_factory=dict)
    wcs: None = None
    _held: OrderedDict[tuple[int, str], np.ndarray] = field(default_factory=OrderedDict)
    _bytes: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (bands, y, x)."""
        return len(self.bands), *self.grid.size

    @property
    def pixel_scale_arcsec(self) -> float | None:
        """Return the side of a pixel of the first panel, where it is known."""
        value = self.reader.attributes.get(self._name("pixel_scale_arcsec"))
        return None if value is None else float(value)

    @property
    def psf_fwhm_arcsec(self) -> Sequence[float] | None:
        """Return the FWHM of the PSF in each band of the first panel, where it is known."""
        value = self.reader.attributes.get(self._name("psf_fwhm_arcsec"))
        return None if value is None else [float(v) for v in np.atleast_1d(value)]

    def read(self, y0: int, y1: int, x0: int, x1: int, plane: str = "image") -> np.ndarray:
        """Return a window, (band, y, x) float32; NaN between the samples."""
        out = np.full((len(self.bands), y1 - y0, x1 - x0), np.nan, dtype=np.float32)
        for panel in self.panels:
            self._lay(out, panel.array, panel, (y0, y1, x0, x1))
        return out

    def mask(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray | None:
        """Return which pixels must not be used: none."""
        return None

    def labels(self, arrays: Mapping[str, Panel], y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return a window of the labels of each sample, (y, x); 0 is sky, and between the samples."""
        out = np.zeros((1, y1 - y0, x1 - x0), dtype=np.int32)
        for array, panel in arrays.items():
            self._lay(out, array, panel, (y0, y1, x0, x1))
        return out[0]

    def _name(self, attribute: str) -> str:
        return f"{attribute}_{self.view}" if self.view else attribute

    def _lay(self, out: np.ndarray, array: str, panel: Panel, window: Window) -> None:
        """Lay what a window holds of an array's samples into it."""
        y0, y1, x0, x1 = window
        for index in self.grid.cells_in(*window):
            x, y = self.grid.corner(index, panel)
            bottom, top = max(y, y0), min(y + panel.height, y1)
            left, right = max(x, x0), min(x + panel.width, x1)
            if bottom < top and left < right:
                out[:, bottom - y0 : top - y0, left - x0 : right - x0] = self._sample(index, array)[
                    :, bottom - y : top - y, left - x : right - x
                ]

    def _sample(self, index: int, array: str) -> np.ndarray:
        """Return an array of a sample, (band, y, x)."""
        key = (index, array)
        if key not in self._held:
            values = self.reader.read(index, [array])[array]
            self._held[key] = values.reshape(-1, *values.shape[-2:])
            self._bytes += values.nbytes
            while self._bytes > _KEPT and len(self._held) > 1:
                self._bytes -= self._held.popitem(last=False)[1].nbytes
        self._held.move_to_end(key)
        return self._held[key]


def sheet_of(reader: Reader, header: Mapping[str, Any] | None = None) -> SampleSheet:
    """Return the sheet of a dataset.

    Pairs lie side by side, input and target; so do a coarse image and the fine one it came from, each on
    its own pixels. Of one sky in several views the first is shown.

    Raises
    ------
    InputError
        Where no array is an image (band, y, x).
    """
    kind, view = kind_of(reader.arrays, reader.attributes), ""
    names = ["image", "truth"] if "truth_pixel_scale_arcsec" in reader.attributes else ["image"]
    if kind == PAIRS:
        names = ["input", "target"]
    elif kind == VIEWS:
        views = [str(name) for name in np.atleast_1d(reader.attributes["views"])]
        view = next(name for name in views if f"image_{name}" in reader.arrays)
        names = [f"image_{view}"]
    elif "image" not in reader.arrays:
        names = [next((n for n in reader.arrays if _is_image(reader, n)), "image")]
    shapes = {n: reader.shapes[n] for n in names if n in reader.arrays and _is_image(reader, n)}
    if not shapes:
        held = ", ".join(f"{n} {tuple(reader.shapes[n])}" for n in reader.arrays)
        raise InputError(
            f"{reader.folder}: no array of the samples is an image (band, y, x), so there is none to view; "
            f"it holds {held}"
        )
    first = next(iter(shapes.values()))
    count = first[0] if len(first) == 3 else 1
    shapes = {n: s for n, s in shapes.items() if (s[0] if len(s) == 3 else 1) == count}
    panels, left = [], 0
    for name, shape in shapes.items():
        panels.append(Panel(name, left, int(shape[-2]), int(shape[-1])))
        left += int(shape[-1]) + 2
    grid = _grid(len(reader), left - 2, max(p.height for p in panels))
    named = reader.attributes.get(f"bands_{view}" if view else "bands", ())
    bands = tuple(str(band) for band in np.atleast_1d(named))
    if len(bands) != count:
        bands = tuple(f"band {i + 1}" for i in range(count)) if count > 1 else (names[0],)
    return SampleSheet(reader, tuple(panels), bands, grid, view, header or {})


def _is_image(reader: Reader, name: str) -> bool:
    """Whether an array is an image of light: real numbers on two axes, or on three with few bands."""
    shape, bands = reader.shapes[name], len(np.atleast_1d(reader.attributes.get("bands", ())))
    if reader.dtypes[name].kind != "f" or len(shape) not in (2, 3) or min(shape[-2:]) < 4:
        return False
    return len(shape) == 2 or shape[0] <= max(bands, _MOST_BANDS)


def _grid(count: int, width: int, height: int) -> Grid:
    """Return the grid of so many cells, half as wide again as it is high."""
    gap = max(4, min(24, max(width, height) // 32))
    cell = (width + gap, height + gap)
    columns = max(1, min(count, round(math.sqrt(1.5 * count * cell[1] / cell[0]))))
    return Grid(count, columns, cell, gap)
