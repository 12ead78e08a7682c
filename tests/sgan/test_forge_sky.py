"""An endless sky of sources: exact in any window, owned in every pixel, edited source by source."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.paint.sky import Sky
from tests.builders.tiny_forge import tiny_forge


@pytest.fixture(scope="module")
def model() -> ForgeModel:
    return tiny_forge()


@pytest.fixture(scope="module")
def sky(model: ForgeModel) -> Sky:
    return Sky(model, 7)


def test_a_window_is_the_same_bits_from_any_window_and_any_number_of_threads(model, sky):
    first = sky[-40:200, 90:300]
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        second = Sky(model, 7)[0:100, 120:420]
    finally:
        torch.set_num_threads(threads)
    for kind in ("image", "truth"):
        one, two = getattr(first, kind)[:, 40:140, 30:210], getattr(second, kind)[:, :, :180]
        assert np.array_equal(one, two) and one.std() > 0


def test_noise_is_what_the_truth_lacks_and_goes_with_the_place(model, sky):
    field = sky[0:256, 0:256]
    noise = field.image - field.truth
    assert noise.std(axis=(1, 2)) == pytest.approx(sky.rms(0, 256, 0, 256).mean(axis=(1, 2)), rel=0.03)
    level = sky.rms(0, 512, 0, 512)[0]
    assert level.max() / level.min() > 1.1


def test_the_lights_of_all_sources_add_up_to_the_truth(sky):
    truth = sky[0:96, 0:96].truth
    alone = sky.isolated(0, 96, 0, 96)
    assert len(alone) == len(sky.sources(0, 96, 0, 96)) + 1 and not alone[-1].any()
    assert np.abs(alone.sum(axis=0) - truth).max() < 1e-6 * truth.max()
    few = sky.isolated(np.s_[0:96, 0:96], most=2)
    assert few.shape == (3, 2, 96, 96) and few[0].sum() > few[1].sum()


def test_masks_partition_and_say_who_is_brightest(sky):
    found = sky.truth(0, 96, 0, 96)
    alone = sky.isolated(0, 96, 0, 96)[:-1].mean(axis=1)
    bright = np.where(alone > sky.isophote_njy(), alone, 0.0)
    assert np.array_equal(found.visible > 0, bright.max(axis=0) > 0)
    owned = found.visible > 0
    assert np.array_equal(found.visible[owned], bright.argmax(axis=0)[owned] + 1)
    assert np.array_equal(found.multiplicity, (bright > 0).sum(axis=0))


def test_the_flux_of_a_source_is_the_one_that_its_row_says(model):
    table = {"x": [64.3], "y": [63.8], "flux_g": [5000.0], "flux_r": [8000.0], "r_e": [3.0], "q": [0.6],
             "pa": [30.0], "n": [1.5]}  # fmt: skip
    sky = Sky(model, 1, sources=table, rms=0.0)
    field = sky[-200:328, -200:328]
    assert field.truth.sum(axis=(1, 2)) == pytest.approx([5000.0, 8000.0], rel=1e-4)
    assert np.array_equal(field.image, field.truth)
    row = sky.sources(0, 128, 0, 128)[0]
    for name, values in table.items():
        assert row[name] == pytest.approx(values[0])


def test_a_catalogue_of_the_sky_paints_the_sky_again(model, sky):
    table = sky.sources(-600, 700, -600, 700)
    again = Sky(model, 7, sources=table, rms=0.0)[0:64, 0:64]
    truth = sky[0:64, 0:64].truth
    assert np.abs(again.truth - truth).max() < 1e-3 * truth.max()


def test_without_a_source_all_other_pixels_keep_their_bits(sky):
    window = np.s_[0:128, 0:128]
    table, whole = sky.sources(window), sky[window]
    inside = (table["x"] > 20) & (table["x"] < 108) & (table["y"] > 20) & (table["y"] < 108)
    row = int(np.flatnonzero(inside)[np.argmax(table["flux_r"][inside])])
    light = sky.isolated(window)[row]
    fewer = sky.without(table["id"][row])[window]
    dark = ~light.any(axis=0)
    assert dark.any() and not dark.all()
    for kind in ("image", "truth"):
        assert np.array_equal(getattr(fewer, kind)[:, dark], getattr(whole, kind)[:, dark])
    assert np.abs(whole.truth - fewer.truth - light).max() < 1e-4 * light.max()
    assert np.abs((whole.image - fewer.image) - light).max() < 1e-4 * light.max()


def test_sources_are_moved_dimmed_sheared_and_added(sky):
    window = np.s_[0:128, 0:128]
    table = sky.sources(window)
    near = np.hypot(table["x"] - 64, table["y"] - 64) + 1e6 * np.asarray(table["star"])
    row = int(np.argmin(near))
    name = str(table["id"][row])
    dim = sky.edit({"id": [name], "flux_factor": [0.5], "x": [70.0]}).sources(window)
    changed = dim[dim["id"] == name][0]
    assert changed["flux_r"] == pytest.approx(0.5 * table["flux_r"][row]) and changed["x"] == 70.0
    assert list(dim["id"])[-1] == name and len(dim) == len(table)
    sheared = sky.edit({"id": [name], "g1": [0.3], "g2": [0.0]}).sources(window)
    assert sheared[sheared["id"] == name][0]["q"] != pytest.approx(table["q"][row], rel=0.01)
    more = sky.edit({"x": [30.0], "y": [40.0], "flux_r": [1e4]})
    added = more.sources(window)[-1]
    assert added["id"] == "added-1" and added["flux_r"] == pytest.approx(1e4) and added["flux_g"] > 0
    with pytest.raises(InputError, match="q: should be"):
        sky.edit({"id": [name], "q": [2.0]})


@pytest.mark.parametrize("star", [False, True])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x": ["x"]}, "'x' of the table of changes should be numbers"),
        ({"star": ["x"]}, "'star' of the table of changes should be numbers, true or false"),
        ({"star": [3]}, "star: should be true or false, 1 or 0, found 3"),
        ({"q": [0.0]}, "q: should be 0.08 to 1, found 0.0"),
        ({"q": [2.0]}, "q: should be 0.08 to 1, found 2.0"),
        ({"n": [100.0]}, "n: should be 0.4 to 8.0, found 100.0"),
        ({"r_e": [-1.0]}, "r_e: should be pixels above 0"),
        ({"r_e": [1e5]}, "r_e: should be pixels above 0 to 10000"),
        ({"size_factor": [0.0]}, "size_factor: should be 0.001 to 1000, found 0"),
        ({"flux_g": [-5.0]}, "flux_g: should be nJy, 0 or more, found -5.0"),
        ({"flux_factor": [-1.0]}, "flux_factor: should be 0 or more, found -1"),
    ],
)
def test_what_no_source_can_have_is_refused_in_a_sentence(model, star, change, says):
    table = {"x": [32.0], "y": [32.0], "flux_g": [1e3], "flux_r": [1e3], "star": [star]}
    sky = Sky(model, 7, sources=table)
    with pytest.raises(InputError, match=says):
        sky.edit({"id": [sky.sources(0, 64, 0, 64)["id"][0]]} | change)


def test_a_galaxy_becomes_a_star_and_windows_are_asked_in_numbers(model):
    table = {"x": [32.0], "y": [32.0], "flux_g": [1e3], "flux_r": [1e3], "r_e": [3.0]}
    sky = Sky(model, 7, sources=table)
    name = sky.sources(0, 64, 0, 64)["id"][0]
    row = sky.edit({"id": name, "star": 1, "r_e": 0.0, "n": 0.0, "q": 1.0}).sources(0, 64, 0, 64)[0]
    assert row["star"] and row["r_e"] == 0 and row["flux_g"] == pytest.approx(1e3)
    assert len(sky.isolated(0, 64, 0, 64, most=10**9)) == 2
    with pytest.raises(InputError, match="most: should be a whole number"):
        sky.isolated(0, 64, 0, 64, most=-1)
    with pytest.raises(InputError, match="isophote_njy: should be nJy per pixel"):
        sky.truth(0, 64, 0, 64, isophote_njy=float("nan"))
    with pytest.raises(InputError, match="depth: should be a whole number"):
        sky.truth(0, 64, 0, 64, depth=0)
    with pytest.raises(InputError, match="star: should be true or false"):
        Sky(model, 7, sources=table | {"star": [3]})


def test_other_pixels_show_the_same_sources(model, sky):
    fine = Sky(model, 7, pixel_scale=0.1)
    field, coarse = fine[0:128, 0:128], sky[0:64, 0:64]
    assert field.pixel_scale_arcsec == 0.1
    binned = field.truth.reshape(2, 64, 2, 64, 2).sum(axis=(2, 4))
    assert np.corrcoef(binned.ravel(), coarse.truth.ravel())[0, 1] > 0.99
    assert binned.sum() == pytest.approx(coarse.truth.sum(), rel=0.05)
    assert fine.rms(0, 9, 0, 9).mean() == pytest.approx(0.5 * sky.rms(0, 9, 0, 9).mean(), rel=0.15)


def test_seeing_can_be_sharper_or_broader_than_the_fields(model):
    own = Sky(model, 1).psf_fwhm_arcsec
    star = {"x": [0.0], "y": [0.0], "flux_g": [1e5], "flux_r": [1e5], "star": [True]}
    peaks = {}
    for seeing in (0.45, 1.0):
        sky = Sky(model, 1, seeing=seeing, rms=0.0, sources=star)
        assert sky.psf_fwhm_arcsec == pytest.approx((seeing, seeing), rel=0.02)
        peaks[seeing] = sky[-64:65, -64:65].truth[0].max()
    assert own[0] == pytest.approx(0.6, rel=0.05)
    assert peaks[0.45] > Sky(model, 1, rms=0.0, sources=star)[-4:5, -4:5].truth[0].max() > peaks[1.0]
    given = PixelPsf.from_moffat([4.0, 5.0], 3.0, side=65, pixel_scale_arcsec=0.2)
    assert Sky(model, 1, seeing=given).psf_fwhm_arcsec == pytest.approx((0.8, 1.0), rel=0.02)
    named = Sky(model, 1, seeing={"r": "hsc-wide"})
    assert (
        named.psf_fwhm_arcsec[0] == pytest.approx(own[0], rel=1e-4)
        and named.psf_fwhm_arcsec[1] < own[1] + 0.3
    )


def test_depth_and_rms_are_the_noise_of_the_sky(model):
    from mockforge.sgan.paint.noise_asked import depths_ab

    deep = Sky(model, 1, depth={"g": 27.0})
    depths = depths_ab(deep.control.noise, deep.control.grid)
    assert depths[0] == pytest.approx(27.0, abs=1e-3)
    own = Sky(model, 1)
    assert depths[1] == pytest.approx(depths_ab(own.control.noise, own.control.grid)[1], abs=1e-3)
    even = Sky(model, 1, rms=3.0)
    field = even[0:256, 0:256]
    assert (field.image - field.truth).std(axis=(1, 2)) == pytest.approx([3.0, 3.0], rel=0.03)
    assert Sky(model, 1, depth="hsc-wide").control.noise.electrons_per_njy.min() > 0
    with pytest.raises(InputError, match="both set the noise"):
        Sky(model, 1, depth=25.0, rms=3.0)


@pytest.mark.parametrize(
    ("asked", "ratio"), [({"density": 2.0}, 2.0), ({"magnitude_limits": (None, 25.0)}, None)]
)
def test_sources_are_as_many_as_requested(model, asked, ratio):
    own, other = (Sky(model, 3, **how).sources(0, 512, 0, 512) for how in ({}, asked))
    if ratio:
        assert len(other) / len(own) == pytest.approx(ratio, rel=0.15)
    else:
        mean = (other["flux_g"] + other["flux_r"]) / 2
        assert (31.4 - 2.5 * np.log10(mean)).max() <= 25.0 + 1e-6 and 0 < len(other) < len(own)


def test_fractions_of_stars_colours_and_slopes_are_requested(model):
    none = Sky(model, 3, star_fraction=0.0).sources(0, 256, 0, 256)
    assert not np.asarray(none["star"]).any()
    red = Sky(model, 3, colour_shift={"g": 1.0}).sources(0, 256, 0, 256)
    own = Sky(model, 3).sources(0, 256, 0, 256)
    colours = [float(np.nanmedian(t["mag_g"] - t["mag_r"])) for t in (red, own)]
    assert colours[0] - colours[1] == pytest.approx(1.0, abs=0.15)
    assert Sky(model, 3, counts_slope=0.2).control.sources.number < Sky(model, 3).control.sources.number
    with pytest.raises(InputError, match=r"redshift: .* none among their marks"):
        Sky(model, redshift=2.0)
    with pytest.raises(InputError, match="no band 'K'"):
        Sky(model, colour_shift={"K": 1.0})


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"density": "many"}, "density: should be a number, found 'many'"),
        ({"counts_slope": [1.0]}, "counts_slope: should be a number"),
        ({"star_fraction": "x"}, "star_fraction: should be a number"),
        ({"clustering": {}}, "clustering: should be a number"),
        ({"pixel_scale": "fine"}, "pixel_scale: should be arcsec above 0, found 'fine'"),
        ({"pixel_scale": 1e-6}, "is painted on pixels of .* arcsec, found 1e-06"),
        ({"magnitude_limits": 25}, r"such as \(20.0, 27.5\)"),
        ({"magnitude_limits": (20,)}, r"such as \(20.0, 27.5\)"),
        ({"magnitude_limits": (float("nan"), 27)}, "should be AB magnitudes, found nan"),
        ({"magnitude_limits": (-1e5, 27)}, "should be AB magnitudes, found -100000"),
        ({"colour_shift": 0.2}, "magnitudes by band, such as {'g': 0.2}"),
        ({"colour_shift": {"g": float("nan")}}, "magnitudes, at most 20"),
        ({"colour_shift": {"g": 1e4}}, "magnitudes, at most 20"),
        ({"depth": [25, 26]}, "depth: should be an AB magnitude"),
        ({"seeing": np.float32(-1)}, "seeing: should be a FWHM in arcsec above 0, found -1"),
    ],
)
def test_what_no_sky_can_have_is_refused_in_a_sentence(model, asked, says):
    with pytest.raises(InputError, match=says):
        Sky(model, 1, **asked)


def test_a_sky_without_a_pixel_scale_has_pixels_alone():
    plain = tiny_forge(pixel_scale_arcsec=None)
    sky = Sky(plain, 1)
    field = sky[0:64, 0:64]
    assert field.wcs is None and field.psf_fwhm_arcsec is None
    assert "ra" not in sky.sources(0, 64, 0, 64).colnames
    for asked in ({"depth": 25.0}, {"seeing": 0.8}, {"pixel_scale": 0.1}):
        with pytest.raises(InputError, match=r"pixel.scale"):
            Sky(plain, **asked)


def test_one_band_is_a_sky_too():
    sky = Sky(tiny_forge(("r",)), 1)
    assert sky[0:64, 0:64].image.shape == (1, 64, 64) and len(sky.sources(0, 64, 0, 64)) > 5


def test_a_shot_noise_and_saturation_are_observed():
    sky = Sky(tiny_forge(gain=0.01, rms_njy=1.0), 1, sources={"x": [32.0], "y": [32.0], "flux_g": [1e6],
                                                             "flux_r": [1e6], "star": [True]})  # fmt: skip
    field = sky[0:64, 0:64]
    noise = np.abs(field.image - field.truth)[0]
    assert noise[30:35, 30:35].mean() > 20 * noise[:8, :8].mean()


def test_a_field_says_what_it_is(sky):
    header = sky[10:74, 20:84].header
    assert header["MFMODEL"][0] == "tiny" and header["MFY0"][0] == 10
    assert header["MFRMS1"][0] == pytest.approx(10.0, rel=0.1) and 20 < header["MFDEPTH1"][0] < 30
    assert "sources a million pixels" in repr(sky)
    for bad in (np.s_[0:10], np.s_[0:10, :5], np.s_[0:10:2, 0:5]):
        with pytest.raises(InputError, match=r"sky|window"):
            sky[bad]
