"""The source `redshift_images`: conservation, closed forms, galsim's own drawing, and users' files."""

from __future__ import annotations

from typing import Any

import galsim
import numpy as np
import pydantic
import pytest

from mockforge.errors import InputError
from mockforge.field.symmetries import turned
from mockforge.galaxies.real.cutouts import Cleaning, Cutout, cleaned, mirrored, on_wider_sky
from mockforge.galaxies.real.draw import shared_out
from mockforge.galaxies.real.moved import effective
from mockforge.galaxies.real.painted import SkyGalaxies
from mockforge.observe.psf.models import image as image_model
from mockforge.photometry.cosmology import flux_factor, size_factor
from mockforge.photometry.fluxes import sed_fluxes
from mockforge.photometry.spectra.spec import Spectra
from mockforge.photometry.spectra.templates import Templates
from mockforge.rng import Stream
from mockforge.sgan.galaxies import SkyCatalogue
from mockforge.stages.redshift_images import RedshiftImages, catalogue
from tests.builders.batches import samples
from tests.builders.galaxy_files import PSF, drawn, galaxy, small, write_files, write_real
from tests.builders.tiny_forge import saved_forge

STREAM = Stream(11, ("shard", 3, "redshift_images"))
TEMPLATES = Spectra(templates=Templates(steps=1))
WIDE = galsim.Gaussian(fwhm=0.18)
UNCLEANED = {"subtract_sky": False, "mask_neighbours": False}


def config(galaxies: dict[str, Any], **keys) -> RedshiftImages:
    """The configuration as a recipe gives it."""
    return pydantic.TypeAdapter(RedshiftImages).validate_python(small(galaxies, **keys))


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def fluxes(bands, z: float, spectrum: int, seen: float | None = None) -> np.ndarray:
    """(C,) nJy of one template, by the room of spectra."""
    return sed_fluxes(TEMPLATES, tuple(bands), np.array([z]), np.array([seen or z]), np.array([spectrum]))[0]


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> dict[str, Any]:
    """Four HST galaxies, one of them too far for z_out and one without a redshift."""
    folder = tmp_path_factory.mktemp("real")
    return {"real": {"catalogue": str(write_real(folder, [0.5, 0.9, 3.0, -99.0]))}}


def test_arrays_table_and_attributes(real):
    stage = config(real, spectrum="Sbc")
    made = stage(samples(6), STREAM)
    assert set(made.arrays) | set(made.tables) == stage.writes()
    assert made.arrays["input"].shape == made.arrays["target"].shape == (6, 2, 61, 61)
    assert {v.dtype for v in made.arrays.values()} == {np.dtype("f4")}
    assert (made.arrays["z_out"] > made.arrays["z_in"]).all()
    assert {len(column) for column in made.tables["galaxy"].values()} == {6}
    assert set(made.tables["galaxy"]["name"].tolist()) == {b"0", b"1"}
    assert made.attributes["psf_fwhm_in_arcsec"] == pytest.approx((0.1, 0.1), rel=0.01)
    assert made.attributes["psf_fwhm_out_arcsec"] == pytest.approx((0.18, 0.18), rel=0.01)


def test_flux_scales_by_the_k_corrected_factor(real):
    made = config(real, spectrum="Im")(samples(4), STREAM)
    table = made.tables["galaxy"]
    for i in range(4):
        z = float(made.arrays["z_in"][i])
        seen, there = fluxes(("F814W", "F160W"), z, 3), fluxes(("F814W", "F160W"), z, 3, 1.5)
        assert table["flux_in_F814W"][i] == pytest.approx(5000, rel=2e-3)
        for c, band in enumerate(("F814W", "F160W")):
            assert table[f"flux_out_{band}"][i] / table["flux_in_F814W"][i] == pytest.approx(
                there[c] / seen[0], rel=1e-6
            )
            total = made.arrays["target"][i, c].sum(dtype=np.float64)
            assert total == pytest.approx(table[f"flux_out_{band}"][i], rel=1e-3)


