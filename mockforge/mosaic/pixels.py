"""Windows of FITS bands in nJy: the same headers as `Field.read` reads, and pixels by section."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.bands import Plane
from mockforge.field.fits.beside import find, mask_unit, noise_unit, truth_unit
from mockforge.field.fits.check import Cards, Hdu, cards_of, in_sentences, open_units, opened, walk
from mockforge.field.fits.extensions import VARIANCES
from mockforge.field.fits.masks import Marks, is_explained, marks_of, read_mask
from mockforge.field.fits.read import (
    BandFacts,
    band_facts,
    check_njy,
    check_one_grid,
    joined_facts,
    linear,
    njy_factors,
    origin_of_facts,
)
from mockforge.field.fits.reading import Reading

_READ_ONCE = 4_000_000
"""Pixels of a mask that are read at a time."""
_WIDE = 512
"""Pixels of a row from which on a window is one of many that are read in turn."""
_STORED = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
"""How FITS stores the pixels of each BITPIX."""


@dataclass(frozen=True)
class Band:
    """One band on disk, and what stands beside it there."""

    plane: Plane
    factor: float
    """nJy in one unit of the file."""
    truth: Hdu | None
    variance: Hdu | None
    mask: Hdu | None
    noise: Hdu | None
    """Errors, variances or weights: where they are no number above 0, nothing was observed."""
    marks: Marks | None = None
    """What the whole mask holds, where its cards do not say what its bits mean."""


@dataclass(frozen=True)
class FitsPixels:
    """The bands of FITS files; files are opened when pixels are asked for, in each process anew."""

    bands: tuple[Band, ...]
    planes: tuple[str, ...]
    mask_bits: tuple[str | int, ...] | None = None
    mapped: tuple[Path, ...] = ()
    """Files whose pixels can be read where they lie: neither packed nor scaled."""
    _open: dict[Path, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, _close, self._open)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def read(self, plane: str, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return a window of a plane, (band, y, x) float32, NaN where there is no value."""
        out = np.empty((len(self.bands), y1 - y0, x1 - x0), dtype=np.float32)
        for i, band in enumerate(self.bands):
            hdu = band.plane.hdu if plane == "image" else getattr(band, plane)
            number = band.plane.plane if len(hdu.shape) > 2 else None
            values = self._section(band.plane.path, hdu, number, y0, y1, x0, x1)
            if plane == "image":
                where = f"{band.plane.path}[{hdu.index}]"
                values = linear(values, self._cards(band.plane.path, hdu.index), where)[0]
            factor = band.factor**2 if plane == "variance" else band.factor
            with np.errstate(over="ignore", invalid="ignore"):
                np.multiply(values, factor, out=out[i], casting="unsafe")
        return out

    def masked(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return which pixels of a window the masks beside the bands say not to use, (y, x) bool."""
        bad = np.zeros((y1 - y0, x1 - x0), dtype=bool)
        masks = ((b.plane.path, b.mask, b.marks) for b in self.bands if b.mask is not None)
        for path, hdu, marks in dict.fromkeys(masks):
            bad |= self._read_mask(path, hdu, marks, (y0, y1, x0, x1))
        noises = ((b.plane.path, b.noise) for b in self.bands if b.noise is not None)
        for path, hdu in dict.fromkeys(noises):
            values = self._section(path, hdu, None, y0, y1, x0, x1)
            bad |= ~((values > 0) & (values < np.inf))
        return bad

    def _read_mask(
        self, path: Path, mask: Hdu, marks: Marks | None, window: tuple[int, int, int, int]
    ) -> np.ndarray:
        values = self._section(path, mask, None, *window)
        where = f"{path}[{mask.index}] {mask.name}"
        return read_mask(values, self._cards(path, mask.index), mask.name, where, self.mask_bits, marks).bad

    def with_marks(self) -> FitsPixels:
        """Return them with what each mask as a whole holds, where its cards do not say what its bits mean.

        Such a mask is read once: a window of ones alone does not tell whether 1 is good or bad.
        """
        marks: dict[tuple[Path, Hdu], Marks] = {}
        bands = []
        for band in self.bands:
            path, mask = band.plane.path, band.mask
            if mask is None or is_explained(self._cards(path, mask.index), mask.name, self.mask_bits):
                bands.append(band)
                continue
            if (path, mask) not in marks:
                marks[path, mask] = self._marks(path, mask)
                self._read_mask(path, mask, marks[path, mask], (0, 1, 0, 1))  # refused now, or never
            bands.append(replace(band, marks=marks[path, mask]))
        return replace(self, bands=tuple(bands), _open={})

    def _marks(self, path: Path, mask: Hdu) -> Marks:
        height, width = mask.shape[-2:]
        rows = max(_READ_ONCE // width, 1)
        parts = [
            marks_of(self._section(path, mask, None, y, min(y + rows, height), 0, width))
            for y in range(0, height, rows)
        ]
        return reduce(or_, parts)

    def _cards(self, path: Path, index: int) -> Cards:
        return cards_of(self._hdus(path), index)

    def _section(
        self, path: Path, hdu: Hdu, number: int | None, y0: int, y1: int, x0: int, x1: int
    ) -> np.ndarray:
        """Return a window of an extension, or of one plane of a cube, as it is stored."""
        place = (slice(y0, y1), slice(x0, x1))
        with in_sentences(path):
            unit = self._hdus(path)[hdu.index]
            axes = hdu.shape[:-2]
            lead = tuple(int(n) for n in np.unravel_index(number or 0, axes)) if axes else ()
            if path in self.mapped:
                return _rows(path, unit, number or 0, (y0, y1, x0, x1))
            return np.asarray(unit.section[lead + place])

    def _hdus(self, path: Path) -> Any:
        if path not in self._open:
            with in_sentences(path):
                self._open[path] = open_units(path, memmap=path in self.mapped)
        return self._open[path]


def _rows(path: Path, unit: Any, plane: int, window: tuple[int, int, int, int]) -> np.ndarray:
    """Return a window of a plane that is neither packed nor scaled, as it is stored.

    Row by row, not through a map of the file: pages of a map that stays count as this process's memory,
    in the end the whole file's, and a file that shrinks under a map ends the process.
    """
    y0, y1, x0, x1 = window
    kind = np.dtype(_STORED[unit.header["BITPIX"]])
    height, width = (int(unit.header[f"NAXIS{axis}"]) for axis in (2, 1))
    out = np.empty((y1 - y0, x1 - x0), dtype=kind)
    start = unit.fileinfo()["datLoc"] + ((plane * height + y0) * width + x0) * kind.itemsize
    with path.open("rb", buffering=0) as stream:
        if x1 - x0 >= _WIDE and hasattr(os, "posix_fadvise"):
            # Whole rows are fetched in one go for this window and those beside it: a row of a window alone is
            # a few kB at a time, which a disk gives a hundred times more slowly. The pages are the kernel's.
            first, length = start - x0 * kind.itemsize, (y1 - y0) * width * kind.itemsize
            os.posix_fadvise(stream.fileno(), first, length, os.POSIX_FADV_WILLNEED)
        for i, row in enumerate(out):
            stream.seek(start + i * width * kind.itemsize)
            if stream.readinto(row.view(np.uint8).data) != row.nbytes:
                raise InputError(
                    f"{path}: ends within its pixels: it was cut while it was read; fetch it again"
                )
    return out


def _close(files: dict[Path, Any]) -> None:
    for units in files.values():
        units.close()


def open_fits(names: Sequence[str], reading: Reading) -> dict[str, Any]:
    """Return what a Mosaic is made of, by its names; errors as `Field.read`."""
    planes, called = reading.planes(names, held=False)
    units = {path: walk(path) for path in dict.fromkeys(p.path for p in planes)}
    mapped = tuple(p for p, hdus in units.items() if not any(u.scaled for u in hdus) and _plain(p))
    facts: list[BandFacts] = []
    for i, plane in enumerate(planes):
        with opened(plane.path, memmap=plane.path in mapped) as hdus:
            given = reading.zeropoint_of(i, len(planes))
            facts.append(band_facts(plane, hdus, given, reading.pixel_scale_arcsec))
    check_one_grid(planes, facts, called)
    factors = njy_factors(facts)
    held = tuple(
        _band(plane, name, units[plane.path], factor, sum(p.path == plane.path for p in planes) == 1)
        for plane, name, factor in zip(planes, called, factors, strict=True)
    )
    beside = [p for p in ("truth", "variance") if all(getattr(b, p) is not None for b in held)]
    if any(b.mask is not None for b in held):
        beside.append("mask")
    joined = joined_facts(facts, factors)
    if reading.pixel_scale_arcsec is not None:
        joined["pixel_scale_arcsec"] = reading.pixel_scale_arcsec
    origin = {**origin_of_facts(facts, called), "mask": _mask_words(held)}
    if reading.require_njy:
        check_njy(joined["zeropoint_ab"], origin, planes[0].path)
    return {
        **joined,
        "origin": origin,
        "bands": tuple(called),
        "shape": (len(planes), *planes[0].hdu.shape[-2:]),
        "pixels": FitsPixels(held, ("image", *beside), reading.bits, mapped).with_marks(),
    }


def _mask_words(bands: Sequence[Band]) -> str:
    names = dict.fromkeys(band.mask.name for band in bands if band.mask is not None)
    noises = dict.fromkeys(band.noise.name for band in bands if band.noise is not None)
    unseen = [f"where {name} is no number above 0" for name in noises]
    return (
        f"{', '.join([*names, *unseen]) or 'none: no mask extension'}, NaN and what is beyond 1e30; not"
        " looked for in a field read window by window: regions of one value, marks such as -9999"
    )


def _plain(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(3)[:2] != b"\x1f\x8b" and path.suffix not in (".gz", ".bz2")


def _band(plane: Plane, name: str, units: list[Hdu], factor: float, alone: bool) -> Band:
    return Band(
        plane,
        factor,
        truth_unit(plane, units, name),
        find(plane, units, name, VARIANCES, shared=alone),
        mask_unit(plane, units, name),
        noise_unit(plane, units, name, alone),
    )
