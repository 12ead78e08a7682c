"""Which images of a user's FITS files are the bands, and what they are called."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockforge.errors import InputError, nearest
from mockforge.fits.check import Hdu, cards_of, opened, walk
from mockforge.names import check_bands

SMALLEST_SIDE = 16
"""Pixels; a smaller image has no sky to speak of."""
_MOST_BANDS = 64
_BESIDE = re.compile(
    r"^(MASK|DQ|ERR|ERROR|WHT|WEIGHT|WEIGHTS|WGT|RMS|VAR|VARIANCE|IVAR|CTX|CON|EXP|NSAMP|PSF|SEGM?|"
    r"SEGMENTATION|INSTANCES|TRUTH_.*|VAR_.*|.*_(ERR|RMS|WHT|MASK|PSF|VAR|IVAR|WEIGHT|NOISE))$"
)
"""Names of extensions that stand beside an image: weights, masks, PSFs."""
_MEANINGLESS = ("", "SCI", "IMAGE", "PRIMARY", "COMPRESSED_IMAGE")
"""Names of extensions that name no band."""


@dataclass(frozen=True)
class Plane:
    """One band on disk: an image, or one plane of a cube."""

    path: Path
    hdu: Hdu
    plane: int | None


def find_planes(paths: Sequence[str | Path], extensions: Any, bands: Sequence[str] | None) -> list[Plane]:
    """The bands in the files, in order; see `read_field`."""
    wanted = [extensions] if isinstance(extensions, (int, str)) else list(extensions or [])
    planes: list[Plane] = []
    for i, given in enumerate(paths):
        path, own = split_name(given)
        units = walk(path)
        asked = own or wanted
        if not own and len(paths) > 1 and wanted:
            if len(wanted) not in (1, len(paths)):
                raise InputError(
                    f"extensions: {len(wanted)} for {len(paths)} files; give one, or one per file"
                )
            asked = [wanted[0] if len(wanted) == 1 else wanted[i]]
        chosen = [_named(path, units, e) for e in asked] or _chosen(path, units, len(paths), bands)
        planes += [p for unit in chosen for p in _of_unit(path, unit)]
    if len(planes) > _MOST_BANDS:
        raise InputError(
            f"{paths[0]}: {len(planes)} images, at most {_MOST_BANDS} bands are wanted; is it a stack of"
            f" stamps or a spectral cube? Name the bands' extensions, as {Path(paths[0]).name}[1]"
        )
    for i, plane in enumerate(planes):
        if plane in planes[:i]:
            raise InputError(f"{plane.path}: extension {plane.hdu} is given twice; every band once is wanted")
    return planes


def split_name(given: str | Path) -> tuple[Path, list[int | str]]:
    """`name.fits[SCI]` or `name.fits[1]` as the file and the extension."""
    match = re.match(r"^(.+)\[([^\[\]]+)\]$", str(given))
    if match and not Path(given).exists():
        text = match.group(2)
        return Path(match.group(1)), [int(text) if text.isdigit() else text]
    return Path(given), []


def _named(path: Path, units: list[Hdu], wanted: int | str) -> Hdu:
    if isinstance(wanted, int):
        found = units[wanted] if 0 <= wanted < len(units) else None
    else:
        exact = [u for u in units if u.name == wanted]
        found = (exact or [u for u in units if u.name.lower() == wanted.lower()] or [None])[0]
    if found is None or not found.shape:
        names = [u.name or str(u.index) for u in units if u.shape]
        raise InputError(f"{path}: no image in an extension {wanted!r}{nearest(wanted, names)}")
    return found


def _chosen(path: Path, units: list[Hdu], files: int, bands: Sequence[str] | None) -> list[Hdu]:
    """The science images of a file, where the user named no extension."""
    images = [u for u in units if len(u.shape) >= 2]
    if not images:
        held = ", ".join(str(u) for u in units)
        flat = any(u.shape for u in units)
        what = "no image of two dimensions" if flat else "no image"
        raise InputError(f"{path}: {what} in it (it holds: {held}); a FITS image (y, x) is wanted")
    if files == 1 and bands:
        by_name = {u.name.lower(): u for u in images}
        if all(b.lower() in by_name for b in bands):
            exact = {u.name: u for u in images}
            return [exact.get(b, by_name[b.lower()]) for b in bands]
    science = [u for u in images if not _BESIDE.match(u.name.upper())] or images[:1]
    called_sci = [u for u in science if u.name.upper() == "SCI"]
    science = called_sci[:1] or science
    if len(science) > 1 and files > 1:
        listed = ", ".join(str(u) for u in science)
        raise InputError(
            f"{path}: {len(science)} images in one of {files} files ({listed}); say which one is the band, as"
            f" {path.name}[{science[0].name or science[0].index}] or with `extensions`"
        )
    return science


def _of_unit(path: Path, unit: Hdu) -> list[Plane]:
    shape = tuple(n for i, n in enumerate(unit.shape) if n > 1 or i >= len(unit.shape) - 2)
    if len(shape) not in (2, 3):
        raise InputError(
            f"{path}: extension {unit} has {len(unit.shape)} dimension(s); an image (y, x) or a cube"
            " (band, y, x) is wanted"
        )
    if len(shape) == 2:
        return [Plane(path, unit, None)]
    return [Plane(path, unit, i) for i in range(shape[0])]


def band_names(planes: list[Plane], bands: Sequence[str] | None) -> list[str]:
    """Names of the bands: those given, else from the headers, else from the files' names."""
    if bands:
        if len(bands) != len(planes):
            held = ", ".join(f"{p.path.name}[{p.hdu.index}]" for p in planes[:8])
            raise InputError(
                f"bands: {len(bands)} names ({', '.join(bands)}) for {len(planes)} images ({held})"
            )
        names = [str(b) for b in bands]
    else:
        names = [_band_name(p, i, len(planes)) for i, p in enumerate(planes)]
        if len(set(names)) < len(names):
            names = [f"band{i + 1}" for i in range(len(planes))]
    check_bands(names)
    return names


