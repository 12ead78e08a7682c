"""Bandpasses by name: throughput curves that galsim carries, and fits to others that are bundled."""

from __future__ import annotations

from functools import cache
from pathlib import Path
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
    "CTIO_U",
    "VIMOS_U",
    "F098M",
    "ISAAC_Ks",
    "HAWKI_Ks",
    "IRAC_ch1",
    "IRAC_ch2",
    "IRAC_ch3",
    "IRAC_ch4",
    "candels_F435W",
    "candels_F606W",
    "candels_F775W",
    "candels_F814W",
    "candels_F850LP",
    "candels_F105W",
    "candels_F125W",
    "candels_F160W",
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

CANDELS_GOODSS: tuple[BandName, ...] = (
    "CTIO_U",
    "VIMOS_U",
    "candels_F435W",
    "candels_F606W",
    "candels_F775W",
    "candels_F814W",
    "candels_F850LP",
    "F098M",
    "candels_F105W",
    "candels_F125W",
    "candels_F160W",
    "ISAAC_Ks",
    "HAWKI_Ks",
    "IRAC_ch1",
    "IRAC_ch2",
    "IRAC_ch3",
    "IRAC_ch4",
)
"""The 17 bands of the CANDELS GOODS-S catalogue, in its own curves.

The names with `candels_` are the HST bands as that catalogue used them; their pivot wavelengths are
within 0.25% of those of the same bands in galsim.
"""

_TAIL = 1e-5
"""Ends of galsim's curves that hold less than this part of all photons are left out."""


@cache
def _fitted() -> dict[str, np.ndarray]:
    """The bundled fits: name -> (K, 2) wavelength in Angstrom and throughput, 1 at the peak."""
    rows: dict[str, list[tuple[float, float]]] = {}
    text = Path(__file__).with_name("data").joinpath("bandpasses.txt").read_text()
    for line in text.splitlines():
        if not line.startswith("#"):
            name, wave, throughput = line.split()
            rows.setdefault(name, []).append((float(wave), float(throughput)))
    return {name: np.array(points) for name, points in rows.items()}


def bandpass(name: str) -> galsim.Bandpass:
    """The galsim Bandpass of this name; InputError names the nearest one we have."""
    import galsim

    if name in BANDPASSES:
        return galsim.Bandpass(BANDPASSES[name], wave_type="nm")
    wave, throughput = curve(name)
    table = galsim.LookupTable(wave, throughput, interpolant="linear")
    return galsim.Bandpass(table, wave_type="Ang")


@cache
def curve(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Throughput of a band: wavelength in Angstrom and the fraction of photons detected, float64.

    The curve's own points, to be read as linear between them; a bundled fit has its peak at 1.
    InputError names the nearest band we have.
    """
    if name not in BANDPASSES:
        fits = _fitted()
        if name not in fits:
            raise InputError(f"unknown band {name!r}{nearest(name, (*BANDPASSES, *fits))}")
        return fits[name][:, 0], fits[name][:, 1]
    band = bandpass(name)
    wave = 10.0 * np.asarray(band.wave_list, dtype=np.float64)
    throughput = np.asarray(band(wave / 10.0), dtype=np.float64)
    photons = 0.5 * (throughput[1:] + throughput[:-1]) * np.diff(wave)
    below = np.concatenate([[0.0], np.cumsum(photons)]) / photons.sum()
    first = int(np.searchsorted(below, _TAIL, side="right")) - 1
    last = int(np.searchsorted(below, 1.0 - _TAIL, side="left"))
    return wave[first : last + 1], throughput[first : last + 1]
