"""Spectra of observed galaxies: Coleman, Wu & Weedman 1980 as galsim carries them, and mixtures.

The spectra (ApJS 43, 393) are extended below 1400 and above 10000 Angstrom by Bolzonella et al.
2000 (A&A 363, 476). The rest-frame ultraviolet of E is too blue: at z = 1.5 its F435W - F606W is
1.2 where a solar population of 2 to 4 Gyr gives 2.8 to 2.4; prefer populations there.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from mockforge.config import Count, check_different, config
from mockforge.errors import InputError, nearest
from mockforge.photometry.luminosity import absolute_njy
from mockforge.photometry.spectrum_set import SpectrumSet, fixed_set
from mockforge.units import ZEROPOINT_NJY

SEDS: dict[str, str] = {
    "E": "CWW_E_ext.sed",
    "Sbc": "CWW_Sbc_ext.sed",
    "Scd": "CWW_Scd_ext.sed",
    "Im": "CWW_Im_ext.sed",
}
"""Name -> file in galsim's `share/SEDs` (wavelength in Angstrom, f_lambda in any unit)."""

REFERENCE_BAND = "lsst_r"
"""The rest-frame band in which every template has the absolute AB magnitude -20, and in whose light
a mixture is counted."""

_MAGNITUDE = -20.0


SedName = Literal["E", "Sbc", "Scd", "Im"]


@config
class Templates:
    """Observed galaxies of Coleman, Wu & Weedman 1980 and mixtures of neighbours; they do not evolve."""

    names: tuple[SedName, ...] = ("E", "Sbc", "Scd", "Im")
    """Templates, neighbours alike."""
    steps: Count = 4
    """Steps from one template to the next: 1 for the templates alone, 4 for three mixtures between."""

    def __post_init__(self) -> None:
        check_different("names", self.names)

    def spectra(self, cosmology: str) -> SpectrumSet:
        """Return the spectra, in any cosmology: `template_set`."""
        return template_set(self)


@cache
def template(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a template by name: rest-frame wavelength in Angstrom, f_lambda in an arbitrary unit."""
    if name not in SEDS:
        raise InputError(f"unknown SED {name!r}{nearest(name, SEDS)}")
    import galsim

    path = Path(galsim.meta_data.share_dir) / "SEDs" / SEDS[name]
    wave, flux = np.loadtxt(path, unpack=True, dtype=np.float64)
    return wave, flux


def mixtures(seds: tuple[str, ...], steps: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and weights (m, template) of the templates and the mixtures between neighbours.

    Neighbours in the order given are joined in `steps` equal steps: 4 templates and 4 steps give
    13 spectra. A weight is the fraction of the light in the rest-frame reference band.
    """
    names, rows = [], []
    for i in range(len(seds) - 1):
        for k in range(steps):
            t = k / steps
            names.append(seds[i] if k == 0 else f"{1 - t:.2f}{seds[i]}+{t:.2f}{seds[i + 1]}")
            rows.append((1 - t) * np.eye(len(seds))[i] + t * np.eye(len(seds))[i + 1])
    return (*names, seds[-1]), np.array([*rows, np.eye(len(seds))[-1]])


def template_set(config: Templates) -> SpectrumSet:
    """Return the templates and their mixtures, each of absolute AB magnitude -20 in the reference band."""
    curves = [template(name) for name in config.names]
    low, high = max(w[0] for w, _ in curves), min(w[-1] for w, _ in curves)
    wave = np.unique(np.concatenate([w for w, _ in curves]))
    wave = wave[(wave >= low) & (wave <= high)]
    flux = 10.0 ** (0.4 * (ZEROPOINT_NJY - _MAGNITUDE))
    rows = []
    for w, f in curves:
        resampled = np.interp(wave, w, f)
        rows.append(resampled * (flux / absolute_njy(wave, resampled[None], REFERENCE_BAND)[0]))
    names, weights = mixtures(config.names, config.steps)
    place = weights @ np.arange(len(config.names))
    return fixed_set(names, wave, weights @ np.stack(rows), {"template": place})
