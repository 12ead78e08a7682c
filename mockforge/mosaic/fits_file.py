"""A FITS file whose headers are written first and whose pixels are written in place, in any order."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge._version import __version__
from mockforge.field.fits.check import OF_PLANES, plane_key, quiet
from mockforge.field.fits.wcs import written
from mockforge.field.fits.write import set_card
from mockforge.mosaic.spec import DTYPES, MosaicSpec, Plane

_BLOCK = 2880
_SUM = "0" * 16
_BITPIX = {"float32": -32, "int32": 32, "uint8": 8}
Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Unit:
    """One image extension: where its header and its data begin, and which bands of which plane it holds."""

    plane: Plane
    first: int
    bands: int
    header: bytes
    start: int
    """Byte of the file at which the header begins."""

    @property
    def data(self) -> int:
        """Byte at which the pixels begin."""
        return self.start + len(self.header)


@dataclass(frozen=True)
class Layout:
    """Every unit of the file, and its length."""

    height: int
    width: int
    primary: bytes
    units: tuple[Unit, ...]
    nbytes: int


def layout_of(spec: MosaicSpec) -> Layout:
    """Return the headers of a field and where its pixels lie."""
    wcs = None if spec.wcs is None else written(spec.wcs)
    if spec.in_primary:
        unit = Unit(spec.planes[0], 0, 1, _image_in_primary(spec, wcs), 0)
        stored = spec.nbytes
        return Layout(spec.height, spec.width, b"", (unit,), unit.data + -(-stored // _BLOCK) * _BLOCK)
    primary = _primary(spec)
    at, units = len(primary), []
    for plane in spec.planes:
        groups = [(0, len(plane.bands))] if spec.cube else [(i, 1) for i in range(len(plane.bands))]
        for first, bands in groups:
            unit = Unit(plane, first, bands, _extension(spec, plane, first, bands, wcs), at)
            units.append(unit)
            stored = bands * spec.pixels * np.dtype(plane.dtype).itemsize
            at = unit.data + -(-stored // _BLOCK) * _BLOCK
    return Layout(spec.height, spec.width, primary, tuple(units), at)


def _primary(spec: MosaicSpec) -> bytes:
    from astropy.io import fits

    unit = fits.PrimaryHDU()
    unit.header["CREATOR"] = (f"mockforge {__version__}", "program that wrote this file")
    with quiet():
        for key, value in spec.header.items():
            set_card(unit.header, key, value)
    return with_sums(text_of(unit.header), 0)


def _image_in_primary(spec: MosaicSpec, wcs: Any) -> bytes:
    """Return the header of a file's only image, with room for its sums."""
    from astropy.io import fits

    header = fits.Header()
    header["SIMPLE"] = (True, "conforms to FITS standard")
    header["BITPIX"] = (_BITPIX[spec.planes[0].dtype], "array data type")
    header["NAXIS"] = (2, "number of array dimensions")
    header["NAXIS1"], header["NAXIS2"] = spec.width, spec.height
    header["CREATOR"] = (f"mockforge {__version__}", "program that wrote this file")
    with quiet():
        if wcs is not None:
            header.extend(wcs, unique=True, update=True)
        for key, value in spec.header.items():
            set_card(header, key, value)
    return text_of(header)


def _extension(spec: MosaicSpec, plane: Plane, first: int, bands: int, wcs: Any) -> bytes:
    """Return the header of one image, with room for its sums."""
    from astropy.io import fits

    header = fits.Header()
    header["XTENSION"] = ("IMAGE", "Image extension")
    header["BITPIX"] = (_BITPIX[plane.dtype], "array data type")
    axes = [spec.width, spec.height] + ([bands] if spec.cube else [])
    header["NAXIS"] = (len(axes), "number of array dimensions")
    for i, length in enumerate(axes, 1):
        header[f"NAXIS{i}"] = length
    header["PCOUNT"] = (0, "number of parameters")
    header["GCOUNT"] = (1, "number of groups")
    with quiet():
        if wcs is not None:
            header.extend(wcs, unique=True, update=True)
        cards = dict(plane.cards_of(first))
        if spec.cube:
            cards = {k: v for k, v in cards.items() if k not in OF_PLANES} | _of_planes(plane)
        for key, value in cards.items():
            header[key] = value
        header["EXTNAME"] = (
            ("SCI" if plane.name == "image" else plane.name.upper()) if spec.cube else (plane.bands[first])
        )
    return text_of(header)


def _of_planes(plane: Plane) -> dict[str, Any]:
    """Return the cards of each plane of a cube: its band, and its PSF."""
    cards = {}
    for i, name in enumerate(plane.bands):
        own = {"BAND": (name, f"band of plane {i + 1}")}
        own |= {k: v for k, v in plane.cards_of(i).items() if k in OF_PLANES and k != "BAND"}
        cards |= {plane_key(key, i): value for key, value in own.items()}
    return cards


