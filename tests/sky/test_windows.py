"""Windows and seeds of endless skies: what is no window or no seed is a sentence."""

import numpy as np
import pytest
import torch

import mockforge
from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sky.plane import ends
from tests.builders.tiny_forge import tiny_forge

ODD = {
    "no ends": np.s_[:, :],
    "one slice": np.s_[0:10],
    "a number": np.s_[0:10, 5],
    "backwards": np.s_[5:1, 0:3],
    "empty": np.s_[5:5, 0:3],
    "fractions": np.s_[0.5:10.0, 0:3],
    "steps": np.s_[0:10:2, 0:3],
    "truth": np.s_[False:True, 0:2],
    "too far": np.s_[2**62 : 2**62 + 8, 0:3],
    "the least of 64 bits": np.s_[np.int64(-(2**63)) : np.int64(3), 0:3],
    "three": np.s_[0:1, 0:2, 0:3],
}


@pytest.mark.parametrize("window", ODD.values(), ids=ODD)
def test_what_is_no_window_is_a_sentence(window: object):
    with pytest.raises(InputError):
        ends(window)  # type: ignore[arg-type]


def test_numpy_numbers_are_ends():
    assert ends(np.s_[np.int64(-3) : np.int32(4), 0:2]) == (-3, 4, 0, 2)


@pytest.mark.parametrize("seed", [1.5, None, "7", True])
def test_a_seed_is_a_whole_number(seed: object):
    with pytest.raises(InputError, match="a seed is a whole number"):
        Stream(seed)  # type: ignore[arg-type]


def test_a_window_larger_than_the_memory_is_refused_before_it_is_painted():
    for sky in (mockforge.Sky(tiny_forge(), seed=7), mockforge.Scene(seed=7)):
        with pytest.raises(InputError, match=r"GB of memory, this machine has .* cut smaller windows"):
            sky[0 : 10**6, 0 : 10**6]


def test_a_device_that_is_not_there_is_a_sentence():
    with pytest.raises(InputError, match="not usable here"):
        mockforge.Sky(tiny_forge(), device="tpu")


def test_a_home_that_is_not_known_is_a_sentence():
    for read in (mockforge.load, mockforge.Sky):
        with pytest.raises(InputError, match="no home folder is known for ~nobody-here"):
            read("~nobody-here/x")


def test_what_others_asked_of_numpy_and_torch_changes_no_pixel():
    def pixels() -> list[np.ndarray]:
        sky, scene = mockforge.Sky(tiny_forge(), seed=7), mockforge.Scene(seed=7)
        return [sky[0:40, 0:40].image, scene[0:16, 0:16].image]

    before = pixels()
    with np.errstate(all="raise"), torch.autocast("cpu", dtype=torch.bfloat16):
        for old, new in zip(before, pixels(), strict=True):
            assert np.array_equal(old, new)


def test_a_scene_of_what_is_no_model_is_a_sentence():
    with pytest.raises(InputError, match="made of a SceneModel, found 'scene_xdf_like'"):
        mockforge.Scene("scene_xdf_like")  # type: ignore[arg-type]
