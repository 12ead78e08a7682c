"""A folder's viewer in a real browser, opened from disk."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from mockforge.view.folder import FolderLook, write_view
from tests.view.conftest import Held, field_of

pytestmark = pytest.mark.slow  # a browser's start and its animations: 20 s


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """The viewer of a field with one bright object at (400, 350), and what went wrong in it."""
    folder = tmp_path_factory.mktemp("viewer")
    field = field_of(600, 900)
    y, x = np.mgrid[:600, :900]
    disc = np.hypot(x - 400, y - 350) < 12
    field.image[:, disc] = 300.0
    columns = {
        "label": [5],
        "x": [400.0],
        "y": [350.0],
        "flux_g": [9.5],
        "a": [4.0],
        "b": [4.0],
        "theta": [0.0],
    }
    Table(columns).write(folder / "c.fits")
    fits.PrimaryHDU(disc.astype(np.int32)).writeto(folder / "s.fits")
    look = FolderLook(detected=folder / "c.fits", masks=folder / "s.fits")
    index = write_view(Held(field), folder / "out", "a field", look)
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.trouble = []
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.on("requestfailed", lambda request: page.trouble.append(request.url))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else page.trouble.append(r.url))
    page.address = index.resolve().as_uri()
    yield page
    page.close()


def opened(page, link=""):
    page.goto("about:blank")
    page.goto(page.address + link)
    shown = "window.mockforgeView && mockforgeView.viewer.world.getItemAt(0)?.getFullyLoaded()"
    page.wait_for_function(shown, timeout=30000)
    page.wait_for_function("document.getElementById('place').textContent !== ''")
    return page


def view(page):
    return page.evaluate("mockforgeView.view(false)")


def screen(page, x, y):
    """Where a pixel of the sky is on the screen."""
    at = page.evaluate("mockforgeView.view(true)")
    box = page.locator("#sky").bounding_box()
    return box["width"] / 2 + (x - at["x"]) * at["zoom"], box["height"] / 2 - (y - at["y"]) * at["zoom"]


def colour(page, x, y):
    """The colour on the screen at a pixel of the sky."""
    from io import BytesIO

    from PIL import Image

    shot = np.asarray(Image.open(BytesIO(page.screenshot())).convert("RGB"))
    u, v = screen(page, x, y)
    return shot[round(v), round(u)].astype(int)


def test_it_opens_with_the_whole_field_and_its_facts(page):
    opened(page)
    assert page.title() == "a field – mockforge"
    panel = page.inner_text("#panel")
    assert "900 × 600 px" in panel and "kids-viking" in panel and "25.10" in panel
    assert (view(page)["x"], view(page)["y"]) == pytest.approx((449.5, 299.5))
    assert page.inner_text("#length").endswith("″")
    assert page.trouble == []


def test_a_link_shows_its_place_and_the_pixels_are_where_they_belong(page):
    opened(page, "#x=400&y=350&zoom=2&layer=g")
    assert view(page) == pytest.approx({"x": 400, "y": 350, "zoom": 2}, abs=0.01)
    assert page.get_attribute("#layers button[value=g]", "aria-pressed") == "true"
    page.wait_for_timeout(400)
    bright = [colour(page, *place).mean() for place in ((400, 350), (400, 360), (391, 350))]
    dark = [colour(page, *place).mean() for place in ((400, 366), (384, 350), (400, 334))]
    assert min(bright) > 200 and max(dark) < 150


def test_ra_and_dec_of_a_link_are_a_place_too(page):
    opened(page, "#x=0&y=0&zoom=2")
    place = page.evaluate("places.radec(mockforgeView.config.wcs, 400, 350)")
    opened(page, f"#ra={place['ra']}&dec={place['dec']}&zoom=3")
    assert view(page) == pytest.approx({"x": 400, "y": 350, "zoom": 3}, abs=0.01)


def test_it_pans_and_zooms_and_the_link_follows(page):
    opened(page, "#x=400&y=300&zoom=1")
    page.mouse.move(600, 400)
    page.mouse.down()
    page.mouse.move(500, 450, steps=8)
    page.wait_for_timeout(300)  # no flick
    page.mouse.up()
    page.wait_for_timeout(1200)
    after = view(page)
    assert after["x"] == pytest.approx(500, abs=15) and after["y"] == pytest.approx(350, abs=15)
    page.mouse.wheel(0, -240)
    page.wait_for_timeout(1200)
    assert view(page)["zoom"] > 1.2
    assert f"zoom={view(page)['zoom']:.5g}".rstrip("0") in page.url


def test_a_place_is_told_in_degrees_and_in_hours(page):
    opened(page, "#x=400&y=350&zoom=4")
    page.mouse.move(*screen(page, 410, 340))
    page.wait_for_function("!document.getElementById('place').textContent.startsWith('centre')")
    told = page.inner_text("#place")
    sky = page.evaluate("places.radec(mockforgeView.config.wcs, 410, 340)")
    ra, dec = (float(word.strip("°+")) for word in told.split()[2:4])
    assert (ra, dec) == pytest.approx((sky["ra"], sky["dec"]), abs=1e-5)
    assert "x 410.0" in told and "y 340.0" in told
    page.click("#units")
    page.mouse.move(*screen(page, 410, 340))
    page.wait_for_function("document.getElementById('place').textContent.includes(':')")
    assert "10:00:0" in page.inner_text("#place") or "09:59:5" in page.inner_text("#place")


def test_a_click_on_an_object_shows_its_row_though_the_layer_is_hidden(page):
    opened(page, "#x=420&y=340&zoom=3")
    assert not page.is_visible("#object")
    page.mouse.click(*screen(page, 402, 351))
    page.wait_for_selector("#object:not([hidden])")
    row = page.inner_text("#object")
    assert "detected object 5" in row and "flux_g" in row and "9.5" in row and "ra" in row
    page.mouse.click(*screen(page, 520, 440))
    page.wait_for_selector("#object", state="hidden")


def test_layers_of_objects_and_outlines_are_drawn(page):
    opened(page, "#x=400&y=350&zoom=8")
    before = page.evaluate("document.getElementById('marks').toDataURL().length")
    page.click("#shows button[value='outlines-masks']")
    page.wait_for_function(f"document.getElementById('marks').toDataURL().length > {before}")
    assert "outlines-masks" in page.url
    page.click("#shows button[value='detected']")
    page.wait_for_timeout(300)
    assert "detected" in page.url and page.trouble == []


def test_stretches_and_going_to_a_place(page):
    opened(page, "#x=400&y=350&zoom=2")
    page.click("#stretches button[value=faint]")
    page.wait_for_timeout(800)
    assert "stretch=faint" in page.url
    faint = colour(page, 400, 450).mean()
    page.click("#stretches button[value=bright]")
    page.wait_for_timeout(800)
    assert colour(page, 400, 450).mean() < faint
    page.fill("#where", "x=100 y=200")
    page.press("#where", "Enter")
    page.wait_for_timeout(1200)
    assert view(page) == pytest.approx({"x": 100, "y": 200, "zoom": 2}, abs=0.01)
    page.fill("#where", "nowhere")
    page.press("#where", "Enter")
    assert "wrong" in (page.get_attribute("#where", "class") or "")
    assert page.trouble == []


def test_an_endless_sky_is_measured_to_the_pixel(page):
    """The same page with a picture of 2^30 pixels: far from the middle places still are exact."""
    side = 2**30
    endless = (
        f"width:{side},height:{side},origin:[{-side // 2},{-side // 2}],max_level:30,min_level:24,"
        "endless:true,"
        "mode:'live',wcs:null,objects:[],outlines:[],layers:[{name:'colour',url:'data:,{level}{col}{row}'}]"
    )
    page.add_init_script(
        "Object.defineProperty(window,'MOCKFORGE_VIEW',{set(v){this.kept=v},"
        f"get(){{return location.hash.includes('far')?{{...this.kept,{endless}}}:this.kept}}}});"
    )
    page.goto("about:blank")
    page.goto(page.address + "#x=-123456789&y=98765.5&zoom=3&far=1")
    page.wait_for_function("window.mockforgeView && mockforgeView.viewer.world.getItemCount()")
    page.wait_for_timeout(500)
    assert view(page) == pytest.approx({"x": -123456789, "y": 98765.5, "zoom": 3}, abs=0.01)
    page.mouse.move(*screen(page, -123456779, 98775.5))
    page.wait_for_function("!document.getElementById('place').textContent.startsWith('centre')")
    assert "x -123456779.0  y 98775.5" in page.inner_text("#place")
    page.evaluate(
        "mockforgeView.viewer.viewport.zoomBy(1e-7); mockforgeView.viewer.viewport.applyConstraints()"
    )
    page.wait_for_timeout(800)
    assert view(page)["zoom"] >= 2.0**-6 * 0.99  # coarser than min_level nothing is asked for