def text_of(header: Any) -> bytes:
    """Return a header's bytes with CHECKSUM and DATASUM that are still to be set."""
    header["CHECKSUM"] = (_SUM, "HDU checksum")
    header["DATASUM"] = ("0" * 10, "data unit checksum")
    return header.tostring(endcard=True, padding=True).encode("ascii")


def create(path: Path, layout: Layout) -> None:
    """Write the headers, and make the file as long as it will be: what is not written takes no room."""
    with path.open("wb") as stream:
        stream.truncate(layout.nbytes)
        stream.write(layout.primary)
        for unit in layout.units:
            stream.seek(unit.start)
            stream.write(unit.header)


def write_window(path: Path, layout: Layout, window: Window, pixels: dict[str, np.ndarray]) -> list[int]:
    """Write a window in place; return the sum of 32-bit words of each unit there."""
    handle = os.open(path, os.O_WRONLY)
    try:
        return [_put(handle, unit, layout, window, pixels[unit.plane.name]) for unit in layout.units]
    finally:
        os.close(handle)


def _put(handle: int, unit: Unit, layout: Layout, window: Window, values: np.ndarray) -> int:
    y0, y1, x0, x1 = window
    total, size = 0, np.dtype(unit.plane.dtype).itemsize
    for k in range(unit.bands):
        band = np.ascontiguousarray(values[unit.first + k], dtype=DTYPES[unit.plane.dtype])
        if x0 == 0 and x1 == layout.width:
            _write(handle, band, unit.data + (k * layout.height + y0) * layout.width * size)
        else:
            for row, y in zip(band, range(y0, y1), strict=True):
                _write(handle, row, unit.data + ((k * layout.height + y) * layout.width + x0) * size)
        total += _words(band, (k * layout.height + y0) * layout.width + x0, layout.width)
    return total


def _write(handle: int, pixels: np.ndarray, at: int) -> None:
    """Write pixels that lie one after another in memory."""
    content = pixels.reshape(-1).view(np.uint8).data
    done = os.pwrite(handle, content, at)
    while done < len(content):
        done += os.pwrite(handle, content[done:], at + done)


def _words(band: np.ndarray, first: int, width: int) -> int:
    """Return the sum of the big-endian 32-bit words that these pixels are part of."""
    if band.dtype.itemsize == 4:
        return int(band.view(">u4").sum(dtype=np.uint64))
    place = first + np.arange(band.shape[0])[:, None] * width + np.arange(band.shape[1])
    return int((band.astype(np.uint64) << (8 * (3 - place % 4)).astype(np.uint64)).sum(dtype=np.uint64))


def sums_of(path: Path, layout: Layout, window: Window) -> list[int]:
    """Return what `write_window` returned, from what the file holds now."""
    y0, y1, x0, x1 = window
    out = []
    for unit in layout.units:
        kind = DTYPES[unit.plane.dtype]
        shape = (unit.bands, layout.height, layout.width)
        held = np.memmap(path, dtype=kind, mode="r", offset=unit.data, shape=shape)
        first = [(k * layout.height + y0) * layout.width + x0 for k in range(unit.bands)]
        parts = [np.ascontiguousarray(held[k, y0:y1, x0:x1]) for k in range(unit.bands)]
        out.append(sum(_words(p, f, layout.width) for p, f in zip(parts, first, strict=True)))
    return out


def finish(path: Path, layout: Layout, sums: list[int]) -> None:
    """Set the sums of all units, and force the file to the disk."""
    with path.open("r+b") as stream:
        for unit, total in zip(layout.units, sums, strict=True):
            stream.seek(unit.start)
            stream.write(with_sums(unit.header, folded(total)))
        stream.flush()
        os.fsync(stream.fileno())


def folded(total: int) -> int:
    """One's complement sum of 32-bit words (Pence et al. 2010, A&A 524, A42, appendix J)."""
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def with_sums(header: bytes, datasum: int) -> bytes:
    """Return a header whose DATASUM and CHECKSUM hold: the sum of all words of the unit is all ones."""
    said = header.replace(b"DATASUM = '0000000000'", b"DATASUM = '%-10d'" % datasum)
    total = folded(int(np.frombuffer(said, dtype=">u4").sum(dtype=np.uint64)) + datasum)
    at = said.index(b"CHECKSUM= '") + len(b"CHECKSUM= '")
    return said[:at] + _encoded(0xFFFFFFFF ^ total) + said[at + 16 :]


def _encoded(value: int) -> bytes:
    """16 letters and digits whose sum of words is `value` more than that of sixteen zeros."""
    out = bytearray(16)
    for i in range(4):
        byte = (value >> (24 - 8 * i)) & 0xFF
        four = [byte // 4 + 48] * 4
        four[0] += byte % 4
        while any(58 <= c <= 64 or 91 <= c <= 96 for c in four):
            for j in (0, 2):
                if any(58 <= c <= 64 or 91 <= c <= 96 for c in four[j : j + 2]):
                    four[j] += 1
                    four[j + 1] -= 1
        for j in range(4):
            out[4 * j + i] = four[j]
    return bytes(out[-1:] + out[:-1])
