"""What a user meets in Python: names, representations, overrides, the table of a scene's objects."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import mockforge
from mockforge.errors import InputError
from mockforge.recipe.read import load
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import Objects
from mockforge.sgan.model import load_model


def test_the_public_names_are_listed():
    public = {name for name in dir(mockforge) if not name.startswith("__")}
    assert public == {"Field", "Scene", "Sky", "build", "load", "open_field", "open_galaxies", "redshift"}
    assert all(getattr(mockforge, name) is not None for name in mockforge.__all__)


def small() -> mockforge.Scene:
    return mockforge.Scene(
        SceneModel(bands=("F606W", "F775W", "F814W"), faintest=26.0, brightest=22.0), seed=3
    )


def test_representations_say_what_a_thing_is():
    scene = small()
    field = mockforge.Field(np.zeros((2, 8, 9), np.float32), ("g", "r"), 0.2, (0.8, 0.7))
    model = load_model("kids-viking")
    wanted = {
        repr(scene): ("Scene", "seed 3", "F606W, F775W, F814W", "22 to 26"),
        repr(field): ("Field", "9 x 8", "g, r", "nJy", "31.4", '0.2"', "0.8, 0.7", "image alone"),
        repr(model): ("kids-viking", "forge", "g, r, Z", model.sha256[:12]),
        repr(mockforge.Sky(model, seed=5)): (
            "Sky",
            "kids-viking",
            "seed 5",
            "rms",
            "nJy",
            "sources a million pixels",
        ),
    }
    for text, words in wanted.items():
        assert len(text) < 400 and text.count("\n") <= 1
        assert all(word in text for word in words), text


def test_the_objects_of_a_scene_are_a_table_with_units():
    scene = small()
    table, drawn = scene.objects(0, 300, 0, 400), scene.drawn(0, 300, 0, 400)
    assert isinstance(drawn, Objects) and len(table) == len(drawn) > 0
    np.testing.assert_array_equal(table["flux"], drawn.flux)
    np.testing.assert_array_equal(table.magnitude, drawn.magnitude)
    assert str(table["flux"].unit) == "nJy" and str(table["r_e"].unit) == "arcsec"
    assert all(table[name].description for name in table.colnames)
    assert table.meta["bands"] == ("F606W", "F775W", "F814W") and table.meta["seed"] == 3
    x, y = scene[0:300, 0:400].wcs.all_world2pix(table["ra"], table["dec"], 0)
    np.testing.assert_allclose(x, table["x"], atol=1e-6)
    np.testing.assert_allclose(y, table["y"], atol=1e-6)
    assert len(pickle.loads(pickle.dumps(table))) == len(table[table["star"]]) + len(table[~table["star"]])
    assert len(scene.objects(0, 0, 0, 0)) >= 0
    with pytest.raises(AttributeError):
        _ = table.nothing


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"samples": 7}, ["samples=7"]),
        ({"samples": np.int64(7), "shard_size": 2}, ["samples=7", "shard_size=2"]),
        ({"stages.detect.threshold": 1e-5}, ["stages.detect.threshold=0.00001"]),
        ({"splits": {"train": 1.0}}, ["splits={train: 1.0}"]),
        ({"stages.sgan.model": Path("kids-viking")}, ["stages.sgan.model=kids-viking"]),
        ({"stages.sgan.depth": {"uniform": [24, 25]}}, ["stages.sgan.depth={uniform: [24, 25]}"]),
        ({"stages.sgan.depth": None}, ["stages.sgan.depth=null"]),
        ({"stages.sgan.depth": np.array(25.0)}, ["stages.sgan.depth=25.0"]),
        ({"stages.sgan.depth": "hsc-wide"}, ["stages.sgan.depth=hsc-wide"]),
    ],
)
def test_overrides_may_be_a_mapping(mapping, words):
    assert load("segmentation", mapping) == load("segmentation", words)


def test_one_word_is_one_override():
    assert load("segmentation", "samples=7").samples == 7


@pytest.mark.parametrize(
    "wrong", [{"samples": object()}, {3: 4}, {"": 1}, [3], 7, {"a=b": 1}, {"samples": {1}}]
)
def test_overrides_that_are_none_are_a_sentence(wrong):
    with pytest.raises(InputError, match="overrides: "):
        load("segmentation", wrong)
