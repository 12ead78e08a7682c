"""Cubes in PyTorch, and their preview."""

import numpy as np
import pytest
import torch

import mockforge
from mockforge.data.preview.cubes import _RDBU_R, coloured
from mockforge.errors import InputError

WORDS = [
    "samples=4",
    "shard_size=4",
    "stages.ifu.spaxels=12",
    "stages.ifu.margin=1",
    "stages.ifu.tolerance=0.02",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return mockforge.build("ifu_disks", tmp_path_factory.mktemp("cubes") / "data", WORDS, workers=1, quiet=1)


def test_cubes_come_with_variance_maps_and_units(folder):
    data = mockforge.load(folder).as_cubes()
    cube, variance, maps, wavelength = data[1]
    assert cube.shape == variance.shape == (40, 12, 12) and cube.dtype == torch.float32
    assert (variance > 0).all() and wavelength.shape == (40,)
    assert {"velocity_map", "dispersion_observed", "flux_map", "snr_mask"} <= set(maps)
    assert data.units["velocity_map"] == "km / s" and "Angstrom" in data.units["cube"]
    assert len(data[1:3]) == 2 and torch.equal(data[1:3][0].cube, cube)
    batch = next(iter(torch.utils.data.DataLoader(data, batch_size=4)))
    assert batch.cube.shape == (4, 40, 12, 12)


def test_a_dataset_without_cubes_says_so(tmp_path):
    words = ["samples=2", "shard_size=2", "stages.sersic_sed.stamp=16"]
    data = mockforge.load(mockforge.build("redshift_pairs", tmp_path / "d", words, workers=1, quiet=1))
    with pytest.raises(InputError, match="as_cubes"):
        data.as_cubes()


def test_the_preview_has_a_row_a_cube(folder):
    from PIL import Image

    with Image.open(folder / "preview.png") as picture:
        assert picture.size[1] > 4 * 170
    colours = coloured(np.array([0.0, 0.5, 1.0]), _RDBU_R)
    assert colours[0, 2] > colours[0, 0] and colours[2, 0] > colours[2, 2]  # blue comes, red goes
    assert (colours[1] == 247).all()