def test_k_corrections_close_the_magnitudes(real):
    from mockforge.photometry.cosmology import luminosity_distance

    table = config(real, spectrum="Sbc")(samples(4), STREAM).tables["galaxy"]
    for end in ("in", "out"):
        modulus = 5 * np.log10(luminosity_distance(table[f"z_{end}"]) * 1e5)
        for band in ("F814W", "F160W"):
            apparent = 31.4 - 2.5 * np.log10(table[f"flux_{end}_{band}"])
            found = table[f"absolute_magnitude_{end}"] + modulus + table[f"k_correction_{end}_{band}"]
            np.testing.assert_allclose(found, apparent, atol=1e-3)


def test_a_galaxy_redshifted_is_the_galaxy_drawn_at_z_out(real):
    """The stage on pixels against galsim's drawing of the same exponential at its new size."""
    made = config(real, spectrum="Scd", turn=False)(samples(4), STREAM)
    table = made.tables["galaxy"]
    for i in range(4):
        far = galaxy(int(table["galaxy"][i])).dilate(float(table["size_factor"][i]))
        for c, band in enumerate(("F814W", "F160W")):
            wanted = drawn(galsim.Convolve(far, WIDE) * float(table[f"flux_out_{band}"][i]), 61, 0.06)
            assert relative(made.arrays["target"][i, c], wanted) < 5e-3


def test_size_follows_the_angular_diameter_distance(tmp_path):
    images = np.stack([[drawn(galsim.Convolve(galsim.Gaussian(sigma=0.3), PSF) * 1e4, 101, 0.05)]] * 2)
    path = write_files(tmp_path, images, ["F814W"], [0.3, 0.8])
    psf = {"gaussian": {"fwhm_arcsec": 0.1}}
    files = {"files": {"catalogue": str(path), "bands": ["F814W"], "psf": psf, "clean": UNCLEANED}}
    for keys, power in (({}, 0.0), ({"size_evolution": -1.0}, -1.0), ({"angular_size": False}, None)):
        made = config(files, spectrum="Im", **keys)(samples(4), STREAM)
        y, x = np.indices((61, 61)) - 30.0
        pixel = 1 / 12 + (0.18 / 2.3548 / 0.06) ** 2  # variance of pixel and PSF, pixels^2
        for z, stamp in zip(made.arrays["z_in"], made.arrays["target"][:, 0], strict=True):
            sigma = 0.06 * np.sqrt((stamp * (x**2 + y**2)).sum() / stamp.sum() / 2 - pixel)
            evolved = 1.0 if power is None else (2.5 / (1 + z)) ** power * size_factor(z, 1.5)
            assert sigma == pytest.approx(0.3 * evolved, rel=0.01)


def test_switches(real):
    full = config(real, spectrum="Sbc", band_shift=False)(samples(4), STREAM)
    z_in, z_out = (full.tables["galaxy"][k] for k in ("z_in", "z_out"))
    change = full.tables["galaxy"]["flux_out_F814W"] / full.tables["galaxy"]["flux_in_F814W"]
    np.testing.assert_allclose(change, flux_factor(z_in, z_out), rtol=1e-6)
    switched: list[dict[str, Any]] = [{"dimming": False}, {"angular_size": False}]
    for keys in switched:
        made = config(real, spectrum="Sbc", **keys)(samples(4), STREAM).tables["galaxy"]
        both = config(real, spectrum="Sbc")(samples(4), STREAM).tables["galaxy"]
        ratio = made["flux_out_F160W"] / both["flux_out_F160W"]
        np.testing.assert_allclose(ratio, flux_factor(z_in, z_out, **keys) / flux_factor(z_in, z_out))
    brighter = config(real, spectrum="Sbc", luminosity_evolution=-1.0)(samples(4), STREAM).tables["galaxy"]
    np.testing.assert_allclose(
        brighter["flux_out_F160W"] / both["flux_out_F160W"], 10 ** (0.4 * (z_out - z_in)), rtol=1e-6
    )


@pytest.fixture(scope="module")
def painter(tmp_path_factory) -> str:
    """A learned sky in the bands that painted galaxies have by default."""
    return str(saved_forge(tmp_path_factory.mktemp("sky"), ("g", "r", "Z")))


