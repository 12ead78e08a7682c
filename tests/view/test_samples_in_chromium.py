"""A dataset's viewer in a real browser, opened from disk."""

from __future__ import annotations

import pytest

from mockforge.data.reader import Reader
from mockforge.view.samples import write_samples

pytestmark = pytest.mark.slow  # a browser's start


def test_a_sample_and_an_object_of_it_are_told_on_click(browser, segmentation, tmp_path):
    with Reader(segmentation) as reader:
        index = write_samples(reader, tmp_path / "out", ["normal"])
        table, _ = reader.table("catalogue")
    page, trouble = browser.new_page(viewport={"width": 1200, "height": 800}), []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("requestfailed", lambda request: trouble.append(request.url))

    def opened(link):
        page.goto("about:blank")
        page.goto(index.resolve().as_uri() + link)
        shown = "window.mockforgeView && mockforgeView.viewer.world.getItemAt(0)?.getFullyLoaded()"
        page.wait_for_function(shown, timeout=30000)
        page.wait_for_timeout(500)

    def click(x, y):
        at, box = page.evaluate("mockforgeView.view(true)"), page.locator("#sky").bounding_box()
        page.mouse.click(
            box["width"] / 2 + (x - at["x"]) * at["zoom"], box["height"] / 2 - (y - at["y"]) * at["zoom"]
        )
        page.wait_for_selector("#object:not([hidden])")
        page.wait_for_timeout(300)
        return page.inner_text("#object")

    height = 3 * 52 - 4
    k = next(i for i, s in enumerate(table["sample"]) if s == 6)
    x, y = 104 + table["x"][k], height - 52 - 48 + table["y"][k]  # the second row's third
    opened(f"#x={x}&y={y}&zoom=8")
    assert f"detected object 6/{table['label'][k]}" in click(x, y)
    opened("#x=125&y=75&zoom=6&show=samples,outlines-detected")
    told = click(104 + 2, height - 52 - 46)
    assert "sample 6" in told and "split" in told and "sky_rms_r" in told
    assert trouble == []
    page.close()
