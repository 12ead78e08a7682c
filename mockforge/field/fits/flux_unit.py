"""What BUNIT says of a pixel value, in any of the spellings in use."""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass
from typing import Literal

from mockforge.field.fits.check import quiet

Kind = Literal["none", "unknown", "flux", "brightness", "per_lambda", "counts", "magnitude", "ambiguous"]

_FLUXES = {
    "jy": 8.9, "jansky": 8.9, "janskys": 8.9, "kjy": 1.4, "millijansky": 16.4, "megajansky": -6.1,
    "ujy": 23.9, "µjy": 23.9, "μjy": 23.9, "microjy": 23.9, "microjansky": 23.9, "millijy": 16.4,
    "megajy": -6.1, "njy": 31.4, "nanojy": 31.4, "nanojansky": 31.4, "nanojanskys": 31.4,
    "maggy": 0.0, "maggie": 0.0, "maggies": 0.0, "mgy": 0.0, "nmgy": 22.5, "nanomaggy": 22.5,
    "nanomaggie": 22.5, "nanomaggies": 22.5, "erg/s/cm2/hz": -48.6, "erg/(scm2hz)": -48.6,
}  # fmt: skip
"""AB magnitude of one unit (nJy = 31.4, as everywhere in mockforge)."""
_EXACT = {"mJy": 16.4, "mJY": 16.4, "MJy": -6.1, "Mjy": -6.1}
"""Units whose meaning depends on the case of their first letter."""
_EITHER = ("MJY", "mjy")
"""Milli- or megajansky: all in one case, as IRAF and other software rewrite units."""
_NOTHING = ("", "-", "1", "none", "n/a", "na", "null", "unknown", "unitless", "dimensionless", "undefined")
_COUNTS = re.compile(
    r"^(counts?|cts?|cnts?|c|adus?|dns?|du|photo-?electrons?|electrons?|elec?|el|e-?|photons?|phot|ph)"
    r"(?P<rest>(/|per|[.*^]?\(?s|[.*^]?sec|persec|persecond).*)?$"
)
_RATE = re.compile(
    r"^(?:/\(?|per)(?:s|secs?|seconds?)\)?$|^[.*]?\(?(?:s|secs?|seconds?)(?:\^|\*\*)?\(?-1\)?\)?$|^ps$"
)
_LOGARITHMIC = re.compile(
    r"^(ab|vega|st|asinh)?-?(mags?|magnitudes?|luptitudes?|dex|dbs?|log.*)(/.*|[^a-z].*|(arcsec|per).*)?$"
)
_PER_SR = re.compile(r"(/sr|/steradian|[.*]?sr\^?\(?-1\)?)$", re.IGNORECASE)
_PER_ARCSEC2 = re.compile(r"(/\(?arcsec\^?2\)?|/arcsec/arcsec|[.*]?arcsec\^?-2|/sqarcsec)$", re.IGNORECASE)
_PER_BEAM = re.compile(r"(/beam|perbeam|[.*]?beam\^?\(?-1\)?)$")
_PER_PIXEL = re.compile(r"(/pixels?|/pix|perpixel|[.*]?pixel\^?-1|[.*]?pix\^?-1)$", re.IGNORECASE)


@dataclass(frozen=True)
class FluxUnit:
    """The meaning of BUNIT."""

    kind: Kind
    text: str = ""
    """As it stands in the header."""
    zeropoint: float = math.nan
    """AB magnitude of one unit: of a pixel (`flux`), of a steradian or a beam (`brightness`)."""
    per: Literal["pixel", "sr", "beam"] = "pixel"
    second: bool = False
    """Of `counts`: whether they are per second; else they are those of the whole exposure."""
    either: tuple[float, float] = (math.nan, math.nan)
    """Of `ambiguous`: the two zeropoints it may mean."""


