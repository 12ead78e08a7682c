"""Tables that grow window by window: rows go to disk as they come, and never all lie in memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.extras import how_to, installed
from mockforge.files import appearing, from_home, sync_folder

_FORMS = {"b1": "L", "u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}
"""FITS letters of the types of columns (Pence et al. 2010, table 18)."""
_BLOCK = 2880
_GROUP = 131_072
"""Rows of a row group of Parquet, and of what is read at once."""


@dataclass(frozen=True)
class Column:
    """A column: in each row a number, an array of them, or a word."""

    name: str
    dtype: str
    """numpy's: bool, uint8, int16, int32, int64, float32, float64; S12 for words of at most 12 letters."""
    unit: str = ""
    description: str = ""
    shape: tuple[int, ...] = ()
    """Of what a row holds; () is one number."""

    @property
    def is_text(self) -> bool:
        """Whether a row holds a word."""
        return self.dtype.startswith("S")


@dataclass(frozen=True)
class TableSpec:
    """What a table is to be: its columns, and what its header says."""

    columns: tuple[Column, ...]
    name: str = "CATALOGUE"
    cards: Mapping[str, Any] = field(default_factory=dict)
    """Keyword of at most 8 letters -> value; with Parquet, in the metadata of the schema."""

    @property
    def row(self) -> np.dtype:
        """A row as it lies on the disk, as FITS stores it."""
        return np.dtype([(c.name, np.dtype(c.dtype).newbyteorder(">"), c.shape) for c in self.columns])


