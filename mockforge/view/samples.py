"""The viewer of a dataset: its samples on a grid, each with its number, its objects and its masks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.data.kinds import PAIRS, kind_of
from mockforge.data.manifest import Manifest
from mockforge.data.reader import Reader
from mockforge.errors import InputError
from mockforge.field.picture import WHITE
from mockforge.mosaic.labels import LabelWindow
from mockforge.view.colour import Colours, colours_of
from mockforge.view.config import GridOf
from mockforge.view.folder import Shown, check_folder, write_shown
from mockforge.view.marks import SAMPLES
from mockforge.view.rows import Place, Rows, rows_of
from mockforge.view.sheet import Panel, SampleSheet, sheet_of

_TABLES = {"true": "objects", "detected": "catalogue"}
"""Layer of objects -> the table that has its rows."""
_TRUE, _FOUND = ("instances_visible", "instances_truth"), ("instances",)
"""Arrays that label pixels, of what is there and of what was detected; the first there is is outlined."""
_MEASURED = 48
"""Samples of pairs whose light sets their white."""


def write_samples(
    reader: Reader,
    out: str | Path,
    stretches: Sequence[str] = (),
    bands: Sequence[str] | None = None,
    advance: Callable[[int], None] = lambda pixels: None,
) -> Path:
    """Write a folder that shows the samples of a dataset in a browser.

    Parameters
    ----------
    reader : Reader
        The dataset. Its tables are held, its images are read a few samples at a time.
    out : str or Path
        The folder. It appears whole or not at all; an older viewer there is replaced.
    stretches, bands
        As `FolderLook` has them.
    advance
        Is called with the number of pixels done since the last call; the sheet has `sheet_of(reader).shape`.

    Returns
    -------
    Path
        The page, `out`/index.html.

    Raises
    ------
    InputError
        Where the dataset holds no image, a band is none of its own, or `out` is something else's.
    """
    out = check_folder(out)
    sheet = sheet_of(reader, _cards(reader.manifest))
    if not sheet.grid.count:
        raise InputError(f"{reader.folder}: has no samples, so there is nothing to view")
    objects = {name: _objects(sheet, table) for name, table in _TABLES.items()}
    grid = sheet.grid
    width, height = (n - grid.gap for n in grid.cell)
    numbers = reader.sample.tolist()
    shown = Shown(
        sheet,
        reader.manifest.name or reader.folder.name,
        _colours(sheet, bands),
        stretches,
        {name: rows for name, rows in objects.items() if rows is not None and len(rows)}
        | {SAMPLES: _boxes(sheet, width, height)},
        _outlines(sheet),
        _facts(sheet),
        max(width, height) / 2,
    )
    known = None if numbers == list(range(len(numbers))) else tuple(numbers)
    return write_shown(shown, out, advance, GridOf(grid.columns, grid.cell, grid.count, known))


def _colours(sheet: SampleSheet, bands: Sequence[str] | None) -> Colours:
    """Return the colours of a dataset, by the sky of its first panel: the other may be without noise.

    Stamps of galaxies may have no sky at all: their white is no fainter than the light of the brightest
    pixels, so that they are not white from end to end.
    """
    first = replace(sheet, panels=sheet.panels[:1])
    colours = colours_of(first, bands)
    if kind_of(sheet.reader.arrays, sheet.reader.attributes) != PAIRS:
        return colours
    chosen = np.unique(np.linspace(0, sheet.grid.count - 1, _MEASURED).astype(int))
    name = sheet.panels[0].array
    light = [np.nanmean(sheet.reader.read(int(i), [name])[name], axis=0, dtype=np.float64) for i in chosen]
    least = float(np.nanpercentile(np.abs(light), 99.0)) / WHITE
    return replace(colours, rms=tuple(max(rms, least) for rms in colours.rms))


def _objects(sheet: SampleSheet, table: str) -> Rows | None:
    """Return the rows of a table of objects, each in its sample on the sheet; None where there is none."""
    from astropy.table import Table

    if table not in sheet.reader.tables:
        return None
    columns, units = sheet.reader.table(table)
    x, y = (f"{axis}_{sheet.view}" if sheet.view else axis for axis in ("x", "y"))
    if not {"sample", x, y} <= set(columns):
        return None
    panel, index = sheet.panels[0], _indices(sheet.reader, columns["sample"])
    left, bottom = sheet.grid.corner(index, panel)
    own = columns.get("label", np.arange(len(index)))
    on = _within(columns[x], panel.width) & _within(columns[y], panel.height)
    rows = {
        "id": np.array([f"{s}/{n}" for s, n in zip(columns["sample"], own, strict=True)], dtype=object),
        "x": columns[x] + left,
        "y": columns[y] + bottom,
        "x_in_sample": columns[x],
        "y_in_sample": columns[y],
    } | {
        "source" if name == "id" else name: values
        for name, values in columns.items()
        if name not in (x, y, "label", "x", "y")
    }
    out: Any = Table({name: values[on] for name, values in rows.items()})
    for name in out.colnames:
        out[name].unit = units.get(name) or None
    return rows_of(out, Place(sheet.pixel_scale_arcsec, None, (0.0, 0.0), sheet.bands), table)


def _within(place: np.ndarray, side: int) -> np.ndarray:
    return (place >= -0.5) & (place < side - 0.5)


def _indices(reader: Reader, samples: np.ndarray) -> np.ndarray:
    """Return the place in the dataset of each sample's number."""
    order = np.argsort(reader.sample, kind="stable")
    return order[np.searchsorted(reader.sample, samples, sorter=order).clip(0, len(order) - 1)]


