"""Units of a spectrum's wavelengths and fluxes: as words say them, and what they make of the numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mockforge.errors import InputError

WaveUnit = Literal["Angstrom", "nm", "um"]
FluxKind = Literal["f_lambda", "f_nu", "photons_lambda", "photons_nu"]

_LENGTHS = {
    "Angstrom": ("a", "aa", "å", "ang", "angs", "angstrom", "angstroms", "angstroem", "ångström", "0.1nm"),
    "nm": ("nm", "nanometer", "nanometers", "nanometre", "nanometres"),
    "um": ("um", "µm", "μm", "mum", "micron", "microns", "micrometer", "micrometers", "micrometre"),
}
_LENGTH_OF = {word: unit for unit, words in _LENGTHS.items() for word in words}

_KINDS: dict[str, FluxKind] = {
    "f_lambda": "f_lambda", "flambda": "f_lambda", "flam": "f_lambda", "l_lambda": "f_lambda",
    "f_nu": "f_nu", "fnu": "f_nu", "l_nu": "f_nu", "maggy": "f_nu", "maggies": "f_nu", "nanomaggy": "f_nu",
    "jy": "f_nu", "mjy": "f_nu", "ujy": "f_nu", "µjy": "f_nu", "μjy": "f_nu", "njy": "f_nu", "jansky": "f_nu",
    "photlam": "photons_lambda", "photnu": "photons_nu",
}  # fmt: skip
"""Words that say what a flux is."""


@dataclass(frozen=True)
class Told:
    """What a file says of its units; None where it says nothing."""

    wave: str | None = None
    """A unit of wavelength, frequency or energy, in astropy's words."""
    flux: FluxKind | None = None
    air: bool = False
    """Wavelengths are those in air."""
    unknown: tuple[str, ...] = ()
    """Units that are there and not understood."""
    source: str = ""
    """Where the file says it."""


def wave_unit(word: str) -> str | None:
    """Return a unit of wavelength, frequency or energy in astropy's words; None for any other word."""
    import astropy.units as u

    standard = _LENGTH_OF.get(word.strip().lower())
    if standard is not None:
        return standard
    unit = _unit(word)
    good = unit is not None and unit.is_equivalent(u.m, equivalencies=u.spectral())
    return unit.to_string() if good and unit is not None else None


def flux_kind(word: str) -> FluxKind | None:
    """Return what a flux in this unit is.

    None for a unit that is neither per wavelength nor per frequency.
    """
    import astropy.units as u

    listed = _KINDS.get(word.strip().lower())
    if listed is not None:
        return listed
    unit = _unit(re.sub(r"(?<![A-Za-z])(?:AA?|[Aa]ngs?(?:troms?)?|Å)(?![A-Za-z])", "Angstrom", word))
    if unit is None:
        return None
    per: dict[FluxKind, Any] = {"f_lambda": u.W / u.m, "f_nu": u.W / u.Hz}
    per |= {"photons_lambda": u.ph / u.s / u.m, "photons_nu": u.ph / u.s / u.Hz}
    for kind, density in per.items():
        for beside in (u.one, u.m**-2, u.sr**-1, u.m**-2 / u.sr, u.kg**-1):
            if unit.is_equivalent(density * beside) and ("photons" in kind) == ("ph" in _bases(unit)):
                return kind
    return None


def _bases(unit: Any) -> set[str]:
    return {base.name for base in unit.decompose().bases}


def _unit(word: str) -> Any:
    import warnings

    import astropy.units as u

    plain = (
        re.sub(r"^\[(.*)\]$|^\(([^()]*)\)$", r"\1\2", word.strip())
        .replace("ergs", "erg")
        .replace("sec", "s")
        .replace("**", "^")
    )
    plain = re.sub(r"(?i)micron(s)?\b", "um", plain).replace("hz", "Hz")
    for how in (None, "fits", "vounit", "cds"):
        try:
            with warnings.catch_warnings(action="ignore"):
                parsed = u.Unit(plain, format=how)
        except (ValueError, TypeError):
            continue
        return None if isinstance(parsed, u.UnrecognizedUnit) or parsed == u.one else parsed
    return None


def told_by_units(wave: str | None, flux: str | None, source: str) -> Told:
    """Return what the units of two columns say (None or empty: nothing)."""
    unknown, axis = [], wave_unit(wave) if wave else None
    if wave and axis is None:
        unknown.append(wave)
    kind = flux_kind(flux) if flux else None
    if flux and kind is None:
        unknown.append(flux)
    return Told(axis, kind, unknown=tuple(unknown), source=source)


_WAVE_NAME = re.compile(
    r"(?i)(?:wave(?:length)?s?|wl|lam(?:bda)?|obs|rest|freq(?:uency)?|energy|nu)[a-z]*"
    r"[ _.\[(]+([a-zµμå]+)[\])]?"
)


