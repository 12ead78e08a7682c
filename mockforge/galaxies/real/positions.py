"""Where a catalogue says that its galaxies are: columns of pixels or of the sky, whatever they are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mockforge.errors import InputError
from mockforge.galaxies.real.catalogue import blank, column, numbers

Position = Literal["auto", "sky", "pixels", "middle"]

_SKY: tuple[tuple[str, str, str], ...] = (
    ("ra", "dec", "icrs"),
    ("ra_icrs", "de_icrs", "icrs"),
    ("ra_icrs", "dec_icrs", "icrs"),
    ("raj2000", "dej2000", "icrs"),
    ("raj2000", "decj2000", "icrs"),
    ("_raj2000", "_dej2000", "icrs"),
    ("ra_j2000", "dec_j2000", "icrs"),
    ("ra2000", "dec2000", "icrs"),
    ("alpha_j2000", "delta_j2000", "icrs"),
    ("alphawin_j2000", "deltawin_j2000", "icrs"),
    ("alpha_sky", "delta_sky", "icrs"),
    ("alphawin_sky", "deltawin_sky", "icrs"),
    ("x_world", "y_world", "icrs"),
    ("xwin_world", "ywin_world", "icrs"),
    ("ra_deg", "dec_deg", "icrs"),
    ("radeg", "decdeg", "icrs"),
    ("radeg", "dedeg", "icrs"),
    ("ra", "de", "icrs"),
    ("ra", "decl", "icrs"),
    ("right_ascension", "declination", "icrs"),
    ("alpha", "delta", "icrs"),
    ("ra_hours", "dec", "icrs"),
    ("rab1950", "deb1950", "fk4"),
    ("alpha_b1950", "delta_b1950", "fk4"),
    ("ra_b1950", "dec_b1950", "fk4"),
    ("glon", "glat", "galactic"),
    ("gal_l", "gal_b", "galactic"),
    ("elon", "elat", "barycentrictrueecliptic"),
)
"""Names of longitude and latitude, without regard to case, and their frame in astropy's words."""

_PIXELS: tuple[tuple[str, str, float], ...] = (
    ("x", "y", 0.0),
    ("xcentroid", "ycentroid", 0.0),
    ("x_centroid", "y_centroid", 0.0),
    ("x_image", "y_image", 1.0),
    ("xwin_image", "ywin_image", 1.0),
    ("xpeak_image", "ypeak_image", 1.0),
    ("xcenter", "ycenter", 1.0),
)
"""Names of pixel coordinates and what they call the centre of the first pixel: photutils and this
package 0, SExtractor (User's Manual, section on position parameters) and IRAF 1."""

_SUFFIX = r"([^a-z].*)?"
_ODD: tuple[tuple[str, str], ...] = (
    (
        rf"(r\.?a\.?|ra[hmsd]|right|_?raj?2000|radeg){_SUFFIX}",
        rf"(dec?|decl|declination|ded|_?dej?2000){_SUFFIX}",
    ),
    (
        r"(alpha|x)(win|peak|psf|model)?_(j2000|b1950|sky|world)",
        r"(delta|y)(win|peak|psf|model)?_(j2000|b1950|sky|world)",
    ),
    (rf"(lon|longitude|glon|elon){_SUFFIX}|l|lii", rf"(lat|latitude|glat|elat){_SUFFIX}|b|bii"),
    (r"colc?|column", r"rowc?"),
)
"""Columns of positions that are not read: frame, unit or first pixel are not known."""
_ODD_ALONE = re.compile(r"(sky_?|world_?)?(coord(inate)?s?|ra_?dec|skycoord)([^a-z0-9].*)?|position|s_region")

_OTHERWISE = frozenset(("alpha", "delta"))
"""Names that mean something else where they are alone."""

_APART_ARCSEC = 1.0
"""Positions of one galaxy may differ by this."""


