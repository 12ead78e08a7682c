from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mockforge.field.field import Field, tan_wcs
from tests.builders.held import HeldField


class Held(HeldField):
    """A field in memory that knows the largest window that was read."""

    largest = 0

    def read(self, y0: int, y1: int, x0: int, x1: int, plane: str = "image") -> np.ndarray:
        self.largest = max(self.largest, (y1 - y0) * (x1 - x0))
        return super().read(y0, y1, x0, x1, plane)


def field_of(height: int, width: int, bands: tuple[str, ...] = ("g", "r", "Z"), sources: int = 40) -> Field:
    """Noise of rms 1 with round sources, the first the brightest."""
    rng = np.random.default_rng(5)
    image = rng.normal(size=(len(bands), height, width)).astype(np.float32)
    y, x = np.mgrid[:height, :width]
    for i in range(sources):
        at = rng.uniform(0, (width, height))
        spot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 8.0)
        image += (400.0 / (i + 1) * spot).astype(np.float32)
    header = {"MFSEED": (7, "seed"), "MFMODEL": ("kids-viking", "model"), "MFDEPTH1": (25.1, "depth")}
    return Field(
        image,
        bands,
        pixel_scale_arcsec=0.2,
        psf_fwhm_arcsec=(0.6,) * len(bands),
        wcs=tan_wcs(image.shape, 0.2, 150.0, 2.2),
        header=header,
    )


@pytest.fixture(scope="session")
def held() -> Held:
    return Held(field_of(300, 700))


CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; skips where there is none, or nothing that drives it."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
