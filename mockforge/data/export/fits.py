"""FITS: a file per sample with an extension per array, and a binary table per table of the dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.data.columns import meaning_of
from mockforge.data.export.cube_cards import EXTENSIONS, celestial, fits_unit, is_cubes, spectral
from mockforge.data.reader import Reader

_HELD = {"float16": "float32", "bool": "uint8", "int8": "int16"}
"""Types that an image of FITS does not have -> the one that holds every value of theirs."""
_CARDS = {
    "pixel_scale_arcsec": ("PIXSCALE", "arcsec per pixel"),
    "zeropoint_ab": ("MAGZERO", "AB magnitude of pixel value 1"),
}


def write_fits(reader: Reader, folder: Path) -> None:
    """Write the samples and tables of a dataset.

    - `SPLIT/000012.fits`: an extension per array, named as it is, with its unit as BUNIT; a number per
      sample is a card of the primary header, where the names of the bands are too.
    - Cubes: DATA and STAT, its variance, with the axes of the sky and of wavelength, as MUSE's are named.
    - `TABLE.fits`: a table of the dataset, whose column `sample` says whose row each is, and `split` of
      which split.

    Values are those of the dataset; half precision, truth values and signed bytes, which FITS lacks, become
    the next wider type.
    """
    from astropy.io import fits

    for split in reader.manifest.splits:
        (folder / split).mkdir()
    shared = _shared(reader)
    axes = _axes_of(reader) if is_cubes(reader) else None
    for row, (number, split) in enumerate(zip(reader.sample, reader.split, strict=True)):
        sample = reader.read(row)
        primary = fits.PrimaryHDU()
        primary.header.update(shared)
        primary.header["SAMPLE"] = (int(number), "number of the sample in the dataset")
        hdus: list[Any] = [primary]
        for name, values in sample.items():
            if values.ndim == 0:
                primary.header[f"HIERARCH {name.upper()}"] = (values.item(), reader.units[name])
            else:
                hdus.append(_extension(name, values, reader.units[name]))
                if axes is not None:
                    _lay_axes(hdus[-1], axes(int(number), sample))
        fits.HDUList(hdus).writeto(folder / split / f"{number:06d}.fits")
    for name in reader.tables:
        _table(reader, name).write(folder / f"{name}.fits")


def _axes_of(reader: Reader) -> Callable[[int, dict[str, np.ndarray]], dict[str, Any]]:
    """Return a function of a sample's number and arrays: the cards of its cube's axes."""
    table, _ = reader.table("disk")
    first = {int(n): i for i, n in reversed(list(enumerate(table["sample"])))}
    scale = float(reader.attributes["pixel_scale_arcsec"])

    def cards(number: int, sample: dict[str, np.ndarray]) -> dict[str, Any]:
        row = first[number]
        redshift, rest = float(table["redshift"][row]), float(table["rest_wavelength"][row])
        sky = celestial(sample["cube"].shape, scale)
        return {**sky, **spectral(reader, sample["wavelength"], redshift, rest)}

    return cards


def _lay_axes(hdu: Any, cards: dict[str, Any]) -> None:
    """Give an extension of (channel, y, x) or (y, x) its axes and its unit as the standard spells it."""
    if hdu.data.ndim < 2:
        return
    flat = hdu.data.ndim == 2
    hdu.header.update({key: value for key, value in cards.items() if not flat or not _of_third_axis(key)})
    if "BUNIT" in hdu.header:
        hdu.header["BUNIT"] = fits_unit(hdu.header["BUNIT"])
    hdu.name = EXTENSIONS.get(hdu.name.lower(), hdu.name)


def _of_third_axis(key: str) -> bool:
    return key.endswith("3") or key.startswith(("CD3", "SPECSYS", "RESTWAV")) or key in ("LSFNOTE", "VELDEF")


def _shared(reader: Reader) -> dict[str, Any]:
    """Return the cards of every file."""
    about = reader.attributes
    cards: dict[str, Any] = {
        key: (about[name], word) for name, (key, word) in _CARDS.items() if name in about
    }
    bands = about.get("bands", ())
    cards |= {f"BAND{i}": (band, "plane of a (band, y, x) array") for i, band in enumerate(bands, 1)}
    return cards | {"DATASET": (reader.manifest.name, "made with mockforge")}


def _extension(name: str, values: np.ndarray, unit: str) -> Any:
    from astropy.io import fits

    hdu = fits.ImageHDU(values.astype(_HELD.get(values.dtype.name, values.dtype)), name=name)
    if unit:
        hdu.header["BUNIT"] = unit
    if meaning := meaning_of(name):
        hdu.header.add_comment(meaning)
    return hdu


def _table(reader: Reader, name: str) -> Any:
    from astropy.table import Column, Table

    columns, units = reader.table(name)
    split = dict(zip(reader.sample.tolist(), reader.split.tolist(), strict=True))
    table = Table([Column(values, name=c, unit=units[c] or None) for c, values in columns.items()])
    if "split" not in columns:
        table["split"] = [split[int(number)] for number in columns["sample"]]
    return table
