"""Catalogues of galaxies: tables of any format, their columns, and the digests of files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.config import config
from mockforge.errors import InputError, nearest
from mockforge.field import ZEROPOINT_NJY
from mockforge.sky.bandpass import BandName

NEAREST = 0.001
"""A redshift below this is that of a star, or none."""


@config
class Photometry:
    """A column of magnitudes."""

    column: str
    """AB magnitude of the whole galaxy; values outside 5 to 40 are not known."""
    band: BandName
    """Its band."""


def read_table(path: Path) -> Any:
    """A table as astropy reads it, its format told by its name. InputError where it cannot be read."""
    from astropy.table import Table

    from mockforge.fits.check import quiet

    if not path.is_file():
        raise InputError(f"{path}: no such catalogue")
    name = path.name.lower().removesuffix(".gz")
    kind = next((k for ends, k in _FORMATS.items() if name.endswith(ends)), "ascii")
    try:
        with quiet():
            return Table.read(path, format=kind)
    except Exception as error:  # astropy raises of every kind over tables it cannot read
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: cannot be read as a table ({kind}): {reason}") from error


_FORMATS = {(".fits", ".fit", ".cat.fits"): "fits", (".ecsv",): "ascii.ecsv", (".csv",): "ascii.csv"}


def has(table: Any, name: str) -> bool:
    """Whether a table has a column of this name, whatever its case."""
    return any(c.lower() == name.lower() for c in getattr(table, "colnames", ()))


def get(table: Any, name: str) -> Any:
    """A column that is there, whatever the case of its name."""
    return table[next(c for c in table.colnames if c.lower() == name.lower())]


def column(table: Any, name: str, where: str) -> Any:
    """A column, whatever the case of its name. InputError names the nearest."""
    if not has(table, name):
        raise InputError(f"{where}: no column {name!r}{nearest(name, table.colnames)}")
    return get(table, name)


def numbers(values: Any) -> np.ndarray:
    """A column as float64, NaN where it is masked or no number."""
    filled = (
        np.ma.filled(np.ma.asarray(values), np.nan) if np.ma.isMaskedArray(values) else np.asarray(values)
    )
    try:
        return np.asarray(filled, dtype=np.float64)
    except ValueError:
        return np.array([float(v) if re.fullmatch(r"[-+.\deE]+", str(v)) else np.nan for v in filled])


def fluxes(
    wanted: Sequence[Photometry], tables: list[Any], where: str, good: np.ndarray
) -> dict[str, np.ndarray]:
    """Band -> flux in nJy of the good rows, NaN where it is not known."""
    out = {}
    for name, band in ((p.column, p.band) for p in wanted):
        held = [t for t in tables if has(t, name)] or tables[-1:]
        magnitude = numbers(column(held[0], name, where))[good]
        known = (magnitude > 5) & (magnitude < 40)
        out[band] = np.where(known, 10 ** (0.4 * (ZEROPOINT_NJY - np.where(known, magnitude, 0))), np.nan)
    return out


def text(value: Any) -> str:
    """A cell as a word."""
    return (value.decode() if isinstance(value, bytes) else str(value)).strip()
