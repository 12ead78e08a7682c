"""Integral-field spectrographs: what cubes of each are sampled and blurred by, with the numbers' sources."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError, nearest
from mockforge.galaxies.cubes.instrument.lines import Medium

FWHM = math.sqrt(8 * math.log(2))
"""Full width at half maximum of a Gaussian over its standard deviation."""


@dataclass(frozen=True)
class Lsf:
    """The line-spread function's full width at half maximum, a Gaussian's: exactly one of these."""

    fwhm_angstrom: float | None = None
    polynomial: tuple[float, ...] | None = None
    """Of the wavelength in Angstrom, highest power first, Angstrom."""
    resolving_power: float | None = None
    """Wavelength over the full width at half maximum."""

    def sigma(self, wavelength: float | np.ndarray) -> np.ndarray:
        """Return the standard deviation in Angstrom at wavelengths in Angstrom."""
        wave = np.asarray(wavelength, dtype=np.float64)
        if self.fwhm_angstrom is not None:
            return np.full(wave.shape, self.fwhm_angstrom / FWHM)
        if self.polynomial is not None:
            return np.polyval(self.polynomial, wave) / FWHM
        return wave / float(self.resolving_power or math.inf) / FWHM


@dataclass(frozen=True)
class Instrument:
    """An integral-field spectrograph in one setting."""

    name: str
    pixel_scale_arcsec: float
    """Side of a spaxel of its cubes."""
    channel_angstrom: float
    lsf: Lsf
    psf_fwhm_arcsec: float
    """Of a typical observation."""
    moffat_beta: float | None
    """Slope of the PSF's wings; None: a Gaussian."""
    range_angstrom: tuple[float, float]
    medium: Medium
    """What its wavelengths are measured in."""
    field_arcsec: float
    """Side of its field, or the corner-to-corner width of a hexagon."""
    source: str
    hexagon: bool = False
    sky: str = "night"
    """`night`: lines and continuum of the night sky; `space`: neither."""


_MUSE = {
    "pixel_scale_arcsec": 0.2,
    "channel_angstrom": 1.25,
    "psf_fwhm_arcsec": 1.0,
    "moffat_beta": 2.8,
    "range_angstrom": (4750.0, 9350.0),
    "medium": "air",
    "field_arcsec": 60.0,
}
_KMOS = {
    "pixel_scale_arcsec": 0.2,
    "psf_fwhm_arcsec": 0.6,
    "moffat_beta": None,
    "medium": "vacuum",
    "field_arcsec": 2.8,
    "source": "Sharples et al. 2013, Messenger 151, 21; ESO KMOS manual: the band over 2048 pixels",
}
_NIRSPEC = {
    "pixel_scale_arcsec": 0.1,
    "psf_fwhm_arcsec": 0.12,
    "moffat_beta": None,
    "medium": "vacuum",
    "field_arcsec": 3.0,
    "source": "Boeker et al. 2022, A&A 661, A82; JWST user documentation, NIRSpec dispersers",
    "sky": "space",
}

INSTRUMENTS = {
    i.name: i
    for i in (
        Instrument(
            "muse",
            lsf=Lsf(fwhm_angstrom=2.675),
            source="Bacon et al. 2010, SPIE 7735, 08; GalPaK 3D (Bouche et al. 2015) has this LSF",
            **_MUSE,
        ),
        Instrument(
            "muse-udf",
            lsf=Lsf(polynomial=(5.866e-8, -9.187e-4, 6.040)),
            source="Bacon et al. 2017, A&A 608, A1, eq. 8: the LSF of udf-10",
            **{**_MUSE, "psf_fwhm_arcsec": 0.65},
        ),
        Instrument(
            "kmos-yj", channel_angstrom=1.56, lsf=Lsf(resolving_power=3582),
            range_angstrom=(10250, 13440), **_KMOS,
        ),
        Instrument(
            "kmos-h", channel_angstrom=1.90, lsf=Lsf(resolving_power=4045),
            range_angstrom=(14560, 18460), **_KMOS,
        ),
        Instrument(
            "kmos-k", channel_angstrom=2.57, lsf=Lsf(resolving_power=4227),
            range_angstrom=(19340, 24600), **_KMOS,
        ),
        Instrument(
            "sinfoni-h",
            0.125, 1.95, Lsf(resolving_power=3000), 0.6, None, (14500, 18500), "vacuum", 8.0,
            "Eisenhauer et al. 2003, SPIE 4841, 1548; Foerster Schreiber et al. 2009, ApJ 706, 1364",
        ),
        Instrument(
            "sinfoni-k",
            0.125, 2.45, Lsf(resolving_power=4000), 0.6, None, (19500, 24500), "vacuum", 8.0,
            "Eisenhauer et al. 2003, SPIE 4841, 1548; Foerster Schreiber et al. 2009, ApJ 706, 1364",
        ),
        Instrument(
            "eris-k",
            0.05, 2.7, Lsf(resolving_power=5600), 0.12, None, (19300, 24800), "vacuum", 3.2,
            "Davies et al. 2023, A&A 674, A207: K_low; the band over 2048 pixels",
        ),
        Instrument(
            "nirspec-g140h", channel_angstrom=2.35, lsf=Lsf(resolving_power=2700),
            range_angstrom=(9700, 18200), **_NIRSPEC,
        ),
        Instrument(
            "nirspec-g235h", channel_angstrom=3.96, lsf=Lsf(resolving_power=2700),
            range_angstrom=(16600, 30500), **_NIRSPEC,
        ),
        Instrument(
            "nirspec-g395h", channel_angstrom=6.65, lsf=Lsf(resolving_power=2700),
            range_angstrom=(28700, 51400), **_NIRSPEC,
        ),
        Instrument(
            "manga",
            0.5, 1.0, Lsf(resolving_power=2000), 2.5, None, (3622, 10353), "vacuum", 32.5,
            "Bundy et al. 2015, ApJ 798, 7; Law et al. 2016, AJ 152, 83: LINCUBE, 127 fibres", hexagon=True,
        ),
    )
}  # fmt: skip
"""Name -> instrument."""


def instrument(name: str) -> Instrument:
    """Return an instrument by name; InputError for an unknown one, with the nearest."""
    if name not in INSTRUMENTS:
        raise InputError(f"unknown instrument {name!r}{nearest(name, INSTRUMENTS)}")
    return INSTRUMENTS[name]


def hexagon(shape: tuple[int, int], scale: float, width_arcsec: float) -> np.ndarray:
    """Return which spaxels (y, x) lie within a hexagon of this width from corner to corner along x, bool."""
    y, x = (abs(np.arange(n) - (n - 1) / 2) * scale for n in shape)
    side = width_arcsec / 2
    height = side * math.sqrt(3) / 2
    return (y[:, None] <= height) & (x[None, :] <= side - y[:, None] / math.sqrt(3))