@dataclass(frozen=True)
class Places:
    """The positions of a catalogue's rows; None where it does not give them in that way."""

    xy: np.ndarray | None
    """(N, 2) pixels, the first is 0."""
    sky: np.ndarray | None
    """(N, 2) right ascension and declination, ICRS degrees."""
    names: str
    """The columns they come from."""

    def on(
        self, wcs: Any, i: int, shape: tuple[int, int], which: Position, where: str
    ) -> tuple[float, float]:
        """(x, y) of row i on an image of `shape` (height, width) with this WCS, or the middle.

        InputError where sky positions are given and the image has no WCS, or where pixels and sky
        say different places.
        """
        if self.xy is None and self.sky is None:
            return (shape[1] - 1) / 2, (shape[0] - 1) / 2
        pixel = None if self.xy is None else (float(self.xy[i, 0]), float(self.xy[i, 1]))
        if self.sky is None:
            assert pixel is not None
            return pixel
        if wcs is None:
            if pixel is not None:
                return pixel
            raise InputError(
                f"{where}: the image has no WCS, and the catalogue gives its galaxies by {self.names}; add"
                " columns x and y (pixels, the first is 0), or set `position: middle` where each galaxy is"
                " in the middle of its image"
            )
        of_wcs = _on_image(wcs, *self.sky[i])
        if pixel is not None and which == "auto":
            side = _side_arcsec(wcs)
            apart = float(np.hypot(of_wcs[0] - pixel[0], of_wcs[1] - pixel[1]))
            if not apart * side <= max(_APART_ARCSEC, 2 * side):
                raise InputError(
                    f"{where}: columns {self.names} say two places: pixels ({pixel[0]:.1f}, {pixel[1]:.1f}),"
                    f" and by its WCS ({of_wcs[0]:.1f}, {of_wcs[1]:.1f}); say which is right with"
                    " `position: pixels` or `position: sky`"
                )
        return pixel if pixel is not None else of_wcs


def places(table: Any, good: np.ndarray, which: Position, where: str) -> Places:
    """Return the positions of the rows `good` (bool) of a table.

    InputError: half of a pair of columns, an unknown unit, a cell that is no position or empty,
    columns that contradict each other or that are not understood, or none of the kind requested.
    """
    if which == "middle":
        return Places(None, None, "")
    rows = np.flatnonzero(good)
    sky = [] if which == "pixels" else _sky(table, rows, where)
    pixels = [] if which == "sky" else _pixels(table, rows, where)
    if not sky and not pixels:
        odd = _odd(table.colnames)
        if odd or which != "auto":
            odd_words = f"found {', '.join(odd)}; " if odd else ""
            raise InputError(
                f"{where}: no columns of positions that are understood ({odd_words}expected ra and dec in"
                " degrees or sexagesimal, or x and y in pixels, the first is 0); rename them, or set"
                " `position: middle` where each galaxy is in the middle of its image"
            )
        return Places(None, None, "")
    for kind, pairs, most in (("sky", sky, _APART_ARCSEC / 3600), ("pixels", pixels, 2.0)):
        for name, values in pairs[1:]:
            gap = _apart(pairs[0][1], values) if kind == "sky" else np.abs(pairs[0][1] - values).max(axis=1)
            if (gap > most).any():
                row = int(np.argmax(gap))
                raise InputError(
                    f"{where}: row {rows[row] + 1} has {pairs[0][0]} = {_shown(pairs[0][1][row])} and"
                    f" {name} = {_shown(values[row])}; they are of different places: keep one pair"
                )
    names = " and ".join(pairs[0][0] for pairs in (pixels, sky) if pairs)
    return Places(pixels[0][1] if pixels else None, sky[0][1] if sky else None, names)


def _odd(names: Sequence[str]) -> list[str]:
    """Columns that speak of positions in a way that is not read: RA(deg), ra_best, x_peak, coord."""
    columns = [n for n in names if _ODD_ALONE.fullmatch(n.lower())]
    for first, second in _ODD:
        pair = [[n for n in names if re.fullmatch(words, n.lower())] for words in (first, second)]
        columns += [*pair[0], *pair[1]] if all(pair) else []
    lower = {n.lower(): n for n in names}
    for low, name in lower.items():
        if re.match(r"x(?!.*(err|sigma|rms|fwhm|size|2$))", low) and len(low) > 1 and f"y{low[1:]}" in lower:
            columns += [name, lower[f"y{low[1:]}"]]
    return list(dict.fromkeys(columns))


def _pairs(table: Any, known: Sequence[tuple[str, str, Any]], where: str) -> list[tuple[str, str, Any]]:
    """Return the known pairs that a table has. InputError for half a pair."""
    lower = [c.lower() for c in table.colnames]
    pairs = [pair for pair in known if pair[0] in lower and pair[1] in lower]
    used = {name for pair in pairs for name in pair[:2]}
    for first, second, _ in known:
        for name, other in ((first, second), (second, first)):
            partners = {b if a == name else a for a, b, _ in known if name in (a, b)}
            if name in lower and name not in _OTHERWISE | used and not partners & set(lower):
                raise InputError(f"{where}: a column {name!r} without {other!r}; a position needs both")
    return pairs


def _sky(table: Any, rows: np.ndarray, where: str) -> list[tuple[str, np.ndarray]]:
    """(names, (N, 2) ICRS degrees) of every pair of sky columns."""
    out = []
    for lon, lat, frame in _pairs(table, _SKY, where):
        hours = lon in ("ra_hours",)
        values = np.stack(
            [_degrees(table, lon, rows, where, hours), _degrees(table, lat, rows, where)], axis=1
        )
        for i, (a, b) in enumerate(values):
            if not (-180 <= a <= 360 and -90 <= b <= 90):
                raise InputError(
                    f"{where}: row {rows[i] + 1} has {lon}, {lat} = {a:g}, {b:g} degrees, which is no place"
                    " on the sky; correct or leave out that row, or say the unit in the table"
                )
        out.append((f"{lon}, {lat}", values if frame == "icrs" else _icrs(values, frame)))
    return out


