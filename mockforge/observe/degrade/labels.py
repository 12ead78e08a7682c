"""Label maps and tables of a fine image on a coarser grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mockforge.batch import Batch, Table
from mockforge.data.columns import unit_of
from mockforge.observe.degrade.degrader import Degrader, Grid
from mockforge.observe.psf.models import gaussian

_MOVED = ("catalogue", "objects", "galaxy")
"""Tables whose places follow onto the coarse grid."""
_PARTS = 5
"""Points on each side of a coarse pixel at which the fine map is read, at least."""
MASKED = 0.1
"""A coarse pixel is masked where masked fine ones have more than this part in it."""


def coarse_labels(labels: np.ndarray, grid: Grid) -> np.ndarray:
    """Label maps (..., H, W) on the coarse grid: the value with the largest part of each pixel.

    0, the sky, counts as any other. Parts are measured at points evenly spread over the pixel,
    two or more to a fine pixel; outside the map is sky. An object that nowhere has the largest
    part is in no pixel.
    """
    parts = max(_PARTS, math.ceil(2 * grid.step))
    offset = ((np.arange(parts) + 0.5) / parts - 0.5) * grid.step
    index, inside = [], []
    for size, count, start in zip(labels.shape[-2:], grid.shape, grid.start, strict=True):
        at = np.rint(start + grid.step * np.arange(count)[:, None] + offset).astype(np.int64)
        inside.append((at >= 0) & (at < size))
        index.append(np.clip(at, 0, size - 1))
    out = np.empty((*labels.shape[:-2], *grid.shape), dtype=labels.dtype)
    for place in np.ndindex(*labels.shape[:-2]):
        for row in range(grid.shape[0]):
            points = labels[place][index[0][row]][:, index[1]]  # (parts, w, parts)
            on_map = inside[0][row][:, None, None] & inside[1]
            values = np.where(on_map, points, 0).transpose(1, 0, 2).reshape(grid.shape[1], -1)
            out[(*place, row)] = _commonest(values)
    return out


def _commonest(values: np.ndarray) -> np.ndarray:
    """Return the value that is most often in each row of (w, n); the smallest of equals."""
    first = values[:, 0]
    out = first.copy()
    mixed = np.flatnonzero((values != first[:, None]).any(axis=1))
    if len(mixed):
        ordered = np.sort(values[mixed], axis=1)
        same = (ordered[:, :, None] == ordered[:, None, :]).sum(axis=2)
        out[mixed] = ordered[np.arange(len(mixed)), same.argmax(axis=1)]
    return out


def coarse_mask(
    masks: np.ndarray, grid: Grid, scale: float, fwhm: float, mirrored: bool = True
) -> np.ndarray:
    """Masks (..., H, W) on the coarse grid: true where masked fine pixels have a part of what is seen.

    More than a tenth, through a Gaussian PSF of `fwhm` arcsec; `scale` is that of a fine pixel.
    """
    sharp, wide = gaussian(1e-3 * scale), gaussian(fwhm)
    change = Degrader(masks.shape[-2:], grid, scale, [sharp], [wide], mirrored=mirrored)
    part = change(masks[..., None, :, :].astype(np.float32))[..., 0, :, :]
    return part > MASKED * grid.step**2


def coarse_table(
    table: Table, grid: Grid, labels: Mapping[int, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Return a table of objects with its lengths and places in coarse pixels.

    `x` and `y` move onto the grid, `bbox_*` and `area` are those of `labels` (sample -> coarse
    map) where they are given, other columns in pixels are divided by the step. Fluxes stay.
    """
    out = {name: _moved(name, column, grid) for name, column in table.items()}
    if labels is not None and {"label", "area"} <= set(table):
        out |= _measured(out, labels)
    return out


def _moved(name: str, column: np.ndarray, grid: Grid) -> np.ndarray:
    unit = unit_of(name)
    if unit == "pix" and (name in ("x", "y") or name.endswith(("_x", "_y"))):
        return grid.y(column) if name.endswith("y") else grid.x(column)
    if name.startswith("bbox_"):  # [x0, x1) in whole pixels, which are from -0.5 to 0.5 about their centres
        axis = grid.y if name[5] == "y" else grid.x
        edge = axis(column - 0.5) + 0.5
        return (np.floor(edge + 1e-9) if name.endswith("0") else np.ceil(edge - 1e-9)).astype(column.dtype)
    power = {"pix": 1, "pix2": 2}.get(unit, 0)
    if power == 0:
        return column
    moved = column / grid.step**power
    return moved.astype(column.dtype) if column.dtype.kind == "f" else np.rint(moved).astype(column.dtype)


def _measured(table: Table, labels: Mapping[int, np.ndarray]) -> dict[str, np.ndarray]:
    """Area and bounding box of each row's object on its coarse map; all 0 where it has no pixel."""
    rows, ys, xs = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for sample in np.unique(table["sample"]).tolist():
        label_map = labels[sample]
        of_sample = np.flatnonzero(table["sample"] == sample)
        row_of = np.full(int(max(label_map.max(), table["label"][of_sample].max())) + 1, -1, dtype=np.int64)
        row_of[table["label"][of_sample]] = of_sample
        y, x = np.nonzero(label_map)
        row = row_of[label_map[y, x]]
        for kept_values, values in ((rows, row), (ys, y), (xs, x)):
            kept_values.append(values[row >= 0])
    row, count = np.concatenate(rows), len(table["label"])
    area = np.bincount(row, minlength=count)
    out = {"area": area}
    for axis, values in (("x", np.concatenate(xs)), ("y", np.concatenate(ys))):
        low, high = np.full(count, 2**30), np.zeros(count, dtype=np.int64)
        np.minimum.at(low, row, values)
        np.maximum.at(high, row, values + 1)
        out |= {f"bbox_{axis}0": np.where(area > 0, low, 0), f"bbox_{axis}1": high}
    return {name: column.astype(np.int32) for name, column in out.items() if name in table}


def with_labels(labels: Sequence[str], out: Batch, fine: Batch, grids: list[Grid]) -> Batch:
    """Label maps and tables on the coarse grids; `out` has the fine ones."""
    for name in labels:
        maps = fine.arrays[name]
        coarse = np.stack([coarse_labels(maps[i], grid) for i, grid in enumerate(grids)])
        out = out.with_arrays(**{name: coarse, f"{name}_fine": maps})
    measured = dict(zip(out.sample.tolist(), out.arrays[labels[0]], strict=True)) if labels else None
    for name in _MOVED:
        if name in fine.tables:
            out = out.with_table(name, _moved_rows(fine, name, grids, measured))
    return out


def _moved_rows(
    fine: Batch, name: str, grids: list[Grid], measured: Mapping[int, np.ndarray] | None
) -> dict[str, np.ndarray]:
    """Return a table in coarse pixels, sample by sample where the grids differ."""
    table, parts, order = fine.tables[name], [], []
    for grid in dict.fromkeys(grids):
        samples = [s for s, g in zip(fine.sample.tolist(), grids, strict=True) if g == grid]
        rows = np.flatnonzero(np.isin(table["sample"], samples))
        parts.append(coarse_table({k: v[rows] for k, v in table.items()}, grid, measured))
        order.append(rows)
    back = np.argsort(np.concatenate(order), kind="stable")
    return {key: np.concatenate([part[key] for part in parts])[back] for key in parts[0]}
