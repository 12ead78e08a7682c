"""Skies are told apart by what they are painted from, the same in every process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import mockforge
from mockforge.errors import InputError
from mockforge.mosaic.write import write_mosaic
from mockforge.scene.model import SceneModel
from mockforge.sky.stream import Asked, SkyWindows, spec_of
from mockforge.sky.told_apart import digest_of


@dataclass(frozen=True)
class Thing:
    a: object
    b: object = None


def test_equal_content_has_one_digest_and_other_content_another():
    things = [
        (1,), (1.0,), ("1",), (None,), ([1, 2],), ([2, 1],), ({1: 2},), (Thing(1),), (Thing(1, 2),),
        (np.arange(3),), (np.arange(3.0),), (np.arange(3)[:, None],), (frozenset({1}),),
    ]  # fmt: skip
    assert len({digest_of(*t) for t in things}) == len(things)
    assert digest_of({"a": 1, "b": np.ones(2)}) == digest_of({"b": np.ones(2), "a": 1})
    assert digest_of(Thing(frozenset("abcdef"))) == digest_of(Thing(frozenset("fedcba")))
    with pytest.raises(TypeError, match="not known"):
        digest_of(print)


@pytest.fixture(scope="module")
def scene() -> mockforge.Scene:
    return mockforge.Scene(
        SceneModel(bands=("F606W", "F775W", "F814W"), faintest=26.0, brightest=22.0), seed=3
    )


def test_painting_a_sky_does_not_change_what_it_is_painted_from(scene):
    for sky in (scene, mockforge.Sky("kids-viking", seed=7)):
        before = digest_of(*sky.painted_from())
        sky[0:40, 0:40]
        assert digest_of(*sky.painted_from()) == digest_of(*sky.keeping(1e6).painted_from()) == before


def test_what_is_requested_and_edits_far_away_tell_skies_apart(scene):
    sky = mockforge.Sky("kids-viking", seed=7)
    name = str(sky.sources(3000, 3064, 3000, 3064)["id"][0])
    skies = [
        sky, sky.without(name), sky.edit({"id": [name], "flux_factor": [0.5]}),
        mockforge.Sky("kids-viking", seed=7, seeing=1.0), mockforge.Sky("kids-viking", seed=7, density=1.1),
        mockforge.Sky("kids-viking", seed=7, sources={"x": [3e3], "y": [3e3], "mag_r": [20.0]}),
        mockforge.Sky("kids-viking", seed=7, sources={"x": [3e3], "y": [3e3], "mag_r": [20.1]}),
    ]  # fmt: skip
    assert len({spec_of(s, (4000, 4000), Asked()).identity for s in skies}) == len(skies)


def test_the_unfinished_file_of_an_edited_scene_is_not_continued_by_the_original(scene, tmp_path: Path):
    def interrupted(*window: int) -> dict[str, np.ndarray]:
        if window[0] > 0:
            raise KeyboardInterrupt
        return SkyWindows(scene)(*window)

    path = tmp_path / "field.fits"
    spec = spec_of(scene, (128, 64), Asked())
    with pytest.raises(KeyboardInterrupt):
        write_mosaic(path, spec, interrupted, window=64)
    far = scene.edit({"x": [30.0], "y": [100.0], "flux": [[500.0, 500.0, 500.0]], "r_e": [0.3], "n": [1.0]})
    with pytest.raises(InputError, match="unfinished file of another command"):
        far.write(path, (128, 64), window=64)
    assert scene.write(path, (128, 64), window=64).is_file()