def flux_unit(given: object) -> FluxUnit:
    """BUNIT as a meaning: a flux, a surface brightness, counts, a magnitude, or not known."""
    bunit = given.strip() if isinstance(given, str) else ""
    shown = bunit.strip("'\"").strip()
    if shown.lower() in _NOTHING:
        return FluxUnit("none")
    text = shown.strip("'\"[]").replace(" ", "").replace("**", "^").replace("_", "")
    low = text.lower()
    if (_LOGARITHMIC.match(low) or re.search(r"\bmags?\b", shown.lower())) and low not in _FLUXES:
        return FluxUnit("magnitude", shown)
    text, per, area = _without_area(text)
    counted = _counts(text.lower(), bunit.lower())
    if counted is not None:
        return FluxUnit("counts", shown, second=counted) if per == "pixel" else FluxUnit("unknown", shown)
    number = re.match(r"^(?:(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)|10\^?\(?([-+]\d+)\)?)[*.]?(?=[a-zA-Zµμ])", text)
    factor = 1.0
    if number:
        factor = float(number.group(1)) if number.group(1) else 10.0 ** float(number.group(2))
        text = text[number.end() :]
    if factor <= 0:
        return FluxUnit("unknown", shown)
    shift = -2.5 * math.log10(factor) - 2.5 * math.log10(area)
    kind: Kind = "flux" if per == "pixel" else "brightness"
    if text in _EITHER:
        return FluxUnit("ambiguous", shown, per=per, either=(16.4 + shift, -6.1 + shift))
    zeropoint = _EXACT.get(text, _FLUXES.get(text.lower()))
    if zeropoint is None:
        return _by_astropy(shown, bunit, per)
    return FluxUnit(kind, shown, zeropoint + shift, per)


def _without_area(text: str) -> tuple[str, Literal["pixel", "sr", "beam"], float]:
    """Return the unit without what it is per, and the steradian or beam in that."""
    matches = (_PER_SR.search(text), _PER_ARCSEC2.search(text), _PER_BEAM.search(text.lower()))
    if matches[0]:
        return text[: matches[0].start()], "sr", 1.0
    if matches[1]:
        return text[: matches[1].start()], "sr", math.radians(1 / 3600) ** -2
    if matches[2]:
        return text[: matches[2].start()], "beam", 1.0
    return _PER_PIXEL.sub("", text), "pixel", 1.0


def _counts(text: str, spaced: str) -> bool | None:
    """Whether counts are per second; None where the unit is not counts."""
    if text in ("cps", "countspersec", "countspersecond") or re.fullmatch(r"(e-?|ct|dn|adu)ps", text):
        return True
    match = _COUNTS.match(text)
    if not match:
        return None
    rest = match.group("rest") or ""
    if not rest:
        return False
    if _RATE.match(rest):
        return True
    # "counts" ends in s, so that "count s-1" without its blank reads as "counts-1"
    return True if rest == "-1" and spaced.endswith(("s-1", "s^-1", "s**-1")) else None


def _by_astropy(shown: str, text: str, per: Literal["pixel", "sr", "beam"]) -> FluxUnit:
    """Return what astropy's unit parser makes of it, where it is a flux density."""
    from astropy import units as u

    angstrom = re.sub(r"(/a|/ang|/angstroms?)$", "/Angstrom", text.lower())  # A alone would be ampere
    spelled = re.sub(r"\bergs\b", "erg", angstrom).replace("hz", "Hz")
    with quiet():
        unit = None
        for words in (spelled, text) if spelled.endswith("/Angstrom") else (text, spelled):
            with contextlib.suppress(ValueError, TypeError):
                unit = unit or u.Unit(words)
        if unit is None:
            return FluxUnit("unknown", shown)
        for kind, reference, area, zeropoint in (
            ("flux", u.Jy, "pixel", 8.9),
            ("flux", u.Jy / u.pix, "pixel", 8.9),
            ("brightness", u.Jy / u.sr, "sr", 8.9),
            ("brightness", u.Jy / u.beam, "beam", 8.9),
            ("per_lambda", u.erg / u.s / u.cm**2 / u.AA, "pixel", 0.0),
        ):
            with_factor = _factor(unit, reference)
            if with_factor is not None:
                return FluxUnit(kind, shown, zeropoint - 2.5 * math.log10(with_factor), area)  # type: ignore[arg-type]
        for second in (False, True):
            for reference in (u.ct, u.electron, u.adu, u.photon, u.DN):
                if _factor(unit, reference / u.s if second else reference) == 1.0:
                    return FluxUnit("counts", shown, second=second)
    return FluxUnit("unknown", shown)


def _factor(unit: object, one: object) -> float | None:
    from astropy import units as u

    try:
        value = float(unit.to(one))  # type: ignore[attr-defined]
    except (u.UnitConversionError, AttributeError, TypeError):
        return None
    return value if value > 0 and math.isfinite(value) else None
