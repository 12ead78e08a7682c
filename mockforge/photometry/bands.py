"""Bandpasses by name or path: curves that galsim carries, fits that are bundled, and a user's own files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from mockforge.errors import InputError
from mockforge.files import located, named, sha256_of
from mockforge.names import check_bands
from mockforge.photometry.band_table import (
    BANDPASSES,
    CANDELS_GOODSS,
    FILTERS,
    canonical,
    filter_files,
    known_bands,
    unknown,
)
from mockforge.photometry.filter_files import read_filter

if TYPE_CHECKING:
    import galsim

_TAIL = 1e-5
"""Ends of galsim's curves that hold less than this part of all photons are left out."""

_ENDINGS = (".dat", ".txt", ".csv", ".ecsv", ".fits", ".fit", ".par", ".filter", ".res", ".asc", ".tab",
            ".pb", ".xml", ".vot")  # fmt: skip
"""Of files that hold curves."""


__all__ = [
    "BANDPASSES", "CANDELS_GOODSS", "Band", "BandName", "OwnBand", "band", "bandpass", "bands_of", "curve",
    "origin", "pivot_um",
]  # fmt: skip


class OwnBand(str):
    """The name of a band whose curve is a user's file.

    It is its name wherever names are used; two are equal where name and content of the file are.
    """

    path: str
    """The file, as the user named it."""
    sha256: str
    """Of the curve that is meant: another content is another band."""

    def __new__(cls, name: str, path: str, sha256: str) -> OwnBand:
        """Make the band `name` of the curve in the file `path`."""
        own = super().__new__(cls, name)
        own.path, own.sha256 = path, sha256
        return own

    @property
    def word(self) -> str:
        """What a recipe says for it."""
        return f"{self}={self.path}"

    def __eq__(self, other: object) -> bool:
        same = str.__eq__(self, other) if isinstance(other, str) else False
        return same and (not isinstance(other, OwnBand) or other.sha256 == self.sha256)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        return OwnBand, (str(self), self.path, self.sha256)


def band(word: Any) -> str:
    """Return the band that a recipe's word means.

    The name of a bundled curve, or another name for it (`ACS_F606W`); the path of a filter file, whose
    band is called as the file; `NAME=PATH` or `{NAME: PATH}`. InputError where there is no such
    band, its file cannot be used, or its name is that of a bundled band.
    """
    if isinstance(word, OwnBand):
        return word
    if isinstance(word, dict) and len(word) == 1:
        ((name, path),) = word.items()
        if isinstance(name, str) and isinstance(path, str):
            return _own(name, path)
    if not isinstance(word, str):
        raise InputError("should be a band's name, the path of a filter file, or {name: path}")
    canonical_name = canonical(word)
    if canonical_name is not None:
        return canonical_name
    name, mark, path = word.partition("=")
    if mark and path:
        return _own(name.strip(), path.strip())
    if "/" in word or word.startswith("~") or word.lower().endswith(_ENDINGS):
        return _own(Path(word).name.partition(".")[0], word)
    raise InputError(unknown(word))


def bands_of(words: Sequence[Any]) -> tuple[str, ...]:
    """Return the bands of a recipe's words, one or more and different. InputError as `band`."""
    bands = tuple(band(word) for word in words)
    if not bands or len({str(name) for name in bands}) < len(bands):
        raise InputError(f"bands should be one or more different names, found {list(map(str, words))}")
    return bands


def _own(name: str, path: str) -> OwnBand:
    check_bands((name,), "band")
    if canonical(name) is not None:
        raise InputError(
            f"band {name!r} ({path}): this is the name of a bundled curve ({canonical(name)}); give yours"
            f" another, such as {{my_{name}: {path}}}"
        )
    file = located(path)
    read_filter(file)
    return OwnBand(name, path, sha256_of(file))


