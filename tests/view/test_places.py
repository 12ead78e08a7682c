"""The arithmetic of the page, by node where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest

from mockforge.field.field import tan_wcs
from mockforge.view.config import ENDLESS_LEVEL, PAGE
from mockforge.view.panel import radec, tangent_of

FOLDER = {"width": 700, "height": 300, "tile": 256, "max_level": 10, "origin": [0, 0]}
SIDE = 2**ENDLESS_LEVEL
ENDLESS = {
    "width": SIDE,
    "height": SIDE,
    "tile": 256,
    "max_level": ENDLESS_LEVEL,
    "origin": [-SIDE // 2, -SIDE // 2],
}


def js(expression: str, **values: object) -> object:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    given = "".join(f"const {name} = {json.dumps(value)};" for name, value in values.items())
    script = f"const places = require({json.dumps(str(PAGE / 'places.js'))}); {given}"
    script += f"console.log(JSON.stringify({expression}));"
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_top_left_pixel_of_the_picture_is_the_last_row_of_the_sky():
    assert js("places.skyOfPicture(c, 0.5, 0.5)", c=FOLDER) == {"x": 0, "y": 299}
    assert js("places.skyOfPicture(c, 699.5, 299.5)", c=FOLDER) == {"x": 699, "y": 0}


@pytest.mark.parametrize("place", [(0, 0), (-123456789, 400000000), (5.25, -7.125)])
def test_an_endless_sky_keeps_fractions_of_a_pixel(place):
    x, y = place
    back = js("(p => places.skyOfPicture(c, p.u, p.v))(places.pictureOfSky(c, x, y))", c=ENDLESS, x=x, y=y)
    assert back == {"x": x, "y": y}


def test_tiles_of_an_endless_sky_are_those_of_deep_zoom():
    """Pixel (0, 0) is in the tile right of and above... its rows count down, y runs up."""
    middle = SIDE // 2 // 256
    tile = js("places.tilesIn(c, 30, 0, 0, 0, 0)", c=ENDLESS)
    assert tile == [{"level": 30, "col": middle, "row": middle - 1}]
    below = js("places.tilesIn(c, 30, 0, -1, 0, -1)", c=ENDLESS)
    assert below == [{"level": 30, "col": middle, "row": middle}]
    coarse = js("places.tilesIn(c, 28, 0, 0, 1023, 1023)", c=ENDLESS)
    assert coarse == [{"level": 28, "col": middle // 4, "row": middle // 4 - 1}]


def test_tiles_in_a_window_stop_at_the_field():
    tiles = js("places.tilesIn(c, 10, -500, -500, 5000, 5000)", c=FOLDER)
    assert [(t["col"], t["row"]) for t in tiles] == [(c, r) for r in range(2) for c in range(3)]


@pytest.mark.parametrize("dec", [2.2, -89.0, 60.0])
def test_ra_and_dec_are_those_of_astropy(dec):
    wcs = tan_wcs((300, 700), 0.2, ra=359.99, dec=dec, rotation_deg=30.0)
    plane, error = tangent_of(wcs, 300, 700)
    assert plane is not None and error < 1e-6
    given = {"crval": plane.crval, "crpix": plane.crpix, "cd": plane.cd}
    for x, y in ((0, 0), (699, 299), (-20000, 3.5)):
        ra, expected = wcs.all_pix2world(x, y, 0)
        found = js("places.radec(w, x, y)", w=given, x=x, y=y)
        assert found == pytest.approx({"ra": float(ra), "dec": float(expected)}, abs=1e-9)
        back = js("places.pixelOf(w, p.ra, p.dec)", w=given, p=found)
        assert back == pytest.approx({"x": x, "y": y}, abs=1e-4)
        ours = radec(plane, np.array([x]), np.array([y]))
        assert (ours[0][0], ours[1][0]) == pytest.approx((float(ra), float(expected)), abs=1e-9)


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("150.1 2.2", {"ra": 150.1, "dec": 2.2}),
        ("150.1, -2.2", {"ra": 150.1, "dec": -2.2}),
        ("10:00:24 +02:12:00", {"ra": 150.1, "dec": 2.2}),
        ("10h00m24s -02d12m00s", {"ra": 150.1, "dec": -2.2}),
        ("10 00 24 -00 30 00", {"ra": 150.1, "dec": -0.5}),
        ("x=100 y=-20.5", {"x": 100, "y": -20.5}),
        ("150.1 95", None),
        ("nowhere", None),
        ("1 2 3", None),
    ],
)
def test_places_that_are_typed(typed, place):
    found = js("places.parse(t, true)", t=typed)
    assert found == (None if place is None else pytest.approx(place))


def test_two_numbers_are_pixels_without_a_wcs():
    assert js("places.parse('100 200', false)") == {"x": 100, "y": 200}


def test_sexagesimal_rounds_without_sixty_seconds():
    assert js("places.sexagesimal(150.1, -0.5)") == "10:00:24.000  −00:30:00.00"
    assert js("places.sexagesimal(359.9999999, 1.99999999)") == "00:00:00.000  +02:00:00.00"


def test_links_are_read_as_they_are_written():
    state = {"x": -12.5, "y": 7, "zoom": 0.25, "layer": "hsc g&r", "show": "true,detected"}
    assert js("places.unhash(places.hash(s))", s=state) == state
    assert js("places.unhash('#x=abc&zoom=&layer=g')") == {"layer": "g"}


def test_the_scale_bar_is_round_and_fits():
    assert js("places.scaleBar(0.2, 1, 150)") == {"px": 150, "label": "30″"}
    assert js("places.scaleBar(0.2, 0.25, 150)")["label"] == "2′"
    assert js("places.scaleBar(null, 2, 150)") == {"px": 100, "label": "50 px"}
