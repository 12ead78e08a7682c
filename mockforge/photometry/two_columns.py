"""Two columns of numbers from a user's file, ASCII or a table, and what it says of them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError

_DECIMAL_COMMA = re.compile(r"(^|\s)[-+]?\d+,\d+(?:[eE][-+]?\d+)?(?=\s|$)")
"""1,5 between blanks."""

FITS = b"SIMPLE  =                    T"


@dataclass(frozen=True)
class Columns:
    """Two columns, float64, in the file's units and order."""

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, str] = ("", "")
    units: tuple[str, str] = ("", "")
    comments: tuple[str, ...] = ()
    """Lines of text above or between the rows of an ASCII file."""


@dataclass(frozen=True)
class Wanted:
    """What the two columns may be called, without regard to case, and in words of messages."""

    x: Sequence[str]
    y: Sequence[str]
    words: str
    kind: str
    """What the file is."""


def read_columns(path: Path, wanted: Wanted, heading: bool = False) -> Columns | None:
    """Return the columns of a file by their names, else its first two; None for a FITS file without a table.

    `heading`: the first line of an ASCII file may be the columns' names. InputError names file and line.
    """
    if not path.is_file():
        missing = "is a folder, no file" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {missing}; expected {wanted.words}")
    with path.open("rb") as stream:
        start = stream.read(30)
    if start == FITS:
        return _from_fits(path, wanted)
    if start.startswith((b"# %ECSV", b"<?xml", b"<VOTABLE")):
        return _from_table(path, "ascii.ecsv" if start.startswith(b"#") else "votable", wanted)
    return _from_text(path, wanted, heading)


def _from_text(path: Path, wanted: Wanted, heading: bool) -> Columns:
    rows: list[list[float]] = []
    comments: list[str] = []
    for number, line in enumerate(path.read_text("utf-8-sig", errors="replace").splitlines(), 1):
        data, mark, comment = line.partition("#")
        if len(data.split()) > 1 and _DECIMAL_COMMA.search(data):
            raise InputError(
                f"{path}, line {number}: {line.strip()[:40]!r} has decimal commas; write them as points"
            )
        words = data.replace(",", " ").split()
        if not words:
            comments += [comment] if mark else []
            continue
        try:
            numbers = [float(word) for word in words[:2]]
        except ValueError:
            numbers = []
        if len(numbers) == 2:
            rows.append(numbers if len(words) == 2 else [*numbers, _number(words[2])])
        elif heading and not rows:
            comments.append(line)
        else:
            raise InputError(f"{path}, line {number}: expected {wanted.words}, found {line.strip()[:40]!r}")
    if not rows:
        raise InputError(f"{path}: no rows; expected {wanted.words}")
    table = np.array([row[:2] for row in rows])
    if (
        heading
        and all(len(row) == 3 for row in rows)
        and np.array_equal(table[:, 0], 1 + np.arange(len(rows)))
    ):
        table = np.array([row[1:] for row in rows])  # EAZY and FAST number the rows
    return Columns(table[:, 0], table[:, 1], comments=tuple(comments))


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")


def _from_table(path: Path, kind: str, wanted: Wanted) -> Columns:
    from astropy.table import Table

    try:
        with warnings.catch_warnings(action="ignore"):
            table = Table.read(path, format=kind)
    except Exception as error:  # astropy raises of every kind over tables it cannot read
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: cannot be read as a table ({kind}): {reason}") from error
    units = {name: str(table[name].unit or "") for name in table.colnames}
    return _chosen(path, list(table.colnames), units, lambda n: np.ma.filled(table[n], np.nan), wanted)


def _from_fits(path: Path, wanted: Wanted) -> Columns | None:
    from astropy.io import fits

    try:
        # What matters of a damaged file is said here, so astropy need not warn of it.
        with path.open("rb") as raw, warnings.catch_warnings(action="ignore"), fits.open(raw) as hdus:
            for unit in list(hdus):
                columns = getattr(unit, "columns", None)
                if columns is not None and len(columns.names) >= 2:
                    data: Any = unit.data
                    units = {c.name: c.unit or "" for c in columns}
                    return _chosen(path, list(columns.names), units, lambda n, d=data: d[n], wanted)
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a readable FITS {wanted.kind} ({error})") from error
    return None


def _chosen(
    path: Path, names: list[str], units: dict[str, str], values: Callable[[str], Any], wanted: Wanted
) -> Columns:
    """Columns by their names, else the first two."""
    if len(names) < 2:
        raise InputError(f"{path}: a table of {len(names)} column(s); expected {wanted.words}")
    lower = [name.lower() for name in names]
    x = next((names[lower.index(w)] for w in wanted.x if w in lower), None)
    y = next((names[lower.index(w)] for w in wanted.y if w in lower), None)
    if x is None or y is None:
        x, y = names[:2]
    try:
        numbers = [np.asarray(values(name), dtype=np.float64).ravel() for name in (x, y)]
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: columns {x} and {y} hold no numbers ({error})") from error
    if len(numbers[0]) != len(numbers[1]):
        raise InputError(f"{path}: columns {x} and {y} have {len(numbers[0])} and {len(numbers[1])} numbers")
    return Columns(numbers[0], numbers[1], (x, y), (units[x], units[y]))