def unit_in_name(name: str) -> str:
    """Return the unit that the name of a column of wavelengths ends in, WAVE_NM, lambda (um); else empty."""
    match = _WAVE_NAME.fullmatch(name.strip())
    word = match.group(1).lower() if match else ""
    return word if word in _LENGTH_OF else _OTHER_AXES.get(word, "")


_WORD = re.compile(r"[A-Za-zµμÅå_]+")
_COMPOSITE = re.compile(
    r"(?:ergs?|W|Watts?|J|Lsun|L_sun|solLum|L_?\\?odot|photons?|ph)\b[\w\s./^*()+-]*?"
    r"(?:/\s*|\s|\*|\()(?:Hz|[Aa]ngstroms?|[Aa]ng|Å|AA|A|nm|um|µm|microns?)(?:\^?-1)?(?![A-Za-z0-9])"
)
"""A flux in basic units within a line of text."""
_OTHER = re.compile(
    r"(?i)\b(?:nu|ν)(?: ?\* ?|_)?[fl]_?(?:nu|ν)|\b(?:lambda|lam|λ)(?: ?\* ?|_)?[fl]_?(?:lambda|lam|λ)"
    r"|(?<=[\[(])(?:counts?|ct|cts|adu|dn|electrons?(?: ?/ ?s)?|mag|mags|magnitudes?|ab ?mag)(?=[\])])"
)
"""Fluxes that are neither per wavelength nor per frequency, within a line of text."""


def units_in(lines: Sequence[str]) -> list[str]:
    """Return the units of wavelength, frequency or energy that lines of text name, not of fluxes."""
    units = []
    for line in lines:
        rest = _COMPOSITE.sub(" ", line)
        for word in _WORD.findall(rest):
            bare = word.strip("_").lower()
            if bare in ("a", "aa", "å"):  # one of them is an article
                alone = word != "A" or re.search(r"[\[(,]\s*A\s*[\]),]", rest)
                units += ["Angstrom"] if word in ("A", "AA", "Å") and alone else []
            elif bare in _LENGTH_OF:
                units.append(_LENGTH_OF[bare])
            elif bare in _OTHER_AXES:
                units.append(_OTHER_AXES[bare])
            elif unit_in_name(word):
                units.append(wave_unit(unit_in_name(word)) or "")
    return units


_OTHER_AXES = {"hz": "Hz", "ghz": "GHz", "thz": "THz", "ev": "eV", "kev": "keV"}
_AIR = re.compile(r"(?i)\(air\)|air wavelengths?|wavelengths? (?:are )?in air")


def told_by_text(lines: Sequence[str], where: str) -> Told:
    """Return what the comments above a table of two columns say. InputError where they say two things."""
    waves, kinds, other = units_in(lines), [], []
    for line in lines:
        other += _OTHER.findall(line)
        composites = [flux_kind(" ".join(match.group().split())) for match in _COMPOSITE.finditer(line)]
        words = [w.strip("_").lower() for w in _WORD.findall(_COMPOSITE.sub(" ", line))]
        kinds += [kind for kind in (*composites, *map(_KINDS.get, words)) if kind]
    for key, units in (("wavelength_unit", waves), ("flux", kinds)):
        if len(set(units)) > 1:
            raise InputError(
                f"{where}: its comments name {' and '.join(dict.fromkeys(units))}; say which holds with"
                f" `{key}` and `units: recipe`"
            )
    air = any(_AIR.search(line) for line in lines)
    unit_and_kind = waves[0] if waves else None, kinds[0] if kinds and not other else None
    return Told(*unit_and_kind, air, unknown=tuple(other), source="its comments")


def angstrom(wave: np.ndarray, unit: str, air: bool = False) -> np.ndarray:
    """Vacuum wavelengths in Angstrom of wavelengths, frequencies or energies.

    Air to vacuum above 2000 Angstrom: Morton 1991, ApJS 77, 119, eq. 3 (Edlen 1953).
    """
    import astropy.units as u

    waves: Any = np.asarray(wave, dtype=np.float64) * u.Unit(unit)
    out: np.ndarray = waves.to_value(u.AA, equivalencies=u.spectral())
    if air:
        s2 = (1e4 / np.maximum(out, 2000.0)) ** 2
        index = 1 + 6.4328e-5 + 2.94981e-2 / (146 - s2) + 2.5540e-4 / (41 - s2)
        out = np.where(out > 2000.0, out * index, out)
    return out


def per_wavelength(flux: np.ndarray, wave: np.ndarray, kind: FluxKind) -> np.ndarray:
    """f_lambda, in any unit, of a flux of this kind at wavelengths in Angstrom."""
    match kind:
        case "f_lambda":
            return flux
        case "f_nu":
            return flux / wave**2
        case "photons_lambda":
            return flux / wave
        case "photons_nu":
            return flux / wave**3
