"""Whole commands, from start to end: labelling a field, the first window, building, painting a field."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.benchmarks.measure import Measured, command, least, main, once, script

SIDE = 3232
FIELD = Path(tempfile.gettempdir()) / f"mockforge-benchmark-{SIDE}.fits"
"""Painted by the version that measures first; the same for all."""
SKY = "kids-viking"


def field() -> Path:
    """A learned field of 3232 x 3232 pixels in three bands."""
    if not FIELD.exists():
        part = FIELD.with_name("part-" + FIELD.name)
        line = [sys.executable, "-m", "mockforge", "generate", "--model", SKY, "--size", str(SIDE)]
        subprocess.run([*line, "--seed", "1", "-o", str(part)], check=True, capture_output=True)
        part.replace(FIELD)
    return FIELD


def into(*words: str, name: str = "out") -> Measured:
    """Measure a command whose last word is a new place for what it writes."""
    with tempfile.TemporaryDirectory() as folder:
        return command(*words, str(Path(folder) / name))


def label() -> Measured:
    """Detect and measure in three bands; catalogue, segmentation, overlay."""
    image = field()
    return into("label", str(image), "-o")


def plane() -> np.ndarray:
    """The mean of the bands."""
    from astropy.io import fits

    with fits.open(field()) as file:
        planes = [h.data for h in file if h.data is not None and h.data.ndim in (2, 3)]
    cube = planes[0] if planes[0].ndim == 3 else np.stack(planes[:3])
    return np.ascontiguousarray(cube[:3].mean(axis=0), dtype=np.float32)


def sep_() -> Measured:
    """sep on the mean of the bands, one go: background, detection, nothing written."""
    import sep

    image = plane()
    sep.set_extract_pixstack(10**7)

    def work() -> None:
        background = sep.Background(image, bw=64, bh=64)
        sep.extract(image - background, 5.0, err=background.globalrms, segmentation_map=True)

    return least(work, 1.0, 2)


def source_extractor() -> Measured:
    """Source Extractor on the mean of the bands: catalogue and segmentation."""
    program = shutil.which("source-extractor") or shutil.which("sex")
    if program is None:
        raise ImportError("source-extractor is not installed")
    from astropy.io import fits

    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        fits.writeto(here / "mean.fits", plane())
        (here / "columns").write_text("NUMBER\nX_IMAGE\nY_IMAGE\nFLUX_AUTO\nFLAGS\n")
        (here / "settings").write_text(
            "DETECT_THRESH 5\nANALYSIS_THRESH 5\nDETECT_MINAREA 5\nFILTER N\nPARAMETERS_NAME columns\n"
            "CHECKIMAGE_TYPE SEGMENTATION\nCHECKIMAGE_NAME s.fits\nVERBOSE_TYPE QUIET\n"
        )
        line = [program, "mean.fits", "-c", "settings"]
        return once(lambda: subprocess.run(line, cwd=here, check=True, capture_output=True))


def first_window(filled: bool) -> Callable[[], Measured]:
    """The first window of 64 x 64 pixels of a scene in a new process, less what starting torch takes."""
    paint = "import torch, mockforge\nmockforge.Scene(seed=1).pixels(0, 64, 0, 64)"
    start = "import torch, numpy"

    def case() -> Measured:
        import os

        with tempfile.TemporaryDirectory() as cache:
            os.environ["MOCKFORGE_CACHE"] = cache
            m = script(paint)
            if filled:
                m = script(paint)
        less = script(start)
        return replace(m, cpu_s=m.cpu_s - less.cpu_s, clock_s=m.clock_s - less.clock_s)

    return case


def build() -> Measured:
    """One sample of the segmentation recipe."""
    recipe = Path(__file__).parents[3] / "recipes" / "segmentation.yaml"
    return into("build", str(recipe), "samples=1", "--out")


def generate() -> Measured:
    """A learned field, FITS and picture."""
    m = into("generate", "--model", SKY, "--size", str(SIDE), "--seed", "2", "-o", name="f.fits")
    return replace(m, count=SIDE**2 / 1e6)


def painting() -> Measured:
    """The same pixels painted, nothing written."""
    import torch

    torch.set_num_threads(1)
    import mockforge

    mockforge.Sky(SKY, seed=3).pixels(0, 64, 0, 64)
    sky = mockforge.Sky(SKY, seed=2)

    def work() -> None:
        for y in range(0, SIDE, 1024):
            for x in range(0, SIDE, 1024):
                sky.pixels(y, min(y + 1024, SIDE), x, min(x + 1024, SIDE))

    return once(work, SIDE**2 / 1e6)


CASES = {
    "label": label,
    "label, sep": sep_,
    "label, source-extractor": source_extractor,
    "first window": first_window(False),
    "first window, tables kept": first_window(True),
    "build": build,
    "generate": generate,
    "generate, painting alone": painting,
}

if __name__ == "__main__":
    main(CASES)
