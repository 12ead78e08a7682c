"""What a pixel value of a FITS image means: AB zeropoints from units and header cards."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from mockforge.errors import InputError

Card = Callable[[str], Any]
"""Looks a header keyword up; None where it is absent or unreadable."""

_UNITS = {
    "jy": 8.9, "jansky": 8.9, "mjy": 16.4, "millijansky": 16.4, "ujy": 23.9, "µjy": 23.9, "μjy": 23.9,
    "microjy": 23.9, "microjansky": 23.9, "njy": 31.4, "nanojy": 31.4, "nanojansky": 31.4,
    "maggy": 0.0, "maggie": 0.0, "maggies": 0.0, "mgy": 0.0, "nmgy": 22.5, "nanomaggy": 22.5,
    "nanomaggie": 22.5, "nanomaggies": 22.5, "erg/s/cm2/hz": -48.6, "erg/(scm2hz)": -48.6,
}  # fmt: skip
"""AB magnitude of one unit (nJy = 31.4, as everywhere in mockforge)."""

_ZEROPOINTS = (
    "MAGZERO", "ABMAGZP", "MAGZPT", "MAGZP", "ZEROPNT", "ZEROPOIN", "PHOTZP", "PHOTZPT", "ZPAB", "ZP_AB",
    "ZP", "SEXMGZPT", "MAG_ZP",
)  # fmt: skip


def zeropoint_of(card: Card, where: str, pixel_area_sr: float | None = None) -> float | None:
    """AB magnitude of pixel value 1, or None where the header does not say.

    In order: a flux unit in BUNIT (with the pixel's solid angle where it is a surface
    brightness); an AB zeropoint card; FLUXMAG0; HST's PHOTFNU or PHOTFLAM with PHOTPLAM.
    Raises InputError where a card holds what no zeropoint can be.
    """
    unit = card("BUNIT")
    found = _from_unit(unit, card, pixel_area_sr) if isinstance(unit, str) else None
    if found is not None:
        return found
    system = " ".join(str(card(k) or "") for k in ("MAGSYS", "ZPSYS", "MAGTYPE", "PHOTSYS")).upper()
    if "VEGA" not in system:
        for key in _ZEROPOINTS:
            value = card(key)
            if value is None or value == 0:  # 0 is how pipelines leave the card unset
                continue
            if not _is_number(value) or not -60.0 < value < 60.0:
                raise InputError(f"{where}: {key} = {value!r}, an AB magnitude is wanted; mend the card"
                                 " or give the zeropoint yourself")  # fmt: skip
            return float(value)
    flux_of_mag_0 = card("FLUXMAG0")
    if _is_number(flux_of_mag_0) and flux_of_mag_0 > 0:
        return 2.5 * math.log10(flux_of_mag_0)
    return _from_hst(card, unit)


def _from_unit(unit: str, card: Card, pixel_area_sr: float | None) -> float | None:
    text = unit.strip().strip("'\"").replace(" ", "").replace("**", "")
    per_sr = bool(re.search(r"(/sr|\.?sr-1)$", text))
    text = re.sub(r"(/sr|\.?sr-1|/pixel|/pix|\.?pixel-1|\.?pix-1|/beam)$", "", text)
    scale = re.match(r"^(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\*?(?=[a-zA-Zµμ])", text)
    factor = float(scale.group(1)) if scale else 1.0
    text = text[scale.end() :] if scale else text
    zeropoint = -6.1 if text.startswith(("MJy", "MegaJ")) else _UNITS.get(text.lower())
    if zeropoint is None or factor <= 0:
        return None
    if per_sr:
        area = card("PIXAR_SR")
        area = area if _is_number(area) and area > 0 else pixel_area_sr
        if area is None:
            return None
        factor *= float(area)
    return zeropoint - 2.5 * math.log10(factor)


def _from_hst(card: Card, unit: Any) -> float | None:
    """ACS and WFC3 data handbooks: ABMAG_ZP = -2.5 log10 PHOTFLAM - 5 log10 PHOTPLAM - 2.408."""
    flam, pivot, fnu, exposure = (card(k) for k in ("PHOTFLAM", "PHOTPLAM", "PHOTFNU", "EXPTIME"))
    if _is_number(flam) and flam > 0 and _is_number(pivot) and pivot > 0:
        zeropoint = -2.5 * math.log10(flam) - 5.0 * math.log10(pivot) - 2.408
    elif _is_number(fnu) and fnu > 0:
        zeropoint = 8.9 - 2.5 * math.log10(fnu)
    else:
        return None
    total = str(unit or "").strip().upper() in ("ELECTRONS", "ELECTRON", "COUNTS", "DN", "E-")
    if total:  # the calibration is per second
        if not _is_number(exposure) or exposure <= 0:
            return None
        zeropoint += 2.5 * math.log10(exposure)
    return zeropoint


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
