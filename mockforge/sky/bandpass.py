"""Bandpasses by name: throughput curves that galsim carries."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from mockforge.errors import InputError, nearest

if TYPE_CHECKING:
    import galsim

BandName = Literal[
    "F275W",
    "F336W",
    "F435W",
    "F606W",
    "F775W",
    "F814W",
    "F850LP",
    "F105W",
    "F125W",
    "F160W",
    "lsst_u",
    "lsst_g",
    "lsst_r",
    "lsst_i",
    "lsst_z",
    "lsst_y",
]

BANDPASSES: dict[str, str] = {
    "F275W": "WFC3_uvis_F275W.dat",
    "F336W": "WFC3_uvis_F336W.dat",
    "F435W": "ACS_wfc_F435W.dat",
    "F606W": "ACS_wfc_F606W.dat",
    "F775W": "ACS_wfc_F775W.dat",
    "F814W": "ACS_wfc_F814W.dat",
    "F850LP": "ACS_wfc_F850LP.dat",
    "F105W": "WFC3_ir_F105W.dat",
    "F125W": "WFC3_ir_F125W.dat",
    "F160W": "WFC3_ir_F160W.dat",
    "lsst_u": "LSST_u.dat",
    "lsst_g": "LSST_g.dat",
    "lsst_r": "LSST_r.dat",
    "lsst_i": "LSST_i.dat",
    "lsst_z": "LSST_z.dat",
    "lsst_y": "LSST_y.dat",
}
"""Name -> file in galsim's `share/bandpasses` (total throughput, wavelength in nm)."""


def bandpass(name: str) -> galsim.Bandpass:
    """The galsim Bandpass of this name; InputError names the nearest one we have."""
    if name not in BANDPASSES:
        raise InputError(f"unknown band {name!r}{nearest(name, BANDPASSES)}")
    import galsim

    return galsim.Bandpass(BANDPASSES[name], wave_type="nm")


@cache
def curve(name: str, step: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Throughput of a band: wavelength in Angstrom and the fraction of photons detected, float64.

    The curve's own points, and between them more so that none is farther than `step` Angstrom
    from the next; without the stretches of zero at both ends.
    """
    band = bandpass(name)
    wave = 10.0 * np.asarray(band.wave_list, dtype=np.float64)
    throughput = np.asarray(band(wave / 10.0), dtype=np.float64)
    seen = np.flatnonzero(throughput > 0)
    ends = slice(max(seen[0] - 1, 0), seen[-1] + 2)
    wave, throughput = wave[ends], throughput[ends]
    pieces = np.maximum(np.ceil(np.diff(wave) / step).astype(int), 1)
    fine = [np.linspace(a, b, k, endpoint=False) for a, b, k in zip(wave, wave[1:], pieces, strict=False)]
    dense = np.concatenate([*fine, wave[-1:]])
    return dense, np.interp(dense, wave, throughput)


@cache
def band_curve(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Throughput of a band at its own points: wavelength in Angstrom and fraction of photons, float64.

    Linear between the points; without the stretches of zero at both ends.
    """
    band = bandpass(name)
    wave = 10.0 * np.asarray(band.wave_list, dtype=np.float64)
    throughput = np.asarray(band(wave / 10.0), dtype=np.float64)
    seen = np.flatnonzero(throughput > 0)
    ends = slice(max(seen[0] - 1, 0), seen[-1] + 2)
    return wave[ends], throughput[ends]
