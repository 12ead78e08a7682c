"""A user's own filter curves, from files: wavelength and throughput in two columns."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.photometry.two_columns import Wanted, read_columns
from mockforge.photometry.units import angstrom, unit_in_name, units_in, wave_unit

_WANTED = Wanted(
    x=("wavelength", "wave", "lambda", "lam", "wl", "wavelengths", "angstrom"),
    y=("throughput", "transmission", "response", "trans", "efficiency", "qe", "passband", "pass", "t"),
    words="wavelength and throughput",
    kind="filter curve",
)
_ENERGY = re.compile(
    r"(?i)energy[ -](?:counter|counting|weighted|response|integrat)|(?:type|detector\w*)\W+energy"
)
_PHOTON = re.compile(r"(?i)photon|quantum efficiency|electrons? per")


def read_filter(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Wavelength in Angstrom, rising, and the fraction of photons detected, 1 at the peak, float64.

    The unit is that of the column or of a comment (`# nm`). Without one, the middle of the band decides:
    below 100 it is micrometres, from 300 to 1000 nm, from 3000 on Angstrom; other numbers could be
    two of these, and are a sentence. A throughput is of photons, unless a comment says that it is of
    energy (`# energy counter`): then it is divided by the wavelength. InputError names the file.
    """
    columns = read_columns(path, _WANTED, heading=True)
    if columns is None:
        raise InputError(f"{path}: no table; expected a filter curve, {_WANTED.words} in two columns")
    wave, value = columns.x, columns.y
    if len(wave) < 2 or not np.isfinite(wave).all() or wave.min() <= 0:
        raise InputError(f"{path}: expected two or more wavelengths above 0")
    if not np.isfinite(value).all() or not value.max() > 0:
        raise InputError(f"{path}: throughputs should be finite, and above 0 somewhere")
    if value.min() < -0.01 * value.max():
        raise InputError(f"{path}: a throughput of {value.min():g} is below 0; is it in magnitudes?")
    edge = min(value[0], value[-1])
    if edge > max(1.5 * value[1:-1].min(initial=edge), 0.1 * value.max()):
        raise InputError(
            f"{path}: the throughput is higher at both ends ({value[0]:g}, {value[-1]:g}) than between "
            f"({value[1:-1].min():g}); is it in magnitudes? The fraction of photons that is detected is "
            "expected"
        )
    wave = angstrom(
        wave, _unit(path, columns.units[0] or unit_in_name(columns.names[0]), columns.comments, wave, value)
    )
    if wave[0] > wave[-1]:
        wave, value = wave[::-1], value[::-1]
    if not (np.diff(wave) > 0).all():
        raise InputError(f"{path}: wavelengths should rise from row to row, each once")
    value = np.maximum(value, 0.0)
    text = "\n".join(columns.comments)
    if _ENERGY.search(text):
        if _PHOTON.search(text):
            raise InputError(f"{path}: its comments name both energy and photons; leave one of them")
        value = value / wave
    inside = np.flatnonzero(value > 0)
    part = slice(max(inside[0] - 1, 0), inside[-1] + 2)
    return np.ascontiguousarray(wave[part]), value[part] / value.max()


def _unit(path: Path, told: str, comments: tuple[str, ...], wave: np.ndarray, value: np.ndarray) -> str:
    if told:
        unit = wave_unit(told)
        if unit is None:
            raise InputError(f"{path}: the wavelengths are in {told!r}; expected Angstrom, nm or micron")
        return unit
    units = units_in(comments)
    if len(set(units)) > 1:
        raise InputError(f"{path}: its comments name {' and '.join(dict.fromkeys(units))}; keep one of them")
    if units:
        return units[0]
    weight = np.maximum(value, 0.0) * np.abs(np.gradient(wave))
    middle = float((wave * weight).sum() / weight.sum())
    if middle < 100:
        return "um"
    if 300 <= middle <= 1000:
        return "nm"
    if 3000 <= middle <= 3e7:
        return "Angstrom"
    raise InputError(
        f"{path}: no unit of the wavelengths is said, and a band at {middle:g} could be in nm, in Angstrom or"
        " a frequency; add a first line `# nm`, `# Angstrom` or `# Hz`"
    )
