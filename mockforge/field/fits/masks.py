"""What the set bits of a mask mean: defects, or marks such as "a source is here"."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.check import Cards

DEFECTS = frozenset({
    "BAD", "SAT", "SATURATED", "SATURATE", "CR", "CRAY", "EDGE", "NO_DATA", "INTRP", "INTERP",
    "UNMASKEDNAN", "SUSPECT", "VIGNETTED", "SENSOR_EDGE", "STREAK", "BADAMP", "TRAIL", "EDGEBLEED",
    "SSXTALK", "BPM", "DO_NOT_USE", "NODATA", "NAN", "HOT", "DEAD", "BLEED", "DETECTOR", "FLAT", "DARK",
    "BLANK", "CTE", "BURNTOOL", "SPIKE", "GHOST", "CONV.BAD", "LOW", "PARTLY_VIGNETTED", "ITL_DIP",
})  # fmt: skip
"""Planes of pixels that hold no light of the sky, or not all of it."""
MARKS = frozenset({
    "DETECTED", "DETECTED_NEGATIVE", "NOT_DEBLENDED", "BRIGHT_OBJECT", "INEXACT_PSF", "CLIPPED",
    "REJECTED", "CROSSTALK", "FAKE", "INJECTED", "INJECTED_CORE", "INJECTED_TEMPLATE", "STARCORE",
    "STAR", "FIXED", "NEAREDGE", "TAPEBUMP", "CONV.POOR", "MASK.VALUE", "MARK.VALUE", "HIGH_VARIANCE",
    "SPANS_EDGE", "OBJECT", "SOURCE", "WARM", "SAT_TEMPLATE",
})  # fmt: skip
"""Planes that say something of pixels that are good."""
_HST = {
    "ACS": (1, 2, 4, 8, 16, 128, 256, 512, 1024, 2048, 4096, 8192, 16384),
    "WFC3 UVIS": (1, 2, 4, 8, 16, 128, 256, 512, 1024, 2048, 4096, 8192, 16384),
    "WFC3 IR": (1, 2, 4, 8, 16, 32, 128, 256, 4096, 8192, 16384),
}
"""DQ values that are defects, of ACS and WFC3 data handbooks; left: warm pixels and CTE tails (64, 32),
in the infrared blobs (512) and signal in the zeroth read (2048)."""
_DES = (1, 2, 4, 8, 16, 64, 128, 256, 512, 1024)
"""BADPIX values: BPM, SATURATE, INTERP, BADAMP, CRAY, TRAIL, EDGEBLEED, SSXTALK, EDGE, STREAK. Morganson
et al. 2018, PASP 130, 074501; left: STAR, SUSPECT, FIXED, NEAREDGE, TAPEBUMP."""
_SURE = ("MASK", "MSK", "DQ")
"""Names of extensions that hold nothing but marks; others, as QUALITY, may hold a measure."""
_HELP = (
    "say which bits make a pixel unusable: `--mask-bits 0,3` (numbers, from 0), names where the header has"
    " them, `--mask-bits all`, or `--mask-bits none` (`mask_bits:` in a recipe)"
)


@dataclass(frozen=True)
class Mask:
    """True where a pixel must not be used, and one line on what was taken as a defect."""

    bad: np.ndarray
    origin: str


@dataclass(frozen=True)
class Marks:
    """What values a mask holds as a whole, from which their meaning is read."""

    bits: int
    """All bits that are set somewhere."""
    lowest: int
    """The least value other than 0; 0 where there is none."""
    highest: int
    zeros: int
    """Pixels of 0."""
    pixels: int
    fractions: bool

    def __or__(self, other: Marks) -> Marks:
        """Return what both parts of one mask hold."""
        lowest = [marks.lowest for marks in (self, other) if marks.lowest]
        return Marks(
            self.bits | other.bits,
            min(lowest, default=0),
            max(self.highest, other.highest),
            self.zeros + other.zeros,
            self.pixels + other.pixels,
            self.fractions or other.fractions,
        )

    @property
    def held(self) -> list[int]:
        """Numbers of the bits that are set somewhere."""
        return [b for b in range(63) if self.bits >> b & 1]

    @property
    def alike(self) -> bool:
        """Whether all that is marked has one value, 1 or 255."""
        return self.lowest == self.highest and self.highest in (1, 255)


def marks_of(values: np.ndarray) -> Marks:
    """Return what values a mask, or part of one, holds."""
    if values.dtype.kind == "f" and not _is_whole(values):
        return Marks(0, 0, 0, 0, values.size, True)
    values = _whole(values, "")
    marked = values[values != 0]
    bits = int(np.bitwise_or.reduce(marked, axis=None)) & (2**63 - 1) if marked.size else 0
    lowest, highest = (int(marked.min()), int(values.max())) if marked.size else (0, 0)
    return Marks(bits, lowest, highest, values.size - marked.size, values.size, False)


def is_explained(card: Cards, name: str, asked: Sequence[str | int] | None) -> bool:
    """Whether the meaning of a mask's bits is known without its pixels."""
    by_mockforge = str(card("CREATOR") or "").startswith("mockforge")
    return bool(asked or by_mockforge or named_planes(card) or _of_instrument(card, name))


