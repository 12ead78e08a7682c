"""Vega zeropoints: which files have them, and what makes AB magnitudes of them."""

from __future__ import annotations

import re
from typing import Any

from mockforge.field.fits.check import Cards

OFFSETS: dict[str, dict[str, float]] = {
    "WISE": {"W1": 2.699, "W2": 3.339, "W3": 5.174, "W4": 6.620},
    "2MASS": {"J": 0.91, "H": 1.39, "KS": 1.85},
    "UKIRT WFCAM": {"Z": 0.528, "Y": 0.634, "J": 0.938, "H": 1.379, "K": 1.900},
    "VISTA VIRCAM": {"Z": 0.502, "Y": 0.600, "J": 0.916, "H": 1.366, "KS": 1.827},
}
"""m_AB - m_Vega. Jarrett et al. 2011, ApJ 735, 112; Blanton & Roweis 2007, AJ 133, 734; Hewett et al.
2006, MNRAS 367, 454; Gonzalez-Fernandez et al. 2018, MNRAS 474, 5459."""
PER_SECOND = ("UKIRT WFCAM", "VISTA VIRCAM")
"""Whose MAGZPT (CASU) is of one second of exposure, without extinction and aperture correction."""


_NEAR_INFRARED = re.compile(r"(?:[A-Z]+[ _-]+)?(?:J|H|K[SP]?|K_S|K[-_ ]?SHORT|K[-_ ]?PRIME)(?:[ _(-].*)?")


def mission(card: Cards) -> str | None:
    """Return the instrument with zeropoints in Vega magnitudes that took the image, as named in `OFFSETS`."""
    words = {key: str(card(key) or "").upper() for key in ("TELESCOP", "INSTRUME", "ORIGIN", "SURVEY")}
    card_words = " ".join(words.values())
    unwise = any(card(key) is not None for key in ("UNW_VER", "UNW_SKY", "UNW_SKYS"))
    if "WISE" in card_words or unwise or _filter(card) in OFFSETS["WISE"]:
        return "WISE"
    of_survey = words["TELESCOP"] in ("FLWO", "CTIO") and near_infrared(card) and not words["INSTRUME"]
    if "2MASS" in card_words or of_survey:
        return "2MASS"
    if "WFCAM" in words["INSTRUME"] or words["TELESCOP"] == "UKIRT":
        return "UKIRT WFCAM"
    if "VIRCAM" in words["INSTRUME"] or "VISTA" in words["TELESCOP"]:
        return "VISTA VIRCAM"
    return None


def near_infrared(card: Cards) -> bool:
    """Whether the filter is one of those whose zeropoints are as often Vega as AB."""
    space = any(w in str(card("TELESCOP") or "").upper() for w in ("EUCLID", "HST", "JWST", "ROMAN"))
    return not space and bool(_NEAR_INFRARED.fullmatch(_filter(card) or ""))


def of_johnson(card: Cards) -> str | None:
    """Return the filter where it is of Johnson's or Cousins' system.

    Zeropoints of these are as often Vega as AB.
    """
    for key in ("FILTER", "BAND", "FILTER1", "FILTER2"):
        text = str(card(key) or "").strip()
        if re.fullmatch(r"[UBVRI]([ _-]*(band|filter))?|(?i:.*(johnson|bessell?|cousins).*)", text):
            return text
    return None


def to_ab(card: Cards, source: str | None) -> tuple[float, str] | None:
    """m_AB - m_Vega of the image's band, and the band's name; None where it is not known."""
    band = _filter(card)
    if source is None or band is None:
        return None
    table = OFFSETS[source]
    if source == "WISE":
        band = band if band.startswith("W") else f"W{band}"
    if band in ("K", "KS") and band not in table:
        band = "KS" if "KS" in table else "K"
    return (table[band], f"{source} {band.replace('KS', 'Ks')}") if band in table else None


def _filter(card: Cards) -> str | None:
    for key in ("FILTER", "BAND", "FILTER1", "FILTER2", "ESO INS FILT1 NAME", "HIERARCH ESO INS FILT1 NAME"):
        value: Any = card(key)
        text = re.sub(
            r"^(2MASS|VISTA|UKIDSS|WFCAM)[ _-]*", "", str("" if value is None else value).strip().upper()
        )
        if text and not text.startswith(("CLEAR", "OPEN")):
            return text
    return None
