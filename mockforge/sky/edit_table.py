"""A user's table of changes: ids, and columns of which some rows may be empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.errors import InputError


@dataclass(frozen=True)
class Given:
    """A column of the table."""

    values: np.ndarray
    """(n, ...)"""
    there: np.ndarray
    """(n,) bool: which rows have a value; nan and masked ones have none."""


def given_of(table: Any, units: Mapping[str, str]) -> tuple[list[str], dict[str, Given]]:
    """Return the ids of a table's rows, "" for none, and its other columns.

    Parameters
    ----------
    table
        An astropy Table, or columns by name; a dict of one source may have single values.
    units
        The unit of each column; columns that have a unit of their own are brought to it.

    Raises
    ------
    InputError
        For what is no table, columns of different lengths, and units that cannot be converted.
    """
    names = getattr(table, "colnames", None) or (list(table) if isinstance(table, Mapping) else None)
    if not names:
        raise InputError(
            "a table of changes is an astropy Table, or a dict of columns: `id` and what changes, such as "
            f'{{"id": ["0/3/-2/11"], "flux_factor": [0.5]}}; found {table!r:.80}'
        )
    single = isinstance(table, Mapping) and all(np.ndim(table[n]) == 0 for n in ("id", "x") if n in names)
    columns = {n: _in_unit(table[n], units.get(n), n) for n in names}
    columns = {n: c[None] if single else np.ma.atleast_1d(c) for n, c in columns.items()}
    lengths = {n: len(c) for n, c in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns of a table of changes have one length, found {lengths}")
    count = next(iter(lengths.values()))
    if not count:
        return [], {}
    ids = columns.pop("id", np.ma.array([""] * count))
    return _texts(ids), {n: _given(c, n) for n, c in columns.items()}


def _in_unit(column: Any, wanted: str | None, name: str) -> np.ma.MaskedArray:
    """Return a column as numbers in the wanted unit, masked where it has none."""
    own = getattr(column, "unit", None)
    if own is not None and wanted and str(own) != wanted:
        import astropy.units as u

        mask = np.ma.getmaskarray(np.ma.asarray(column))
        try:
            return np.ma.array(u.Quantity(column, own).to_value(wanted), mask=mask)
        except (u.UnitConversionError, TypeError, ValueError) as error:
            raise InputError(
                f"the column {name!r} of the table of changes is in {own}, not {wanted}"
            ) from error
    if isinstance(column, np.ma.MaskedArray):
        return np.ma.array(column.data, mask=column.mask)
    return np.ma.array(np.asarray(column))


def _texts(ids: np.ma.MaskedArray) -> list[str]:
    plain = ["" if x is None else x for x in ids.tolist()]  # None where masked
    texts = [x.decode() if isinstance(x, bytes) else str(x) for x in plain]
    return [text.strip() for text in texts]


def _numbers(values: np.ndarray, name: str) -> np.ndarray:
    """Return what a column holds as numbers, nan for None."""
    if values.dtype.kind in "fiub":
        return values
    row = 0
    try:
        while row < len(values):  # the row that is none can be named
            np.asarray(values[row]).astype(np.float64)
            row += 1
        return values.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"the column {name!r} of the table of changes should be numbers, true or false; "
            f"found {values[row]!s:.80} in row {row}"
        ) from None


def _given(column: np.ma.MaskedArray, name: str) -> Given:
    there = ~np.ma.getmaskarray(column)
    values = _numbers(np.asarray(column.data), name)
    if values.dtype.kind in "fc":
        there &= ~np.isnan(values)
    some, every = (f(there.reshape(len(values), -1), axis=1) for f in (np.any, np.all))
    if (some != every).any():
        row = int(np.flatnonzero(some != every)[0])
        raise InputError(f"row {row} of the table of changes has part of its numbers alone: {values[row]}")
    return Given(values, every)