def read_mask(
    values: np.ndarray,
    card: Cards,
    name: str,
    where: str,
    asked: Sequence[str | int] | None = None,
    whole: Marks | None = None,
) -> Mask:
    """Return the unusable pixels of an extension that holds a mask.

    `asked`: the bits that the user names, or "all", or "none". Without it: planes that the header
    names (MP_*, MSKNAM*), the DQ of HST and JWST, the MSK of DES, and a mask of 0 and 1.
    `whole`: what the whole mask holds, where `values` are a window of it.
    Raises InputError where the meaning of a set bit is not known.
    """
    words = [str(a).strip() for a in asked or ()]
    if any(w.lower() == "none" for w in words):
        return Mask(np.zeros(values.shape, dtype=bool), f"{name} is not used, as requested")
    fractions = whole.fractions if whole else values.dtype.kind == "f" and not _is_whole(values)
    if fractions and name.upper() not in _SURE:
        return Mask(np.zeros(values.shape, dtype=bool), f"{name} is not used: it holds fractions, no marks")
    values = _whole(values, where)
    if any(w.lower() == "all" for w in words):
        return Mask(values != 0, f"{name} other than 0, as requested")
    planes = named_planes(card)
    if words:
        bits = _asked_bits(words, planes, where)
        return Mask((values & _number(bits)) != 0, f"{name}: {', '.join(words)}, as requested")
    marks = whole or marks_of(values)
    bits_set = marks.held
    if not bits_set:
        return Mask(np.zeros(values.shape, dtype=bool), f"{name}, which marks no pixel")
    if planes:
        return _by_name(values, bits_set, planes, name, where)
    instrument = _of_instrument(card, name)
    if instrument is not None:
        return _by_instrument(values, bits_set, *instrument, name, where)
    if _of_the_good(card) and marks.alike and marks.zeros:
        return Mask(values == 0, f"{name} (0 = not to be used, as its comments say)")
    by_mockforge = str(card("CREATOR") or "").startswith("mockforge")
    return _of_zero_and_one(values, marks, name, where, sure=by_mockforge)


def named_planes(card: Cards) -> dict[str, int]:
    """Names and bit numbers of the planes that a header defines: MP_BAD = 0, MSKNAM00 and MSKVAL00."""
    bit_of: dict[str, int] = {}
    for header in card.headers:
        for key in header:
            if key.upper().startswith("MP_") and isinstance(card(key), int):
                bit_of.setdefault(key.upper().removeprefix("MP_"), int(card(key)))
            match = re.fullmatch(r"MSKNAM(\d+)", key.upper())
            value = card(f"MSKVAL{match.group(1)}") if match else None
            if match and isinstance(value, int) and value > 0 and value & (value - 1) == 0:
                bit_of.setdefault(str(card(key)).strip().upper(), int(math.log2(value)))
    return {name: bit for name, bit in bit_of.items() if 0 <= bit < 63}


def _by_name(values: np.ndarray, held: list[int], planes: dict[str, int], name: str, where: str) -> Mask:
    used = {n: b for n, b in planes.items() if b in held and n in DEFECTS}
    left = {n: b for n, b in planes.items() if b in held and n in MARKS}
    strange = {n: b for n, b in planes.items() if b in held and n not in DEFECTS and n not in MARKS}
    unnamed = [b for b in held if b not in planes.values()]
    if strange or unnamed:
        words = [f"{n} (bit {b})" for n, b in strange.items()] + [f"bit {b}, without a name" for b in unnamed]
        raise InputError(
            f"{where} is a mask of bits, and what {', '.join(words)} means is not known here (defects in it:"
            f" {', '.join(used) or 'none'}; marks of good pixels: {', '.join(left) or 'none'}); {_HELP}"
        )
    rest = f"; not {', '.join(sorted(left))}" if left else ""
    return Mask((values & _number(used.values())) != 0, f"{name}: {', '.join(used) or 'no defect'}{rest}")