# --- bulge and disk: colours differ from pixel to pixel -----------------------------------------

SEEN = ("F435W", "F606W", "F814W", "F125W", "F160W")


def two_parts(size: float, psf, scale: float, side: int, sed: np.ndarray) -> np.ndarray:
    """A small red bulge in a blue disk: (C, y, x); `sed` (C, 2) nJy of bulge and disk."""
    bulge = galsim.Exponential(half_light_radius=0.12 * size)
    disk = galsim.Exponential(half_light_radius=0.5 * size).shear(q=0.6, beta=0.5 * galsim.radians)
    parts = [drawn(galsim.Convolve(p, psf), side, scale) for p in (bulge, disk)]
    return np.einsum("ck,kyx->cyx", sed, np.stack(parts))


@pytest.fixture(scope="module")
def chromatic(tmp_path_factory) -> tuple[dict[str, Any], np.ndarray]:
    """Five HST bands of E bulge and Im disk at z = 0.4; what it is at 1.5 in F814W and F160W."""
    part = np.array([1.0, 0.2])  # shares of the two templates, E and Im
    z = float(np.float32(0.4))
    here = np.stack([fluxes(SEEN, z, 0), fluxes(SEEN, z, 3)], axis=1) * part
    unit = 3000.0 / here[2].sum()
    there = np.stack([fluxes(("F814W", "F160W"), z, k, 1.5) for k in (0, 3)], axis=1) * part * unit
    folder = tmp_path_factory.mktemp("chromatic")
    image = two_parts(1.0, PSF, 0.05, 121, here * unit)
    path = write_files(folder, [image], SEEN, [z])
    psf = {"gaussian": {"fwhm_arcsec": 0.1}}
    files = {"catalogue": str(path), "bands": SEEN, "psf": psf, "clean": UNCLEANED}
    return {"files": files}, two_parts(float(size_factor(z, 1.5)), WIDE, 0.06, 61, there)


def test_spectra_of_pixels_keep_the_colour_gradient(chromatic):
    files, wanted = chromatic
    found = {
        by: config(files, fit={"by": by, "floor": 0.001}, turn=False)(samples(1), STREAM)
        for by in ("galaxy", "pixel")
    }
    pixel, whole = (found[by].arrays["target"][0] for by in ("pixel", "galaxy"))
    assert relative(pixel, wanted) < 0.01
    assert relative(whole, wanted) > 3 * relative(pixel, wanted)  # one spectrum cannot have a gradient
    np.testing.assert_allclose(whole.sum((1, 2)), wanted.sum((1, 2)), rtol=0.02)


def test_the_mixture_of_spectra_is_recovered(chromatic):
    table = config(chromatic[0], fit={"floor": 0.001})(samples(1), STREAM).tables["galaxy"]
    assert table["sed_chi2"][0] < 1
    part = np.array([1.0, 0.2]) * [fluxes(("F814W",), 1e-4, k)[0] for k in (0, 3)]
    assert table["sed_share"][0] == pytest.approx(part.max() / part.sum(), abs=0.05)


def test_a_band_that_the_images_have_passes_as_it_is(chromatic):
    stage = config(
        chromatic[0],
        turn=False,
        pixel_scale_arcsec=0.05,
        stamp=121,
        psf_out={"gaussian": {"fwhm_arcsec": 0.3}},
    )
    made = stage(samples(1), STREAM)
    image = catalogue(stage.galaxies).cutout(0).image
    np.testing.assert_allclose(made.arrays["input"][0, 1], image[4], atol=1e-4 * image[4].max())


# --- orientation, sky and neighbours, splits ----------------------------------------------------


