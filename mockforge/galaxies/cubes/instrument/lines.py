"""Emission lines: groups by name, with their wavelengths in vacuum and their ratios.

Vacuum wavelengths in Angstrom from the NIST Atomic Spectra Database 5 (Kramida et al. 2022), H I as the
mean of its fine structure; `air` is the refraction of Morton 2000, ApJS 130, 403 (the IAU standard).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mockforge.errors import InputError, nearest

Medium = Literal["vacuum", "air"]

VACUUM = {
    "OII3727": 3727.092,
    "OII3729": 3729.875,
    "Hb": 4862.683,
    "OIII4959": 4960.295,
    "OIII5007": 5008.240,
    "NII6548": 6549.85,
    "Ha": 6564.61,
    "NII6583": 6585.28,
    "Lya": 1215.670,
    "CO10": 26_007_557.6,
}
"""Line -> rest wavelength in vacuum, Angstrom."""

OIII_RATIO = 2.98
"""[O III] 5007 / 4959 (Storey & Zeippen 2000, MNRAS 312, 813)."""
NII_RATIO = 3.05
"""[N II] 6583 / 6548 (Storey & Zeippen 2000)."""

GROUPS = {
    "line": ("Ha",),
    "oii": ("OII3729", "OII3727"),
    "ha_nii": ("Ha", "NII6583", "NII6548"),
    "oiii_hb": ("OIII5007", "OIII4959", "Hb"),
}
"""Name of a group -> its lines; `line` is any single one."""

_RATIO = {"line": 1.0, "oii": 1.3, "ha_nii": 0.3, "oiii_hb": 3.0}
"""Of star-forming galaxies: [O II] 3729/3727 at low density (Osterbrock & Ferland 2006), [N II] 6583/Ha and
[O III] 5007/Hb at z ~ 1 (Kewley et al. 2013, ApJ 774, 100)."""


@dataclass(frozen=True)
class Lines:
    """The lines of a galaxy: which, where at rest in vacuum, and each one's share of their flux."""

    names: tuple[str, ...]
    rest: np.ndarray
    """(L,) Angstrom, vacuum."""
    share: np.ndarray
    """(L,) of sum 1."""


def lines_of(group: str, ratio: float | None = None, single: str | float = "Ha") -> Lines:
    """Return the lines of a group.

    Parameters
    ----------
    group : str
        A key of `GROUPS`.
    ratio : float, optional
        [O II] 3729/3727, [N II] 6583/Ha or [O III] 5007/Hb; by default 1.3, 0.3 and 3.
    single : str or float
        Of `line`: a key of `VACUUM`, or a vacuum wavelength in Angstrom.

    Raises
    ------
    InputError
        For an unknown group or line, or a ratio that is not positive.
    """
    if group not in GROUPS:
        raise InputError(f"unknown lines {group!r}{nearest(group, GROUPS)}")
    ratio = _RATIO[group] if ratio is None else ratio
    if not ratio > 0:
        raise InputError(f"lines {group}: the ratio should be > 0, found {ratio:g}")
    if group == "line":
        name, rest = (
            (single, rest_wavelength(single))
            if isinstance(single, str)
            else (f"{single:g} Angstrom", float(single))
        )
        return Lines((name,), np.array([rest]), np.ones(1))
    names = GROUPS[group]
    flux = {
        "oii": (ratio, 1.0),
        "ha_nii": (1.0, ratio, ratio / NII_RATIO),
        "oiii_hb": (ratio, ratio / OIII_RATIO, 1.0),
    }[group]
    share = np.array(flux) / sum(flux)
    return Lines(names, np.array([VACUUM[name] for name in names]), share)


def rest_wavelength(name: str) -> float:
    """Return a line's vacuum wavelength in Angstrom; InputError for an unknown one."""
    if name not in VACUUM:
        raise InputError(f"unknown line {name!r}{nearest(name, VACUUM)}")
    return VACUUM[name]


def air(vacuum: Any) -> Any:
    """Return the wavelength in air of one in vacuum, Angstrom (Morton 2000, eq. 8)."""
    s = (1e4 / vacuum) ** 2
    n = 1 + 8.34254e-5 + 2.406147e-2 / (130 - s) + 1.5998e-4 / (38.9 - s)
    return vacuum / n


def in_medium(vacuum: Any, medium: Medium) -> Any:
    """Return wavelengths as an instrument gives them: `vacuum`, or in standard `air`."""
    return air(vacuum) if medium == "air" else vacuum
