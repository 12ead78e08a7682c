"""Objects of a viewer: a catalogue as rows of ellipses, in tiles from the brightest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.wcs import pixels_of_sky
from mockforge.view.config import TILE
from mockforge.view.tiles import Levels

MOST = 150
"""Rows of a tile at most, where there are finer tiles that have the rest."""
_COARSEST = 8
"""Level at which a field is one tile."""
_NAMES = {
    "id": ("id", "label", "number", "NUMBER", "ID"),
    "x": ("x", "X_IMAGE", "xcentroid"),
    "y": ("y", "Y_IMAGE", "ycentroid"),
    "ra": ("ra", "RA", "ALPHA_J2000", "RAJ2000"),
    "dec": ("dec", "DEC", "DELTA_J2000", "DEJ2000"),
    "theta": ("theta", "position_angle", "pa", "THETA_IMAGE"),
    "ratio": ("axis_ratio", "q"),
}
"""What is drawn of an object, and the columns that may hold it, the first that is there."""
_LEFT_OUT = ("bbox_", "flux_iso", "flux_err", "latent", "mirrored", "shaped")
"""Beginnings of columns that no click shows."""


@dataclass(frozen=True)
class Place:
    """What turns the columns of a catalogue into pixels of the field."""

    pixel_scale_arcsec: float | None = None
    wcs: Any = None
    """An astropy WCS, for catalogues that have RA and Dec alone."""
    offset: tuple[float, float] = (0.0, 0.0)
    """(x, y) of the field's first pixel in the pixels of the catalogue."""
    bands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """Objects, from the brightest to the faintest."""

    drawn: Mapping[str, np.ndarray]
    """id, x, y, a, b (pixels of the sky) and theta (degrees from +x towards +y), each (N,)."""
    columns: Mapping[str, np.ndarray]
    """What a click shows, each (N,)."""

    def __len__(self) -> int:
        return len(self.drawn["x"])

    def tile(self, rows: np.ndarray) -> str:
        """Return some rows as JSON: {"columns": [...], "rows": [[...], ...]}."""
        import json

        together = {**self.drawn, **self.columns}
        texts = [_texts(name, column[rows]) for name, column in together.items()]
        lines = ",\n".join(f"[{','.join(cells)}]" for cells in zip(*texts, strict=True))
        return f'{{"columns":{json.dumps(list(together))},"rows":[\n{lines}]}}'


def rows_of(table: Any, place: Place, name: str = "the catalogue") -> Rows:
    """Return the objects of a catalogue.

    Parameters
    ----------
    table
        An astropy Table: place in pixels (`x`, `y`, counted from 0) or in degrees (`ra`, `dec`), and what
        there is of `a`, `b`, `theta`, `kron_radius` (as `mockforge label` writes them) or of `r_e`,
        `axis_ratio` or `q`, `position_angle` or `pa` (as true sources have them).
    place
        Scale, WCS and first pixel of the field.
    name
        What the catalogue is called in a sentence.

    Raises
    ------
    InputError
        Where no place can be read from it.
    """
    flat = _flat(table, place.bands)
    x, y = _places(flat, place, name)
    a, b = _axes(flat, place, len(x))
    angle = _first(flat, "theta")
    drawn = {
        "id": _ids(flat, len(x)),
        "x": x - place.offset[0],
        "y": y - place.offset[1],
        "a": a,
        "b": b,
        "theta": np.zeros(len(x)) if angle is None else np.nan_to_num(angle.astype(np.float64)),
    }
    good = np.isfinite(drawn["x"]) & np.isfinite(drawn["y"])
    order = np.argsort(-_brightness(flat, place.bands, len(x)), kind="stable")
    order = order[good[order]]
    named = next((key for key in _NAMES["id"] if key in flat), "id")
    told = {key: column for key, column in flat.items() if key != named and _is_told(key, column)}
    return Rows(
        {key: column[order] for key, column in drawn.items()},
        {key: column[order] for key, column in told.items() if key not in drawn},
    )