def _band_name(plane: Plane, i: int, n: int) -> str:
    if plane.plane is not None:
        return f"band{plane.plane + 1}"
    with opened(plane.path) as units:
        card = cards_of(units, plane.hdu.index)
        for key in ("BAND", "FILTER", "FILTER1", "FILTER2", "FILTNAM1"):
            value = str(card(key) or "").strip()
            if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", value) and not value.upper().startswith("CLEAR"):
                return value
    name = "" if plane.hdu.name.upper() in _MEANINGLESS else plane.hdu.name
    stem = re.sub(r"\.(fits?|fz|gz|bz2)$", "", re.sub(r"\.(fz|gz|bz2)$", "", plane.path.name))
    return re.sub(r"[^A-Za-z0-9_.+-]+", "_", name or stem).strip("_.+-") or f"band{i + 1 if n > 1 else ''}"


def check_shapes(planes: list[Plane], names: list[str]) -> None:
    """InputError unless all bands have one shape that is large enough and fits into memory."""
    first = planes[0].hdu.shape[-2:]
    for plane, name in zip(planes, names, strict=True):
        ny, nx = plane.hdu.shape[-2:]
        if (ny, nx) != first:
            raise InputError(
                f"{plane.path}: band {name} is {nx} x {ny} pixels and band {names[0]} is {first[1]} x"
                f" {first[0]}; bands must be aligned on one grid: resample them first (e.g. with reproject)"
            )
    if min(first) < SMALLEST_SIDE:
        raise InputError(
            f"{planes[0].path}: {first[1]} x {first[0]} pixels is too small; at least {SMALLEST_SIDE} x"
            f" {SMALLEST_SIDE} are wanted"
        )
    needed, there = 4 * len(planes) * math.prod(first), memory()
    if needed > 0.8 * there:
        raise InputError(
            f"{planes[0].path}: {len(planes)} bands of {first[1]} x {first[0]} pixels need"
            f" {needed / 1e9:,.0f} GB of memory, this machine has {there / 1e9:,.0f}; cut the image first"
        )


def memory() -> float:
    """Bytes of memory of this machine; infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return math.inf