@pytest.mark.parametrize("turn", range(8))
def test_a_psf_turns_with_its_image(turn):
    psf = np.random.default_rng(2).uniform(size=(7, 7))
    psf /= psf.sum()
    fy, fx = np.linspace(-3, 3, 9), np.linspace(-2, 4, 8)
    found = effective(image_model(psf, 0.1, includes_pixel=True), 0.1, turn)(fy, fx)
    wanted = effective(image_model(turned(psf, turn), 0.1, includes_pixel=True), 0.1)(fy, fx)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_turning_moves_the_galaxy_and_nothing_else(real):
    fixed = config(real, spectrum="Im", turn=False)(samples(8), STREAM)
    made = config(real, spectrum="Im")(samples(8), STREAM)
    assert len(set(made.tables["galaxy"]["turn"].tolist())) > 3
    np.testing.assert_allclose(
        made.arrays["target"], fixed.arrays["target"], atol=2e-3 * fixed.arrays["target"].max()
    )


def test_sky_and_neighbours_are_taken_off():
    rng = np.random.default_rng(4)
    own = drawn(galsim.Convolve(galaxy(0), PSF) * 3000, 121, 0.05)
    other = np.roll(own, (30, 25), (0, 1)) * 2
    observed = own + other + 7.0 + rng.normal(0, 0.5, own.shape)
    mask = np.zeros(own.shape, dtype=bool)
    mask[60, 62] = True
    observed[60, 62] = np.nan
    cut = Cutout("one", observed[None], (60.0, 60.0), mask)
    found = cleaned(cut, Cleaning(), 0.05)
    assert found.body is not None
    assert found.image[0, found.body].sum() == pytest.approx(own[found.body].sum(), rel=0.02)
    assert abs(found.image[0, :20].mean()) < 0.03  # sky of 7, with noise of 0.5
    assert found.rms == pytest.approx([0.5], rel=0.1)
    assert np.hypot(found.centre[0] - 60, found.centre[1] - 60) < 0.2
    assert (found.image[0] - own).std() < 0.53  # the noise alone is left


def test_a_bad_pixel_takes_the_value_opposite():
    image = np.arange(25.0).reshape(1, 5, 5)
    bad = np.zeros((5, 5), dtype=bool)
    bad[1, 1] = bad[0, 2] = bad[4, 2] = True
    out = mirrored(image, bad, (2.0, 2.0))
    assert out[0, 1, 1] == image[0, 3, 3]
    assert out[0, 0, 2] == out[0, 4, 2] == 0.0  # both are bad


def test_the_sky_goes_on_beyond_the_cutout():
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(1).normal(size=(2, 64, 64)), (0, 0.7, 0.7))
    noise *= np.array([2.0, 5.0])[:, None, None] / noise.std(axis=(1, 2), keepdims=True)
    cut = Cutout("one", noise, (30.0, 33.0), np.zeros((64, 64), dtype=bool), rms=np.array([2.0, 5.0]))
    found = on_wider_sky(cut, 100, Stream(1))
    np.testing.assert_array_equal(found.image[:, 100:164, 100:164], noise)
    assert found.centre == (130.0, 133.0)
    added = found.image[:, :99]
    assert added.std(axis=(1, 2)) == pytest.approx([2.0, 5.0], rel=0.03)
    for image in (noise, added):
        lag = (image[:, :, 1:] * image[:, :, :-1]).mean(axis=(1, 2)) / image.var(axis=(1, 2))
        assert lag == pytest.approx([0.6, 0.6], abs=0.1)
    plain = Cutout("two", noise, (30.0, 33.0), np.zeros((64, 64), dtype=bool))
    assert not on_wider_sky(plain, 5, Stream(1)).image[:, :5].any()


def test_no_galaxy_is_in_two_splits(real):
    splits = {"train": 0.5, "val": 0.5}
    made = config(real, spectrum="Im")(samples(20, splits=splits), STREAM)
    names = made.tables["galaxy"]["name"]
    assert not set(names[made.split == "train"]) & set(names[made.split == "val"])
    parts = [shared_out(50, {"a": 0.8, "b": 0.1, "c": 0.1}, s, 3) for s in "abc"]
    assert [len(p) for p in parts] == [40, 5, 5]
    assert sorted(np.concatenate(parts)) == list(range(50))
    assert len(shared_out(3, {"a": 0.98, "b": 0.01, "c": 0.01}, "b", 3)) == 1
    with pytest.raises(InputError, match="2 galaxies for 3 splits"):
        shared_out(2, {"a": 0.8, "b": 0.1, "c": 0.1}, "a", 3)


