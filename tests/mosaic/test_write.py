"""Fields written window by window: the same bytes by any number of workers and after any interruption."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
import warnings
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mockforge.errors import InputError
from mockforge.field.field import Field, tan_wcs
from mockforge.mosaic import fits_file
from mockforge.mosaic.read import open_field
from mockforge.mosaic.spec import MosaicSpec, Plane
from mockforge.mosaic.write import write_mosaic

H, W = 300, 411
CARDS = tuple({"BAND": band, "BUNIT": "nJy", "MAGZERO": 31.4, "PSFFWHM": 0.7} for band in "gr")
SPEC = MosaicSpec(
    H,
    W,
    (
        Plane("image", ("g", "r"), cards=CARDS),
        Plane("truth", ("TRUTH_g", "TRUTH_r"), cards=CARDS),
        Plane("mask", ("MASK",), "uint8"),
        Plane("labels", ("OBJECTS",), "int32"),
    ),
    wcs=tan_wcs((H, W), 0.2),
    header={"MFSEED": 3},
    identity="x",
    facts={"bands": ["g", "r"], "unit": "nJy", "zeropoint_ab": 31.4, "pixel_scale_arcsec": 0.2},
)


def paint(y0: int, y1: int, x0: int, x1: int) -> dict[str, np.ndarray]:
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float64)
    image = np.stack([np.sin(x * 0.3) + np.cos(y * 0.7), np.sin(0.01 * y * x)]).astype(np.float32)
    return {
        "image": image,
        "truth": image * np.float32(0.5),
        "mask": (image[:1] > 1.5).astype(np.uint8),
        "labels": (x + y)[None].astype(np.int32),
    }


def slowly(y0: int, y1: int, x0: int, x1: int) -> dict[str, np.ndarray]:
    time.sleep(0.05)
    return paint(y0, y1, x0, x1)


class Corner:
    """A footprint: the first rows and columns."""

    def any_inside(self, y0: int, y1: int, x0: int, x1: int) -> bool:
        return y0 < 90 and x0 < 120

    def inside(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        y, x = np.mgrid[y0:y1, x0:x1]
        return (y < 90) & (x < 120)


def sha(path: Path) -> str:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(path)).encode() + file.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return write_mosaic(tmp_path_factory.mktemp("whole") / "whole.fits", SPEC, paint, window=128)


def test_bytes_depend_neither_on_workers_nor_on_windows(whole, tmp_path):
    two = write_mosaic(tmp_path / "two.fits", SPEC, paint, workers=2, window=128)
    other = write_mosaic(tmp_path / "other.fits", SPEC, paint, window=77)
    assert sha(whole) == sha(two) == sha(other)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.fits", "two.fits"]


def test_the_file_is_sound_and_holds_what_was_painted(whole):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(whole, checksum=True) as units:
            units.verify("exception")
            assert [u.name for u in units[1:]] == ["g", "r", "TRUTH_g", "TRUTH_r", "MASK", "OBJECTS"]
            np.testing.assert_array_equal(units[2].data, paint(0, H, 0, W)["image"][1])
            np.testing.assert_array_equal(units[6].data, paint(0, H, 0, W)["labels"][0])
    field = open_field(whole)
    window, expected = field[20:90, 30:210], paint(20, 90, 30, 210)
    good = expected["mask"][0] == 0
    np.testing.assert_array_equal(window.image[:, good], expected["image"][:, good])
    np.testing.assert_array_equal(window.mask, ~good)
    np.testing.assert_array_equal(window.truth, expected["truth"])
    assert field.psf_fwhm_arcsec == (0.7, 0.7) and field.header["MFSEED"] == 3
    np.testing.assert_allclose(window.wcs.wcs_pix2world(0, 0, 0), SPEC.wcs.wcs_pix2world(30, 20, 0))


def test_a_cube_is_one_image_a_plane(tmp_path):
    path = write_mosaic(tmp_path / "cube.fits", replace(SPEC, cube=True), paint, window=128)
    with fits.open(path, checksum=True) as units:
        np.testing.assert_array_equal(units["SCI"].data, paint(0, H, 0, W)["image"])
        assert units["SCI"].header["BAND2"] == "r"


def test_killed_and_called_again_it_ends_in_the_same_bytes(whole, tmp_path):
    program = (
        "from tests.mosaic.test_write import *\n"
        "if __name__ == '__main__':\n"
        f"    write_mosaic({str(tmp_path / 'k.fits')!r}, SPEC, slowly, workers=2, window=64)\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    root = str(Path(__file__).parent.parent.parent)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    journal = tmp_path / "k.fits.journal"
    for lines in (4, 12):
        child = subprocess.Popen([sys.executable, str(script)], env=env)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and child.poll() is None:
            if journal.exists() and journal.read_text().count("\n") >= lines:
                break
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert not (tmp_path / "k.fits").exists()
    done: list[int] = []
    write_mosaic(tmp_path / "k.fits", SPEC, paint, window=64, advance=done.append)
    assert sha(tmp_path / "k.fits") == sha(whole)
    assert done[0] > 0 and sum(done) == H * W


def test_windows_that_a_crash_lost_are_painted_again(whole, tmp_path, monkeypatch):
    path = tmp_path / "lost.fits"
    with pytest.raises(KeyboardInterrupt):
        write_mosaic(path, SPEC, Stopping(5), window=128)
    part = tmp_path / "lost.fits.part"
    with part.open("r+b") as stream:
        stream.seek(fits_file.layout_of(SPEC).units[0].data + 40)
        stream.write(b"\0" * 400)
    write_mosaic(path, SPEC, paint, window=128)
    assert sha(path) == sha(whole)


class Stopping:
    """Paints so many windows, and then fails."""

    def __init__(self, number: int, error: BaseException | None = None) -> None:
        self.left, self.error = number, error or KeyboardInterrupt()

    def __call__(self, *window: int) -> dict[str, np.ndarray]:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return paint(*window)


def test_a_disk_that_fills_up_is_a_sentence_and_the_command_continues(whole, tmp_path):
    path = tmp_path / "full.fits"
    with pytest.raises(InputError, match=r"disk is full.*type the same command"):
        write_mosaic(path, SPEC, Stopping(3, OSError(errno.ENOSPC, "No space left")), window=128)
    assert not path.exists()
    left = Stopping(9)
    write_mosaic(path, SPEC, left, window=128)
    assert left.left == 0 and sha(path) == sha(whole)


def test_a_disk_that_is_too_small_is_said_before_the_first_pixel(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 5, 1000))
    with pytest.raises(InputError, match=r"[\d,]+ bytes are wanted and 1,000 are free"):
        write_mosaic(tmp_path / "small.fits", SPEC, paint)
    assert list(tmp_path.iterdir()) == []


def test_the_unfinished_file_of_another_command_is_not_continued(tmp_path):
    path = tmp_path / "mine.fits"
    with pytest.raises(KeyboardInterrupt):
        write_mosaic(path, SPEC, Stopping(2), window=128)
    before = (tmp_path / "mine.fits.part").read_bytes()
    with pytest.raises(InputError, match="unfinished file of another command"):
        write_mosaic(path, replace(SPEC, identity="other"), paint, window=128)
    assert (tmp_path / "mine.fits.part").read_bytes() == before


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_a_field_has_pixels(shape):
    with pytest.raises(InputError, match="at least 1 x 1"):
        MosaicSpec(*shape, SPEC.planes)


def test_what_is_outside_the_footprint_is_nan(tmp_path):
    path = write_mosaic(tmp_path / "corner.fits", SPEC, paint, window=64, footprint=Corner())
    field = open_field(path)
    mask = field.mask(0, H, 0, W)
    assert mask[90:].all() and mask[:, 120:].all()
    good = paint(0, 90, 0, 120)["mask"][0] == 0
    np.testing.assert_array_equal(mask[:90, :120], ~good)
    assert np.isnan(field.read(200, 210, 5, 9)).all()


def test_zarr_is_read_by_zarr_and_dask_and_by_us(tmp_path):
    zarr = pytest.importorskip("zarr")
    dask_array = pytest.importorskip("dask.array")
    one = write_mosaic(tmp_path / "one.zarr", SPEC, paint, window=256)
    two = write_mosaic(tmp_path / "two.zarr", SPEC, paint, workers=2, window=256)
    assert sha(one) == sha(two)
    group = zarr.open_group(one, mode="r")
    assert group.attrs["bands"] == ["g", "r"] and group["image"].shards == (2, 256, 256)
    expected = paint(0, H, 0, W)["image"]
    np.testing.assert_array_equal(group["image"][:], expected)
    np.testing.assert_array_equal(dask_array.from_zarr(str(one / "image")).compute(), expected)
    field = open_field(one)
    np.testing.assert_array_equal(field.read(100, 200, 100, 300), expected[:, 100:200, 100:300])
    assert field.zeropoint_ab == 31.4 and field.planes == ("image", "labels", "mask", "truth")
    np.testing.assert_allclose(field[5:9, 7:9].wcs.wcs_pix2world(0, 0, 0), SPEC.wcs.wcs_pix2world(7, 5, 0))


def test_outside_the_footprint_zarr_has_no_chunks(tmp_path):
    pytest.importorskip("zarr")
    path = write_mosaic(tmp_path / "c.zarr", SPEC, paint, window=256, footprint=Corner())
    shards = [p for p in (path / "image").rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert len(shards) == 1
    assert np.isnan(open_field(path).read(280, 290, 300, 310)).all()


@pytest.mark.parametrize("footprint", [None, Corner()])
def test_a_zarr_that_lost_a_window_is_a_sentence(tmp_path, footprint):
    pytest.importorskip("zarr")
    path = write_mosaic(tmp_path / "c.zarr", SPEC, paint, window=256, footprint=footprint)
    open_field(path)
    (path / "truth" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(InputError, match=r"1 of \d+ windows of the array `truth`"):
        open_field(path)


def test_a_zarr_of_another_shape_or_version_is_a_sentence(tmp_path):
    zarr = pytest.importorskip("zarr")
    for name, shape, version, words in (
        ("a", (5, 5), 1, r"has shape \(5, 5\)"),
        ("b", (3, 5, 5), 1, r"has shape \(3, 5, 5\), \(band, y, x\) of 2 bands"),
        ("c", (2, 5, 5), 99, "another version"),
        ("d", (2, 5, 7), 1, r"`image` has 5 x 7 pixels, 5 x 6 are expected"),
    ):
        facts = {"mockforge": version, "bands": ["g", "r"], "shape": [5, 6]}
        group = zarr.create_group(tmp_path / name, attributes=facts)
        group.create_array("image", shape=shape, dtype="float32")
        with pytest.raises(InputError, match=words):
            open_field(tmp_path / name)


def test_a_file_that_grew_while_it_was_read_is_a_sentence(whole, tmp_path):
    path = tmp_path / "grows.fits"
    path.write_bytes(whole.read_bytes())
    field = open_field(path)
    field.read(0, 5, 0, 5)
    with path.open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(InputError, match=r"grew from .* while it was read"):
        field.read(0, 5, 0, 5)


def test_open_field_equals_read_of_compressed_scaled_and_several_files(tmp_path):
    rng = np.random.default_rng(3)
    sky = rng.normal(0, 3, (64, 80)).astype(np.float32)
    for band, zeropoint in (("g", 27.0), ("r", 25.0)):
        header = fits.Header({"MAGZERO": zeropoint, "BAND": band})
        fits.ImageHDU(sky, header).writeto(tmp_path / f"{band}.fits")
        packed = fits.CompImageHDU(sky, header, compression_type="RICE_1")
        fits.HDUList([fits.PrimaryHDU(), packed]).writeto(tmp_path / f"{band}.fits.fz")
        scaled = fits.ImageHDU((sky * 100).astype(np.int16), header)
        scaled.header["BSCALE"] = 0.01
        fits.HDUList([fits.PrimaryHDU(), scaled]).writeto(tmp_path / f"{band}_i.fits")
    for files in (["g.fits", "r.fits"], ["g.fits.fz", "r.fits.fz"], ["g_i.fits", "r_i.fits"]):
        names = [tmp_path / name for name in files]
        read, opened = Field.read(names), open_field(names)[0:64, 0:80]
        np.testing.assert_array_equal(read.image, opened.image)
        assert (read.bands, read.zeropoint_ab, read.njy_per_unit) == (
            opened.bands,
            opened.zeropoint_ab,
            opened.njy_per_unit,
        )


def test_a_cube_keeps_each_bands_name_and_psf_and_the_noiseless_planes(tmp_path):
    cards = tuple(
        {"BAND": band, "BUNIT": "nJy", "MAGZERO": 31.4, "PIXSCALE": 0.2, "PSFFWHM": fwhm}
        for band, fwhm in (("g", 0.9), ("r", 0.7))
    )
    planes = (
        Plane("image", ("g", "r"), cards=cards),
        Plane("truth", ("TRUTH_g", "TRUTH_r"), cards=cards),
    )
    pixels = np.random.default_rng(3).normal(0, 5, (2, 2, 20, 30)).astype(np.float32)

    def both(y0, y1, x0, x1):
        return {"image": pixels[0, :, y0:y1, x0:x1], "truth": pixels[1, :, y0:y1, x0:x1]}

    path = write_mosaic(tmp_path / "cube.fits", MosaicSpec(20, 30, planes, cube=True), both)
    opened, whole = open_field(path), Field.read(path)
    for field in (opened[0:20, 0:30], whole):
        assert field.bands == ("g", "r") and field.psf_fwhm_arcsec == (0.9, 0.7)
        np.testing.assert_array_equal(field.image, pixels[0])
        np.testing.assert_array_equal(field.truth, pixels[1])
    np.testing.assert_array_equal(opened.read(3, 9, 4, 25, "truth"), pixels[1, :, 3:9, 4:25])
