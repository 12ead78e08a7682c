"""The skeleton of a FITS file, read block by block before anything is allocated.

A header may claim any size. This walk reads the few structural cards of each header and holds
them against the length of the file, so that a truncated file or an absurd header is a sentence
and not a crash, a hang or a request for a terabyte. Pence et al. 2010, A&A 524, A42.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import math
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from mockforge.errors import InputError

_BLOCK = 2880
_LONGEST_HEADER = 4000
"""Blocks; the longest header in the wild has a few hundred."""
_BITPIX = (8, 16, 32, 64, -32, -64)
_MOST_EXPANSION = 5000
"""Uncompressed bytes per byte of a tile-compressed image; a constant one reaches some thousands."""
_MOST_UNPACKED = 64
"""Uncompressed bytes per byte of a .gz or .bz2 file; images reach ten, deflate 1032 on zeros."""
_LONG_TAIL = 1_000_000
"""Bytes after the last unit that are not looked at."""
_ALWAYS_UNPACKED = 256_000_000
"""Bytes to which a .gz or .bz2 file may grow, however small it is."""


@dataclass(frozen=True)
class Hdu:
    """One header and data unit: where it is, what it is called, the shape of its image."""

    index: int
    name: str
    shape: tuple[int, ...]
    """Axes in array order (y, x), (plane, y, x); () where the unit holds no image."""
    scaled: bool
    """Whether BSCALE, BZERO or BLANK ask for a conversion (then the file cannot be mapped)."""
    version: int = 1
    """EXTVER: which of several units of one name."""
    end: int = 0
    """Bytes from the start of the (unpacked) file to the end of the unit's data."""

    def __str__(self) -> str:
        size = " x ".join(str(n) for n in reversed(self.shape)) or "no image"
        return f"{self.index}{f' {self.name!r}' if self.name else ''} ({size})"


def walk(path: Path) -> list[Hdu]:
    """Return the units of a FITS file (plain, .gz or .bz2).

    Raises InputError where the file is missing, not FITS, truncated, or a header is impossible.
    """
    try:
        regular(path)
        with path.open("rb") as plain:
            start = plain.read(10)
        size = path.stat().st_size
        unpacked = max(size * _MOST_UNPACKED, _ALWAYS_UNPACKED)
        if start[:2] == b"\x1f\x8b":
            with gzip.open(path) as stream:
                return list(_units(path, stream, unpacked, size))
        if start[:3] == b"BZh":
            with bz2.open(path) as stream:
                return list(_units(path, stream, unpacked, size))
        with path.open("rb") as stream:
            return list(_units(path, stream, size))
    except PermissionError as error:
        raise InputError(f"{path}: may not be read ({error.strerror})") from error
    except (EOFError, zlib.error, OSError) as error:
        raise InputError(f"{path}: damaged or truncated compressed file ({error})") from error


def regular(path: Path) -> None:
    """InputError unless `path` is a file with an end: no folder, pipe, device or socket."""
    if path.is_file():
        return
    if not path.exists():
        link = " (a broken link)" if path.is_symlink() else ""
        raise InputError(f"{path}: no such file{link}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder, a FITS file is expected")
    raise InputError(f"{path}: is no regular file but a pipe, a device or a socket; write it to a file first")