def _degrees(table: Any, name: str, rows: np.ndarray, where: str, hours: bool = False) -> np.ndarray:
    """Return a column of angles in degrees: numbers in the column's unit, or sexagesimal words."""
    import astropy.units as u
    from astropy.coordinates import Angle

    values = column(table, name, where)
    column_unit = getattr(values, "unit", None)
    read_unit: Any = u.Unit  # whose type does not know `parse_strict`
    unit = read_unit(str(column_unit), parse_strict="silent") if column_unit not in (None, "") else None
    if unit is not None and unit == u.hour:
        unit = u.hourangle
    if unit is not None and not unit.is_equivalent(u.deg):
        raise InputError(f"{where}: column {name!r} is in {column_unit}; expected degrees, hours or radians")
    east = name.startswith(("ra", "_ra", "alpha", "right", "x"))
    out = np.empty(len(rows))
    for i, row in enumerate(rows):
        cell = values[row]
        if blank(cell):
            raise InputError(
                f"{where}: row {row + 1} has no {name}; give it, leave out that row, or set `position:"
                " middle` where each galaxy is in the middle of its image"
            )
        word = (cell.decode() if isinstance(cell, bytes) else str(cell)).strip()
        try:
            number: float | None = float(word)
        except ValueError:
            number = None
        try:
            if number is not None:
                angle: Any = number * (unit or (u.hourangle if hours else u.deg))
                out[i] = angle.to_value(u.deg)
            else:
                out[i] = Angle(word, unit=unit or (u.hourangle if east else u.deg)).deg
        except Exception as error:  # astropy raises of several kinds over words that are no angle
            raise InputError(
                f"{where}: row {row + 1} has {name} = {word[:40]!r}, which is no angle; expected degrees,"
                " or sexagesimal as 10:00:28.6 or +02:12:21"
            ) from error
    return out


def _icrs(values: np.ndarray, frame: str) -> np.ndarray:
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    sky: Any = SkyCoord(*values.T * u.deg, frame=frame).icrs
    return np.stack([sky.ra.deg, sky.dec.deg], axis=1)


def _pixels(table: Any, rows: np.ndarray, where: str) -> list[tuple[str, np.ndarray]]:
    """(names, (N, 2) pixels from 0) of every pair of pixel columns."""
    out = []
    for x, y, first in _pairs(table, _PIXELS, where):
        for name in (x, y):
            unit = str(getattr(column(table, name, where), "unit", None) or "pix").lower()
            if unit not in ("pix", "pixel", "pixels"):
                raise InputError(f"{where}: column {name!r} is in {unit}; expected pixels, or ra and dec")
        values = np.stack([numbers(column(table, name, where), f"{where}, {name}")[rows] for name in (x, y)])
        bad = np.flatnonzero(~np.isfinite(values).all(axis=0))
        if len(bad):
            raise InputError(
                f"{where}: row {rows[bad[0]] + 1} has no {x}, {y}; give them, leave out that row, or set"
                " `position: middle` where each galaxy is in the middle of its image"
            )
        out.append((f"{x}, {y}", values.T - first))
    return out


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between positions (N, 2), small ones."""
    east = (a[:, 0] - b[:, 0] + 180) % 360 - 180
    return np.hypot(east * np.cos(np.deg2rad(a[:, 1])), a[:, 1] - b[:, 1])


def _shown(place: np.ndarray) -> str:
    return f"{place[0]:.6g}, {place[1]:.6g}"


def _on_image(wcs: Any, ra: float, dec: float) -> tuple[float, float]:
    """(x, y) of an ICRS position; equatorial J2000 images are taken to be in the catalogue's own frame."""
    import astropy.units as u
    from astropy.coordinates import ICRS, SkyCoord
    from astropy.wcs.utils import wcs_to_celestial_frame

    frame: Any = wcs_to_celestial_frame(wcs)
    own = frame.name == "icrs" or (frame.name == "fk5" and frame.equinox.jyear == 2000.0)
    at = SkyCoord(ra * u.deg, dec * u.deg, frame=frame if own else ICRS())
    x, y = wcs.world_to_pixel(at)
    return float(x), float(y)


def _side_arcsec(wcs: Any) -> float:
    from astropy.wcs.utils import proj_plane_pixel_area

    return float(np.sqrt(proj_plane_pixel_area(wcs.celestial))) * 3600