def read_table(path: Path) -> Any:
    """Return the table of a FITS, ECSV or Parquet file. InputError where it is none."""
    from astropy.table import Table

    from mockforge.extras import need_extra

    if not path.is_file():
        raise InputError(f"{path}: no such file; a catalogue in FITS, ECSV or Parquet is expected")
    form = {".parquet": "parquet", ".ecsv": "ascii.ecsv"}.get(path.suffix.lower())
    if form == "parquet":
        need_extra("parquet", "a catalogue in Parquet", "pyarrow")
        import pyarrow.parquet

        try:
            columns = pyarrow.parquet.read_table(path)
            return Table({n: columns[n].to_numpy() for n in columns.column_names})
        except Exception as error:
            raise InputError(f"{path}: cannot be read as Parquet ({error})") from error
    try:
        return Table.read(path, format=form) if form else Table.read(path)
    except Exception as error:  # astropy raises many kinds for what is no table
        raise InputError(
            f"{path}: cannot be read as a catalogue ({error}); FITS, ECSV or Parquet is expected"
        ) from error


def inside(rows: Rows, levels: Levels) -> Rows:
    """Return the rows whose place is on a picture."""
    x, y = rows.drawn["x"], rows.drawn["y"]
    on = (x >= -0.5) & (y >= -0.5) & (x < levels.width - 0.5) & (y < levels.height - 0.5)
    return Rows(
        {key: column[on] for key, column in rows.drawn.items()},
        {key: column[on] for key, column in rows.columns.items()},
    )


def tiles_of(rows: Rows, levels: Levels) -> tuple[int, int, Iterator[tuple[str, np.ndarray]]]:
    """Return the coarsest and finest level of tiles, and each tile: its key `level/col_row` and its rows.

    A tile has the brightest `MOST` objects whose place is in it; one of the finest level has all, and the
    finest level is the first at which none has more.
    """
    coarsest = min(_COARSEST, levels.top)
    finest = coarsest
    while finest < levels.top and _fullest(_numbers(rows, levels, finest)) > MOST:
        finest += 1

    def tiles() -> Iterator[tuple[str, np.ndarray]]:
        for level in range(coarsest, finest + 1):
            numbers = _numbers(rows, levels, level)
            order = np.argsort(numbers, kind="stable")  # within a tile, still from the brightest on
            edges = np.flatnonzero(np.diff(numbers[order])) + 1
            for group in np.split(order, edges) if len(order) else ():
                row, col = divmod(int(numbers[group[0]]), levels.tiles(level)[1])
                yield f"{level}/{col}_{row}", group if level == finest else group[:MOST]

    return coarsest, finest, tiles()


def _numbers(rows: Rows, levels: Levels, level: int) -> np.ndarray:
    """Return the number of the tile of each row, row * columns + column of a level."""
    side = TILE * 2 ** (levels.top - level)
    u = rows.drawn["x"] + 0.5
    v = levels.height - 0.5 - rows.drawn["y"]
    columns = levels.tiles(level)[1]
    return (np.floor(v / side) * columns + np.floor(u / side)).astype(np.int64)


def _fullest(numbers: np.ndarray) -> int:
    return int(np.unique(numbers, return_counts=True)[1].max(initial=0))


def _flat(table: Any, bands: Sequence[str]) -> dict[str, np.ndarray]:
    """Return columns of one value a row, masked ones with NaN; one value a band becomes a column a band."""
    out: dict[str, np.ndarray] = {}
    for name in table.colnames:
        column = table[name]
        values = np.asarray(column.filled(np.nan) if _is_masked_float(column) else column)
        if name in ("r_e",) and str(getattr(column, "unit", "")) == "arcsec":
            name = "r_e_arcsec"
        if values.ndim == 1 and values.dtype.kind in "biufUSO":
            out[name] = values
        elif values.ndim == 2 and values.shape[1] == len(bands) and name in ("flux", "mag", "flux_err"):
            out |= {f"{name}_{band}": values[:, i] for i, band in enumerate(bands)}
    return out


def _is_masked_float(column: Any) -> bool:
    return hasattr(column, "filled") and column.dtype.kind == "f"


def _first(columns: Mapping[str, np.ndarray], what: str) -> np.ndarray | None:
    return next((columns[name] for name in _NAMES[what] if name in columns), None)


