"""torch's defaults are the user's: what they are changes no pixel, and afterwards they are as before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import mockforge
from mockforge.commands.degrade import degrade_field
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.scene.model import SceneModel
from mockforge.scene.scene import Scene
from mockforge.sgan.paint.sky import Sky
from mockforge.stages.degrade import Degrade
from mockforge.tasks.redshifter.config import RedshifterNetwork, Unet
from mockforge.tasks.redshifter.model import load_redshifter, predict
from mockforge.tasks.redshifter.training import TrainRedshifter
from mockforge.torch_state import steadily, steady
from mockforge.train.config import TrainConfig
from tests.builders import tiny_pairs
from tests.builders.tiny_forge import tiny_forge
from tests.builders.untrained import untrained

PAIRS = """\
name: tiny
seed: 3
samples: 3
shard_size: 3
stages:
  - sersic_sed:
      stamp: 24
      bands: [F606W, F814W]
      psf_in: {gaussian: {fwhm_arcsec: 0.15}}
      psf_out: {gaussian: {fwhm_arcsec: 0.1}}
save: {input: float32, target: float32}
"""
NARROW = Psf(gaussian=Gaussian(fwhm_arcsec=0.1))


@pytest.fixture(params=["float64", "meta", "threads"])
def changed(request) -> Iterator[Callable[[], None]]:
    """Changes a default of torch when called; checks at the end that it is as it was left."""
    before = torch.get_default_dtype(), torch.get_num_threads()
    wanted: dict[str, object] = {}

    def change() -> None:
        if request.param == "float64":
            torch.set_default_dtype(torch.float64)
        elif request.param == "meta":
            torch.set_default_device("meta")
        else:
            torch.set_num_threads(3)
        wanted.update(now())

    def now() -> dict[str, object]:
        return {
            "dtype": torch.get_default_dtype(),
            "device": torch.get_default_device().type,
            "threads": torch.get_num_threads(),
        }

    try:
        yield change
        after = now()
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(before[0])
        torch.set_num_threads(before[1])
    assert not wanted or after == wanted


@pytest.mark.parametrize("kind", ["forge", "smith2019"])
def test_a_sky(changed, kind, tmp_path):
    model = tiny_forge(("g",)) if kind == "forge" else untrained(tmp_path, "tiny", ("g",))
    wanted = Sky(model, 3)[0:64, 344:424]
    changed()
    made = Sky(model, 3)[0:64, 344:424]
    np.testing.assert_array_equal(made.image, wanted.image)


def test_a_scene(changed):
    model = SceneModel(faintest=25.0)
    wanted = Scene(model, seed=3)[0:90, 0:80]
    changed()
    np.testing.assert_array_equal(Scene(model, seed=3)[0:90, 0:80].image, wanted.image)


def test_degraded_fields(changed):
    field = Scene(SceneModel(bands=("F814W",), psf=NARROW, faintest=24.0), seed=1)[0:120, 0:120]
    stage = Degrade(to="euclid-wide", input="truth", bands=("VIS",))
    wanted = degrade_field(field, stage).field
    changed()
    np.testing.assert_array_equal(degrade_field(field, stage).field.image, wanted.image)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The dataset of PAIRS, and its recipe beside it."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "recipe.yaml").write_text(PAIRS)
    return mockforge.build(folder / "recipe.yaml", out=folder / "one", workers=1)


def test_a_build_and_its_dataset(changed, built: Path, tmp_path: Path):
    changed()
    two = mockforge.load(mockforge.build(built.parent / "recipe.yaml", out=tmp_path / "two", workers=1))
    one = mockforge.load(built)
    for name, value in one[0].items():
        if isinstance(value, torch.Tensor):
            assert two[0][name].dtype == value.dtype
            np.testing.assert_array_equal(two[0][name].numpy(), value.numpy())


def test_detection(changed, segmentation: Path):
    wanted = mockforge.load(segmentation).as_detection()[0]
    changed()
    made = mockforge.load(segmentation).as_detection()[0]
    np.testing.assert_array_equal(made[0].numpy(), wanted[0].numpy())
    for name, value in wanted[1].items():
        if isinstance(value, torch.Tensor):
            assert made[1][name].dtype == value.dtype
            np.testing.assert_array_equal(made[1][name].numpy(), value.numpy())


def test_a_training_and_its_model(changed, tmp_path: Path):
    data = tiny_pairs.publish(tmp_path / "pairs", n=16)
    recipe = TrainRedshifter(
        name="tiny", seed=1, dataset=str(data), batch=4,
        network=RedshifterNetwork(unet=Unet(widths=(8, 8), embedding=8)),
        train=TrainConfig(steps=2, device="cpu", log_steps=1, preview_steps=2),
    )  # fmt: skip
    one = load_redshifter(recipe.run(tmp_path / "one"))
    image = np.zeros((1, len(one.bands), 16, 16), np.float32)
    image[:, :, 7:9, 7:9] = 100.0
    wanted = predict(one, image, 0.3, 0.6)
    changed()
    two = load_redshifter(recipe.run(tmp_path / "two"))
    np.testing.assert_allclose(predict(two, image, 0.3, 0.6), wanted, rtol=1e-4)  # threads sum in parts
    assert two.weights.keys() == one.weights.keys()


def test_steady_gives_back_what_it_found_also_after_an_error():
    threads = torch.get_num_threads()

    @steadily()
    def fails() -> None:
        assert torch.get_num_threads() == 1
        raise ValueError("no")

    try:
        torch.set_num_threads(2)
        torch.set_default_dtype(torch.float64)
        with pytest.raises(ValueError, match="no"):
            fails()
        assert (torch.get_num_threads(), torch.get_default_dtype()) == (2, torch.float64)
        with steady(None):
            assert (torch.get_num_threads(), torch.get_default_dtype()) == (2, torch.float32)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(threads)
