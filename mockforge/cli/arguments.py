"""Words of the command line as values; InputError says which option holds what it cannot."""

from __future__ import annotations

from pathlib import Path

from mockforge.errors import InputError
from mockforge.field.fits.write import NOT_FITS

FILES = (".fits", ".fit", ".fts", ".gz", ".zarr", *NOT_FITS)
"""Ends of names that promise a file: a new folder is not called so."""


def size_of(text: str) -> tuple[int, int]:
    """Height and width in pixels of `3232` or `1024x2048`."""
    sides = text.lower().split("x")
    if len(sides) in (1, 2) and all(s.isdecimal() and int(s) > 0 for s in sides):
        return int(sides[0]), int(sides[-1])
    raise InputError(f"--size: should be 3232 or 1024x2048 (height x width), found {text!r}")


def check_folder(out: Path, instead: str = "choose another --out") -> None:
    """InputError where `out` is a file, or new and named like one; `instead` says what to type."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file, a folder is expected; {instead}")
    if not out.exists() and out.suffix.lower() in FILES:
        raise InputError(f"{out}: is the name of a file, a folder is expected; {instead}")


def check_files(*paths: Path | None) -> None:
    """InputError where a file to be written is a folder, or lies in a file."""
    for path in paths:
        if path is not None and path.is_dir():
            raise InputError(f"{path}: is a folder; give the name of a file")
        if path is not None and path.parent.exists() and not path.parent.is_dir():
            raise InputError(f"{path}: {path.parent} is a file, not a folder; choose another place")


def words_of(text: str | None) -> list[str] | None:
    """Return the words of a list with commas."""
    return None if text is None else [word.strip() for word in text.split(",")]


def numbers_of(option: str, text: str | None) -> list[float] | None:
    """Return the numbers of a list with commas."""
    try:
        return None if text is None else [float(word) for word in text.split(",")]
    except ValueError:
        raise InputError(f"{option}: should be a number, or numbers with commas, found {text!r}") from None


def range_of(option: str, text: str | None) -> tuple[int, int] | None:
    """First and last + 1 of `1950:2600`."""
    if text is None:
        return None
    ends = text.split(":")
    if len(ends) == 2 and all(e.isdecimal() for e in ends) and int(ends[0]) < int(ends[1]):
        return int(ends[0]), int(ends[1])
    raise InputError(f"{option}: should be FIRST:END such as 1950:2600, found {text!r}")


def names_of(text: str | None) -> list[int | str] | None:
    """Extensions of a list with commas: a number is a place, a word a name."""
    return [int(e) if e.isdecimal() else e for e in words_of(text) or ()] or None
