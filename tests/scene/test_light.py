"""Tables of a scene's fluxes are kept on disk, under the hash of what they are made from."""

import hashlib
import io

import numpy as np
import pytest

from mockforge.scene import light as scene_light

BANDS = ("F606W", "F160W")
KEPT = (scene_light._table, scene_light._bodies, scene_light._files)


@pytest.fixture
def anew(tmp_path, monkeypatch):
    monkeypatch.setenv("MOCKFORGE_CACHE", str(tmp_path))
    for table in KEPT:
        table.cache_clear()
    yield tmp_path
    for table in KEPT:
        table.cache_clear()


def fluxes() -> list[np.ndarray]:
    z, magnitude = np.array([0.5, 2.0]), np.array([22.0, 24.0])
    galaxies = scene_light.galaxy_fluxes(BANDS, magnitude, z, np.array([3, 20]))
    return [galaxies, scene_light.star_fluxes(BANDS, magnitude, np.array([3000.0, 9000.0]))]


def test_what_was_kept_is_what_was_made_and_is_taken(anew):
    made = fluxes()
    tables = list(anew.glob("*.npy"))
    for again in range(2):
        for table in KEPT:
            table.cache_clear()
        for now, then in zip(fluxes(), made, strict=True):
            assert np.array_equal(now, then) is not bool(again)
        for path in tables:  # the second time a whole table that says something else is believed
            content = io.BytesIO()
            np.save(content, np.load(path) + 0.1)
            path.write_bytes(content.getvalue() + hashlib.sha256(content.getvalue()).digest())


def test_other_data_make_another_table(anew, monkeypatch):
    fluxes()
    before = len(list(anew.glob("*.npy")))
    scene_light._table.cache_clear()
    monkeypatch.setattr(scene_light, "_files", lambda: "other")  # of the installed package
    fluxes()
    assert len(list(anew.glob("*.npy"))) == before + 1
