"""Pixel scales that cards of a header say besides the WCS."""

from __future__ import annotations

import re

from mockforge.errors import InputError
from mockforge.field.fits.check import Cards

_KEYS = ("PIXSCALE", "PIXSCAL1", "PIXSCAL2", "PIXELSCL", "SECPIX", "SECPIX1", "SECPIX2", "PIXSCL")
_UNITS = (
    (r"\bmas\b|milli-?arc|\bmarcsec", 1e-3),
    (r"arc-?sec|\basec|\bas\b|\"", 1.0),
    (r"arc-?min", 60.0),
    (r"\bdeg", 3600.0),
    (r"micron|\bum\b|\bmm\b", 0.0),
)
"""Arcsec in the units of comments; 0 for those of a detector."""
AGREE = 0.05


def scale_cards(card: Cards) -> list[tuple[str, float]]:
    """(card, arcsec per pixel) of each scale there is: a number or text of one, in its comment's unit."""
    scales = []
    for key in _KEYS:
        value = card(key)
        if isinstance(value, bool) or value is None:
            continue
        text = f"{value if isinstance(value, str) else ''} {card.comment(key)}".lower()
        factor = next((f for words, f in _UNITS if re.search(words, text)), 1.0)
        number = re.match(r"\s*([-+]?[\d.]+(?:e[-+]?\d+)?)", str(value).lower())
        if number and factor and 0 < abs(float(number.group(1))) < 1e30:
            scales.append((key, float(f"{abs(float(number.group(1))) * factor:.10g}")))
    return scales


def check_agree(found: list[tuple[str, float]], where: str) -> None:
    """InputError where two scale cards disagree."""
    for key, value in found[1:]:
        if abs(value / found[0][1] - 1) > AGREE:
            square = " (the pixels are not square)" if key[:-1] == found[0][0][:-1] else ""
            raise InputError(
                f"{where}: {found[0][0]} = {found[0][1]:g} arcsec and {key} = {value:g}{square}; say which"
                f" holds: type `--pixel-scale {found[0][1]:g}` or `--pixel-scale {value:g}`"
            )
