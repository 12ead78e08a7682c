"""FITS: a file per sample with an extension per array, and a binary table per table of the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mockforge.data.columns import meaning_of
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
    - `TABLE.fits`: a table of the dataset, whose column `sample` says whose row each is, and `split` of
      which split.

    Values are those of the dataset; half precision, truth values and signed bytes, which FITS lacks, become
    the next wider type.
    """
    from astropy.io import fits

    for split in reader.manifest.splits:
        (folder / split).mkdir()
    shared = _shared(reader)
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
        fits.HDUList(hdus).writeto(folder / split / f"{number:06d}.fits")
    for name in reader.tables:
        _table(reader, name).write(folder / f"{name}.fits")


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
