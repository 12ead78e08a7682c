"""DS9 region files read: which shapes, where and how large, as they are written.

Only what encloses an area is understood; whatever else a line says is refused in a sentence, since a
region that is passed over changes what is painted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mockforge.errors import InputError, nearest

PIXELS = ("image", "physical")
_SKIES = {
    "icrs": "icrs",
    "fk5": "fk5",
    "j2000": "fk5",
    "fk4": "fk4",
    "b1950": "fk4",
    "galactic": "galactic",
}
_OTHER_SYSTEMS = re.compile(r"(wcs[a-z]?|linear|amplifier|detector|ecliptic|fk4-no-e|tan)$")
_OTHER_SHAPES = (
    "annulus",
    "point",
    "line",
    "text",
    "vector",
    "panda",
    "epanda",
    "bpanda",
    "ruler",
    "compass",
)
_OTHER_SHAPES += ("projection", "segment", "elliptannulus", "boxannulus", "rectangle", "sector", "pie")
_SIZES = {"circle": 1, "ellipse": 2, "box": 2, "rotbox": 2}
SHAPES = ("polygon", "circle", "box", "ellipse")
_IGNORED = ("global",)
_STATEMENT = re.compile(r"([-+!]?)\s*([a-zA-Z][\w-]*)\s*(.*)$", re.S)
_SIZE_UNITS = {"": None, '"': 1 / 3600, "'": 1 / 60, "d": 1.0, "r": math.degrees(1.0), "i": 0.0, "p": 0.0}


@dataclass(frozen=True)
class Size:
    """A radius or a side."""

    value: float
    on_sky: bool
    """Whether it is in degrees, else in pixels."""


@dataclass(frozen=True)
class WrittenRegion:
    """A region as the file has it."""

    shape: str
    """One of `SHAPES`."""
    excluded: bool
    system: str
    """icrs, fk5, fk4 or galactic: `places` in degrees; image: in pixels counted from 1."""
    places: tuple[tuple[float, float], ...]
    """Corners of a polygon, or the one centre."""
    sizes: tuple[Size, ...]
    """Radius, radii, or full sides."""
    angle: float
    """Degrees from the first axis (on the sky: west) towards the second (north)."""
    where: str
    """File and line, for sentences."""


def parse_regions(text: str, path: str) -> list[WrittenRegion]:
    """Return the regions of the text of a file, in order.

    Raises InputError, with the line, for whatever does not say where it is or is not understood.
    """
    system: str | None = None
    regions = []
    for number, statement in _statements(text):
        where = f"{path}, line {number}"
        while statement:
            match = _STATEMENT.match(statement)
            if match is None:
                raise InputError(
                    f"{where}: {_short(statement)!r} is no region; a shape ({', '.join(SHAPES)}) with its"
                    " numbers in brackets is expected"
                )
            sign, word, rest = match[1], match[2].lower(), match[3].strip()
            if not sign and (word in _SKIES or word in PIXELS or _OTHER_SYSTEMS.match(word)):
                system, statement = _system(word, where), rest
                continue
            if word not in _IGNORED:
                regions.append(_region(sign, word, rest, system, where))
            break
    return regions


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Commands with the line of each: lines cut at `;`, without comments and properties."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        kept, closing, about = [], "", False  # `about`: inside the properties that follow a `#`
        for letter in line:
            if closing:
                closing = "" if letter == closing else closing
            elif letter == ";":
                yield number, "".join(kept).strip()
                kept, about = [], False
            elif letter == "#":
                about = True
            elif about:
                closing = {"{": "}", '"': '"', "'": "'"}.get(letter, "")
            else:
                kept.append(letter)
        yield number, "".join(kept).strip()


def _system(word: str, where: str) -> str:
    if word in PIXELS:
        return "image"
    if word in _SKIES:
        return _SKIES[word]
    raise InputError(
        f"{where}: coordinates in the system {word!r} are not understood; save the regions in fk5, icrs,"
        " galactic or image (in DS9: Region, Save, Coordinate System)"
    )


def _region(sign: str, word: str, rest: str, system: str | None, where: str) -> WrittenRegion:
    shape = "box" if word == "rotbox" else word
    if shape not in SHAPES:
        known = "is not supported" if shape in _OTHER_SHAPES else "is no region type or coordinate system"
        guess = "" if shape in _OTHER_SHAPES else nearest(shape, (*SHAPES, *_SKIES, *PIXELS))
        raise InputError(
            f"{where}: {word!r} {known}{guess}; a footprint is made of polygon, circle, box and ellipse"
        )
    if system is None:
        raise InputError(
            f"{where}: the {shape} has no coordinate system; write fk5, icrs, galactic or image on a line"
            " before it"
        )
    words = _words(rest, where)
    if shape == "polygon":
        return _polygon(words, bool(sign and sign != "+"), system, where)
    count = _SIZES[shape]
    most = 2 + count + (shape != "circle")
    if not 2 + count <= len(words) <= most:
        more = ", or an annulus, which is not supported" if len(words) > most else ""
        wanted = {"circle": "x, y, radius", "ellipse": "x, y, two radii, angle"}
        raise InputError(
            f"{where}: {shape} with {len(words)} numbers{more};"
            f" {wanted.get(shape, 'x, y, width, height, angle')} are expected"
        )
    sizes = tuple(_size(word, system, where) for word in words[2 : 2 + count])
    angle = _number(words[-1].rstrip("d"), where) if len(words) == 3 + count else 0.0
    place = _place(words[0], words[1], system, where)
    return WrittenRegion(shape, bool(sign and sign != "+"), system, (place,), sizes, angle, where)


def _polygon(words: list[str], excluded: bool, system: str, where: str) -> WrittenRegion:
    if len(words) % 2:
        raise InputError(f"{where}: a polygon with {len(words)} numbers; pairs of x and y are expected")
    places = [_place(x, y, system, where) for x, y in zip(words[::2], words[1::2], strict=True)]
    if len(places) > 1 and places[0] == places[-1]:
        places.pop()  # closed by hand
    corners = len(set(places))
    if corners < 3:
        are = f"{corners} corner{'s' if corners != 1 else ''}"
        raise InputError(f"{where}: a polygon of {are}; at least three are expected")
    return WrittenRegion("polygon", excluded, system, tuple(places), (), 0.0, where)


def _words(rest: str, where: str) -> list[str]:
    """Split the numbers of a shape: (1, 2, 3) or 1 2 3, whatever parts them."""
    rest = rest.removesuffix("||").strip()
    if rest.startswith("(") != rest.endswith(")") or "(" in rest[1:] or ")" in rest[:-1]:
        raise InputError(f"{where}: the brackets of {_short(rest)!r} do not close; is the file cut off?")
    return [word for word in re.split(r"[\s,]+", rest.strip("()")) if word]


def _size(word: str, system: str, where: str) -> Size:
    unit = word[-1:].lower() if word[-1:].lower() in _SIZE_UNITS and word[-1:] else ""
    value = _number(word[: len(word) - len(unit)], where)
    if not value > 0:
        raise InputError(f"{where}: a size of {word}; a number above 0 is expected")
    factor = _SIZE_UNITS[unit]
    if factor is None:
        return Size(value, system != "image")
    return Size(value * factor, True) if factor else Size(value, False)


def _place(x: str, y: str, system: str, where: str) -> tuple[float, float]:
    if system == "image":
        place = (_number(x.rstrip("ip"), where), _number(y.rstrip("ip"), where))
        if max(map(abs, place)) > 1e9:
            raise InputError(f"{where}: the place {x}, {y} is not in pixels of any image")
        return place
    lon, lat = _degrees(x, system != "galactic", where), _degrees(y, False, where)
    if not -360.0 <= lon <= 720.0 or not -90.0 <= lat <= 90.0:
        raise InputError(
            f"{where}: {x}, {y} is no place on the sky ({system}); degrees, latitude from -90 to 90, are"
            " expected"
        )
    return lon % 360.0, lat


def _degrees(word: str, hours: bool, where: str) -> float:
    """Degrees of 12.5, 12.5d, 0.2r, 12:30:00 (hours where `hours`), 12h30m0s or 12d30m0s."""
    parts = re.fullmatch(r"([-+]?)(\d+):(\d+)(?::(\d+(?:\.\d*)?))?", word)
    by_letter = re.fullmatch(r"([-+]?)(\d+)([hd])(\d+)m(?:(\d+(?:\.\d*)?)s)?", word, re.I)
    if parts is None and by_letter is None:
        radians = word[-1:] in "rR" and len(word) > 1
        value = _number(word[:-1] if word[-1:] in "dDrR" else word, where)
        return math.degrees(value) if radians else value
    if by_letter is not None:
        sign, whole, letter, minutes, seconds = by_letter.groups()
        hours = letter.lower() == "h"
    else:
        assert parts is not None
        sign, whole, minutes, seconds = parts.groups()
    if int(minutes) >= 60 or float(seconds or 0) >= 60:
        raise InputError(f"{where}: {word} has 60 or more minutes or seconds; correct it")
    value = int(whole) + int(minutes) / 60 + float(seconds or 0) / 3600
    return (-value if sign == "-" else value) * (15.0 if hours else 1.0)


def _number(word: str, where: str) -> float:
    try:
        value = float(word) if re.fullmatch(r"[-+.\deE]+", word) else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {word!r} is no number; correct it")
    return value


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
