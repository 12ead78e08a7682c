"""The bundled recipes as a user runs them, only smaller."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import mockforge
from mockforge.batch import concatenate
from mockforge.engine.worker import make_batch
from mockforge.recipe.read import load
from tests.builders.galaxy_files import write_real

WORDS = {
    "injection": ["samples=6", "shard_size=3", "stages.sgan.tile=64"],
    "segmentation": ["samples=6", "shard_size=3", "stages.sgan.tile=64"],
    "scene_xdf_like": [
        *("samples=6", "shard_size=6", "stages.scene.tile=64", "stages.scene.margin=16"),
        *("stages.scene.faintest=27", "stages.scene.brightest=24", "stages.scene.edge_mag_arcsec2=29"),
    ],
    "deblend": ["samples=6", "shard_size=3", "stages.scene.tile=32"],
    "disks": ["samples=6", "shard_size=3"],
    "redshift_pairs": ["samples=6", "shard_size=3"],
    "hst_to_hsc": ["samples=6", "shard_size=3"],
    "hst_to_hsc_tiles": [
        *("samples=6", "shard_size=6", "stages.scene.tile=84", "stages.scene.margin=16"),
        *("stages.scene.faintest=27", "stages.scene.brightest=24", "stages.scene.edge_mag_arcsec2=29"),
    ],
    "one_sky": [
        "samples=6",
        "shard_size=6",
        "stages.one_sky.tile_arcsec=8.4",
        "stages.one_sky.scene.faintest=26",
    ],
    "ifu_disks": ["samples=6", "shard_size=3", "stages.ifu.spaxels=12", "stages.ifu.tolerance=0.02"],
    "domain_shift": ["samples=6", "shard_size=3", "stages.stamps.stamp=96", "stages.degrade.shape=16"],
}

SAYS = {
    "ifu_disks": "Disks are smooth but for their clumps",
    "injection": "Injected objects look like",
    "segmentation": "The network `kids-viking` painted the sky",
}
"""What a recipe's card says of it."""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Callable[[str], Path]:
    """The folder of a bundled recipe's dataset, built when it is first asked for."""
    folder = tmp_path_factory.mktemp("recipes")
    return lru_cache(lambda name: mockforge.build(name, folder / name, WORDS[name], workers=1, quiet=1))


@pytest.mark.parametrize("name", sorted(WORDS))
def test_a_bundled_recipe_builds_and_opens(name, built):
    folder = built(name)
    dataset = mockforge.load(folder)
    assert len(dataset) == 6
    tensors = [v for sample in (dataset[0], dataset[5]) for v in sample.values() if hasattr(v, "isfinite")]
    assert tensors and all(v.isfinite().all() for v in tensors)
    for file in ("dataset.h5", "manifest.json", "README.md", "croissant.json", "preview.png"):
        assert (folder / file).stat().st_size > 0
    card = (folder / "README.md").read_text()
    assert len(card.split()) <= 400
    assert ("cut from real images" in card) == (name == "own_field")
    assert SAYS.get(name, "Galaxies are") in card


def test_a_card_says_what_the_recipe_asks_for(tmp_path):
    """Of the typed stages, not of words in the YAML: a bulge that is off is not named."""
    words = ["samples=4", "shard_size=4", "stages.sersic_sed.stamp=20", "stages.sersic_sed.bulge=null"]
    folder = mockforge.build("redshift_pairs", tmp_path / "out", words, workers=1, quiet=1)
    card = (folder / "README.md").read_text()
    assert "Sersic profiles with knots, of" in card and "bulge" not in card
    assert "real images" not in card and "Labels come from" not in card and "weights" not in card


def test_the_recipe_of_real_galaxies_builds_from_files(tmp_path):
    path = write_real(tmp_path, [0.3, 0.5, 0.7, 0.9])
    real = "stages.redshift_images.galaxies.real"
    words = ["samples=6", "shard_size=3", f"{real}.catalogue={path}", f"{real}.max_magnitude=null"]
    folder = mockforge.build("redshift_images", tmp_path / "out", words, workers=1, quiet=1)
    dataset = mockforge.load(folder)
    noise = np.stack([(s["target"] - s["target_psf"]).numpy() for s in (dataset[i] for i in range(6))])
    assert np.isfinite(noise).all()
    assert noise.std() > 0
    assert all(dataset[i]["z_out"] > dataset[i]["z_in"] for i in range(6))


