"""A live sky in a real browser: it loads, zooms, pans, and shows the row of an object."""

from __future__ import annotations

import threading
import time

import pytest

from mockforge.sgan.paint.sky import Sky
from mockforge.view.live import LiveSky
from mockforge.view.server import SkyServer

pytestmark = pytest.mark.slow  # a browser's start, and tiles that are painted: half a minute

PAINTED = "window.mockforgeView && mockforgeView.viewer.world.getItemAt(0)?.getFullyLoaded()"


@pytest.fixture(scope="module")
def server():
    with SkyServer(LiveSky(Sky("kids-viking", seed=7), "kids-viking"), 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser, server):
    page = browser.new_page(viewport={"width": 900, "height": 600})
    page.trouble = []
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.on(
        "request", lambda r: None if r.url.startswith((server.url, "data:")) else page.trouble.append(r.url)
    )
    page.on("response", lambda r: page.trouble.append(r.url) if r.status >= 400 else None)
    page.address = server.url
    yield page
    page.close()


def opened(page, link=""):
    page.goto(page.address + link, wait_until="domcontentloaded")  # tiles have longer, below
    page.wait_for_function(PAINTED, timeout=120000)
    return page


def view(page):
    return page.evaluate("mockforgeView.view(false)")


def test_it_loads_zooms_pans_and_stays_within_its_scales(page):
    opened(page)
    assert view(page) == pytest.approx({"x": 0, "y": 0, "zoom": 1}, abs=0.01)
    assert "kids-viking" in page.inner_text("#panel") and page.inner_text("#length").endswith("″")
    page.mouse.move(450, 300)
    page.mouse.down()
    page.mouse.move(150, 400, steps=4)
    page.mouse.up()
    page.wait_for_timeout(1200)
    assert view(page)["x"] > 250 and view(page)["y"] > 80
    page.evaluate("mockforgeView.go({x: 0, y: 0, zoom: 1e-6}, true)")
    assert view(page)["zoom"] == pytest.approx(1 / 32, rel=0.01)
    page.wait_for_function(PAINTED, timeout=120000)
    assert page.trouble == []


def test_an_object_shows_its_row_and_the_link_its_place(page, server):
    table = server.live.sky.sources(0, 512, 0, 512)
    one = table[table["flux_r"].argmax()]
    opened(page, f"#x={one['x']:.2f}&y={one['y']:.2f}&zoom=4&show=true")
    page.wait_for_timeout(500)
    page.mouse.click(450, 300)
    page.wait_for_selector("#object:not([hidden])", timeout=30000)
    assert one["id"] in page.inner_text("#object-name")
    assert "flux_r" in page.inner_text("#row") and "ra" in page.inner_text("#row")
    page.mouse.move(450, 300)
    page.wait_for_function("document.getElementById('place').textContent.includes('RA, Dec')")
    assert page.trouble == []


def test_tiles_a_second_while_panning(page):
    arrived = []
    opened(page, "#x=40000&y=0&zoom=1")
    page.on("response", lambda r: arrived.append(r.url) if "/tiles/" in r.url else None)
    start = time.monotonic()
    for step in range(1, 5):
        page.evaluate(f"mockforgeView.go({{x: {40000 + 500 * step}, y: 0, zoom: 1}}, false)")
        page.wait_for_timeout(300)
        page.wait_for_function(PAINTED, timeout=120000)
    rate = len(arrived) / (time.monotonic() - start)
    print(f"{rate:.1f} tiles a second while panning")
    assert len(arrived) > 8 and rate > 0.5
