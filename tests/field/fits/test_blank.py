"""Pixels without a value: zeros that are sky, footprints, marks of pipelines, constant regions."""

import numpy as np
import pytest
from astropy.io import fits

from mockforge.commands.label import label_image
from mockforge.field.field import Field
from tests.builders.fits_files import header, image, scene


def masked(path, data):
    field = Field.read(image(path, data, header("nJy")))
    return np.zeros(data.shape, bool) if field.mask is None else field.mask


@pytest.mark.parametrize("level", [4, 16])
def test_zeros_of_compressed_images_are_sky(level, tmp_path):
    unit = fits.CompImageHDU(scene(256), header("nJy"), compression_type="RICE_1", quantize_level=level)
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(tmp_path / "a.fits")
    assert Field.read(tmp_path / "a.fits").mask is None
    label_image(tmp_path / "a.fits", tmp_path / "out")


@pytest.mark.parametrize("times", [0.4, 0.5, 1, 2])
def test_zeros_of_integers_are_sky_and_a_footprint_among_them_is_found(times, tmp_path):
    data = np.round(times * scene(256)).astype(np.int16)
    assert (data == 0).mean() > 0.15
    assert not masked(tmp_path / "a.fits", data).any()
    data[:80] = 0
    found = masked(tmp_path / "b.fits", data)
    assert found[:80].all() and found[80:].mean() < 0.02


Y, X = np.indices((128, 128))
REGIONS = {
    "third": Y < 40, "corner": X + Y < 60, "frame of six": Y < 6, "frame of two": Y < 2, "column": X == 90,
    "hole": (np.abs(Y - 80) < 6) & (np.abs(X - 60) < 6),
}  # fmt: skip


@pytest.mark.parametrize("name", REGIONS)
@pytest.mark.parametrize("sky", [0.0, 1000.0])
def test_regions_of_zeros_are_no_sky(name, sky, tmp_path):
    data = np.where(REGIONS[name], np.float32(0), scene() + np.float32(sky))
    np.testing.assert_array_equal(masked(tmp_path / "a.fits", data), REGIONS[name])


@pytest.mark.parametrize("value", [-9999.0, -999.0, -99.0, -32768.0, 1e20, 7.25, -500.0, np.nan, np.inf])
def test_marks_and_constant_regions(value, tmp_path):
    data = np.where(REGIONS["third"], np.float32(value), scene())
    np.testing.assert_array_equal(masked(tmp_path / "a.fits", data), REGIONS["third"])


def test_one_pixel_of_a_mark_and_a_saturated_plateau(tmp_path):
    data = scene()
    data[5, 5] = -9999
    assert masked(tmp_path / "a.fits", data).sum() == 1
    data = np.where(REGIONS["hole"], np.float32(400), np.minimum(scene(), 400))
    assert masked(tmp_path / "b.fits", data)[REGIONS["hole"]].all()


def test_the_footprint_of_one_band_is_that_of_all(tmp_path):
    files = [image(tmp_path / f"{b}.fits", scene(seed=i), header("nJy")) for i, b in enumerate("gr")]
    files.append(
        image(tmp_path / "i.fits", np.where(REGIONS["third"], np.float32(0), scene()), header("nJy"))
    )
    np.testing.assert_array_equal(Field.read(files).mask, REGIONS["third"])


def test_images_of_counted_photons_keep_their_zeros(tmp_path):
    for i, mean in enumerate((0.003, 0.05, 0.5)):
        counts = np.random.default_rng(i).poisson(mean, (128, 128)).astype(np.int16)
        assert not masked(tmp_path / f"{i}.fits", counts).any()


def test_noiseless_images_keep_their_zeros(tmp_path):
    smooth = scene() * 0
    for seed in range(9):
        smooth += (scene(seed=seed) - scene(seed=seed, flux=0)) / 9
    for i, data in enumerate((np.maximum(smooth - 1, 0), np.maximum(smooth, 0.001) + 5)):
        assert not masked(tmp_path / f"{i}.fits", data.astype(np.float32)).any()


NARROW = {
    "trail": np.abs(X - Y) < 2,
    "part of a row": (Y == 70) & (X < 60),
    "small hole": (abs(Y - 80) < 3) & (abs(X - 60) < 3),
}


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("sky", [0.0, 1000.0])
def test_narrow_gaps_of_zeros_where_no_value_comes_twice(name, sky, tmp_path):
    data = np.where(NARROW[name], np.float32(0), scene() + np.float32(sky))
    np.testing.assert_array_equal(masked(tmp_path / "a.fits", data), NARROW[name])
    quantised = np.where(NARROW[name], 0, np.round(2 * scene())).astype(np.int16)
    assert not masked(tmp_path / "b.fits", quantised).any()


@pytest.mark.parametrize("mark", [-32767, -1e5, -1e10])
def test_a_number_far_below_all_that_comes_again_and_again(mark, tmp_path):
    where = np.random.default_rng(0).random((128, 128)) < 0.01
    data = np.where(where, np.float32(mark), scene())
    np.testing.assert_array_equal(masked(tmp_path / "a.fits", data), where)
    data = scene()
    data[5, 5] = mark
    assert not masked(tmp_path / "b.fits", data).any()  # once is no mark
