"""Which images of a user's FITS files are the bands, and what they are called."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockforge.errors import InputError, nearest
from mockforge.field.fits.check import Cards, Hdu, cards_of, opened, plane_key, walk
from mockforge.field.fits.extensions import beside_by_file_name, is_beside, names_a_band, names_an_image
from mockforge.memory import total_memory
from mockforge.names import band_problem, check_bands

SMALLEST_SIDE = 16
"""Pixels; a smaller image has no sky to speak of."""
_MOST_BANDS = 64


_NO_BANDS = ("WAVE", "AWAV", "FREQ", "ENER", "WAVN", "VRAD", "VOPT", "VELO", "ZOPT", "BETA", "FELO", "STOKES",
             "TIME", "UTC")  # fmt: skip
"""CTYPE3 of cubes whose planes are no bands."""


@dataclass(frozen=True)
class Plane:
    """One band on disk: an image, or one plane of a cube."""

    path: Path
    hdu: Hdu
    plane: int | None


def find_planes(paths: Sequence[str | Path], extensions: Any, bands: Sequence[str] | None) -> list[Plane]:
    """Return the bands in the files, in order; see `Field.read`."""
    listed = [extensions] if isinstance(extensions, (int, str)) else list(extensions or [])
    planes: list[Plane] = []
    for i, file in enumerate(paths):
        path, own = split_name(file)
        units = walk(path)
        selected = own or listed
        if not own and len(paths) > 1 and listed:
            if len(listed) not in (1, len(paths)):
                raise InputError(
                    f"extensions: {len(listed)} for {len(paths)} files; give one, or one per file"
                )
            selected = [listed[0] if len(listed) == 1 else listed[i]]
        chosen = [_named(path, units, e) for e in selected] or _chosen(path, units, len(paths), bands)
        planes += [p for unit in chosen for p in _of_unit(path, unit, bands is None)]
    if len(planes) > _MOST_BANDS:
        raise InputError(
            f"{paths[0]}: {len(planes)} images, at most {_MOST_BANDS} bands are allowed; is it a stack of"
            f" stamps or a spectral cube? Name the bands' extensions, as {Path(paths[0]).name}[1]"
        )
    for i, plane in enumerate(planes):
        if plane in planes[:i]:
            raise InputError(f"{plane.path}: extension {plane.hdu} is given twice; give every band once")
    return planes


def split_name(given: str | Path) -> tuple[Path, list[int | str]]:
    """`name.fits[SCI]`, `name.fits[SCI,2]` or `name.fits[1]` as the file and the extension."""
    match = re.match(r"^(.+)\[([^\[\]]+)\]$", str(given))
    if match and not Path(given).exists():
        text = match.group(2)
        return Path(match.group(1)), [int(text) if text.isdigit() else text]
    return Path(given), []


def _named(path: Path, units: list[Hdu], wanted: int | str) -> Hdu:
    if isinstance(wanted, int):
        unit = units[wanted] if 0 <= wanted < len(units) else None
        alike = []
    else:
        match = re.fullmatch(r"(.*\S)\s*[,:]\s*(\d+)", wanted)
        name = match.group(1) if match else wanted
        same = [u for u in units if u.name == name] or [u for u in units if u.name.lower() == name.lower()]
        alike = [u for u in same if not match or u.version == int(match.group(2))]
        unit = alike[0] if alike else None
    if unit is None or not unit.shape:
        with_image = [u for u in units if u.shape]
        images = [u for u in with_image if not is_beside(u.name)] or with_image
        names, every = ([u.name or str(u.index) for u in some] for some in (images, with_image))
        hint = nearest(wanted, names)
        if "did you mean" not in hint and "did you mean" in nearest(wanted, every):
            hint = nearest(wanted, every)  # a noise map or a mask, of which no band's name is near
        raise InputError(f"{path}: no image in an extension {wanted!r}{hint}")
    if len([u for u in alike if u.shape]) > 1:
        raise InputError(f"{path}: {_several(path, alike)}")
    return unit


def _several(path: Path, alike: list[Hdu]) -> str:
    """Return the sentence on images of one name: chips or exposures, of which one has to be chosen."""
    listed = ", ".join(f"{u.index} ({u.name},{u.version})" for u in alike)
    typed = " or ".join(f"{path.name}[{u.index}]" for u in alike[:2])
    return (
        f"{len(alike)} images are called {alike[0].name} (extensions {listed}): chips or exposures, and no"
        f" bands of one image; say which one, as {typed}, or with `--extensions {alike[0].index}`"
        " (`extensions:` in a recipe)"
    )


def _chosen(path: Path, units: list[Hdu], files: int, bands: Sequence[str] | None) -> list[Hdu]:
    """Return the science images of a file, where the user named no extension."""
    images = [u for u in units if len(u.shape) >= 2]
    if not images:
        extensions = ", ".join(str(u) for u in units)
        flat = any(u.shape for u in units)
        missing = "no image of two dimensions" if flat else "no image"
        raise InputError(f"{path}: {missing} in it (it holds: {extensions}); a FITS image (y, x) is expected")
    if files == 1 and bands:
        by_name = {u.name.lower(): u for u in images}
        if all(b.lower() in by_name for b in bands):
            exact = {u.name: u for u in images}
            return [exact.get(b, by_name[b.lower()]) for b in bands]
    science = [u for u in images if not is_beside(u.name) or _own_band(path, u) == u.name] or images[:1]
    called = [u for u in science if u.name.upper() in ("SCI", "SCIENCE")]
    if len(called) > 1 and not (bands and len(bands) == len(called)):
        if len({_own_band(path, u) for u in called} - {None}) < len(called):
            raise InputError(f"{path}: {_several(path, called)}")
        return called
    science = called or science
    if len(science) > 1 and files > 1:
        raise InputError(
            f"{path}: {len(science)} images in one of {files} files ({_listed(science)}); say which one is"
            f" the band, as {path.name}[{science[0].name or science[0].index}] or with `extensions`"
        )
    if len(science) > 1 and not (bands and len(bands) == len(science)):
        science = _bands_among(path, science, images)
    return science


def _bands_among(path: Path, science: list[Hdu], images: list[Hdu]) -> list[Hdu]:
    """Return the images that say which band they are; InputError where some do not."""
    own = [_own_band(path, u) for u in science]
    doubtful = [
        u
        for u, band in zip(science, own, strict=True)
        if (band is None and not names_a_band(u.name)) or (band is not None and own.count(band) > 1)
    ]
    if not doubtful:
        return science
    plain = [u for u in science if names_an_image(u.name)]
    rest = [u for u in science if u not in plain]
    if len(plain) == 1 and not rest:
        return plain
    first = (plain or science)[0]
    alone = first.name and [u.name for u in images].count(first.name) == 1
    typed = f"{path.name}[{first.name if alone else first.index}]"
    every = ",".join(str(u.index) for u in science)
    which = "them" if len(doubtful) == len(images) else _listed(doubtful)
    raise InputError(
        f"{path}: {len(images)} images are in it ({_listed(images)}), and what is not known of"
        f" {which} is whether it is a band: name the one image, as {typed}, or all bands, with"
        f" `--extensions {every}` (`extensions:` in a recipe)"
    )


def _listed(units: list[Hdu]) -> str:
    shown = ", ".join(str(u) for u in units[:8])
    return shown + (f" and {len(units) - 8} more" if len(units) > 8 else "")


def _own_band(path: Path, unit: Hdu) -> str | None:
    """Return the band that the extension's own header names; the primary's is that of all."""
    with opened(path) as units:
        return _band_card(Cards([units[unit.index].header]))


def _band_card(card: Cards) -> str | None:
    for key in ("BAND", "FILTER", "FILTER1", "FILTER2", "FILTNAM1"):
        card_value = card(key)
        value = "" if card_value is None else str(card_value).strip()
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", value) and not value.upper().startswith("CLEAR"):
            return value
    return None


def _of_unit(path: Path, unit: Hdu, unnamed: bool) -> list[Plane]:
    shape = tuple(n for i, n in enumerate(unit.shape) if n > 1 or i >= len(unit.shape) - 2)
    if len(shape) not in (2, 3):
        raise InputError(
            f"{path}: extension {unit} has {len(unit.shape)} dimension(s); an image (y, x) or a cube"
            " (band, y, x) is expected"
        )
    if len(shape) == 2:
        return [Plane(path, unit, None)]
    axis = _third_axis(path, unit) if unnamed else ""
    if axis:
        raise InputError(
            f"{path}: extension {unit} is a cube along {axis}, and not of bands; cut out the plane that is"
            f" wanted, or name its {shape[0]} planes as bands, with `--bands` (`bands:` in a recipe)"
        )
    return [Plane(path, unit, i) for i in range(shape[0])]


def _third_axis(path: Path, unit: Hdu) -> str:
    """CTYPE3 where it is of wavelengths, velocities, polarisations or times; else empty."""
    with opened(path) as units:
        kind = str(cards_of(units, unit.index)("CTYPE3") or "").strip().upper()
    return kind if kind.startswith(_NO_BANDS) else ""


def band_names(planes: list[Plane], bands: Sequence[str] | None) -> list[str]:
    """Names of the bands: those given, else from the headers, else from the files' names."""
    if bands:
        if len(bands) != len(planes):
            images = ", ".join(f"{p.path.name}[{p.hdu.index}]" for p in planes[:8])
            raise InputError(
                f"bands: {len(bands)} names ({', '.join(bands)}) for {len(planes)} images ({images})"
            )
        names = [str(b) for b in bands]
    else:
        for plane in planes if len(planes) > 1 else []:
            _check_file_name(plane)
        names = [_band_name(p, i, len(planes)) for i, p in enumerate(planes)]
        if len(set(names)) < len(names):
            names = [f"band{i + 1}" for i in range(len(planes))]
    check_bands(names)
    return names