def _places(columns: dict[str, np.ndarray], place: Place, name: str) -> tuple[np.ndarray, np.ndarray]:
    x, y, from_one = _first(columns, "x"), _first(columns, "y"), "X_IMAGE" in columns and "x" not in columns
    if x is not None and y is not None:
        one = 1.0 if from_one else 0.0  # SExtractor counts from 1
        return x.astype(np.float64) - one, y.astype(np.float64) - one
    ra, dec = _first(columns, "ra"), _first(columns, "dec")
    if ra is None or dec is None:
        raise InputError(
            f"{name}: has neither x and y (pixels from 0) nor ra and dec (degrees); its columns are "
            f"{', '.join(list(columns)[:12])}"
        )
    if place.wcs is None:
        raise InputError(f"{name}: has ra and dec alone, and the field has no WCS to place them by")
    x, y = pixels_of_sky(place.wcs, ra.astype(np.float64), dec.astype(np.float64))
    return x + place.offset[0], y + place.offset[1]


def _axes(columns: dict[str, np.ndarray], place: Place, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return half axes in pixels: of the Kron ellipse where it is known, else twice the half-light one."""
    if "a" in columns and "b" in columns:
        a, b = (columns[name].astype(np.float64) for name in ("a", "b"))
        times = np.full(count, 3.0)
        if "kron_radius" in columns:
            times = 2.5 * columns["kron_radius"].astype(np.float64)
            times = np.where(np.isfinite(times) & (times > 0), times, 3.0)
        return np.nan_to_num(times * a), np.nan_to_num(times * b)
    if "A_IMAGE" in columns and "B_IMAGE" in columns:  # SExtractor: KRON_RADIUS holds the 2.5 already
        a, b = (columns[name].astype(np.float64) for name in ("A_IMAGE", "B_IMAGE"))
        times = columns["KRON_RADIUS"].astype(np.float64) if "KRON_RADIUS" in columns else np.zeros(count)
        times = np.where(np.isfinite(times) & (times > 0), times, 3.0)
        return np.nan_to_num(times * a), np.nan_to_num(times * b)
    radius = np.zeros(count)
    if "r_e" in columns:
        radius = columns["r_e"].astype(np.float64)
    elif "r_e_arcsec" in columns and place.pixel_scale_arcsec:
        radius = columns["r_e_arcsec"].astype(np.float64) / place.pixel_scale_arcsec
    ratio = _first(columns, "ratio")
    a = np.nan_to_num(2.0 * radius)
    return a, a * (1.0 if ratio is None else np.nan_to_num(ratio.astype(np.float64), nan=1.0))


def _ids(columns: dict[str, np.ndarray], count: int) -> np.ndarray:
    ids = _first(columns, "id")
    return np.arange(1, count + 1) if ids is None else ids


def _brightness(columns: dict[str, np.ndarray], bands: Sequence[str], count: int) -> np.ndarray:
    """Return what objects are ordered by, the largest first: flux, or magnitude, or signal to noise."""
    for stem, sign in (("flux", 1.0), ("mag", -1.0), ("true_flux", 1.0), ("true_mag", -1.0)):
        values = [columns[f"{stem}_{band}"] for band in bands if f"{stem}_{band}" in columns]
        if values:
            mean = np.mean([sign * v.astype(np.float64) for v in values], axis=0)
            return np.nan_to_num(mean, nan=-np.inf)
    for name, sign in (("flux", 1.0), ("snr", 1.0), ("magnitude", -1.0), ("mag", -1.0)):
        if name in columns and columns[name].dtype.kind in "fiu":
            return np.nan_to_num(sign * columns[name].astype(np.float64), nan=-np.inf)
    return np.zeros(count)


def _is_told(name: str, column: np.ndarray) -> bool:
    if name.startswith(_LEFT_OUT) or name in ("x", "y", "a", "b"):
        return False
    return column.dtype.kind != "f" or bool(np.isfinite(column).any())


def _texts(name: str, values: np.ndarray) -> list[str]:
    """Return the values of a column as JSON."""
    import json

    if values.dtype.kind == "f":
        form = ".7f" if name in ("ra", "dec") else ".3f" if name in ("x", "y") else ".6g"
        return [format(v, form) if v - v == 0.0 else "null" for v in values.tolist()]
    if values.dtype.kind == "b":
        return ["true" if v else "false" for v in values.tolist()]
    if values.dtype.kind in "iu":
        return [str(v) for v in values.tolist()]
    words = (v.decode("ascii", "replace") if isinstance(v, bytes) else str(v) for v in values.tolist())
    return [json.dumps(word.strip()) for word in words]
