"""Reads the binary `.ised` files of Bruzual & Charlot 2003 (MNRAS 344, 1000)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mockforge.errors import InputError


@dataclass(frozen=True)
class SimplePopulation:
    """Stars of one age and metallicity, one solar mass when they formed.

    `age_yr` (A,) from 0 up, `wave` (W,) in Angstrom, `luminosity` (A, W) in solar luminosities per
    Angstrom, `metallicity` the mass fraction Z.
    """

    age_yr: np.ndarray
    wave: np.ndarray
    luminosity: np.ndarray
    metallicity: float


def read_ised(path: Path) -> SimplePopulation:
    """Return a simple population from a file: Fortran's unformatted records, either byte order.

    The records are the ages and a description, the wavelengths, and for each age a spectrum (with
    spectral indices behind it, which are left out). InputError names what is wrong with the file.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    order = _byte_order(path, raw)
    records = _records(path, raw, order)
    if len(records) < 3:
        raise InputError(f"{path}: {len(records)} records; a .ised file has ages, wavelengths and spectra")
    age = _counted(path, records[0], order, "ages")
    wave = _counted(path, records[1], order, "wavelengths")
    if len(records) < 2 + len(age):
        raise InputError(f"{path}: {len(age)} ages and {len(records) - 2} spectra; the file is cut short")
    rows = [_counted(path, record, order, "fluxes") for record in records[2 : 2 + len(age)]]
    if any(len(row) != len(wave) for row in rows):
        raise InputError(f"{path}: a spectrum without the {len(wave)} wavelengths of the file")
    light = np.stack(rows)
    sorted_axes = (np.diff(age) > 0).all() and (np.diff(wave) > 0).all()
    if not sorted_axes or not np.isfinite(light).all() or (light < 0).any():
        raise InputError(f"{path}: ages or wavelengths that do not rise, or fluxes below zero")
    return SimplePopulation(age, wave, light, _metallicity(path, records[0]))


def _byte_order(path: Path, raw: bytes) -> str:
    for order in ("<", ">"):
        size = int(np.frombuffer(raw[:4], order + "i4")[0]) if len(raw) >= 12 else -1
        if 0 < size <= len(raw) - 8 and raw[4 + size : 8 + size] == raw[:4]:
            return order
    raise InputError(
        f"{path}: not a file of Fortran records; expected a binary .ised file of Bruzual & Charlot "
        "(ASCII ones end in .ised_ASCII)"
    )


def _records(path: Path, raw: bytes, order: str) -> list[bytes]:
    """Return the contents of the records; both length markers of each must agree."""
    records, place = [], 0
    while place < len(raw):
        marker = raw[place : place + 4]
        size = int(np.frombuffer(marker, order + "i4")[0]) if len(marker) == 4 else -1
        end = place + 4 + size
        if size < 0 or raw[end : end + 4] != marker:
            raise InputError(f"{path}: record {len(records)} at byte {place} is cut short or damaged")
        records.append(raw[place + 4 : end])
        place = end + 4
    return records


def _counted(path: Path, record: bytes, order: str, what: str) -> np.ndarray:
    """Return a count and as many float32, float64 here; what follows them is left out."""
    count = int(np.frombuffer(record[:4], order + "i4")[0]) if len(record) >= 4 else -1
    if not 1 < count <= len(record) // 4 - 1:
        raise InputError(f"{path}: a record of {len(record)} bytes says it holds {count} {what}")
    return np.frombuffer(record, order + "f4", count, 4).astype(np.float64)


def _metallicity(path: Path, record: bytes) -> float:
    match = re.search(rb"Z=\s*(0?\.\d+)", record)
    if match is None:
        raise InputError(f"{path}: its description has no 'Z=', the metallicity")
    return float(match.group(1))
