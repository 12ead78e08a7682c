"""The truth of any sky with owners: masks partition, isolated images add up, fluxes are those painted."""

import numpy as np
import pytest

from mockforge.sky.brightest import Brightest
from mockforge.sky.labels import Known, Wanted, gathered, labelled, objects_of
from tests.builders.tiny_sky import sky

WINDOW, SHAPE = (-40, 100, 20, 160), (2, 140, 140)
WANTED = Wanted(isophote=0.4, margin=20, overlap=3, isolated=6, amodal=5)


@pytest.fixture(scope="module")
def one():
    return sky(number=12.0)


@pytest.fixture(scope="module")
def found(one):
    sources = one.sources(*WINDOW)
    return labelled(lambda: one.layers(*WINDOW), len(sources), SHAPE, WANTED)


def alone(one) -> np.ndarray:
    """The light of every source by itself, (n, 140, 140)."""
    out = np.zeros((len(one.sources(*WINDOW)), 140, 140), dtype=np.float32)
    for layer in one.layers(*WINDOW):
        out[layer.row, layer.y, layer.x] = layer.image.mean(axis=0)
    return out


def test_isolated_images_add_up_to_the_noiseless_image(one, found):
    truth = found.arrays["truth"]
    assert set(found.arrays) == WANTED.names() and np.array_equal(truth, one.image(*WINDOW))
    total = found.arrays["isolated"].sum(axis=0, dtype=np.float64)
    assert np.abs(total - truth).max() < 1e-6 * truth.max()


def test_masks_partition_and_name_the_brightest(one, found):
    light, a = alone(one), found.arrays
    number = np.zeros(len(light), dtype=int)
    number[found.order] = np.arange(1, len(found.order) + 1)
    amodal = light > WANTED.isophote
    assert np.array_equal(a["multiplicity"], amodal.sum(axis=0))
    wanted = np.where(amodal.any(axis=0), number[light.argmax(axis=0)], 0)
    assert np.array_equal(a["instances_visible"], wanted)
    assert np.array_equal(a["amodal"], amodal[found.order[:5]])
    core = (slice(20, 120), slice(20, 120))
    areas = np.bincount(wanted[core].ravel(), minlength=len(found.order) + 1)[1:]
    assert np.array_equal(found.truth.visible_area[found.order], areas) and areas.sum() > 1000
    assert np.array_equal(found.truth.amodal_area, amodal[:, *core].sum(axis=(1, 2)))
    brightness = light[:, *core].sum(axis=(1, 2))[found.order]
    assert (np.diff(brightness) <= 1e-4).all()


def test_shares_and_blendedness_count_faint_sources_too(one, found):
    light, a = alone(one).astype(np.float64), found.arrays
    every = light.sum(axis=0)
    rank = np.sort(light, axis=0)[::-1]
    assert a["overlap_fraction"][0] == pytest.approx(rank[0] / every, abs=1e-5)
    assert a["overlap_fraction"].sum(axis=0) == pytest.approx(1.0, abs=1e-5)
    blended = 1 - (light**2).sum(axis=(1, 2)) / (light * every).sum(axis=(1, 2))
    assert found.truth.blendedness == pytest.approx(blended.clip(0), abs=1e-5)


def test_rows_of_objects_have_places_fluxes_and_ids(one, found):
    s = one.sources(*WINDOW)
    known = Known(s.x, s.y, s.flux, {"sigma": s.sigma}, one.ids(*WINDOW))
    table = objects_of(found, known, ("a", "b"), 100, (-20, 40))
    whole = (table["x"] > 35) & (table["x"] < 65) & (table["y"] > 35) & (table["y"] < 65)
    assert whole.sum() > 3 and table["fraction"][whole] == pytest.approx(1.0, abs=5e-3)
    assert np.array_equal(table["id"], one.ids(*WINDOW)[found.order]) and table["inside"].any()
    arrays, both = gathered(np.array([7, 9]), [(dict(found.arrays), table) for _ in range(2)])
    assert arrays["truth"].shape == (2, *SHAPE) and len(both["x"]) == 2 * len(table["x"])
    assert np.unique(both["sample"]).tolist() == [7, 9]


def test_fewer_maps_are_made_where_fewer_are_wanted(one):
    few = Wanted(isophote=0.4, overlap=None)
    made = labelled(lambda: one.layers(*WINDOW), len(one.sources(*WINDOW)), SHAPE, few).arrays
    assert set(made) == few.names() == {"truth", "instances_visible", "multiplicity"}


def test_equal_lights_stay_in_order_and_nothing_is_no_object():
    pixels = Brightest(2, 1, 3)
    for row, light in enumerate([[1.0, 0.0, 2.0], [1.0, 0.0, 3.0], [1.0, 0.0, 1.0]]):
        pixels.add(row, np.array([light], dtype=np.float32), slice(0, 1), slice(0, 3))
    assert pixels.rows()[:, 0].tolist() == [[1, 0, 2], [2, 0, 1]]
    assert pixels.light()[:, 0].tolist() == [[1.0, 0.0, 3.0], [1.0, 0.0, 2.0]]
