"""Zeropoint cards that leave something open: whose they are, of how long an exposure, of what meaning."""

from __future__ import annotations

import math
import re
from typing import Any, TypeGuard

from mockforge.errors import InputError
from mockforge.field.fits.check import Cards
from mockforge.field.fits.vega import to_ab

CARDS = (
    "MAGZERO", "ABMAGZP", "MAGZPT", "MAGZP", "ZEROPNT", "ZEROPOIN", "PHOTZP", "PHOTZPT", "ZPAB", "ZP_AB",
    "ZP", "SEXMGZPT", "MAG_ZP",
)  # fmt: skip
"""Cards that hold the magnitude of pixel value 1."""
_LIKE_ZEROPOINT = re.compile(
    r"^(?!BZERO)(?!.*(ERR|RMS|UNC|STD|SIG|SCAT|DEV)).*(ZP|ZERO|ZMAG|MAG_?0)|^PHOT_C$|^ABMAG"
)
"""Names of cards that may hold a zeropoint in ways that are not known here."""
_OF_A_SECOND = re.compile(
    r"(?i)\b(counts?|cts?|adus?|dns?|electrons?|e-?)\s*(/|per)\s*s|\bper\s+sec"
    r"|\b(1|one|unit)[ -]?s(ec(onds?)?)?\b"
)
"""Words of a zeropoint that is of one second of exposure."""


def of_casu(card: Cards, value: float, source: str | None, where: str) -> InputError:
    """Return the sentence on MAGZPT of VISTA and UKIRT, with the number as far as it is known."""
    offset, exposure = to_ab(card, source), card("EXPTIME")
    words = "plus 2.5 log10 of the exposure time and m_AB - m_Vega of the band"
    if offset is not None and positive(exposure):
        ab = value + offset[0] + 2.5 * math.log10(exposure)
        words = f"here {mag(ab)}, with EXPTIME = {exposure:g} s and {offset[0]:g} mag for {offset[1]}"
    return InputError(
        f"{where}: MAGZPT = {mag(value)} of the CASU pipeline is the Vega magnitude of one count per second"
        f" above the atmosphere, not that of pixel value 1: give that in AB with `--zeropoint` ({words}, less"
        " extinction and aperture correction)"
    )


def check_scaled(card: Cards, value: float, key: str, where: str) -> None:
    """InputError where FLXSCALE leaves open whether pixels have been multiplied by it."""
    scale = card("FLXSCALE")
    if positive(scale) and abs(scale - 1) > 1e-6:
        both = mag(value), mag(value - 2.5 * math.log10(scale))
        raise InputError(
            f"{where}: {key} = {mag(value)} and FLXSCALE = {scale:g}: if the pixels have been multiplied by"
            f" FLXSCALE, type `--zeropoint {both[0]}`; if they are still to be, `--zeropoint {both[1]}`"
        )


def check_second(card: Cards, value: float, key: str, where: str) -> None:
    """InputError where a card's comment speaks of one second, and the pixels may be of the whole exposure."""
    exposure, comment = card("EXPTIME"), card.comment(key)
    if not _OF_A_SECOND.search(comment) or (positive(exposure) and abs(exposure - 1) < 1e-3):
        return
    whole = ""
    if positive(exposure):
        whole = f", or `--zeropoint {mag(value + 2.5 * math.log10(exposure))}` if of EXPTIME = {exposure:g} s"
    raise InputError(
        f"{where}: {key} = {mag(value)} is of one second ({comment!r}), and BUNIT does not say that pixels"
        f" are per second: type `--zeropoint {mag(value)}` if they are{whole}"
    )


def unlisted(card: Cards) -> str:
    """Numbers that may be a zeropoint, by the names of their cards, of which no meaning is known."""
    candidates: dict[str, float] = {}
    for header in card.headers:
        for key in dict.fromkeys(header):
            value = card(key) if _LIKE_ZEROPOINT.search(key.upper()) and key.upper() not in CARDS else None
            if is_number(value) and 10.0 <= value <= 40.0:
                candidates.setdefault(key, float(value))
    if not candidates:
        return ""
    listed = ", ".join(f"{key} = {mag(value)}" for key, value in list(candidates.items())[:4])
    if len(set(candidates.values())) > 1:
        return f"not known: what {listed} mean; give the AB magnitude of pixel value 1 with --zeropoint"
    first = mag(next(iter(candidates.values())))
    return f"not known: what {listed} means; --zeropoint {first} if it is the AB magnitude of pixel value 1"


def mag(value: float | None) -> str:
    """Return a magnitude as text, "none" for None."""
    return f"{value:.6g}" if value is not None else "none"


def positive(value: Any) -> TypeGuard[float]:
    """Whether the value is a finite number above 0."""
    return is_number(value) and value > 0


def is_number(value: Any) -> TypeGuard[float]:
    """Whether the value is a finite number, and no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