def _boxes(sheet: SampleSheet, width: int, height: int) -> Rows:
    """Return a box about each sample, with all that has one value a sample."""
    reader, grid = sheet.reader, sheet.grid
    index = np.arange(grid.count)
    x, y = grid.corner(index, Panel("", 0, height, width))
    drawn = {
        "id": reader.sample,
        "x": x + (width - 1) / 2,
        "y": y + (height - 1) / 2,
        "a": np.full(grid.count, (width + 2) / 2),
        "b": np.full(grid.count, (height + 2) / 2),
        "theta": np.zeros(grid.count),
    }
    columns: dict[str, np.ndarray] = {"split": np.asarray(reader.split)}
    columns |= _single(reader)
    for table in reader.tables:
        if table not in _TABLES.values():
            columns |= {k: v for k, v in _of_samples(reader, table).items() if k not in columns}
    return Rows(drawn, {k: v for k, v in columns.items() if k not in drawn})


def _single(reader: Reader) -> dict[str, np.ndarray]:
    """Return the arrays of one value a sample, or of one a band."""
    bands = [str(band) for band in np.atleast_1d(reader.attributes.get("bands", ()))]
    names = [n for n in reader.arrays if reader.shapes[n] == () or reader.shapes[n] == (len(bands),)]
    if not names:
        return {}
    rows = [reader.read(i, names) for i in range(len(reader))]
    out = {}
    for name in names:
        values = np.stack([row[name] for row in rows])
        many = {f"{name}_{b}": values[:, k] for k, b in enumerate(bands)} if values.ndim == 2 else {}
        out |= many or {name: values}
    return out


def _of_samples(reader: Reader, table: str) -> dict[str, np.ndarray]:
    """Return the columns of a table that has one row a sample, in their order; else none."""
    columns, _ = reader.table(table)
    numbers = columns.pop("sample", None)
    if numbers is None or len(numbers) != len(reader) or len(np.unique(numbers)) != len(reader):
        return {}
    order = np.argsort(_indices(reader, numbers), kind="stable")
    plain = {name: values for name, values in columns.items() if np.ndim(values) == 1}
    return {name: values[order] for name, values in plain.items() if not name.startswith("latent")}


def _outlines(sheet: SampleSheet) -> dict[str, LabelWindow]:
    """Return the outlines there are: name -> windows of labels on the sheet."""
    found = {}
    for name, arrays in (("true", _TRUE), ("detected", _FOUND)):
        for array in arrays:
            places = _places(sheet, array)
            if places:
                found[name] = partial(sheet.labels, places)
                break
    return found


def _places(sheet: SampleSheet, array: str) -> Mapping[str, Panel]:
    """Return the arrays of labels of a kind, each on the panel of its own grid of pixels."""
    reader, out = sheet.reader, {}
    for number, panel in enumerate(sheet.panels):
        ending = f"_{sheet.view}" if sheet.view else "_fine" if number else ""
        name = array + ending
        if name in reader.arrays and reader.shapes[name] == (panel.height, panel.width):
            out[name] = panel
    return out


def _cards(manifest: Manifest) -> dict[str, Any]:
    """Return the cards of a field that say the same of a dataset: its seed and its model."""
    seed = re.search(r"^seed:\s*(\d+)", manifest.recipe, re.M)
    models = [n.removeprefix("model ").split(",")[0] for n in manifest.weights if n.startswith("model ")]
    return {"MFSEED": seed[1] if seed else None, "MFMODEL": ", ".join(dict.fromkeys(models)) or None}


def _facts(sheet: SampleSheet) -> list[tuple[str, Any]]:
    reader = sheet.reader
    splits = ", ".join(f"{n:,} {name}" for name, n in reader.manifest.splits.items())
    sizes = dict.fromkeys(f"{p.width} × {p.height} px" for p in sheet.panels)
    others = [str(v) for v in np.atleast_1d(reader.attributes.get("views", ())) if str(v) != sheet.view]
    return [
        ("dataset", kind_of(reader.arrays, reader.attributes).name),
        ("samples", f"{len(reader):,} ({splits})" if splits else f"{len(reader):,}"),
        ("each", f"{', '.join(p.array for p in sheet.panels)}: {', '.join(sizes)}"),
        ("degraded to", reader.attributes.get("survey")),
        ("not shown", f"views {', '.join(others)}" if sheet.view and others else None),
    ]
