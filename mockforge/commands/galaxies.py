"""`mockforge generate --galaxies`: single galaxies of a model on stamps, as FITS with a table."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.fits.write import ImagePlane, write_planes
from mockforge.field.picture import asinh_rgb, mosaic, save_png
from mockforge.files import from_home, replace_file
from mockforge.memory import check_fits
from mockforge.sgan.single.paint import SingleGalaxies, Stamps
from mockforge.sky.source_table import source_table

STAMP_SIDE = 64
"""Pixels of a stamp where none are asked for."""
_SHOWN, _COLUMNS = 64, 16
"""Galaxies on the picture, and how many in a row."""


def write_galaxies(
    galaxies: SingleGalaxies, n: int, side: int, out: str | Path, noiseless: bool = False,
    advance: Callable[[int], None] = lambda galaxies: None,
) -> list[Path]:  # fmt: skip
    """Write the first `n` galaxies of a seed on stamps of `side` pixels, nJy.

    Parameters
    ----------
    galaxies
        Of a model.
    n, side
        How many, and pixels.
    out
        NAME.fits: a cube (galaxy, y, x) for each band. Else a folder: a file for each galaxy, with a band an
        extension. Beside them a table of what each galaxy is, NAME-galaxies.fits, and a picture of the
        first 64.
    noiseless
        Write the light without noise too, as TRUTH_<band>; files of a folder have it anyway.
    advance
        Is called with the number of galaxies once they are painted.

    Returns
    -------
    list of Path
        What was written: stamps, then the table and the picture.

    Raises
    ------
    InputError
        For a number or a side out of range, no galaxy so bright, and an `out` that cannot be written.
    """
    path = from_home(out)
    bands = len(galaxies.bands)
    needed = 16.0 * n * bands * side * side
    check_fits(needed, f"--galaxies: {n:,} stamps in {bands} bands", "write fewer with each of several seeds")
    one_file = path.suffix.lower() in (".fits", ".fit", ".fts")
    if one_file and path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file, or of a folder without .fits")
    stamps = galaxies.stamps(n, side)
    advance(n)
    try:
        (path.parent if one_file else path).mkdir(parents=True, exist_ok=True)
        if one_file:
            written = [_cubes(galaxies, stamps, path, noiseless)]
            stem = path.with_suffix("")
        else:
            stem = path / f"{galaxies.name}-{galaxies.seed}"
            written = _files(galaxies, stamps, stem)
        table = stem.with_name(f"{stem.name}-galaxies.fits")
        _write_table(galaxies, stamps, table)
        sheet = stem.with_name(f"{stem.name}-galaxies.png")
        save_png(sheet, contact_sheet(galaxies, stamps))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    return [*written, table, sheet]


def contact_sheet(galaxies: SingleGalaxies, stamps: Stamps) -> np.ndarray:
    """Return a picture of the first galaxies as observed, uint8 (y, x, 3), in one stretch."""
    rms = galaxies.noise.field.rms_njy
    pictures = [
        asinh_rgb(i, rms if (rms > 0).all() else None, bands=galaxies.bands) for i in stamps.image[:_SHOWN]
    ]
    return mosaic(pictures, columns=min(_COLUMNS, len(pictures)))


def _field(galaxies: SingleGalaxies, stamps: Stamps, i: int) -> Field:
    return Field(
        image=stamps.image[i],
        bands=galaxies.bands,
        pixel_scale_arcsec=galaxies.pixel_scale_arcsec,
        psf_fwhm_arcsec=galaxies.psf_fwhm_arcsec,
        truth=stamps.truth[i],
        header=galaxies.cards() | {"MFGALAXY": (i, "row of the galaxy in the table, from 0")},
    )


def _files(galaxies: SingleGalaxies, stamps: Stamps, stem: Path) -> list[Path]:
    """Write a file for each galaxy."""
    digits = max(4, len(str(len(stamps) - 1)))
    return [
        _field(galaxies, stamps, i).write(stem.with_name(f"{stem.name}-{i:0{digits}d}.fits"))
        for i in range(len(stamps))
    ]


def _cubes(galaxies: SingleGalaxies, stamps: Stamps, path: Path, noiseless: bool) -> Path:
    """Write a cube for each band."""
    about = _field(galaxies, stamps, 0)
    kinds = [("", stamps.image), *([("TRUTH_", stamps.truth)] if noiseless else [])]
    planes = [
        ImagePlane(f"{prefix}{band}", pixels[:, i], about.cards(i))
        for prefix, pixels in kinds
        for i, band in enumerate(galaxies.bands)
    ]
    return write_planes(path, planes, None, None, galaxies.cards())


def _write_table(galaxies: SingleGalaxies, stamps: Stamps, path: Path) -> None:
    """Write what each galaxy is, a row each; the file appears whole."""
    values, about = galaxies.columns(stamps)
    rows = {"galaxy": np.arange(len(stamps)), **values}
    table = source_table(rows, {"galaxy": ("", "row of its stamp, from 0"), **about}, {})
    buffer = BytesIO()
    table.write(buffer, format="fits")
    replace_file(path, buffer.getvalue())
