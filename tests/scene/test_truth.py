"""The truth of scenes: shares add up, isolated images add up, masks and labels agree."""

import numpy as np
import pytest

from mockforge.config import fixed
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.rng import Stream
from mockforge.scene.blends import Blend
from mockforge.scene.scene import Scene
from mockforge.sky.layers import Layer
from mockforge.sky.truth import amodal_masks, truth_of
from mockforge.stages.scene import SceneTiles
from tests.builders.batches import samples

PSF = Psf(gaussian=Gaussian(fwhm_arcsec=0.12))
TILES = SceneTiles(
    bands=("F606W", "F814W"), psf=PSF, tile=96, margin=16, faintest=27.5, brightest=22.0,
    noise=Noise(rms_njy=0.2), isolated=40, amodal=5, overlap=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def made():
    return TILES(samples(2), Stream(5))


def test_shares_add_up_to_one_where_there_is_light(made):
    total = made.arrays["overlap_fraction"].sum(axis=1)
    light = made.arrays["truth"].mean(axis=1) > 0
    assert light.mean() > 0.5 and total[light] == pytest.approx(1.0, abs=1e-6)
    assert np.minimum(total, np.abs(total - 1)).max() < 1e-6  # 0 where no object is


def test_isolated_images_add_up_to_the_noiseless_image(made):
    total = made.arrays["isolated"].sum(axis=1, dtype=np.float64)
    truth = made.arrays["truth"]
    assert np.abs(total - truth).max() < 1e-6 * truth.max()
    assert total == pytest.approx(truth, rel=1e-5, abs=1e-6)


def test_the_noiseless_image_is_the_scenes(made):
    tile, m = made.tables["tile"], TILES.margin
    scene = Scene(TILES._model(), seed=5)
    y, x = int(tile["sky_y0"][1]), int(tile["sky_x0"][1])
    field = scene[y - m : y + 96 + m, x - m : x + 96 + m]
    assert np.array_equal(made.arrays["truth"][1], field.truth)
    assert np.array_equal(made.arrays["image"][1], field.image)


def test_masks_labels_and_areas_agree(made):
    inner = made.trimmed().arrays
    objects = made.tables["objects"]
    amodal = amodal_masks(inner["isolated"][:, :40], made.attributes["isophote_njy"])
    assert np.array_equal(amodal[:, :5], inner["amodal"])
    for i in range(2):
        mine = objects["sample"] == i
        assert mine.sum() <= 40
        assert np.array_equal(objects["label"][mine], np.arange(1, mine.sum() + 1))
        assert np.array_equal(objects["amodal_area"][mine], amodal[i].sum(axis=(1, 2))[: mine.sum()])
        assert np.array_equal(inner["multiplicity"][i], amodal[i].sum(axis=0))
        visible = inner["instances_visible"][i]
        areas = np.bincount(visible.ravel(), minlength=mine.sum() + 1)[1:]
        assert np.array_equal(objects["visible_area"][mine], areas)
        for label in np.unique(visible[visible > 0]):
            assert amodal[i, label - 1][visible == label].all()
        brightest = inner["isolated"][i, :40].mean(axis=1).argmax(axis=0) + 1
        assert np.array_equal(visible[visible > 0], brightest[visible > 0])
        assert np.array_equal(visible > 0, inner["multiplicity"][i] > 0)


def test_overlap_maps_name_the_brightest(made):
    inner = made.trimmed().arrays
    alone = np.maximum(inner["isolated"][0, :40].mean(axis=1), 0.0)
    total = alone.sum(axis=0)
    first, label = inner["overlap_fraction"][0, 0], inner["overlap_label"][0, 0]
    lit = (total > 1e-3) & (label > 0) & (inner["truth"][0].mean(axis=0) < 1.001 * total)
    share = np.take_along_axis(alone, np.maximum(label[None] - 1, 0).astype(int), axis=0)[0]
    assert first[lit] == pytest.approx((share / np.maximum(total, 1e-30))[lit], rel=1e-3)


def test_blendedness_of_two_equal_halves():
    """Two equal flat objects that share half their pixels: 1 - 4 / (2 + 4) = 1/3."""
    flat = np.ones((1, 1, 4), dtype=np.float32)
    layers = [Layer(0, flat, slice(0, 1), slice(0, 4)), Layer(1, flat, slice(0, 1), slice(2, 6))]
    found = truth_of(lambda: layers, 2, (1, 1, 8), 0.5, 2)
    assert found.blendedness == pytest.approx([1 / 3, 1 / 3])
    assert found.multiplicity.tolist() == [[1, 1, 2, 2, 1, 1, 0, 0]]
    assert found.visible.tolist() == [[1, 1, 1, 1, 2, 2, 0, 0]]
    assert found.overlap_fraction[:, 0, 2].tolist() == [0.5, 0.5]
    assert found.amodal_area.tolist() == [4, 4] and found.visible_area.tolist() == [4, 2]


def test_blends_have_the_asked_neighbours():
    stage = SceneTiles(
        bands=("F814W",), psf=PSF, tile=64, margin=0, isolated=4,
        blend=Blend(most=3, singles=0.5, distance_arcsec=fixed(0.6), magnitude_difference=fixed(1.0)),
    )  # fmt: skip
    made = stage(samples(40), Stream(8))
    o = made.tables["objects"]
    number = np.array([(o["sample"] == i).sum() for i in range(40)])
    assert 10 <= (number == 1).sum() <= 30 and number.max() == 4
    for i in np.flatnonzero(number > 1):
        mine = o["sample"] == i
        first = np.flatnonzero(mine)[np.argmin(o["magnitude"][mine])]
        others = np.flatnonzero(mine & (np.arange(len(o["sample"])) != first))
        assert o["magnitude"][others] == pytest.approx(o["magnitude"][first] + 1)
        apart = np.hypot(o["x"][others] - o["x"][first], o["y"][others] - o["y"][first]) * 0.06
        assert apart == pytest.approx(0.6)
    assert (o["blendedness"][np.isin(o["sample"], np.flatnonzero(number == 1))] < 1e-6).all()
    truth = made.arrays["truth"]
    assert made.arrays["isolated"].sum(axis=1) == pytest.approx(truth, abs=1e-5 * float(truth.max()))


def test_a_sample_does_not_depend_on_its_company():
    stage = SceneTiles(bands=("F814W",), psf=PSF, tile=48, margin=0, blend=Blend())
    many, one = stage(samples(3), Stream(2)), stage(samples(1, first=2), Stream(2))
    assert np.array_equal(many.arrays["truth"][2], one.arrays["truth"][0])


def test_blends_want_no_margin():
    with pytest.raises(ValueError, match="margin: 0"):
        SceneTiles(blend=Blend())
