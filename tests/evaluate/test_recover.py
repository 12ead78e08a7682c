"""The evaluation of recovered images: against scikit-image, the truth itself, and what is made badly."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.evaluate.recover import recover
from mockforge.evaluate.recover.baselines import baselines, richardson_lucy
from mockforge.evaluate.recover.blends import blends, pairs
from mockforge.evaluate.recover.recover import evaluate_recoverer
from mockforge.evaluate.recover.truth import read_stamps
from mockforge.tasks.recover.config import RecovererNetwork, Residual
from mockforge.tasks.recover.degraded import Scales
from mockforge.tasks.recover.model import Recoverer
from tests.builders import tiny_degraded


@pytest.fixture(scope="module")
def stamps(degraded):
    return read_stamps(str(degraded), "test", 100)


def test_places_are_those_of_the_light(stamps):
    assert stamps.count.tolist().count(2) == 8
    alone = stamps.count == 1
    rows = np.arange(tiny_degraded.FINE_SHAPE)
    total = stamps.truth[:, 0].sum(axis=(1, 2))
    y = (stamps.truth[:, 0].sum(axis=2) * rows).sum(axis=1) / total
    x = (stamps.truth[:, 0].sum(axis=1) * rows).sum(axis=1) / total
    assert np.abs(stamps.centre[alone] - np.stack([y, x], axis=1)[alone]).max() < 0.02
    flux = 31.4 - 2.5 * np.log10(stamps.truth[:, 1].sum(axis=(1, 2)))
    assert np.allclose(stamps.magnitude, flux, atol=1e-5)


def test_richardson_lucy_agrees_with_scikit_image():
    from skimage.restoration import richardson_lucy as reference

    psf = torch.from_numpy(tiny_degraded.gaussian(*(np.full(1, 5.0),) * 2, np.full(1, 1.6), 11)).float()
    image = (
        torch.from_numpy(tiny_degraded.gaussian(*(np.full(1, 20.0),) * 2, np.full(1, 3.0), 41)).float()[None]
        + 1e-3
    )
    wanted = reference(image[0, 0].numpy(), psf[0].numpy(), num_iter=10, clip=False)
    found = richardson_lucy(image, psf, (10,))[0][0, 0].numpy()
    middle = slice(12, -12)
    assert np.abs(found - wanted)[middle, middle].max() < 0.03 * wanted.max()
    assert found.max() > 1.3 * float(image.max())


def test_the_truth_is_perfect_and_its_blends_are_seen(stamps):
    scores = recover._pixel_scores(stamps, stamps.truth * (1 + 1e-7))
    assert scores["SSIM"].min() > 0.999 and scores["PSNR"].min() > 80
    errors = recover._errors(stamps, {"truth": stamps.truth})["truth"]
    assert np.nanmax(np.abs(errors[0])) < 1e-6 and np.nanmax(np.abs(errors[1])) < 1e-6
    assert np.isnan(errors[1][stamps.count == 2]).all() and np.isfinite(errors[1][stamps.count == 1]).all()
    _, distance = pairs(stamps)
    assert ((distance > 5 * 0.06) & (distance < 10 * 0.06)).all()
    sharp = blends(stamps, stamps.truth, 0.06, stamps.rms / 28, add=True)
    degraded = blends(stamps, stamps.image, 0.168, stamps.rms, add=False)
    assert sharp.recognised.mean() > 0.8 and degraded.recognised.mean() < 0.2
    assert sharp.split.mean() == 0


def test_psnr_is_its_definition(stamps):
    worse = stamps.truth + np.float32(0.5)
    peak = stamps.truth.max(axis=(2, 3))
    wanted = (20 * np.log10(peak / 0.5)).mean(axis=1)
    assert np.allclose(recover._pixel_scores(stamps, worse)["PSNR"], wanted, atol=0.01)


def test_baselines_keep_flux_and_deconvolution_sharpens(stamps):
    made = baselines(stamps)
    total = stamps.truth.sum(axis=(2, 3))
    assert abs(np.median(made["bicubic"].sum(axis=(2, 3)) / total) - 1) < 0.05
    best = {name: np.square(image - stamps.truth).mean() for name, image in made.items()}
    assert best["Richardson-Lucy"] < best["bicubic"]


def write_model(folder: Path, bands: tuple[str, ...] = tiny_degraded.BANDS) -> Path:
    scales = Scales(bands, tiny_degraded.FINE_BANDS, 0.168, 0.06, (11, 11), (32, 32), None, None)
    made = Recoverer(
        name="fresh", network=RecovererNetwork(residual=Residual(widths=(4, 4), fine_width=2)), scales=scales,
        rms_njy=(1.0, 1.0),
    )  # fmt: skip
    return made.trained(made.network_with_weights(), {}).save(folder)


def test_a_report_of_a_model_that_does_nothing_fails(degraded, tmp_path):
    from typer.testing import CliRunner

    from mockforge.cli import app

    model = write_model(tmp_path / "model")
    words = ["evaluate", "--model", str(model), "--dataset", str(degraded), "--out", str(tmp_path / "report")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "Richardson-Lucy" in done.stdout and "unrecognised" in done.stdout
    found = json.loads((tmp_path / "report" / "report.json").read_text())
    assert found["passed"] is False and found["facts"]["samples"] == 24
    rules = [verdict["rule"] for verdict in found["sections"][0]["verdicts"]]
    assert sum("the strongest of 2 non-neural baselines" in rule for rule in rules) == 4
    rows = {row["method"]: row for row in found["sections"][0]["rows"]}
    assert rows["fresh"]["PSNR"] == pytest.approx(rows["bicubic"]["PSNR"], abs=0.01)
    assert "data:image/png" in (tmp_path / "report" / "report.html").read_text()


def test_without_a_model_the_dataset_says_what_is_compared(degraded):
    from typer.testing import CliRunner

    from mockforge.cli import app

    done = CliRunner().invoke(app, ["evaluate", "--dataset", str(degraded), "--limit", "12"])
    assert done.exit_code == 0 and "bicubic" in done.stdout and "overall" not in done.stdout


def test_another_models_bands_are_refused(degraded, tmp_path):
    model = write_model(tmp_path, ("hsc_g", "hsc_i"))
    with pytest.raises(InputError, match="hsc_g"):
        evaluate_recoverer(model, str(degraded))


def test_the_training_split_needs_the_users_word(degraded, tmp_path):
    model = write_model(tmp_path)
    with pytest.raises(InputError, match="--allow-training-split"):
        evaluate_recoverer(model, str(degraded), split="train")
    report = evaluate_recoverer(model, str(degraded), split="train", limit=12, allow_training_split=True)
    assert report.passed is None
