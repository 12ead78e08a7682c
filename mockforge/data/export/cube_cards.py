"""The cards of an integral-field cube: its axes, its unit, its lines, and what was done to them.

Greisen et al. 2006, A&A 446, 747: `WAVE` in vacuum, `AWAV` in air. Extensions are called DATA and STAT, as
MUSE's are, so that other programs find them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.data.reader import Reader

EXTENSIONS = {"cube": "DATA", "cube_variance": "STAT"}
"""Array -> name of its extension, where that is another."""
_PLACE = (150.0, 2.2)
"""Right ascension and declination of the middle, degrees: a cube that is drawn lies nowhere."""


def is_cubes(reader: Reader) -> bool:
    """Whether a dataset is one of cubes with wavelengths."""
    return {"cube", "wavelength"} <= set(reader.arrays) and "channel_angstrom" in reader.attributes


def fits_unit(unit: str) -> str:
    """Return a unit as the FITS standard spells it."""
    from astropy import units

    return units.Unit(unit).to_string("fits") if unit else ""


def celestial(shape: tuple[int, ...], scale: float) -> dict[str, Any]:
    """Return the cards of the two axes of the sky, east to the left."""
    y, x = shape[-2:]
    step = scale / 3600
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRVAL1": (_PLACE[0], "arbitrary: a drawn cube lies nowhere"),
        "CRVAL2": (_PLACE[1], "arbitrary"),
        "CRPIX1": (x + 1) / 2,
        "CRPIX2": (y + 1) / 2,
        "CD1_1": -step,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": step,
        "RADESYS": "ICRS",
    }


def spectral(reader: Reader, wavelength: np.ndarray, redshift: float, rest: float) -> dict[str, Any]:
    """Return the cards of the axis of wavelength, and of what lies on it.

    `rest` is the first line's wavelength at rest in vacuum, Angstrom.
    """
    about = reader.attributes
    air = about["medium"] == "air"
    return {
        "CTYPE3": "AWAV" if air else "WAVE",
        "CUNIT3": "Angstrom",
        "CRVAL3": float(wavelength[0]),
        "CRPIX3": 1.0,
        "CD3_3": float(about["channel_angstrom"]),
        "CD1_3": 0.0,
        "CD2_3": 0.0,
        "CD3_1": 0.0,
        "CD3_2": 0.0,
        "SPECSYS": "BARYCENT",
        "RESTWAV": (rest * 1e-10, "[m] of the first line, in vacuum"),
        "ZSOURCE": (redshift, "redshift of the galaxy"),
        "INSTRUME": (str(about["instrument"]), "whose sampling and blurring it has"),
        "LINES": (str(about["lines"]), "emission lines"),
        "VELDEF": (str(about["velocity_convention"]), "what a velocity did to a wavelength"),
        "LSFNOTE": str(about["line_spread_function"]),
    }
