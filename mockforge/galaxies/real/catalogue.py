"""Catalogues of galaxies: tables of any format, their columns, and the digests of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.config import config
from mockforge.errors import InputError, nearest
from mockforge.field.fits.check import quiet
from mockforge.photometry.bands import Band
from mockforge.units import ZEROPOINT_NJY

NEAREST = 0.001
"""A redshift below this is that of a star, or none."""


@config
class Photometry:
    """A column of magnitudes."""

    column: str
    """AB magnitude of the whole galaxy; empty cells and values outside 5 to 40, as 99, are not known."""
    band: Band
    """Its band."""


def read_table(path: Path) -> Any:
    """Return a table as astropy reads it, its format told by its name. InputError where it cannot be read."""
    from astropy.table import Table

    if not path.is_file():
        raise InputError(f"{path}: no such catalogue")
    name = path.name.lower().removesuffix(".gz")
    kind = next((k for ends, k in _FORMATS.items() if name.endswith(ends)), "ascii")
    try:
        with quiet():
            if kind == "ascii.csv" and not name.endswith(".gz"):
                return Table.read(*_lines(path), format=kind)
            return Table.read(path, format=kind)
    except Exception as error:  # astropy raises of every kind over tables it cannot read
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: cannot be read as a table ({kind}): {reason}") from error


def _lines(path: Path) -> tuple[list[str]]:
    """Return the rows of a CSV file, with commas: comments, a byte order mark and semicolons are undone."""
    import csv

    text = path.read_bytes().decode("utf-8-sig")
    rows = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    mark = next((m for m in (";", "\t") if rows and "," not in rows[0] and m in rows[0]), None)
    if mark is None:
        return (rows,)
    import io

    out = io.StringIO()
    csv.writer(out).writerows(csv.reader(rows, delimiter=mark))
    return (out.getvalue().splitlines(),)


_FORMATS = {
    (".fits", ".fit", ".cat.fits"): "fits",
    (".ecsv",): "ascii.ecsv",
    (".csv",): "ascii.csv",
    (".vot", ".votable", ".xml"): "votable",
}


def _match(table: Any, name: str, where: str) -> str | None:
    """Return the column of this name, else the one of this name in another case.

    InputError where several are.
    """
    names = list(getattr(table, "colnames", ()))
    if name in names:
        return name
    alike = [c for c in names if c.lower() == name.lower()]
    if len(alike) > 1:
        raise InputError(f"{where}: columns {' and '.join(alike)} could both be {name!r}; rename one")
    return alike[0] if alike else None


def has(table: Any, name: str) -> bool:
    """Whether a table has a column of this name, whatever its case."""
    return _match(table, name, "the table") is not None


def get(table: Any, name: str) -> Any:
    """Return a column that is there, whatever the case of its name."""
    return table[_match(table, name, "the table")]


def column(table: Any, name: str, where: str) -> Any:
    """Return a column, whatever the case of its name. InputError names the nearest, or two that are alike."""
    spelling = _match(table, name, where)
    if spelling is None:
        raise InputError(f"{where}: no column {name!r}{nearest(name, table.colnames)}")
    return table[spelling]


_BLANK = frozenset(("", "-", "--", "---", "nan", "null", "none", "n/a", "na", "n.a.", "masked", "indef"))
"""Words of an empty cell."""


def blank(cell: Any) -> bool:
    """Whether a cell holds nothing: masked, NaN, or a word for it."""
    return np.ma.is_masked(cell) or text(cell).lower() in _BLANK


def numbers(values: Any, where: str = "the column") -> np.ndarray:
    """Return a column as float64, NaN where a cell is empty.

    InputError names the row of one that is no number.
    """
    mask = np.ma.getmaskarray(np.ma.asarray(values))
    plain = np.ma.getdata(np.ma.asarray(values))
    if plain.dtype.kind in "iufb":
        return np.where(mask, np.nan, plain.astype(np.float64))
    out = np.full(len(plain), np.nan)
    for i, cell in enumerate(plain):
        if not mask[i] and not blank(cell):
            try:
                out[i] = float(text(cell))
            except ValueError:
                raise InputError(
                    f"{where}: row {i + 1} holds {text(cell)[:40]!r}, expected a number, or an empty cell"
                ) from None
    return out


_UNKNOWN = (99.0, 99.9, 99.99, 99.999, 999.0, 999.9, 999.99, 9999.0)
"""What stands for an unknown redshift in catalogues, besides numbers of 0 and below."""
_FARTHEST = 30.0
"""Redshift above which nothing is observed."""
_FAR = 15.0
"""Redshift above which few galaxies are, so that most of a catalogue beyond it is of magnitudes."""


def known_redshifts(values: Any, name: str, where: str) -> np.ndarray:
    """Return a column of redshifts, NaN where unknown: empty, 0 and below, or a row of nines as -99 and 99.

    InputError for a number that is no redshift.
    """
    unit = str(getattr(values, "unit", None) or "")
    if unit.lower() not in ("", "1", "none", "dimensionless", "redshift"):
        raise InputError(
            f"{where}: column {name!r} is in {unit}, and redshifts, without a unit, are expected"
        )
    z = numbers(values, f"{where}, {name}")
    z = np.where(np.isin(z, _UNKNOWN) | (z <= 0), np.nan, z)
    wrong = np.flatnonzero(z > _FARTHEST)
    if len(wrong):
        raise InputError(
            f"{where}: row {wrong[0] + 1} has a redshift {name} = {z[wrong[0]]:g}, beyond any known object"
            f" ({len(wrong)} row(s) above {_FARTHEST:g}); is it the right column? Empty or -99 is unknown"
        )
    if np.isfinite(z).any() and np.nanmedian(z) > _FAR:
        raise InputError(
            f"{where}: {name} is {np.nanmedian(z):.4g} in the middle, no redshifts of galaxies; are these"
            f" magnitudes in the band z? Rename that column, and call the redshifts {name!r}"
        )
    return z


def fluxes(
    wanted: Sequence[Photometry], tables: list[Any], where: str, good: np.ndarray
) -> dict[str, np.ndarray]:
    """Band -> flux in nJy of the good rows, NaN where it is not known."""
    out = {}
    for name, band in ((p.column, p.band) for p in wanted):
        with_column = [t for t in tables if has(t, name)] or tables[-1:]
        values = column(with_column[0], name, where)
        unit = str(getattr(values, "unit", None) or "mag").lower()
        if "mag" not in unit or "st" in unit.replace("st(", "st"):
            raise InputError(f"{where}: column {name!r} is in {unit}; expected AB magnitudes")
        magnitude = numbers(values, f"{where}, {name}")[good]
        valid = (magnitude > 5) & (magnitude < 40)
        if not valid.any():
            raise InputError(
                f"{where}: column {name!r} has no magnitude between 5 and 40 ({np.sum(good)} rows); are these"
                " AB magnitudes? Leave it out of `photometry` if not"
            )
        out[band] = np.where(valid, 10 ** (0.4 * (ZEROPOINT_NJY - np.where(valid, magnitude, 0))), np.nan)
    return out


def text(value: Any) -> str:
    """Return a cell as a word."""
    return (value.decode() if isinstance(value, bytes) else str(value)).strip()
