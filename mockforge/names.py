"""What a dataset, a stage, a split, a model or a band may be called.

Files, columns and extensions are named after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mockforge.errors import InputError

LONGEST = 100
"""Characters of a name: a file system takes 255 bytes, and endings are put behind it."""
LONGEST_BAND = 50
"""Characters of a band's name: a FITS value takes 68, and `true_flux_iso_err_` goes before it."""
_BAND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_BEGINNINGS = ("err_", "iso_", "aper_", "in_", "out_", "truth_", "var_")
_WORDS = ("err", "iso", "aper", "in", "out", "radius", "mask", "truth", "var")
"""A column of band `err_g` would be called as another of band `g`, its extension as a truth or a mask."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def is_name(text: object) -> bool:
    """Whether `text` can be a name: no separators of paths, no spaces, no leading dot, not too long."""
    return isinstance(text, str) and len(text) <= LONGEST and _NAME.fullmatch(text) is not None


def name_problem(text: object) -> str:
    """Return what is wrong with `text` as a name, in words; empty where it is one."""
    if is_name(text):
        return ""
    if isinstance(text, str) and len(text) > LONGEST:
        return f"should have at most {LONGEST} characters, found {len(text)}"
    shown = repr(text) if len(repr(text)) <= 60 else repr(text)[:57] + "..."
    return f"should be of letters, digits, _, - and ., and begin with a letter or digit (found {shown})"


def band_problem(text: object) -> str:
    """Return what is wrong with `text` as a band's name, in words; empty where it is one."""
    shown = repr(text) if len(repr(text)) <= 60 else repr(text)[:57] + "..."
    if not isinstance(text, str) or not _BAND.fullmatch(text):
        return f"{shown} is no usable name: letters, digits and _ . + - are expected, each name once"
    if len(text) > LONGEST_BAND:
        return f"{shown} has {len(text)} characters; at most {LONGEST_BAND} are allowed, each name once"
    if text.lower().startswith(_BEGINNINGS) or text.lower() in _WORDS:
        return (
            f"{shown} is no usable name: columns are named after bands, and flux_{text} is or would be"
            " another one; choose a name that does not begin so"
        )
    return ""


def check_bands(bands: Iterable[object], where: str = "bands") -> None:
    """InputError for a name that a band cannot have, or that two bands have."""
    earlier: set[object] = set()
    for name in bands:
        if problem := band_problem(name):
            raise InputError(f"{where}: {problem}")
        if name in earlier:
            raise InputError(
                f"{where}: {name!r} is the name of two bands; each needs its own name, found twice"
            )
        earlier.add(name)