def _units(
    path: Path, stream: IO[Any] | gzip.GzipFile, length: int, packed: int | None = None
) -> Iterator[Hdu]:
    index, position = 0, 0
    while True:
        cards = _header(path, stream, index)
        if cards is None:
            return
        position = stream.tell()
        _check_scaling(path, index, cards)
        shape = _shape(path, index, cards, "")
        stored = _stored_bytes(path, index, cards, shape)
        if position + stored > length:
            sides = " x ".join(str(n) for n in reversed(shape))
            if packed is not None:
                raise InputError(
                    f"{path}: extension {index} is to hold {sides} values = {stored:,} bytes, and the"
                    f" compressed file has {packed:,}: no image packs {(position + stored) // packed} times."
                    " It is truncated, its header is wrong, or it is nearly empty; if it is right, unpack"
                    " it first (gunzip, bunzip2)"
                )
            raise InputError(
                f"{path}: truncated, or its header is wrong: extension {index} is to hold {sides} values"
                f" = {stored:,} bytes, and {max(length - position, 0):,} bytes are there."
                " Fetch the file again, or correct NAXIS1 and NAXIS2"
            )
        end = position + -(-stored // _BLOCK) * _BLOCK
        yield replace(_unit(path, index, cards, shape, stored), end=end)
        last = position + stored
        stream.seek(last - 1 if stored else last)
        if stored and not stream.read(1):
            raise InputError(f"{path}: truncated inside the data of extension {index}; fetch it again")
        stream.seek(end)
        index += 1


def _header(path: Path, stream: IO[Any] | gzip.GzipFile, index: int) -> dict[str, str] | None:
    """Return the structural cards of the next header, or None where the file ends."""
    cards: dict[str, str] = {}
    for block_number in range(_LONGEST_HEADER):
        block = stream.read(_BLOCK)
        if block_number == 0:
            if index == 0 and block[:9] != b"SIMPLE  =":
                kind = "is empty" if not block else f"starts with {block[:8]!r}"
                raise InputError(f"{path}: not a FITS file ({kind}; FITS starts with 'SIMPLE  =')")
            if index > 0 and block[:8] != b"XTENSION":
                return None  # the end, or the free-form records the standard allows after it
        for at in range(0, len(block) - 79, 80):
            card = block[at : at + 80].decode("latin-1")
            key = card[:8].strip()
            if key == "END":
                return cards
            if card[8] == "=":
                cards.setdefault(key, _value(card[9:]))
        if len(block) < _BLOCK:
            break
    raise InputError(
        f"{path}: truncated or damaged: the header of extension {index} has no END card; fetch it again"
    )


def _value(text: str) -> str:
    text = text.strip()
    if text.startswith("'"):
        return text[1:].split("'")[0].strip()
    return text.split("/")[0].strip()


def _check_scaling(path: Path, index: int, cards: dict[str, str]) -> None:
    for key in ("BSCALE", "BZERO"):
        if key in cards:
            try:
                value = float(cards[key].replace("D", "E"))
            except ValueError:
                value = math.nan
            if not abs(value) < 1e30 or (key == "BSCALE" and value == 0):
                raise InputError(
                    f"{path}: extension {index}: {key} = {cards[key]}, a number below 1e30"
                    f"{' and other than 0' if key == 'BSCALE' else ''} is expected; correct the card"
                )


def _shape(path: Path, index: int, cards: dict[str, str], prefix: str) -> tuple[int, ...]:
    def whole(key: str, low: int, high: int) -> int:
        text = cards.get(key, "missing")
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise InputError(
                f"{path}: extension {index}: {key} = {text}, a whole number from {low} to {high} is expected;"
                " the header is damaged"
            )
        return value

    if whole(f"{prefix}BITPIX", -64, 64) not in _BITPIX:
        raise InputError(
            f"{path}: extension {index}: {prefix}BITPIX = {cards[f'{prefix}BITPIX']},"
            f" one of {', '.join(map(str, _BITPIX))} is expected"
        )
    axes = whole(f"{prefix}NAXIS", 0, 999)
    return tuple(whole(f"{prefix}NAXIS{i}", 0, 2**40) for i in range(axes, 0, -1))


def _number(cards: dict[str, str], key: str, default: int) -> int:
    try:
        return int(cards.get(key, default))
    except ValueError:
        return -1


def _stored_bytes(path: Path, index: int, cards: dict[str, str], shape: tuple[int, ...]) -> int:
    if not shape:
        return 0
    pcount, gcount = _number(cards, "PCOUNT", 0), _number(cards, "GCOUNT", 1)
    if pcount < 0 or gcount < 0:
        raise InputError(f"{path}: extension {index}: PCOUNT and GCOUNT should be whole numbers >= 0")
    if cards.get("GROUPS") == "T" and shape[-1] == 0:
        shape = shape[:-1]
    return abs(int(cards["BITPIX"])) // 8 * gcount * (pcount + math.prod(shape))


def _unit(path: Path, index: int, cards: dict[str, str], shape: tuple[int, ...], stored: int) -> Hdu:
    kind = cards.get("XTENSION", "IMAGE")
    compressed = kind == "BINTABLE" and cards.get("ZIMAGE") == "T"
    if compressed:
        shape = _compressed_shape(path, index, cards, shape, stored)
    elif kind != "IMAGE" or cards.get("GROUPS") == "T":
        shape = ()
    if 0 in shape:
        shape = ()
    scaled = compressed or any(key in cards for key in ("BSCALE", "BZERO", "BLANK"))
    name = cards.get("EXTNAME") or cards.get("EXTTYPE", "")  # the LSST pipelines' own card
    return Hdu(index, name, shape, scaled, _number(cards, "EXTVER", 1))


def _compressed_shape(
    path: Path, index: int, cards: dict[str, str], table: tuple[int, ...], stored: int
) -> tuple[int, ...]:
    shape = _shape(path, index, cards, "Z")
    n = len(shape)
    tile = [_number(cards, f"ZTILE{n - i}", shape[i] if i == n - 1 else 1) for i in range(n)]
    tiles = math.prod(-(-size // max(t, 1)) for size, t in zip(shape, tile, strict=True))
    rows = table[0] if table else 0
    size = math.prod(shape) * abs(int(cards["ZBITPIX"])) // 8
    if tiles != rows or size > stored * _MOST_EXPANSION:
        sides = " x ".join(str(v) for v in reversed(shape))
        raise InputError(
            f"{path}: extension {index}: the header asks for a compressed image of {sides} in {tiles}"
            f" tiles, and the file holds {rows} tiles in {stored:,} bytes; the header is damaged"
        )
    return shape


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Astropy's warnings and log lines about odd headers kept from the user: what matters is checked here."""
    from astropy import log

    level = log.level
    log.setLevel("ERROR")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


@lru_cache(maxsize=64)
def _end(path: Path, size: int, changed_ns: int) -> int:
    """Bytes to the end of the last unit of a file that stays as it is."""
    return max(unit.end for unit in walk(path))


def _bounded(path: Path) -> IO[bytes] | None:
    """Return a packed file unpacked, or one with a long tail cut, up to the end of its last unit.

    None for others.

    Astropy looks for a further header to the very end, and anything may follow the last unit.
    """
    regular(path)
    with path.open("rb") as plain:
        start = plain.read(3)
    packed: Any = gzip if start[:2] == b"\x1f\x8b" else bz2 if start == b"BZh" else None
    status = path.stat()
    end = _end(path, status.st_size, status.st_mtime_ns)
    if packed is None and status.st_size - end < _LONG_TAIL:
        return None
    with packed.open(path) if packed else path.open("rb") as stream:
        return io.BytesIO(bytes(stream.read(end)).ljust(end, b"\0"))


@contextlib.contextmanager
def opened(path: Path, memmap: bool = False) -> Iterator[Any]:
    """Open the file's HDUList; whatever astropy raises over it becomes an InputError naming the file."""
    with in_sentences(path), open_units(path, memmap) as units:
        yield units


def open_units(path: Path, memmap: bool = False) -> Any:
    """Return the file's HDUList, to be closed; to be used between `in_sentences`."""
    from astropy.io import fits

    bounded = _bounded(path)
    return fits.open(bounded or path, memmap=memmap and bounded is None)


@contextlib.contextmanager
def in_sentences(path: Path) -> Iterator[None]:
    """Say what astropy raises over a file as an InputError that names it, and keep its warnings quiet."""
    with quiet():
        try:
            yield
        except (InputError, KeyboardInterrupt):
            raise
        except Exception as error:  # astropy raises of every kind over damaged files
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            if "missing END card" in reason:
                reason = (
                    "what follows the data is no header; BITPIX or NAXIS are wrong, or the file is damaged:"
                    " fetch it again"
                )
            raise InputError(f"{path}: cannot be read as FITS: {reason}") from error


class Cards:
    """Cards of one extension, then those of the primary; None where absent or unreadable."""

    def __init__(self, headers: list[Any], plane: int | None = None) -> None:
        self.headers, self.plane = headers, plane

    def __call__(self, key: str) -> Any:
        """Return the card's value."""
        return next(iter(self.values(key)), None)

    def values(self, key: str) -> list[Any]:
        """Return the card's value in each header that has it, the extension's first.

        Of a plane of a cube, that of its own card (`plane_key`) where one is there.
        """
        if self.plane is not None and key in OF_PLANES:
            own = Cards(self.headers[:1]).values(plane_key(key, self.plane))
            if own:
                return own
        from astropy.io.fits import VerifyError
        from astropy.io.fits.card import Undefined

        card_values = []
        for header in self.headers:
            try:
                value = header.get(key)
            except (VerifyError, ValueError):
                continue
            if value is not None and not isinstance(value, Undefined):
                card_values.append(value)
        return card_values

    def comment(self, key: str) -> str:
        """Return what stands behind the value; empty where there is nothing."""
        for header in self.headers:
            try:
                if key in header:
                    return str(header.comments[key])
            except (KeyError, ValueError):
                continue
        return ""


OF_PLANES = ("BAND", "PSFFWHM")
"""What a cube's header can say of each plane by itself."""


def plane_key(key: str, plane: int) -> str:
    """Return the card of plane 0, 1, ... of a cube: BAND1, BAND2, ..., PSFFWH1, ..."""
    return f"{key[: 8 - len(str(plane + 1))]}{plane + 1}"


def cards_of(units: Any, index: int, plane: int | None = None) -> Cards:
    """Return the cards of one extension, then of the primary; `plane` of a cube counts from 0."""
    return Cards([units[index].header] + ([units[0].header] if index else []), plane)
