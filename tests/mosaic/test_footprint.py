"""Footprints: DS9 regions and MOCs against other libraries' answers, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from mockforge.errors import InputError
from mockforge.field.fits.wcs import sky_of_pixels
from mockforge.mosaic.footprint import Footprint, read_footprint

SIDE = 240
PLACES = [(150.0, 2.0), (0.0, -30.0), (10.0, 89.99)]
"""Plain sky, across RA 0, and the pole in the field."""


def sky(ra: float, dec: float, scale: float = 0.5) -> Any:
    from astropy.wcs import WCS

    wcs, turn = WCS(naxis=2), 0.3
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [ra, dec], [SIDE / 2 + 0.5] * 2
    matrix = [[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    wcs.wcs.cd = scale / 3600 * np.array(matrix)
    return wcs


def read(folder: Path, text: str, wcs: Any) -> Footprint:
    path = folder / "a.reg"
    path.write_text(text)
    return read_footprint(path, wcs, (SIDE, SIDE))


def whole(footprint: Footprint) -> np.ndarray:
    """All pixels; windows agree with it, and none that holds a pixel is called empty."""
    inside = footprint.inside(0, SIDE, 0, SIDE)
    for y in range(0, SIDE, 40):
        for x in range(0, SIDE, 40):
            window, cut = (y, y + 40, x, x + 40), np.s_[y : y + 40, x : x + 40]
            assert (footprint.inside(*window) == inside[cut]).all()
            assert footprint.any_inside(*window) or not inside[cut].any()
    assert (pickle.loads(pickle.dumps(footprint)).inside(0, SIDE, 0, SIDE) == inside).all()
    return inside


@pytest.mark.parametrize("place", PLACES)
def test_circles_are_those_of_the_sphere(tmp_path: Path, place: tuple[float, float]) -> None:
    wcs = sky(*place)
    y, x = np.indices((SIDE, SIDE))
    at: Any = SkyCoord(*sky_of_pixels(wcs, x, y), unit="deg")
    near: Any = SkyCoord(*sky_of_pixels(wcs, 150, 90), unit="deg")
    lines = [
        f'icrs; circle({near.ra.deg}, {near.dec.deg}, 30")',
        f"fk5\n+circle {near.ra.to_string(u.hourangle, sep=':', precision=6)} "
        f"{near.dec.to_string(sep=':', precision=5)} 0.5' # text={{a; b}}",
        f"galactic\ncircle({near.galactic.l.deg}d, {near.galactic.b.deg}d, {30 / 3600})",
    ]
    for line in lines:
        inside = whole(read(tmp_path, line, wcs))
        distance = at.separation(near).arcsec
        assert inside[distance < 29.99].all() and not inside[distance > 30.01].any()


@pytest.mark.parametrize("place", PLACES)
def test_polygons_are_straight_in_the_image_and_minus_takes_out(
    tmp_path: Path, place: tuple[float, float]
) -> None:
    path_of = pytest.importorskip("matplotlib.path")
    wcs, corners = sky(*place), np.array([(20, 30), (200, 40), (160, 220), (90, 80), (30, 200)]) + 0.137
    words = ",".join(f"{a:.10f},{d:.10f}" for a, d in (map(float, sky_of_pixels(wcs, *c)) for c in corners))
    text = f"icrs\npolygon({words})\nimage\n-box(101,81,40,20,0) # colour\nellipse(201,201,20,10,90)"
    y, x = np.indices((SIDE, SIDE))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    wanted = path_of.Path(corners).contains_points(points).reshape(SIDE, SIDE)
    wanted |= ((x - 200) / 10) ** 2 + ((y - 200) / 20) ** 2 <= 1
    wanted &= ~((x >= 80) & (x < 120) & (y >= 70) & (y < 90))
    assert (whole(read(tmp_path, text, wcs)) == wanted).mean() > 1 - 1e-4


@pytest.mark.parametrize("place", PLACES)
def test_angles_and_sizes_are_those_of_the_regions_library(
    tmp_path: Path, place: tuple[float, float]
) -> None:
    regions = pytest.importorskip("regions")
    wcs = sky(*place)
    ra, dec = map(float, sky_of_pixels(wcs, 120, 100))
    y, x = np.indices((SIDE, SIDE))
    for shape in (f'box({ra},{dec},40",20",70)', f"ellipse({ra},{dec},30\",0.2',40)"):
        area = regions.Regions.parse(f"icrs\n{shape}", format="ds9")[0].to_pixel(wcs)
        assert (whole(read(tmp_path, f"icrs\n{shape}", wcs)) == area.contains(regions.PixCoord(x, y))).all()


@pytest.mark.parametrize("place", PLACES)
def test_a_moc_holds_the_pixels_that_mocpy_says(tmp_path: Path, place: tuple[float, float]) -> None:
    mocpy = pytest.importorskip("mocpy")
    wcs = sky(*place, scale=2.0)
    degree: Any = u.deg
    cone = {"lon": (place[0] + 0.01) * degree, "lat": place[1] * degree, "radius": 0.05 * degree}
    moc = mocpy.MOC.from_cone(**cone, max_depth=13)
    y, x = np.indices((SIDE, SIDE))
    ra, dec = sky_of_pixels(wcs, x, y)
    for form in ("fits", "ascii", "json"):
        moc.save(tmp_path / form, format=form)
        inside = whole(read_footprint(tmp_path / form, wcs, (SIDE, SIDE)))
        assert (inside == moc.contains_lonlat(ra * degree, dec * degree)).all() and inside.any()


def test_a_huge_field_is_asked_by_windows(tmp_path: Path) -> None:
    (tmp_path / "a.reg").write_text("image\ncircle(80000,80000,3000)\n-circle(80000,80000,2000)")
    footprint = read_footprint(tmp_path / "a.reg", None, (87040, 87040))
    windows = [(y, y + 1024, x, x + 1024) for y in range(0, 87040, 1024) for x in range(0, 87040, 1024)]
    wanted = sum(footprint.any_inside(*window) for window in windows)
    area = np.pi * (3000**2 - 2000**2) / 1024**2
    assert area < wanted < 3 * area


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fk5\ncircle(10,20,3\")", "no pixel of the field"),
        ("image\ncircle(1000,10,3)", "no pixel of the field: it spans the pixels x 996"),
        ("image\n-circle(100,100,1000)", "excludes all"),
        ("fk5\npolygon(150,2,150.1,2)", "line 2: a polygon of 2 corners"),
        ("circle(1,2,3)", "no coordinate system"),
        ("wcs\ncircle(1,2,3)", "'wcs' are not understood"),
        ("fk5\nannulus(150,2,3,4)", "'annulus' is not supported"),
        ("fk5\ncirle(150,2,3)", "did you mean 'circle'"),
        ("fk5\nbox(150,2,1,1,2,2,30)", "annulus"),
        ("fk5\ncircle(150,2,3", "brackets"),
        ("fk5\ncircle(150,2,0)", "a number above 0"),
        ("fk5\ncircle(10:70:00,2,3)", "60 or more minutes"),
        ("fk5\ncircle(150,92,3)", "no place on the sky"),
        ("image\ncircle(5,5,nan)", "no number"),
        ("# Region file format: DS9\n", "no region"),
        ("hello world", "neither"),
        ("", "is empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_footprint_is_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read(tmp_path, text, sky(150, 2))


def test_an_empty_moc_and_a_field_without_a_wcs_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no WCS"):
        read(tmp_path, 'fk5\ncircle(150,2,3")', None)
    pytest.importorskip("mocpy")
    for text, says in (("3/", "empty"), ("{3", "no MOC"), ("5/100", "lies around RA"), ("99/1-2", "no MOC")):
        with pytest.raises(InputError, match=says):
            read(tmp_path, text, sky(150, 2))
    with pytest.raises(InputError, match="has no WCS"):
        read(tmp_path, "3/1", None)