def _of_instrument(card: Cards, name: str) -> tuple[tuple[int, ...], int, str] | None:
    """Values that are defects, the largest that is known, and whose they are."""
    telescope, instrument = (str(card(k) or "").upper() for k in ("TELESCOP", "INSTRUME"))
    if "JWST" in telescope:
        return (1,), 2**31, "DO_NOT_USE of JWST's DQ"
    if instrument == "ACS" or instrument == "WFC3":
        infrared = instrument == "WFC3" and str(card("DETECTOR") or "").upper() == "IR"
        key = "ACS" if instrument == "ACS" else "WFC3 IR" if infrared else "WFC3 UVIS"
        return (
            _HST[key],
            16384,
            f"defects of {key}'s DQ, not "
            + ("blobs and signal in the zeroth read" if infrared else "warm pixels and CTE tails"),
        )
    if instrument == "DECAM" and name.upper() == "MSK":
        return _DES, 16384, "defects of DES's MSK, not STAR, SUSPECT, FIXED, NEAREDGE, TAPEBUMP"
    return None


def _by_instrument(
    values: np.ndarray,
    held: list[int],
    defects: tuple[int, ...],
    largest: int,
    said: str,
    name: str,
    where: str,
) -> Mask:
    beyond = [b for b in held if 2**b > largest]
    if beyond:
        raise InputError(f"{where} has bits {', '.join(map(str, beyond))}, which {said} do not have; {_HELP}")
    return Mask((values & np.int64(sum(defects))) != 0, f"{name}: {said}")


def _of_zero_and_one(values: np.ndarray, marks: Marks, name: str, where: str, sure: bool) -> Mask:
    if marks.alike:
        share = 1.0 - marks.zeros / marks.pixels
        if share <= 0.5 or sure:
            return Mask(values != 0, f"{name} ({marks.highest} = not to be used)")
        raise InputError(
            f"{where} is {marks.highest} in {share:.0%} of the pixels: whether {marks.highest} means good or"
            " bad is not known; `--mask-bits all` takes it for bad, `--mask-bits none` leaves the mask out"
            " (`mask_bits:` in a recipe)"
        )
    raise InputError(
        f"{where} holds other numbers than 0 and 1 (bits {', '.join(map(str, marks.held[:16]))} are set),"
        f" and no card says what they mean; {_HELP}"
    )


_GOOD = re.compile(
    r"(?i)\b(?:1s?|true|non-?zero|set)\s*(?:[=:]+|is|are|means?|for|->)\s*(?:a |the )?"
    r"(?:good|valid|usable|ok)\b"
    r"|\b(?:0|zero|false)s?\s*(?:[=:]+|is|are|means?|for|->)\s*(?:a |the )?(?:bad|invalid|masked|unusable)\b"
    r"|\bgood\s*(?:pixels?)?\s*[=:]+\s*(?:1|true)\b|\bbad\s*(?:pixels?)?\s*[=:]+\s*(?:0|zero|false)\b"
)


def _of_the_good(card: Cards) -> bool:
    """Whether the comments of the mask's own header say that 1 is good and 0 bad."""
    header = card.headers[0]
    lines = [str(line) for key in ("COMMENT", "HISTORY") for line in header.get(key, ())]
    return any(_GOOD.search(line) for line in [*lines, card.comment("EXTNAME"), card.comment("BUNIT")])


def _asked_bits(words: list[str], planes: dict[str, int], where: str) -> list[int]:
    bits = []
    for word in words:
        if word.isdecimal() and int(word) < 63:
            bits.append(int(word))
        elif word.upper() in planes:
            bits.append(planes[word.upper()])
        else:
            names = f"; it has {', '.join(planes)}" if planes else "; its header names no planes"
            raise InputError(
                f"mask bits: {word!r} is no plane of {where}{names}; a name, a bit number from 0 to 62, all"
                " or none is expected"
            )
    return bits


def _whole(values: np.ndarray, where: str) -> np.ndarray:
    if values.dtype.kind == "b":
        return values.astype(np.int64)
    if values.dtype.kind == "f":
        if not _is_whole(values):
            raise InputError(
                f"{where} holds fractions, and a mask of whole numbers is expected; `--mask-bits none` leaves"
                " it out (`mask_bits:` in a recipe)"
            )
        values = np.where(np.isfinite(values), values, 1)
    if values.dtype.kind == "i" and values.itemsize < 8:
        # The highest bit is a plane too, and no sign.
        return values.astype(np.int64) & ((1 << 8 * values.itemsize) - 1)
    return values.astype(np.int64)


def _is_whole(values: np.ndarray) -> bool:
    finite = values[np.isfinite(values)]
    return bool(np.all(finite == np.rint(finite)) and np.all(np.abs(finite) < 2**53))


def _number(bits: Iterable[int]) -> Any:
    return np.int64(sum({1 << b for b in bits}))