def test_equal_streams_give_equal_pairs(real):
    a, b = (config(real)(samples(5), STREAM) for _ in range(2))
    for name in a.arrays:
        np.testing.assert_array_equal(a.arrays[name], b.arrays[name])


def test_a_sharper_target_is_told(real):
    with pytest.warns(UserWarning, match="psf_out is sharper"):
        made = config(real, spectrum="Im", psf_out={"gaussian": {"fwhm_arcsec": 0.05}})(samples(2), STREAM)
    assert (made.tables["galaxy"]["psf_sharpened_out_F160W"] > 1.5).all()
    assert np.isfinite(made.arrays["target"]).all()


def test_images_too_coarse_for_the_target_are_refused(real, painter):
    words = (
        r"images for F814W have a PSF of 0\.1\d* arcsec in pixels of .*psf_out is 0\.01 arcsec.*too coarse"
    )
    with pytest.raises(InputError, match=words):
        config(real, spectrum="Im", pixel_scale_arcsec=0.01, psf_out={"gaussian": {"fwhm_arcsec": 0.01}})(
            samples(2), STREAM
        )
    with pytest.raises(InputError, match=r"psf_in is 0\.02 arcsec"):
        config(real, spectrum="Im", pixel_scale_arcsec=0.02, psf_in={"gaussian": {"fwhm_arcsec": 0.02}})(
            samples(2), STREAM
        )
    ground = {"sky": {"model": painter, "area": 256}}
    with pytest.raises(InputError, match=r"in pixels of 0\.2.* at the target's redshift.*0\.06: they"):
        config(ground, bands=["F814W"], pixel_scale_arcsec=0.06, psf_out={"gaussian": {"fwhm_arcsec": 0.06}})(
            samples(2), STREAM
        )


# --- painted skies and the HST stamps -----------------------------------------------------------


def test_galaxies_of_a_painted_sky(painter):
    sky = {"sky": {"model": painter, "area": 256, "side": 40, "min_snr": 20, "leave_blended": False}}
    made = config(sky, bands=["lsst_g", "lsst_r"], pixel_scale_arcsec=0.2, stamp=40,
                  psf_out={"gaussian": {"fwhm_arcsec": 1.0}})(samples(3), STREAM)  # fmt: skip
    assert ((made.arrays["z_in"] >= 0.1) & (made.arrays["z_in"] <= 0.6)).all()
    table = made.tables["galaxy"]
    assert (made.arrays["target"].sum((2, 3)) < made.arrays["input"].sum((2, 3))).all()
    assert table["flux_in_lsst_r"] == pytest.approx(made.arrays["input"][:, 1].sum((1, 2)), rel=0.1)


def test_a_painted_galaxy_stands_alone(painter):
    rule = SkyGalaxies(model=painter, area=256, side=40, min_snr=20, leave_blended=False)
    found = SkyCatalogue(rule)
    assert len(found.redshifts) >= 3
    for i in range(len(found.redshifts)):
        cut = found.cutout(i)
        assert cut.body is not None
        assert cut.body[20, 20]
        y, x = np.indices(cut.body.shape)
        light = cut.image.sum(axis=0)
        middle = [(v * light).sum() / light.sum() for v in (x, y)]
        assert middle == pytest.approx(cut.centre, abs=1.0)  # no light but its own


def test_hst_stamps_with_photometry_of_another_telescope(shared_data):
    path = shared_data / "cosmos_stamps" / "real_galaxy_catalog_26_extension_example.fits"
    hsc = [{"column": f"HSC_{b}", "band": f"lsst_{b}"} for b in "grizy"]
    stage = config({"real": {"catalogue": str(path), "max_magnitude": 24.0, "photometry": hsc}}, z_out=2.0)
    made = stage(samples(6), STREAM)
    assert np.isfinite(made.arrays["target"]).all()
    for c in range(2):
        assert (made.arrays["target"][:, c].sum((1, 2)) > 0).all()
    assert (made.tables["galaxy"]["psf_sharpened_out_F160W"] < 2).all()
