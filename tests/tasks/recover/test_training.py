"""From a dataset of degraded images to a model that recovers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mockforge
from mockforge.errors import InputError
from mockforge.recipe.read import load_training
from mockforge.tasks.recover.config import (
    AdversarialAdam,
    Cgan,
    Critic,
    RecovererLoss,
    RecovererNetwork,
    Residual,
)
from mockforge.tasks.recover.model import load_recoverer, predict
from mockforge.tasks.recover.training import TrainRecover
from mockforge.train.config import Schedule, TrainConfig
from tests.builders import tiny_degraded

SMALL = {
    "residual": RecovererNetwork(residual=Residual(widths=(8, 8), fine_width=4)),
    "cgan": RecovererNetwork(cgan=Cgan(ngf=4)),
}


def recipe(dataset: Path, kind: str = "residual", **changes) -> TrainRecover:
    made = TrainRecover(
        name="tiny", seed=1, degraded=str(dataset), network=SMALL[kind], batch=4, crop=24,
        critic=Critic(ndf=4), train=TrainConfig(steps=4, device="cpu", log_steps=1, preview_steps=2),
    )  # fmt: skip
    return replace(made, **changes)


def held_out(dataset: Path) -> tuple[np.ndarray, np.ndarray]:
    data = mockforge.load(dataset, split="test")
    image, truth = (
        np.stack([data[i][name].numpy() for i in range(len(data))]) for name in ("image", "truth")
    )
    return image, truth


RMS = np.full((1, 2), tiny_degraded.RMS, np.float32)


@pytest.mark.parametrize("kind", ["residual", "cgan"])
def test_training_ends_in_a_model_that_recovers(kind, degraded, tmp_path):
    path = recipe(degraded, kind).run(tmp_path / "run", recipe_text="# a recipe\n")
    model = load_recoverer(tmp_path / "run")
    assert model.kind == kind and model.scales.step == pytest.approx(2.8)
    assert model.rms_njy == pytest.approx([tiny_degraded.RMS] * 2)
    assert any(key.startswith("validation") for key in model.training)
    image, truth = held_out(degraded)
    found = predict(model, image, RMS, shape=truth.shape[2:])
    assert found.shape == truth.shape and np.isfinite(found).all()
    alone = predict(model, image[1:2], RMS, shape=truth.shape[2:])
    assert np.allclose(found[1:2], alone, atol=1e-4 * np.abs(alone).max())
    card = path.with_suffix(".md").read_text()
    assert "48 samples of split train" in card and "| hsc_r | F606W | 1 |" in card
    assert list((tmp_path / "run" / "previews").glob("*.png"))
    assert model.describe()["network"].startswith(kind)


def test_a_few_steps_do_better_than_interpolation(degraded, tmp_path):
    made = recipe(
        degraded,
        network=RecovererNetwork(residual=Residual(widths=(12, 16), fine_width=6)),
        adam=AdversarialAdam(rate_generator=5e-3),
        loss=RecovererLoss(light=1.0, adversarial=0.0),
        train=TrainConfig(
            steps=200,
            device="cpu",
            ema_decay=0.9,
            preview_steps=0,
            clip_norm=1.0,
            schedule=Schedule(kind="cosine"),
        ),
    )
    made.run(tmp_path / "run")
    model = load_recoverer(tmp_path / "run")
    image, truth = held_out(degraded)
    fresh = replace(model, weights={})
    errors = [np.abs(predict(m, image, RMS, shape=truth.shape[2:]) - truth).mean() for m in (model, fresh)]
    assert errors[0] < 0.7 * errors[1]


def test_a_resumed_run_ends_where_the_whole_one_does(degraded, tmp_path):
    whole = recipe(degraded).run(tmp_path / "whole")
    half = recipe(degraded, train=TrainConfig(steps=2, device="cpu", log_steps=1, preview_steps=0))
    half.run(tmp_path / "parts")
    with pytest.raises(InputError, match=r"begun with another recipe \(crop: 24 -> 20"):
        recipe(degraded, crop=20).run(tmp_path / "parts", resume=True)
    parts = recipe(degraded).run(tmp_path / "parts", resume=True)
    digests = [json.loads(path.read_text())["sha256"] for path in (whole, parts)]
    assert digests[0] == digests[1]


def test_what_cannot_be_learned_is_a_sentence(degraded, tmp_path):
    with pytest.raises(InputError, match="no split 'trian'"):
        recipe(degraded, split="trian").run(tmp_path / "a")
    from tests.builders import tiny_pairs

    pairs = tiny_pairs.publish(tmp_path / "pairs", n=8, side=16)
    with pytest.raises(InputError, match="missing image, truth, variance"):
        recipe(pairs).run(tmp_path / "b")
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_large_images_come_out_as_in_one_piece(degraded, tmp_path):
    recipe(degraded, train=TrainConfig(steps=8, device="cpu", preview_steps=0)).run(tmp_path / "run")
    model = load_recoverer(tmp_path / "run")
    image = np.random.default_rng(1).normal(0, 3, (1, 2, 240, 61)).astype(np.float32)
    pieces = predict(model, image, RMS)  # 672 rows: a tile of 512 and one of 160
    whole = predict(model, image[:, :, 130:], RMS)  # one piece, about the seam
    assert pieces.shape == (1, 2, 672, 170) and whole.shape == (1, 2, 308, 170)
    edge = 84  # where the images that were cut off are still seen
    assert np.allclose(pieces[:, :, 364 + edge :], whole[:, :, edge:], atol=1e-4 * np.abs(whole).max())


def test_a_model_refuses_what_it_cannot_recover(degraded, tmp_path):
    recipe(degraded, "cgan", train=TrainConfig(steps=1, device="cpu", preview_steps=0)).run(tmp_path / "run")
    model = load_recoverer(tmp_path / "run" / "tiny.json")
    with pytest.raises(InputError, match="11 x 11 pixels only"):
        predict(model, np.ones((1, 2, 12, 12)), RMS)
    with pytest.raises(InputError, match=r"\(image, 2, y, x\)"):
        predict(model, np.ones((1, 3, 11, 11)), RMS)
    with pytest.raises(InputError, match="above 0"):
        predict(model, np.ones((1, 2, 11, 11)))
    with pytest.raises(InputError, match="'nosuch'"):
        predict(model, np.ones((1, 2, 11, 11)), RMS, device="nosuch")
    with pytest.raises(InputError, match="expected a network that recovers"):
        load_recoverer("kids-viking")


ORIGINAL = [
    "network={cgan: {}}", "critic={ndf: 64, layers: 4}", "extra_noise=0",
    "loss={pixels: 1, light: 0, flux: 0, adversarial: 0.01, kind: non_saturating}",
    "adam={rate_generator: 2e-4, rate_critic: 1e-5, beta1: 0.5, beta2: 0.999}",
]  # fmt: skip


@pytest.mark.parametrize("words", [[], ORIGINAL], ids=["modern", "original"])
def test_the_bundled_recipe_takes_a_step(words, degraded, tmp_path):
    words = [*words, f"degraded={degraded}", "train.steps=1", "train.device=cpu", "batch=2", "crop=24"]
    made, text = load_training("train_recover", words)
    path = made.run(tmp_path / "run", recipe_text=text)
    assert load_recoverer(path).training["steps"] == 1
    assert path.with_suffix(".safetensors").stat().st_size < (8e6 if not words[0].startswith("net") else 1e9)


def test_info_of_a_model_that_recovers(degraded, tmp_path):
    from mockforge.commands.info import about

    path = recipe(degraded, train=TrainConfig(steps=1, device="cpu", preview_steps=0)).run(tmp_path / "run")
    for thing in (path, path.parent):
        lines = about(str(thing))
        assert "model:" in lines[0] and any("residual, " in line for line in lines)