def _check_file_name(plane: Plane) -> None:
    """InputError where a file beside others is by its name a mask, a noise map or a weight map."""
    stem = _stem(plane.path)
    kind = beside_by_file_name(stem) if names_an_image(plane.hdu.name) else ""
    if kind:
        key = {"a mask": "mask", "a noise map": "rms", "a weight map": "weight"}[kind]
        raise InputError(
            f"{plane.path}: by its name {kind} and not an image of a band; give the images alone (the source"
            f" `image` of a recipe takes it as `{key}:`), or, if it is an image, name all bands with"
            " `--bands` (`bands:` in a recipe)"
        )


def _stem(path: Path) -> str:
    return re.sub(r"\.(fits?|fz|gz|bz2)$", "", re.sub(r"\.(fz|gz|bz2)$", "", path.name))


def _band_name(plane: Plane, i: int, n: int) -> str:
    with opened(plane.path) as units:
        card = cards_of(units, plane.hdu.index, plane.plane)
        own = plane.plane is None or plane_key("BAND", plane.plane) in card.headers[0]
        card_name = _band_card(card) if own else None
    if plane.plane is not None:
        return card_name or f"band{plane.plane + 1}"
    if card_name is not None:
        return card_name
    name = "" if names_an_image(plane.hdu.name) else plane.hdu.name
    chosen = re.sub(r"[^A-Za-z0-9_.+-]+", "_", name or _stem(plane.path)).strip("_.+-")
    return f"band{i + 1 if n > 1 else ''}" if band_problem(chosen) else chosen


def check_shapes(planes: list[Plane], names: list[str], held: bool = True) -> None:
    """InputError unless all bands have one shape that is large enough and, where `held`, fits into memory."""
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
            f" {SMALLEST_SIDE} are expected"
        )
    needed, memory = 4 * len(planes) * math.prod(first), total_memory()
    if held and needed > 0.8 * memory:
        raise InputError(
            f"{planes[0].path}: {len(planes)} bands of {first[1]} x {first[0]} pixels need"
            f" {needed / 1e9:,.0f} GB of memory, this machine has {memory / 1e9:,.0f}; cut the image first"
        )