class TableWriter:
    """Append rows to a FITS binary table or a Parquet file, by the name's end.

    The table is `NAME.part` until `close` gives it its name. What lies there is the rows of a FITS table,
    also for Parquet, whose row groups are written from them at the end: so a table that was cut off is
    continued at any row, and the bytes depend neither on how rows were divided nor on interruptions.

    Parameters
    ----------
    path
        `.fits` or `.parquet`; an older one of that name is replaced at the end.
    spec
        Columns and header.
    keep
        Rows of an unfinished table that are kept, those after them are cut off; 0 begins anew.

    Raises
    ------
    InputError
        Another ending, pyarrow missing, fewer rows there than are to be kept, or the disk.
    """

    def __init__(self, path: str | Path, spec: TableSpec, keep: int = 0) -> None:
        self.path, self.spec, self.rows = from_home(path), spec, keep
        self.part = self.path.with_name(f"{self.path.name}.part")
        check_table_name(self.path)
        header = _header(spec, keep)
        self._start = len(header)
        try:
            self._file = self.part.open("r+b" if keep else "w+b")
            self._begin(header)
        except FileNotFoundError as error:
            if not keep:
                raise _unwritable(self.path, error) from error
            raise InputError(
                f"{self.part}: no unfinished table of {keep} rows is there; begin anew"
            ) from error
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _begin(self, header: bytes) -> None:
        end = self._start + self.rows * self.spec.row.itemsize
        there = os.fstat(self._file.fileno()).st_size
        if self.rows and there < end:
            self._file.close()
            raise InputError(
                f"{self.part}: {there} bytes, {end} for {self.rows} rows are expected; begin anew"
            )
        self._file.truncate(end if self.rows else 0)
        self._file.seek(0)
        self._file.write(header)
        self._file.seek(end)

    def append(self, table: Mapping[str, np.ndarray]) -> None:
        """Add rows: a column of equal length under each name; others are left out.

        Raises
        ------
        InputError
            For a word that is too long or not ASCII, and the disk.
        """
        n = len(table[self.spec.columns[0].name])
        rows = np.empty(n, dtype=self.spec.row)
        for column in self.spec.columns:
            values = np.asarray(table[column.name])
            if values.shape != (n, *column.shape):
                raise ValueError(f"column {column.name}: {values.shape}, {(n, *column.shape)} is expected")
            rows[column.name] = _letters(self.path, column, values) if column.is_text else values
        for name in (c.name for c in self.spec.columns if c.dtype == "bool"):
            raw = np.where(np.asarray(table[name]), ord("T"), ord("F")).astype(np.uint8)
            rows[name] = raw.view(bool)  # FITS has letters for truth
        self._write(rows.tobytes())
        self.rows += n

    def flush(self) -> int:
        """Put the rows on the disk, and return how many lie there: what `keep` may be after a crash."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return self.rows

    def close(self) -> Path:
        """Give the table its name."""
        try:
            self.flush()
            if self.path.suffix == ".parquet":
                self._to_parquet()
            else:
                self._to_fits()
                self._file.close()
                self.part.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return self.path

    def leave(self) -> None:
        """Let go of an unfinished table, which stays to be continued."""
        self._file.close()

    def _write(self, content: bytes) -> None:
        try:
            self._file.write(content)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _to_fits(self) -> None:
        self._file.write(b"\0" * (-self.rows * self.spec.row.itemsize % _BLOCK))
        header = _header(self.spec, self.rows)
        self._file.seek(0)
        self._file.write(header)
        self.flush()

    def _to_parquet(self) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        schema = _schema(self.spec)
        with (
            appearing(self.path, ".rows") as part,
            parquet.ParquetWriter(part, schema, compression="zstd") as writer,
        ):
            for rows in self._groups():
                columns = [_arrow(values) for values in _native(rows, self.spec)]
                writer.write_table(pa.table(columns, schema=schema))
        self._file.close()
        self.part.unlink()

    def _groups(self) -> Iterator[np.ndarray]:
        for first in range(0, self.rows, _GROUP):
            n = min(_GROUP, self.rows - first)
            self._file.seek(self._start + first * self.spec.row.itemsize)
            yield np.frombuffer(self._file.read(n * self.spec.row.itemsize), dtype=self.spec.row)


def check_table_name(path: Path) -> None:
    """InputError where a table cannot be written under this name."""
    if path.suffix not in (".fits", ".parquet"):
        raise InputError(f"{path}: a table is written as .fits or .parquet; choose a name that ends so")
    if path.suffix == ".parquet" and not installed("pyarrow"):
        raise InputError(
            f"{path}: Parquet needs pyarrow, which is not installed; type: {how_to('parquet')},"
            " or choose .fits"
        )


def _native(rows: np.ndarray, spec: TableSpec) -> Iterator[np.ndarray]:
    """Columns of rows, as this machine has them."""
    for column in spec.columns:
        if column.dtype == "bool":
            yield np.ascontiguousarray(rows[column.name]).view(np.uint8) == ord("T")
        elif column.is_text:
            yield rows[column.name].astype(str)
        else:
            yield rows[column.name].astype(column.dtype)


def _letters(path: Path, column: Column, values: np.ndarray) -> np.ndarray:
    """Return words as bytes; InputError for those that a column of the table cannot hold."""
    most = np.dtype(column.dtype).itemsize
    try:
        letters = np.char.encode(values.astype(str), "ascii") if values.size else values.astype("S1")
    except UnicodeEncodeError as error:
        raise InputError(f"{path}: {column.name} {error.object!r}: letters of ASCII are expected") from None
    if letters.dtype.itemsize > most:
        longest = max(letters.tolist(), key=len).decode()
        raise InputError(f"{path}: {column.name} {longest!r}: at most {most} letters are expected")
    return letters


def _arrow(values: np.ndarray) -> Any:
    """Return a column for Parquet: arrays in rows become lists of one length."""
    import pyarrow as pa

    if values.ndim == 1:
        return pa.array(values.tolist() if values.dtype.kind == "U" else values)
    return pa.FixedSizeListArray.from_arrays(values.ravel(), int(np.prod(values.shape[1:])))


def _arrow_type(column: Column) -> Any:
    import pyarrow as pa

    if column.is_text:
        return pa.string()
    one = pa.from_numpy_dtype(np.dtype(column.dtype))
    return pa.list_(one, math.prod(column.shape)) if column.shape else one


def _schema(spec: TableSpec) -> Any:
    import pyarrow as pa

    fields = [
        pa.field(
            c.name,
            _arrow_type(c),
            metadata={"unit": c.unit, "description": c.description},
        )
        for c in spec.columns
    ]
    return pa.schema(fields, metadata={key: str(value) for key, value in spec.cards.items()})


def _header(spec: TableSpec, rows: int) -> bytes:
    """Headers of a FITS file whose one extension is the table; as long for any number of rows."""
    from astropy.io import fits

    primary = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
    header = fits.Header(
        [
            ("XTENSION", "BINTABLE", "binary table"), ("BITPIX", 8), ("NAXIS", 2),
            ("NAXIS1", spec.row.itemsize, "bytes a row"), ("NAXIS2", rows, "rows"),
            ("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", len(spec.columns)),
        ]
    )  # fmt: skip
    for i, column in enumerate(spec.columns, 1):
        header[f"TTYPE{i}"] = column.name
        header[f"TFORM{i}"] = _form(column)
        if len(column.shape) > 1:
            header[f"TDIM{i}"] = str(column.shape[::-1]).replace(" ", "")
        if column.description:
            header[f"TCOMM{i}"] = column.description
        if column.unit:
            header[f"TUNIT{i}"] = column.unit
    header["EXTNAME"] = spec.name
    for key, value in spec.cards.items():
        header[key] = value
    return (primary.tostring() + header.tostring()).encode("ascii")


def _form(column: Column) -> str:
    if column.is_text:
        return f"{np.dtype(column.dtype).itemsize}A"
    count = math.prod(column.shape) if column.shape else ""
    return f"{count}{_FORMS[np.dtype(column.dtype).str[1:]]}"


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be written ({error.strerror or error})")