class _BandWord:
    """Reads a band in a recipe, and says which file its curve is from."""

    def files(self, word: str) -> dict[str, Path]:
        name = band(word)
        return named([name.path]) if isinstance(name, OwnBand) else {}

    def origins(self, word: str) -> dict[str, str]:
        name = band(word)
        if not isinstance(name, OwnBand):
            return {}
        wave, _ = curve(name)
        return {f"band {name}": f"{name.path}, {wave[0]:.0f} to {wave[-1]:.0f} Angstrom"}

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(band)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        own = {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 1}
        return {"anyOf": [{"enum": list(known_bands())}, {"type": "string"}, own | {"minProperties": 1}]}


Band = Annotated[str, _BandWord()]
"""A band in a configuration: see `band`."""

BandName: Any = Literal[*known_bands()]
"""The names of the bands whose curves come with the package."""


@cache
def _fitted() -> dict[str, np.ndarray]:
    """Return the bundled fits: name -> (K, 2) wavelength in Angstrom and throughput, 1 at the peak."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for file in ("bandpasses.txt", "filters.txt"):
        text = Path(__file__).with_name("data").joinpath(file).read_text()
        for line in text.splitlines():
            if not line.startswith("#"):
                name, wave, throughput = line.split()
                rows.setdefault(name, []).append((float(wave), float(throughput)))
    return {name: np.array(points) for name, points in rows.items()}


def bandpass(name: str) -> galsim.Bandpass:
    """Return the galsim Bandpass of this band; InputError names the nearest one we have."""
    import galsim

    name = band(name)
    if name in BANDPASSES:
        return galsim.Bandpass(BANDPASSES[name], wave_type="nm")
    wave, throughput = curve(name)
    table = galsim.LookupTable(wave, throughput, interpolant="linear")
    return galsim.Bandpass(table, wave_type="Ang")


def curve(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the throughput of a band at the curve's own points, linear between them.

    Parameters
    ----------
    name : str
        A band, as `band` reads it.

    Returns
    -------
    wave : numpy.ndarray, (W,) float64
        Wavelength in Angstrom, rising.
    throughput : numpy.ndarray, (W,) float64
        Fraction of photons detected; a bundled fit and a user's curve have their peak at 1.

    Raises
    ------
    InputError
        For an unknown band, with the nearest we have, or a file that is no curve.
    """
    return _curve(band(name))


@cache
def _curve(name: str) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(name, OwnBand):
        return read_filter(located(name.path))
    if name in filter_files():
        return read_filter(filter_files()[name])
    if name not in BANDPASSES:
        points = _fitted()[name]
        return points[:, 0], points[:, 1]
    galsim_band = bandpass(name)
    wave = 10.0 * np.asarray(galsim_band.wave_list, dtype=np.float64)
    throughput = np.asarray(galsim_band(wave / 10.0), dtype=np.float64)
    photons = 0.5 * (throughput[1:] + throughput[:-1]) * np.diff(wave)
    below = np.concatenate([[0.0], np.cumsum(photons)]) / photons.sum()
    first = int(np.searchsorted(below, _TAIL, side="right")) - 1
    last = int(np.searchsorted(below, 1.0 - _TAIL, side="left"))
    return wave[first : last + 1], throughput[first : last + 1]


def pivot_um(band: str) -> float:
    """Pivot wavelength of a band in micrometres (Bessell & Murphy 2012, PASP 124, 140, equation A16)."""
    wave, throughput = curve(band)  # straight lines between points, each a + b wave
    step = np.diff(wave)
    b = np.divide(np.diff(throughput), step, out=np.zeros_like(step), where=step > 0)
    a = throughput[:-1] - b * wave[:-1]
    photons = a / 2 * np.diff(wave**2) + b / 3 * np.diff(wave**3)
    per_wave = a * np.diff(np.log(wave)) + b * step
    return 1e-4 * math.sqrt(photons.sum() / per_wave.sum())


def origin(name: str) -> str:
    """Where a band's curve is from, in words."""
    name = band(name)
    if isinstance(name, OwnBand):
        return f"{name}: {name.path}"
    if name in BANDPASSES:
        return f"{name}: {BANDPASSES[name]} of galsim"
    if name in filter_files():
        return f"{name}: {filter_files()[name].name} of mockforge"
    library, curve_name = FILTERS.get(name, ("the CANDELS GOODS-S catalogue", "curve"))
    return f"{name}: {curve_name} of {library}"
