"""The source `sersic_sed`: flux, dimming, pairings, streams, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydantic
import pytest

from mockforge.batch import Batch
from mockforge.config import Varying
from mockforge.errors import InputError
from mockforge.observe.redshift import angular_diameter_distance, flux_factor
from mockforge.rng import Stream
from mockforge.sky.pairs import SersicSed
from mockforge.sky.sed import sed_table

STREAM = Stream(11, ("shard", 3, "sersic_sed"))
SMALL = {"stamp": 24, "bands": ["F606W", "F814W", "F160W"]}


def config(**keys) -> SersicSed:
    """The configuration as a recipe gives it."""
    return pydantic.TypeAdapter(SersicSed).validate_python({**SMALL, **keys})


def batch(n: int) -> Batch:
    """An empty batch of n samples."""
    return Batch(np.arange(n) + 40, np.arange(n) + 40, np.full(n, "train"))


def test_shapes_units_and_attributes():
    stage = config()
    made = stage(batch(10), STREAM)
    assert set(made.arrays) | set(made.tables) == stage.writes()
    assert made.arrays["input"].shape == made.arrays["target"].shape == (10, 3, 24, 24)
    assert made.arrays["profile_out"].shape == (10, 24, 24)
    assert {v.dtype for v in made.arrays.values()} == {np.dtype("f4")}
    assert made.attributes["bands"] == ("F606W", "F814W", "F160W")
    assert made.attributes["unit"] == "nJy"
    assert made.attributes["zeropoint_ab"] == 31.4
    assert {len(column) for column in made.tables["galaxy"].values()} == {10}
    np.testing.assert_array_equal(made.tables["galaxy"]["sample"], made.sample)


@pytest.mark.parametrize("grid", [{"low": 0.1, "high": 2.0, "count": 39}, None])
def test_flux_is_profile_sum_times_table_entry(grid):
    stage = config(redshift_grid=grid)
    made = stage(batch(64), STREAM)
    galaxy = made.tables["galaxy"]
    brightness = 10 ** (-0.4 * (galaxy["absolute_magnitude"] + 20))
    for image, profile, z in (("input", "profile_in", "z_in"), ("target", "profile_out", "z_out")):
        table = sed_table(galaxy[z], stage.bands)
        entry = table.flux[np.arange(64), :, galaxy["sed"]] * brightness[:, None]
        part = made.arrays[profile].sum(axis=(1, 2), dtype=np.float64)
        flux = made.arrays[image].sum(axis=(2, 3), dtype=np.float64)
        np.testing.assert_allclose(flux, part[:, None] * entry, rtol=1e-5)
        written = np.stack([galaxy[f"flux_{z[2:]}_{b}"] for b in stage.bands], axis=1)
        np.testing.assert_allclose(written, entry, rtol=1e-6)
        np.testing.assert_allclose(galaxy[f"fraction_{z[2:]}"], part, rtol=1e-6)
        assert (part < 1 + 1e-5).all()


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
    stage = pydantic.TypeAdapter(SersicSed).validate_python(recipe["stages"][0]["sersic_sed"])
    for key, given in vars(stage).items():  # the recipe spells out the defaults, every one
        assert key in recipe["stages"][0]["sersic_sed"]
        default = getattr(SersicSed(), key)
        if isinstance(given, Varying):
            given, default = (given.kind, given.values), (default.kind, default.values)
        assert given == default
    assert set(recipe["save"]) <= stage.writes()
