"""From a dataset of pairs to a model that predicts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import mockforge
from mockforge.errors import InputError
from mockforge.recipe.read import load_training
from mockforge.tasks.redshifter.config import Cvae, RedshifterNetwork, Unet
from mockforge.tasks.redshifter.model import load_redshifter, predict
from mockforge.tasks.redshifter.training import TrainRedshifter
from mockforge.train.config import Adam, TrainConfig
from tests.builders import tiny_pairs

SMALL = {
    "unet": RedshifterNetwork(unet=Unet(widths=(8, 8), embedding=8)),
    "cvae": RedshifterNetwork(cvae=Cvae(widths=(8, 8, 8, 8))),
}


def recipe(dataset: Path, kind: str = "unet", **changes) -> TrainRedshifter:
    made = TrainRedshifter(
        name="tiny", seed=1, dataset=str(dataset), network=SMALL[kind], batch=4,
        train=TrainConfig(steps=4, device="cpu", log_steps=1, preview_steps=2),
    )  # fmt: skip
    return replace(made, **changes)


def held_out(dataset: Path) -> list[np.ndarray]:
    pairs = mockforge.load(dataset, split="test").as_pairs()
    return [torch.stack(column).numpy() for column in zip(*pairs, strict=True)]


@pytest.mark.parametrize("kind", ["unet", "cvae"])
def test_training_ends_in_a_model_that_predicts(kind, clean_pairs, tmp_path):
    path = recipe(clean_pairs, kind).run(tmp_path / "run", recipe_text="# a recipe\n")
    model = load_redshifter(tmp_path / "run")
    assert model.kind == kind and model.bands == tiny_pairs.BANDS and model.shape == (32, 32)
    assert any(key.startswith("validation") for key in model.training)
    image, target, z_in, z_out = held_out(clean_pairs)
    found = predict(model, image, z_in, z_out)
    assert found.shape == target.shape and np.isfinite(found).all()
    alone = predict(model, image[1:2], z_in[1:2], z_out[1:2])
    assert np.allclose(found[1:2], alone, atol=1e-5 * np.abs(alone).max())
    card = path.with_suffix(".md").read_text()
    assert "16 pairs of split train" in card and "Planck18" in card
    assert (tmp_path / "run" / "recipe.yaml").read_text() == "# a recipe\n"
    assert list((tmp_path / "run" / "previews").glob("*.png"))
    assert model.describe()["network"].startswith(kind)


def test_a_few_steps_do_better_than_the_first_guess(clean_pairs, tmp_path):
    made = recipe(
        clean_pairs,
        adam=Adam(rate=3e-3),
        train=TrainConfig(steps=150, device="cpu", ema_decay=0.9, preview_steps=0),
    )
    made.run(tmp_path / "run")
    model = load_redshifter(tmp_path / "run")
    image, target, z_in, z_out = held_out(clean_pairs)
    fresh = replace(model, weights={})
    total = target.sum(axis=(2, 3))
    errors = [
        np.abs(predict(m, image, z_in, z_out).sum(axis=(2, 3)) / total - 1).mean() for m in (model, fresh)
    ]
    assert errors[0] < 0.7 * errors[1]


def test_a_resumed_run_ends_where_the_whole_one_does(clean_pairs, tmp_path):
    whole = recipe(clean_pairs).run(tmp_path / "whole")
    half = recipe(clean_pairs, train=TrainConfig(steps=2, device="cpu", log_steps=1, preview_steps=0))
    half.run(tmp_path / "parts")
    with pytest.raises(InputError, match="already holds a run"):
        recipe(clean_pairs).run(tmp_path / "parts")
    with pytest.raises(InputError, match=r"begun with another recipe \(batch: 4 -> 5"):
        recipe(clean_pairs, batch=5).run(tmp_path / "parts", resume=True)
    parts = recipe(clean_pairs).run(tmp_path / "parts", resume=True)
    digests = [json.loads(path.read_text())["sha256"] for path in (whole, parts)]
    assert digests[0] == digests[1]


def test_what_cannot_be_learned_is_a_sentence(clean_pairs, tmp_path):
    with pytest.raises(InputError, match="no split 'trian'"):
        recipe(clean_pairs, split="trian").run(tmp_path / "a")
    with pytest.raises(InputError, match="2 numbers for 3 bands"):
        recipe(clean_pairs, wavelength_angstrom=(1.0, 2.0)).run(tmp_path / "b")
    with pytest.raises(InputError):
        recipe(tmp_path / "nothing").run(tmp_path / "c")
    assert not list(tmp_path.iterdir())


def test_a_model_refuses_what_it_cannot_redshift(clean_pairs, tmp_path):
    recipe(clean_pairs, "cvae", train=TrainConfig(steps=1, device="cpu", preview_steps=0)).run(
        tmp_path / "run"
    )
    model = load_redshifter(tmp_path / "run" / "tiny.json")
    with pytest.raises(InputError, match=r"\(galaxy, 3, 32, 32\)"):
        predict(model, np.ones((1, 3, 30, 30)), 0.5, 1.0)
    with pytest.raises(InputError, match="'nosuch'"):
        predict(model, np.ones((1, 3, 32, 32)), 0.5, 1.0, device="nosuch")
    assert predict(model, np.ones((1, 3, 32, 32)), 0.5, 1.0, device="auto").shape == (1, 3, 32, 32)
    with pytest.raises(InputError, match="above 0"):
        predict(model, np.ones((1, 3, 32, 32)), 0.0, 1.0)
    with pytest.raises(InputError, match="expected a redshifter"):
        load_redshifter("kids-viking")


@pytest.mark.parametrize("network", ["{unet: {widths: [24, 48, 96]}}", "{cvae: {widths: [64, 64, 64, 128]}}"])
def test_the_bundled_recipe_takes_a_step(network, clean_pairs, tmp_path):
    made, text = load_training(
        "train_redshifter",
        [f"dataset={clean_pairs}", f"network={network}", "train.steps=1", "train.device=cpu"],
    )
    path = made.run(tmp_path / "run", recipe_text=text)
    assert load_redshifter(path).training["steps"] == 1


def test_info_of_a_redshifter(clean_pairs, tmp_path):
    from mockforge.commands.info import about

    path = recipe(clean_pairs, train=TrainConfig(steps=1, device="cpu", preview_steps=0)).run(
        tmp_path / "run"
    )
    for thing in (path, path.parent, path.with_suffix(".safetensors")):
        lines = about(str(thing))
        assert "model:" in lines[0] and any("unet, " in line for line in lines)