def test_the_recipe_of_ones_own_field_masks_and_says_where_facts_come_from(tmp_path, capfd):
    from astropy.io import fits

    rng = np.random.default_rng(3)
    for band in ("g", "r"):
        image = rng.normal(0, 1, (400, 200)).astype(np.float32)
        image[40:380:40, 20:190:30] += 200.0
        image[200:206, 90:96] += 90_000.0  # a saturated star
        header = fits.Header({"BUNIT": "nJy", "PIXSCALE": 0.2})
        fits.PrimaryHDU(image, header).writeto(tmp_path / f"{band}.fits")
        fits.PrimaryHDU(np.full((400, 200), 1.5, np.float32)).writeto(tmp_path / f"{band}_rms.fits")
    bad = np.zeros((400, 200), np.uint8)
    bad[100, 50:60] = 1
    fits.PrimaryHDU(bad).writeto(tmp_path / "bad.fits")
    image = "stages.image"
    words = [
        *("samples=9", "shard_size=3", f"{image}.tile=32", f"{image}.margin=4", f"{image}.mask_grow=3"),
        f"{image}.files=[{tmp_path}/g.fits, {tmp_path}/r.fits]",
        f"{image}.rms=[{tmp_path}/g_rms.fits, {tmp_path}/r_rms.fits]",
        *(f"{image}.mask={tmp_path}/bad.fits", f"{image}.masked_columns=[[120, 124]]"),
        *(f"{image}.mask_peaks_above=1000", "save={image: float32, mask: bool, variance: float32}"),
    ]
    folder = mockforge.build("own_field", tmp_path / "out", words, workers=1)
    said = capfd.readouterr().err
    for line in ("zeropoint: 31.4 AB from BUNIT nJy", "0.2 arcsec from PIXSCALE", "bad.fits: MASK (1 = not",
                 "columns 120 to 124", "peaks above 1000 nJy", "variance: square of"):  # fmt: skip
        assert line in said
    dataset = mockforge.load(folder)
    tiles = dataset.table("tile")
    assert len(dataset) == 9
    for i in range(9):
        sample, tile = dataset[i], tiles[i]
        y, x = int(tile["sky_y0"]), int(tile["sky_x0"])
        wanted = np.zeros((400, 200), bool)
        wanted[100, 50:60] = wanted[:, 120:124] = True
        found = sample["mask"].numpy()
        assert (found | ~wanted[y : y + 32, x : x + 32]).all()
        star = np.zeros((400, 200), bool)
        star[200:206, 90:96] = True
        assert found[star[y : y + 32, x : x + 32]].all()
        np.testing.assert_allclose(sample["variance"], 2.25)


def test_tiles_of_unknown_units_are_refused_with_what_to_type(tmp_path):
    from astropy.io import fits

    from mockforge.errors import InputError

    rng = np.random.default_rng(3)
    fits.PrimaryHDU(rng.normal(0, 1, (400, 200)), fits.Header({"BUNIT": "nJy"})).writeto(tmp_path / "g.fits")
    fits.PrimaryHDU(rng.normal(0, 1, (400, 200))).writeto(tmp_path / "Z.fits")
    files = f"stages.image.files=[{tmp_path}/g.fits, {tmp_path}/Z.fits]"
    words = ["samples=4", "shard_size=4", "stages.image.tile=32", "stages.image.margin=4", files]
    with pytest.raises(InputError, match=r"g 31\.4 AB from BUNIT nJy; Z not known.*--zeropoint"):
        mockforge.build("own_field", tmp_path / "out", words, workers=1, quiet=1)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="no FITS file was given"):
        mockforge.build("own_field", tmp_path / "out", workers=1, quiet=1)


@pytest.mark.parametrize("direction", ["low_to_high", "high_to_low"])
@pytest.mark.parametrize("state", ["clean", "psf", "observed"])
def test_the_six_pairings_are_one_line_each(state, direction):
    line = f"stages.observe.pairing={{input: {state}, target: {state}, direction: {direction}}}"
    keep = f"save={{input: float32, target: float32, input_{state}: float32, z_in: float32, z_out: float32}}"
    words = ["samples=4", "shard_size=2", "stages.sersic_sed.stamp=20", line, keep]
    recipe = load("redshift_pairs", words)  # whose shards are made here: one worker more shows no more
    made = concatenate([make_batch(recipe, number) for number in range(2)])
    arrays, galaxy = made.arrays, made.tables["galaxy"]
    assert len(made) == 4 and set(arrays) >= set(recipe.save)
    assert ((arrays["z_out"] > arrays["z_in"]) == (direction == "low_to_high")).all()
    np.testing.assert_array_equal(arrays["input"], arrays[f"input_{state}"])
    np.testing.assert_allclose(galaxy["z_in"], arrays["z_in"], rtol=1e-6)
    assert ((galaxy["z_out"] > galaxy["z_in"]) == (direction == "low_to_high")).all()


def test_the_preview_of_blends_shows_images_labels_and_truth(built):
    from PIL import Image

    with Image.open(built("deblend") / "preview.png") as picture:
        assert picture.size[0] > 1200  # two samples a row, three pictures each


def test_the_observed_tile_is_its_truth_and_noise_of_the_depth_the_table_says(built):
    dataset = mockforge.load(built("segmentation"))
    tiles = {int(row["sample"]): row for row in dataset.table("tile")}
    for sample in (dataset[i] for i in range(6)):
        said = [tiles[int(sample["sample"])][f"sky_rms_{band}"] for band in ("g", "r", "Z")]
        noise, truth = (sample["image"] - sample["truth"]).numpy(), sample["truth"].numpy()
        found = [n[t < 0.2 * rms].std() for n, t, rms in zip(noise, truth, said, strict=True)]  # no photons
        assert found == pytest.approx(said, rel=0.06)  # the rms of the field's sky is rough by a tenth
