"""The source `sersic_sed`: flux, dimming, pairings, streams, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydantic
import pytest

from mockforge.batch import Batch
from mockforge.errors import InputError
from mockforge.photometry.cosmology import angular_diameter_distance, flux_factor, luminosity_distance
from mockforge.photometry.fluxes import absolute_fluxes, sed_fluxes
from mockforge.recipe.read import plain
from mockforge.rng import Stream
from mockforge.stages.sersic_sed import SersicSed
from tests.builders.batches import samples

STREAM = Stream(11, ("shard", 3, "sersic_sed"))
SMALL = {"stamp": 24, "bands": ["F606W", "F814W", "F160W"], "spectra": {"templates": {}}}


def config(**keys) -> SersicSed:
    """The configuration as a recipe gives it."""
    return pydantic.TypeAdapter(SersicSed).validate_python({**SMALL, **keys})


def batch(n: int) -> Batch:
    """An empty batch of n samples."""
    return samples(n, first=40)


def test_shapes_units_and_attributes():
    stage = config()
    made = stage(batch(10), STREAM)
    assert set(made.arrays) | set(made.tables) == stage.writes()
    assert made.arrays["input"].shape == made.arrays["target"].shape == (10, 3, 24, 24)
    assert made.arrays["profile_out"].shape == (10, 1, 24, 24)
    assert {v.dtype for v in made.arrays.values()} == {np.dtype("f4")}
    assert made.attributes["bands"] == ("F606W", "F814W", "F160W")
    assert made.attributes["unit"] == "nJy"
    assert made.attributes["zeropoint_ab"] == 31.4
    assert {len(column) for column in made.tables["galaxy"].values()} == {10}
    np.testing.assert_array_equal(made.tables["galaxy"]["sample"], made.sample)


@pytest.mark.parametrize("grid", [{"low": 0.1, "high": 2.0, "count": 39}, None])
def test_flux_is_profile_sum_times_spectrum(grid):
    stage = config(redshift_grid=grid)
    made = stage(batch(64), STREAM)
    galaxy = made.tables["galaxy"]
    rest = absolute_fluxes(stage.spectra, "lsst_r", galaxy["z_in"], galaxy["sed"])
    brightness = 10 ** (0.4 * (31.4 - galaxy["absolute_magnitude_in"])) / rest
    for image, end in (("input", "in"), ("target", "out")):
        entry = sed_fluxes(stage.spectra, stage.bands, galaxy["z_in"], galaxy[f"z_{end}"], galaxy["sed"])
        entry = entry * brightness[:, None]
        part = made.arrays[f"profile_{end}"].sum(axis=(1, 2, 3), dtype=np.float64)
        flux = made.arrays[image].sum(axis=(2, 3), dtype=np.float64)
        np.testing.assert_allclose(flux, part[:, None] * entry, rtol=1e-5)
        written = np.stack([galaxy[f"flux_{end}_{b}"] for b in stage.bands], axis=1)
        np.testing.assert_allclose(written, entry, rtol=1e-6)
        np.testing.assert_allclose(galaxy[f"fraction_{end}"], part, rtol=1e-5)
        assert (part < 1 + 1e-5).all()


def test_parts_add_up_to_the_galaxy():
    stage = config(bulge={}, companions={"most": 2}, knots={}, asymmetry={})
    made = stage(batch(24), STREAM)
    galaxy = made.tables["galaxy"]
    assert made.arrays["profile_in"].shape == (24, 5, 24, 24)
    share = np.stack([galaxy[k] for k in ("bulge_fraction", "companion_0_fraction", "companion_1_fraction")])
    assert (share.sum(axis=0) + galaxy["knots_fraction"] <= 1 + 1e-9).all()
    parts = [
        absolute_fluxes(stage.spectra, "lsst_r", galaxy["z_in"], galaxy[f"{p}sed"]) for p in ("", "bulge_")
    ]
    assert all((p > 0).all() for p in parts)
    # the disk's and the bulge's colours differ, so the galaxy's colour differs from place to place
    image, lit = made.arrays["input"], galaxy["bulge_fraction"] > 0.3
    colour = image[:, 0] / image[:, 2]
    assert (np.ptp(colour[lit].reshape(lit.sum(), -1), axis=1) > 1e-3 * colour[lit].mean(axis=(1, 2))).all()


def test_evolving_populations_are_younger_farther_away():
    keys = {"z_in": 0.1, "z_out": 1.5, "magnitude": -21.0, "spectra": {"populations": {}}}
    still = config(**keys)(batch(48), STREAM).tables["galaxy"]
    young = config(population="evolving", **keys)(batch(48), STREAM).tables["galaxy"]
    np.testing.assert_array_equal(still["flux_in_F814W"], young["flux_in_F814W"])
    np.testing.assert_allclose(still["absolute_magnitude_out"], still["absolute_magnitude_in"])
    assert np.median(young["flux_out_F814W"] / still["flux_out_F814W"]) > 1.2  # rest-frame ultraviolet
    z = np.full(48, 1.5)
    rest = [absolute_fluxes(SersicSed().spectra, "lsst_r", at, young["sed"]) for at in (young["z_in"], z)]
    change = -2.5 * np.log10(rest[1] / rest[0])
    found = young["absolute_magnitude_out"] - young["absolute_magnitude_in"]
    np.testing.assert_allclose(found, change, atol=1e-6)


def test_k_correction_closes_the_sum():
    spectra = {"populations": {"a_v": [0.5]}}
    made = config(population="evolving", luminosity_evolution=-0.5, spectra=spectra)(
        batch(32), STREAM
    ).tables["galaxy"]
    for end in ("in", "out"):
        seen = 31.4 - 2.5 * np.log10(made[f"flux_{end}_F160W"])
        modulus = 5 * np.log10(luminosity_distance(made[f"z_{end}"])) + 25
        wanted = made[f"absolute_magnitude_{end}"] + modulus + made[f"k_correction_{end}_F160W"]
        np.testing.assert_allclose(seen, wanted, atol=1e-6)


def test_ferengis_evolution_terms():
    plain = config()(batch(16), STREAM).tables["galaxy"]
    made = config(size_evolution=-1.0, luminosity_evolution=-1.0)(batch(16), STREAM).tables["galaxy"]
    z_in, z_out = plain["z_in"], plain["z_out"]
    np.testing.assert_allclose(made["r_e_out"] / plain["r_e_out"], (1 + z_in) / (1 + z_out))
    np.testing.assert_allclose(made["flux_out_F814W"] / plain["flux_out_F814W"], 10 ** (0.4 * (z_out - z_in)))


def test_a_psf_on_both_ends():
    psf = {"gaussian": {"fwhm_arcsec": 0.2}}, {"moffat": {"fwhm_arcsec": 0.4}}
    made = config(psf_in=psf[0], psf_out=psf[1])(batch(6), STREAM)
    assert np.shares_memory(made.arrays["input"], made.arrays["input_psf"])
    assert made.attributes["psf_fwhm_in_arcsec"] == pytest.approx((0.2,) * 3, rel=0.01)
    assert made.attributes["psf_fwhm_out_arcsec"] == pytest.approx((0.4,) * 3, rel=0.01)
    for end in ("input", "target"):
        assert (made.arrays[f"{end}_psf"].max((2, 3)) < made.arrays[f"{end}_clean"].max((2, 3))).all()


def test_surface_brightness_and_size_follow_the_closed_form():
    made = config(band_shift=False)(batch(32), STREAM).tables["galaxy"]
    ratio = (made["flux_out_F814W"] / made["r_e_out"] ** 2) / (made["flux_in_F814W"] / made["r_e_in"] ** 2)
    np.testing.assert_allclose(ratio, ((1 + made["z_in"]) / (1 + made["z_out"])) ** 4, rtol=1e-6)
    size = angular_diameter_distance(made["z_in"]) / angular_diameter_distance(made["z_out"])
    np.testing.assert_allclose(made["r_e_out"] / made["r_e_in"], size)


def test_switches():
    both: list[dict[str, bool]] = [{"dimming": False}, {"angular_size": False}]
    full = config()(batch(16), STREAM).tables["galaxy"]
    z = full["z_in"], full["z_out"]
    for keys in (*both, both[0] | both[1]):
        made = config(**keys)(batch(16), STREAM).tables["galaxy"]
        wanted = flux_factor(*z, "Planck18", **keys) / flux_factor(*z)
        np.testing.assert_allclose(made["flux_out_F160W"] / full["flux_out_F160W"], wanted, rtol=1e-6)
        if "angular_size" in keys:
            np.testing.assert_array_equal(made["r_e_out"], made["r_e_in"])
    still = config(dimming=False, angular_size=False, band_shift=False)(batch(16), STREAM)
    np.testing.assert_array_equal(still.arrays["target"], still.arrays["input"])


def test_apparent_magnitude_is_the_inputs():
    made = config(magnitude=22.5, magnitude_kind="apparent", magnitude_band="F814W")(batch(8), STREAM)
    flux = made.tables["galaxy"]["flux_in_F814W"]
    np.testing.assert_allclose(31.4 - 2.5 * np.log10(flux), 22.5, atol=1e-6)


@pytest.mark.parametrize(
    "keys",
    [
        {"z_in": 0.2, "z_out": 1.0},
        {"z_in": 0.2, "z_out": {"uniform": [0.1, 2.0]}},
        {"z_in": {"uniform": [0.1, 2.0]}, "z_out": {"uniform": [0.1, 2.0]}},
        {"z_in": {"choice": [0.3, 0.5]}, "z_out": {"choice": [0.3, 0.5]}},
        {"z_in": {"normal": [0.5, 0.4]}, "z_out": {"lognormal": [0.8, 0.5]}},
        {"z_in": {"uniform": [0.5, 0.500001]}, "z_out": {"uniform": [0.5, 0.500001]}, "redshift_grid": None},
    ],
)
def test_z_out_is_above_z_in(keys):
    made = config(stamp=2, **keys)(batch(300), STREAM)
    assert (made.arrays["z_out"] > made.arrays["z_in"]).all()
    if keys.get("redshift_grid", 0) is not None:
        steps = (made.arrays["z_out"] - 0.1) / 0.05
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"z_in": 1.0, "z_out": 1.0}, "z_out should be above z_in"),
        ({"z_in": {"uniform": [1.0, 2.0]}, "z_out": 0.5}, "z_in starts at 1, z_out ends at 0.5"),
        ({"z_in": 0.5, "z_out": 0.51}, "z_out should be above z_in"),
        ({"z_out": 3.0}, "leaves redshift_grid"),
        ({"z_in": 0.0}, "should be > 0"),
        ({"n": {"uniform": [0.1, 4]}}, "should be >= 0.3"),
        ({"axis_ratio": 1.5}, "<= 1"),
        ({"bands": ["F606W", "F606W"]}, "different names"),
        ({"bands": ["F606"]}, "F606W"),
        ({"cosmology": "Einstein"}, "Planck18"),
        ({"colour": 1}, "colour"),
        ({"redshift_grid": {"low": 2.0, "high": 1.0}}, "should be below high"),
        ({"psf_in": {"gaussian": {"fwhm_arcsec": 0.1}}}, "go together"),
        ({"population": "evolving", "spectra": {"templates": {}}}, "templates have no age"),
    ],
)
def test_what_cannot_hold_is_refused(keys, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        config(**keys)


def test_a_pairing_that_almost_never_holds_stops():
    nearly = config(z_in={"normal": [5.0, 0.01]}, z_out={"normal": [0.5, 0.01]}, redshift_grid=None)
    with pytest.raises(InputError, match="almost never give z_out > z_in"):
        nearly(batch(2), STREAM)


def test_a_shard_is_a_function_of_its_stream():
    stage = config()
    one, two = stage(batch(12), STREAM), stage(batch(12), STREAM)
    other = stage(batch(12), Stream(11, ("shard", 4, "sersic_sed")))
    for name, array in one.arrays.items():
        assert array.tobytes() == two.arrays[name].tobytes()
        assert not np.array_equal(array, other.arrays[name])
    rounder = config(axis_ratio=1.0)(batch(12), STREAM).tables["galaxy"]
    for key in ("r_e_in", "n", "z_out", "sed", "flux_out_F160W"):
        np.testing.assert_array_equal(rounder[key], one.tables["galaxy"][key])


def test_no_sample_depends_on_another():
    """Scaling one galaxy up a hundredfold leaves the pixels of all others as they were."""
    faint = config(magnitude={"choice": [-20.0, -20.0]})(batch(12), STREAM)
    mixed = config(magnitude={"choice": [-20.0, -25.0]})(batch(12), STREAM)
    same = mixed.tables["galaxy"]["magnitude"] == -20
    assert 0 < same.sum() < 12
    np.testing.assert_array_equal(faint.arrays["target"][same], mixed.arrays["target"][same])
    np.testing.assert_allclose(mixed.arrays["target"][~same], 100 * faint.arrays["target"][~same], rtol=1e-5)


def test_the_bundled_recipe_is_this_stage():
    from ruamel.yaml import YAML

    path = Path(__file__).parents[2] / "recipes" / "redshift_pairs.yaml"
    recipe = YAML(typ="safe").load(path.read_text())
    given = recipe["stages"][0]["sersic_sed"]
    stage = pydantic.TypeAdapter(SersicSed).validate_python(given)
    assert set(given) == set(vars(stage))  # the recipe spells out every key
    for key in ("stamp", "pixel_scale_arcsec", "z_in", "redshift_grid", "magnitude", "r_e"):
        assert plain(getattr(stage, key)) == plain(getattr(SersicSed(), key))
    assert stage.spectra.chosen == SersicSed().spectra.chosen


def test_images_that_nobody_wants_are_not_painted():
    """The others, and the table, are the same to the last bit."""
    psf = {"gaussian": {"fwhm_arcsec": 0.2}}
    made = config(psf_in=psf, psf_out=psf, stamp=48)
    whole = made(batch(6), STREAM)
    few = made(replace(batch(6), wanted=frozenset({"input"})), STREAM)
    assert {"input_clean", "profile_in"} <= set(whole.arrays)
    assert not {"input_clean", "profile_in"} & set(few.arrays)
    for name in ("input", "target"):
        np.testing.assert_array_equal(few.arrays[name], whole.arrays[name])
    for name, column in whole.tables["galaxy"].items():
        np.testing.assert_array_equal(few.tables["galaxy"][name], column)
    inside = whole.arrays["profile_in"][:, 0].sum(axis=(1, 2))
    np.testing.assert_allclose(whole.tables["galaxy"]["fraction_in"], inside, rtol=2e-4)
