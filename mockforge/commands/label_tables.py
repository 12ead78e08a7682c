"""The catalogue of an image labelled in memory, as ECSV and as FITS."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.field.fits.check import quiet
from mockforge.label.catalogue import DESCRIPTIONS


@dataclass(frozen=True)
class Catalogue:
    """Columns of a catalogue, and what is said of them."""

    columns: Mapping[str, np.ndarray]
    """Name -> a value per object."""
    bands: Sequence[str]
    unit: str
    """Of fluxes; `native`: that of the file, which is unknown."""
    about: Mapping[str, Any]
    """Keyword of at most 8 letters -> value."""

    def write_ecsv(self, path: Path) -> None:
        """Write it as ECSV (Astropy Proposal for Enhancement 6), which TOPCAT and astropy read.

        By hand: astropy's tables take as long to be imported as three bands take to be measured. Numbers
        have as many digits as tell them from their neighbours.
        """
        meta = [f"- {_flow({key: value})}" for key, value in self.about.items()]
        lines = ["%ECSV 1.0", "---", *self._datatypes(), "meta: !!omap", *meta, "schema: astropy-2.0"]
        rows = zip(*(map(str, values) for values in self.columns.values()), strict=True)
        body = [" ".join(self.columns), *map(" ".join, rows)]
        path.write_text("\n".join([*(f"# {line}" for line in lines), *body, ""]), encoding="ascii")

    def write_fits(self, path: Path) -> None:
        """Write it as a FITS binary table."""
        from astropy.io import fits

        with quiet():
            table: Any = fits.BinTableHDU.from_columns(_rows(self.columns), name="CATALOGUE")
            for i, name in enumerate(self.columns, 1):
                unit, text = described(name, self.bands, self.unit)
                if unit:
                    table.columns[i - 1].unit = unit
                table.header[f"TCOMM{i}"] = text  # TOPCAT reads these, astropy the comments below
            for key, value in self.about.items():
                table.header[key] = value
            for line in self._comments():
                table.header.add_comment(line)
            table.add_checksum(when="checksum")  # a date here would change the bytes
            with path.open("wb") as stream:
                fits.HDUList([fits.PrimaryHDU(), table]).writeto(stream)

    def _datatypes(self) -> list[str]:
        """Return what ECSV's header says of the columns, a line each."""
        lines = ["datatype:"]
        for name, values in self.columns.items():
            unit, text = described(name, self.bands, self.unit)
            said = {"name": name, "unit": unit, "datatype": values.dtype.name, "description": text}
            lines.append(f"- {_flow({key: value for key, value in said.items() if value})}")
        return lines

    def _comments(self) -> Iterator[str]:
        """Yield the comments in which astropy looks for what columns mean, 70 letters in each."""
        yield "--BEGIN-ASTROPY-SERIALIZED-COLUMNS--"
        for line in (*self._datatypes(), "meta: !!omap", "- {__serialized_columns__: {}}"):
            parts = [line[i : i + 70] for i in range(0, len(line), 70)]
            yield from (f"{part}\\" for part in parts[:-1])
            yield parts[-1]
        yield "--END-ASTROPY-SERIALIZED-COLUMNS--"


def _flow(entries: Mapping[str, Any]) -> str:
    """Return one line of YAML: JSON, which is YAML too, so that no word is read as anything else."""
    return "{" + ", ".join(f"{key}: {json.dumps(value)}" for key, value in entries.items()) + "}"


def _rows(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    length = len(next(iter(columns.values())))
    rows = np.empty(length, dtype=[(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        rows[name] = values
    return rows


def described(name: str, bands: Sequence[str], flux_unit: str) -> tuple[str, str]:
    """Return unit and meaning of a column of the catalogue."""
    stem, band = name, ""
    for candidate in bands:
        if name not in DESCRIPTIONS and name.endswith(f"_{candidate}"):
            stem, band = name.removesuffix(f"_{candidate}"), candidate
    unit, text = DESCRIPTIONS.get(stem, ("", ""))
    unit = {"flux": flux_unit if flux_unit != "native" else ""}.get(unit, unit)
    return unit, f"{band}: {text}" if band else text
