"""Which pixels of a field are wanted: a DS9 region file, or a MOC.

`mockforge generate --footprint FILE` paints what is inside; windows without any of it are not painted.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mockforge.errors import InputError
from mockforge.mosaic.moc import MocFootprint, read_moc
from mockforge.mosaic.region_places import placed
from mockforge.mosaic.region_shapes import Regions
from mockforge.mosaic.region_text import parse_regions

_LARGEST = 256_000_000
"""Bytes; no list of regions is longer."""
_HIGHEST_ORDER = 29
_SMALL = 512
"""Pixels; windows up to this side are looked at pixel by pixel when a first pixel is sought."""


class Footprint(Protocol):
    """Which pixels of a field are inside; windows are (y0, y1, x0, x1), as in slices, within the field."""

    def any_inside(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        """Whether a window may hold a pixel that is inside: False only where there surely is none."""
        ...

    def inside(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Whether the centre of each pixel of a window is inside, (h, w) bool."""
        ...


def read_footprint(path: str | Path, wcs: Any, shape: tuple[int, int]) -> Footprint:
    """Return the footprint that a file holds, on the pixels of a field.

    Parameters
    ----------
    path
        A DS9 region file (polygon, circle, box, ellipse, in fk5, icrs, fk4, galactic, or in pixels as image
        or physical, both counted from 1), or a MOC (FITS, JSON or ASCII; needs the extra `moc`).
        Several regions are their union; those with a leading `-` are taken out of it, wherever in the
        file they stand.
    wcs
        The field's astropy WCS, or None; what is given on the sky needs it.
    shape
        Its (height, width) in pixels.

    Returns
    -------
    Footprint
        Exact at pixel centres. Regions lie on the image as DS9 draws them: corners and centres by the WCS,
        edges of polygons straight in pixels. FK5 of J2000 is taken as ICRS, which it is to 0.03 arcsec.

    Raises
    ------
    InputError
        The file is neither, a line is not understood, or no pixel of the field is inside.
    """
    path = Path(path)
    form, text = _form(path)
    if form in ("ascii", "json"):
        _check_orders(text, path)
    footprint = _regions(text, path, wcs) if form == "ds9" else read_moc(path, form, wcs)
    if not _some_pixel(footprint, 0, shape[0], 0, shape[1]):
        raise InputError(
            f"{path}: the footprint has no pixel of the field: it {_reach_of(footprint, wcs)}, and the field"
            f" {_reach_of_field(wcs, shape)}; correct the regions, or move the field (--center RA DEC)"
        )
    return footprint


def _form(path: Path) -> tuple[str, str]:
    """Return what a file is (fits, json, ascii or ds9) and its text."""
    if not path.exists():
        raise InputError(f"{path}: no such file; a DS9 region file or a MOC is expected")
    if not path.is_file():
        raise InputError(f"{path}: is no regular file; a DS9 region file or a MOC is expected")
    try:
        with path.open("rb") as stream:
            start = stream.read(10)
            content = b"" if start.startswith(b"SIMPLE") else start + stream.read(_LARGEST)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if start.startswith(b"SIMPLE"):
        return "fits", ""
    neither = InputError(
        f"{path}: neither a DS9 region file nor a MOC (FITS, JSON or ASCII); one of them is expected"
    )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise neither from error
    if not text.strip():
        raise InputError(f"{path}: is empty; a DS9 region file or a MOC is expected")
    if text.lstrip().startswith("{"):
        return "json", text
    if re.fullmatch(r"\s*\d+/[\d\s/,\-]*", text):
        return "ascii", text
    if "DS9" not in text[:200] and not re.search(
        r"\b(polygon|circle|box|ellipse|fk5|icrs|image)\b", text, re.I
    ):
        raise neither
    return "ds9", text


def _check_orders(text: str, path: Path) -> None:
    """InputError where a MOC names a healpix order that there is not: mocpy takes it for another."""
    for order in re.findall(r'(\d+)"?\s*[/:]', text):
        if len(order) > 2 or int(order) > _HIGHEST_ORDER:
            raise InputError(
                f"{path}: holds no MOC of the sky (healpix order {order}; 0 to {_HIGHEST_ORDER} are expected)"
            )


def _regions(text: str, path: Path, wcs: Any) -> Regions:
    written = parse_regions(text, str(path))
    if not written:
        raise InputError(f"{path}: holds no region; a polygon, circle, box or ellipse is expected")
    shapes = [(region, placed(region, wcs)) for region in written]
    included = [shape for region, shape in shapes if shape is not None and not region.excluded]
    excluded = [shape for region, shape in shapes if shape is not None and region.excluded]
    return Regions(included, excluded, everything=all(region.excluded for region in written))


def _some_pixel(footprint: Footprint, y0: int, y1: int, x0: int, x1: int) -> bool:
    """Whether any pixel is inside: quarters are looked at until they are small."""
    if not footprint.any_inside(y0, y1, x0, x1):
        return False
    if max(y1 - y0, x1 - x0) <= _SMALL:
        return bool(footprint.inside(y0, y1, x0, x1).any())
    ym, xm = (y0 + y1 + 1) // 2, (x0 + x1 + 1) // 2
    quarters = [(a, b, c, d) for a, b in ((y0, ym), (ym, y1)) for c, d in ((x0, xm), (xm, x1))]
    return any(_some_pixel(footprint, a, b, c, d) for a, b, c, d in quarters if b > a and d > c)


def _reach_of(footprint: Footprint, wcs: Any) -> str:
    """Say where a footprint lies."""
    if isinstance(footprint, MocFootprint):
        bary = footprint.moc.barycenter()
        reach = float(footprint.moc.largest_distance_from_coo_to_vertices(bary).to_value("deg"))
        return (
            f"lies around RA {bary.ra.deg:.5f}, Dec {bary.dec.deg:.5f}, up to {reach:.3g} degrees from there"
        )
    assert isinstance(footprint, Regions)
    if footprint.everything:
        return "excludes all of it"
    if not footprint.included:
        return "lies on the far side of the sky"
    extents = np.array([shape.extent() for shape in footprint.included])
    x0, x1, y0, y1 = *_span(extents[:, :2]), *_span(extents[:, 2:])
    spans = f"spans the pixels x {x0:.6g} to {x1:.6g}, y {y0:.6g} to {y1:.6g}"
    if wcs is None:
        return spans
    return f"{spans}, around {_place(wcs, (x0 + x1) / 2, (y0 + y1) / 2)}"


def _span(pairs: np.ndarray) -> tuple[float, float]:
    return float(pairs[:, 0].min()), float(pairs[:, 1].max())


def _reach_of_field(wcs: Any, shape: tuple[int, int]) -> str:
    height, width = shape
    spans = f"x 0 to {width - 1}, y 0 to {height - 1}"
    return spans if wcs is None else f"{spans}, around {_place(wcs, (width - 1) / 2, (height - 1) / 2)}"


def _place(wcs: Any, x: float, y: float) -> str:
    from mockforge.field.fits.wcs import sky_of_pixels

    ra, dec = (float(v) for v in sky_of_pixels(wcs, x, y))
    return f"RA {ra:.5f}, Dec {dec:.5f}"
