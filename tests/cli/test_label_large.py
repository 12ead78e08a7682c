"""`mockforge label` of fields of any size, as it is typed: options, kills, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from typer.testing import CliRunner, Result

from mockforge.cli import app
from mockforge.commands import label_streamed
from mockforge.field.field import Field, tan_wcs
from mockforge.mosaic.read import open_field
from mockforge.mosaic.spec import MosaicSpec, Plane
from mockforge.mosaic.write import write_mosaic
from tests.builders.small_disk import files_of_at_most

NAMES = ["catalogue.fits", "overlay.png", "regions.reg", "segmentation.fits"]
HEIGHT, WIDTH = 1060, 1100
"""Four windows of 1024 pixels."""


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["label", *map(str, words)])


def painted(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    image = rng.normal(0, 1, (1, height, width)).astype(np.float32)
    y, x = np.mgrid[-12:13, -12:13]
    source = np.exp(-0.5 * (x**2 + y**2) / 6).astype(np.float32)
    for cy, cx in zip(rng.integers(12, height - 13, 60), rng.integers(12, width - 13, 60), strict=True):
        image[0, cy - 12 : cy + 13, cx - 12 : cx + 13] += rng.uniform(20, 200) * source
    return image


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wcs = tan_wcs((HEIGHT, WIDTH), 0.2)
    field = Field(painted(HEIGHT, WIDTH), ("r",), 0.2, zeropoint_ab=31.4, wcs=wcs)
    return field.write(tmp_path_factory.mktemp("large") / "field.fits")


@pytest.fixture(scope="module")
def whole(large: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "labels"
    outcome = call(large, "--catalogue", "fits", "--out", out)
    assert outcome.exit_code == 0, outcome.output
    assert sorted(p.name for p in out.iterdir()) == NAMES
    assert "not looked for" in outcome.stdout  # what only the whole image could tell
    return out


def small(path: Path, image: np.ndarray | None = None, mask: np.ndarray | None = None) -> Path:
    field = Field(painted(90, 100) if image is None else image, ("r",), 0.2, zeropoint_ab=31.4, mask=mask)
    return field.write(path)


def test_killed_and_typed_again_with_workers_it_ends_in_the_same_bytes(
    large: Path, whole: Path, tmp_path: Path
) -> None:
    out, work = tmp_path / "labels", tmp_path / "labels" / ".unfinished"
    words = [str(large), "--catalogue", "fits", "--out", str(out)]
    root = str(Path(__file__).parent.parent.parent)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    kept: list[list[str]] = []
    for wanted in ("background.npz", "0-0.npz"):
        child = subprocess.Popen([sys.executable, "-m", "mockforge", "label", *words], env=env)
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline and child.poll() is None and not (work / wanted).exists():
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert [p.name for p in out.iterdir()] == [".unfinished"]
        kept.append([p.name for p in work.glob("*.npz")])
    assert "background.npz" in kept[0] and "0-0.npz" in kept[1]
    background = (work / "background.npz").stat()
    outcome = CliRunner().invoke(app, ["label", *words, "--workers", "2"])
    assert outcome.exit_code == 0 and sorted(p.name for p in out.iterdir()) == NAMES
    assert "background:" not in outcome.stderr and background.st_size > 0  # not measured again
    for name in NAMES:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name


def test_an_image_in_memory_and_by_windows_have_the_same_objects(
    large: Path, whole: Path, tmp_path: Path
) -> None:
    assert call(large, "-q", "--out", tmp_path / "memory").exit_code == 0
    ours, theirs = (Table.read(f / "catalogue.fits") for f in (whole, tmp_path / "memory"))
    assert len(ours) == len(theirs) and ours.colnames == theirs.colnames
    assert np.isin(np.round(ours["x"], 2), np.round(theirs["x"], 2)).mean() > 0.9
    labels = [fits.getdata(f / "segmentation.fits", 0) for f in (whole, tmp_path / "memory")]
    assert np.mean((labels[0] > 0) == (labels[1] > 0)) > 0.9999


def test_zarr_and_parquet(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    parquet = pytest.importorskip("pyarrow.parquet")
    source = open_field(small(tmp_path / "field.fits"))
    facts = {"bands": ["r"], "unit": "nJy", "zeropoint_ab": 31.4, "pixel_scale_arcsec": 0.2}
    spec = MosaicSpec(90, 100, (Plane("image", ("r",)),), source.wcs, identity="x", facts=facts)
    zarr = write_mosaic(tmp_path / "f.zarr", spec, Windowed(tmp_path / "field.fits"))
    outcome = call(zarr, "--catalogue", "parquet", "--out", tmp_path / "z")
    assert outcome.exit_code == 0, outcome.output
    assert call(tmp_path / "field.fits", "--catalogue", "fits", "--out", tmp_path / "f").exit_code == 0
    rows = parquet.read_table(tmp_path / "z" / "catalogue.parquet")
    table = Table.read(tmp_path / "f" / "catalogue.fits")
    np.testing.assert_array_equal(rows["flux_r"].to_numpy(), np.asarray(table["flux_r"]))
    assert call(zarr, "-q", "--out", tmp_path / "z2").exit_code == 0
    assert sorted(p.name for p in (tmp_path / "z2").iterdir()) == NAMES


class Windowed:
    """The image of a field, as it is painted into another."""

    def __init__(self, path: Path) -> None:
        self.field = open_field(path)

    def __call__(self, y0: int, y1: int, x0: int, x1: int) -> dict[str, np.ndarray]:
        return {"image": self.field.read(y0, y1, x0, x1)}


def test_what_cannot_be_labelled_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.fits").write_text("no image")
    good = small(tmp_path / "good.fits")
    (tmp_path / "cut.fits").write_bytes(good.read_bytes()[:20_000])
    with fits.open(good) as units:
        units[1].data[:] = np.nan
        units.writeto(tmp_path / "hidden.fits", checksum=False)
    (tmp_path / "folder").mkdir()
    before = sorted(p.name for p in tmp_path.iterdir())
    for name, said in (
        ("nosuch.fits", "no such file"),
        ("text.fits", "not a FITS file"),
        ("cut.fits", "truncated"),
        ("hidden.fits", "no pixel is usable"),
        ("folder", "folder"),
    ):
        outcome = call(tmp_path / name, "--catalogue", "fits", "--out", tmp_path / "labels")
        assert outcome.exit_code == 2 and said in outcome.stderr and name in outcome.stderr, outcome.output
        assert "Traceback" not in outcome.output and outcome.stderr.count("\n") == 1, outcome.stderr
        assert sorted(p.name for p in tmp_path.iterdir()) == before
    (tmp_path / "mine").mkdir()
    outcome = call(tmp_path / "hidden.fits", "--catalogue", "fits", "--out", tmp_path / "mine")
    assert outcome.exit_code == 2 and not list((tmp_path / "mine").iterdir())
    (tmp_path / "mine").rmdir()
    outcome = call(good, "--catalogue", "csv", "--out", tmp_path / "labels")
    assert outcome.exit_code == 2 and "parquet" in outcome.stderr
    outcome = call(good, "--catalogue", "fits", "--out", good)
    assert outcome.exit_code == 2 and "is a file" in outcome.stderr
    outcome = call(good, "--catalogue", "fits", "--out", good / "labels")
    assert outcome.exit_code == 2 and "cannot be written" in outcome.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_disk_that_is_too_small_is_said_before_the_first_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = small(tmp_path / "good.fits")
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as m:
        m.setattr(label_streamed.shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 999, 999))
        m.setattr(label_streamed, "background_of", None)
        outcome = call(good, "--catalogue", "fits", "--out", tmp_path / "labels")
    assert outcome.exit_code == 2 and "bytes are wanted" in outcome.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["good.fits"]


def test_a_disk_that_fills_up_leaves_what_continues(tmp_path: Path) -> None:
    good = small(tmp_path / "good.fits", painted(300, 300))
    with files_of_at_most(200_000):  # what is found in windows fits, the segmentation does not
        outcome = call(good, "--catalogue", "fits", "--out", tmp_path / "labels")
    assert outcome.exit_code == 1 and "cannot be written" in outcome.stderr
    assert [p.name for p in (tmp_path / "labels").iterdir()] == [".unfinished"]
    assert (tmp_path / "labels" / ".unfinished" / "0-0.npz").exists()
    assert call(good, "--catalogue", "fits", "--out", tmp_path / "labels").exit_code == 0
    assert sorted(p.name for p in (tmp_path / "labels").iterdir()) == NAMES


def test_a_file_that_changes_while_it_is_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = small(tmp_path / "good.fits")
    measured = label_streamed.background_of

    def then_grown(*words: Any) -> Any:
        background = measured(*words)
        with good.open("ab") as stream:
            stream.write(bytes(2880))
        return background

    monkeypatch.setattr(label_streamed, "background_of", then_grown)
    outcome = call(good, "--catalogue", "fits", "--out", tmp_path / "labels")
    assert outcome.exit_code == 2 and "grew" in outcome.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["good.fits"]


def test_pixels_that_look_empty_are_spoken_of(tmp_path: Path) -> None:
    image = painted(200, 300)
    assert (
        "had no value"
        not in call(
            small(tmp_path / "full.fits", image), "--catalogue", "fits", "--out", tmp_path / "full"
        ).stdout
    )
    image[:, :, :60] = 0.0
    outcome = call(small(tmp_path / "edge.fits", image), "--catalogue", "fits", "--out", tmp_path / "edge")
    assert "20.00% of the pixels look as if they had no value" in outcome.stdout
