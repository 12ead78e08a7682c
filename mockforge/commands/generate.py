"""`mockforge generate --out FOLDER`: a field of each seed, with its sources and a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mockforge.commands.field_painters import FieldPainter
from mockforge.commands.generate_file import FieldFile, FileAsked, field_file
from mockforge.errors import InputError
from mockforge.field.picture import asinh_rgb, save_png
from mockforge.files import from_home
from mockforge.mosaic.read import open_field

Advance = Callable[[int], None]
"""Is called with the number of pixels painted since the last call."""
_LARGEST_PICTURE = 2048
"""Pixels; the picture of a larger field shows means of pixels."""


def write_fields(
    painter: FieldPainter,
    size: tuple[int, int],
    seeds: Sequence[int],
    out: str | Path,
    advance: Advance = lambda pixels: None,
    workers: int = 1,
) -> list[Path]:
    """Write a field of each seed, in nJy, as it is painted.

    Parameters
    ----------
    painter
        `of_model` or `of_scene`.
    size
        Rows and columns, pixels.
    seeds
        A sky each.
    out
        Folder of `NAME-SEED.fits` (a band an extension, then the noiseless bands where they are known),
        `NAME-SEED.png`, and where pixels have owners the table `NAME-SEED-sources.fits`.
    advance
        Is called with the number of pixels painted since the last call.
    workers
        Processes that paint; the bytes are the same.

    Returns
    -------
    list of Path
        The FITS files.

    Raises
    ------
    InputError
        For a size that is not positive, what the model cannot do, or an `out` that cannot be made.
    """
    out, written = from_home(out), []
    _check(seeds)
    for seed in seeds:
        path = _field(painter, size, seed, out, workers).write(advance)[0]
        save_png(path.with_suffix(".png"), picture_of(path))
        written.append(path)
    return written


def plan_fields(
    painter: FieldPainter, size: tuple[int, int], seeds: Sequence[int], out: str | Path, workers: int = 1
) -> list[str]:
    """Return what `write_fields` will take: that of one field, and how many there are."""
    _check(seeds)
    plan = _field(painter, size, seeds[0], from_home(out), workers).plan(len(seeds))
    if len(seeds) == 1:
        return plan
    return [f"{len(seeds)} fields, {len(seeds)} times the bytes and the time of one:", *plan]


def _check(seeds: Sequence[int]) -> None:
    if not seeds:
        raise InputError("the number of fields is 0; at least 1 is expected")


def _field(painter: FieldPainter, size: tuple[int, int], seed: int, out: Path, workers: int) -> FieldFile:
    sky = painter.endless(seed)
    asked = FileAsked(
        out / f"{painter.name}-{seed}.fits",
        size,
        seed,
        noiseless=sky[0:1, 0:1].truth is not None,
        workers=workers,
        sources=painter.table(sky, 0, 1, 0, 1) is not None,
    )
    return field_file(painter, asked)


def picture_of(path: Path) -> np.ndarray:
    """Return a picture of a field on disk, (y, x, 3); of a large one the means of its pixels.

    Raises
    ------
    InputError
        For what is no field.
    """
    field = open_field(path)
    bands, height, width = field.shape
    step = -(-max(height, width) // _LARGEST_PICTURE)
    flux = np.empty((bands, -(-height // step), -(-width // step)), dtype=np.float32)
    rows = max(1, 2**20 // (width * step)) * step
    for y0 in range(0, height, rows):
        pixels = field.read(y0, min(y0 + rows, height), 0, width)
        means = _means(pixels, step)
        flux[:, y0 // step : y0 // step + means.shape[1]] = means
    return asinh_rgb(flux, bands=field.bands)


def _means(pixels: np.ndarray, step: int) -> np.ndarray:
    """Return the means of squares of pixels, smaller ones at the ends."""
    if step == 1:
        return pixels
    sums = _sums(_sums(pixels, step, 1), step, 2)
    rows, columns = (np.minimum(step, n - np.arange(0, n, step)) for n in pixels.shape[1:])
    return sums / np.outer(rows, columns).astype(np.float32)


def _sums(values: np.ndarray, step: int, axis: int) -> np.ndarray:
    """Return the sums of `step` values along an axis, of fewer at its end."""
    along = np.moveaxis(values, axis, 0)
    sums = along[::step].copy(order="K")
    for first in range(1, step):
        part = along[first::step]
        sums[: len(part)] += part
    return np.moveaxis(sums, 0, axis)
