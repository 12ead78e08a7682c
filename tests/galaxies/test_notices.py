"""Light off the stamp, stars older than the Universe: told in the log, on the card and in columns."""

from __future__ import annotations

import numpy as np
import pydantic
import pytest

import mockforge
from mockforge.batch import Batch
from mockforge.errors import InputError
from mockforge.galaxies.notices import age_notice, light_notice
from mockforge.photometry.populations.composite import Populations, population_set, universe_age
from mockforge.photometry.populations.sfh import Burst, DoublePowerLaw, Sfh, formed
from mockforge.rng import Stream
from mockforge.stages.sersic_sed import SersicSed
from tests.builders.batches import samples

SMALL = {"stamp": 24, "bands": ["F606W"], "spectra": {"populations": {"metallicity": [1.0], "a_v": [0.0]}}}

RECIPE = """
name: small
seed: 3
samples: 12
shard_size: 6
splits: {train: 1.0}
stages:
  - sersic_sed: {stamp: 24, bands: [F606W], spectra: {populations: {metallicity: [1.0], a_v: [0.0]}}}
save: {input: float32, target: float32, z_in: float32, z_out: float32}
"""


def config(**keys) -> SersicSed:
    return pydantic.TypeAdapter(SersicSed).validate_python({**SMALL, **keys})


def made(stage: SersicSed, n: int = 60) -> Batch:
    return stage(samples(n), Stream(5, ("shard", 0, "sersic_sed")))


def test_log_and_card_say_what_is_off_the_stamp_and_too_old(tmp_path, capsys):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(RECIPE)
    folder = mockforge.build(recipe, tmp_path / "out", workers=1)
    said, card = capsys.readouterr().err, (folder / "README.md").read_text()
    for text in (said, card):
        assert (
            "of the galaxy's light on the stamp" in text
            and "older than the Universe at the higher redshift" in text
        )
    assert "## Notes of this build" in card


def test_the_share_on_the_stamp_is_counted():
    galaxy = {
        "fraction_in": np.array([0.99, 0.94, 0.96, 1.0]),
        "fraction_out": np.array([0.99, 0.99, 0.5, 1.0]),
    }
    sentence = light_notice(galaxy)
    assert sentence is not None and sentence.startswith("50.0% of the pairs") and "the least 50%" in sentence
    assert light_notice({key: np.full(3, 0.95) for key in galaxy}) is None


def test_stamps_that_enclose_the_light():
    """Sersic galaxies of n up to 4 with companions: at most 1 in 100 below what was requested."""
    stage = config(
        enclose=0.9, n={"uniform": [0.5, 4.0]}, companions={}, r_e={"lognormal": [1.5, 0.4]}, bulge={}
    )
    batch = made(stage, 80)
    least = np.minimum(*(batch.tables["galaxy"][f"fraction_{end}"] for end in ("in", "out")))
    side = batch.arrays["input"].shape[-1]
    assert side > 24 and side % 2 == 0
    assert (least < 0.9).mean() <= 0.04
    again = made(stage, 3).arrays["input"].shape[-1]
    assert again == side  # one side for all shards
    plain = made(config(n={"uniform": [0.5, 4.0]}), 60).tables["galaxy"]
    assert (np.minimum(plain["fraction_in"], plain["fraction_out"]) < 0.9).mean() > 0.1


def test_a_stamp_that_would_be_too_large_is_a_sentence():
    with pytest.raises(InputError, match=r"enclose: 0\.99 of the light .* 1024 is the most"):
        made(config(enclose=0.99, n=8.0, r_e=30.0), 2)


def test_ages_of_constant_populations():
    galaxy = made(config(z_in=0.5, z_out=1.5)).tables["galaxy"]
    age = universe_age(0.5, "Planck18") - universe_age(20.0, "Planck18")
    np.testing.assert_allclose(galaxy["oldest_stars_gyr"], age)
    np.testing.assert_allclose(galaxy["universe_far_gyr"], 4.27, atol=0.02)  # Planck18 at z = 1.5
    sentence = age_notice(galaxy)
    assert (
        sentence is not None
        and sentence.startswith("100% of the galaxies")
        and "by up to 4.1 Gyr" in sentence
    )
    evolving = config(z_in=0.5, z_out=1.5, population="evolving")
    tables = made(evolving, 8).tables
    assert (tables["galaxy"]["oldest_stars_gyr"] < tables["galaxy"]["universe_far_gyr"]).all()
    assert not any("older" in sentence for sentence in evolving.notices(tables))
    late = {"populations": {"sfh": [{"burst": {"time_gyr": 5.0}}], "metallicity": [1.0], "a_v": [0.0]}}
    burst = made(config(z_in=0.5, z_out=1.5, spectra=late), 4).tables["galaxy"]
    np.testing.assert_allclose(burst["oldest_stars_gyr"], age - 5.0)


def test_pairs_that_go_from_high_to_low_say_the_same():
    """Columns that end in _in and _out change places there; these do not."""
    from mockforge.stages.observe import Observe, Pairing

    stage = config(z_in=0.5, z_out=1.5)
    batch = made(stage, 6)
    turned = Observe(pairing=Pairing(input="clean", target="clean", direction="high_to_low"))
    assert stage.notices(turned(batch, Stream(1)).tables) == stage.notices(batch.tables)


def test_templates_have_no_age():
    assert "oldest_stars_gyr" not in made(config(spectra={"templates": {}}), 4).tables["galaxy"]


def test_redshifts_before_the_first_stars_are_told_with_the_recipe():
    early = {"populations": {"z_form": 1.5}}
    with pytest.raises(ValueError, match=r"z_in reaches z = 2, and the first stars form at z_form = 1\.5"):
        config(spectra=early)
    with pytest.raises(ValueError, match=r"z_out reaches z = 1\.9"):
        config(spectra=early, z_in=0.5, z_out=1.9, population="evolving")
    assert config(spectra=early, z_in=0.5, z_out=1.9)


def test_stars_older_than_the_library_are_a_sentence():
    """A universe of 20 Gyr: the oldest age of the library was taken without a word."""
    old = population_set(Populations(sfh=(Sfh(burst=Burst()),)), "H0=47,Om0=0.31")
    with pytest.raises(InputError, match=r"oldest stars are 1[789]\.\d Gyr .* library ends at 1[34]\.\d Gyr"):
        old.row(0.1, 0)
    assert old.row(1.0, 0).max() > 0


def test_a_history_without_stars_is_a_sentence():
    with pytest.raises(InputError, match=r"forms no stars within 13\.6 Gyr"):
        formed(Sfh(double_power_law=DoublePowerLaw(alpha=1.0, beta=4000.0, tau_gyr=1e4)), 13.6)


def test_stamps_say_what_falls_off_them():
    from mockforge.stages.stamps import Stamps

    stage = Stamps(bands=("F814W",), stamp=24, margin=4, brightest=20.0, faintest=22.0)
    batch = stage(samples(12), Stream(2))
    objects = batch.tables["objects"]
    first = objects["label"] == 1
    assert (objects["fraction"] > 0).all() and (objects["fraction"] < 1.01).all()
    large = objects["r_e_arcsec"] > np.median(objects["r_e_arcsec"])
    assert objects["fraction"][first & large].mean() < objects["fraction"][first & ~large].mean()
    (sentence,) = stage.notices(batch.tables)
    assert "of the galaxies have less than 95% of their light on their stamp" in sentence


def test_the_card_says_whether_there_is_ionised_gas():
    assert "of stars alone, without emission lines" in config().caveat()
    gas = {"populations": {"nebular": True}}
    assert "emission lines" not in config(spectra=gas).caveat()
