"""The evaluation of redshifters: radii, fits and spectra against closed forms; the report."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import mockforge
from mockforge.errors import InputError
from mockforge.evaluate.held_out import held_out
from mockforge.evaluate.redshift.baselines import BAND_SHIFT, GEOMETRY, IDENTITY, SERSIC, fluxes_at
from mockforge.evaluate.redshift.redshifter import evaluate_redshifter
from mockforge.evaluate.redshift.sersic_fit import fit_sersics, paint
from mockforge.evaluate.redshift.truth import Made, read_pairs
from mockforge.evaluate.report.radii import half_light_radii
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.observe.psf.transfer import transfer
from mockforge.photometry.fluxes import sed_fluxes
from mockforge.profiles.sersic import Sersics, sersic
from mockforge.rng import Stream
from mockforge.tasks.redshifter.config import RedshifterNetwork, Unet
from mockforge.tasks.redshifter.geometry import Geometry, pivot_wavelengths
from mockforge.tasks.redshifter.model import Redshifter, load_redshifter
from mockforge.tasks.redshifter.training import TrainRedshifter
from mockforge.tasks.splits import about
from mockforge.train.config import TrainConfig
from tests.builders import tiny_pairs
from tests.builders.tiny_pairs import BANDS, SPECTRA


@pytest.fixture(scope="module")
def noisy(tmp_path_factory) -> Path:
    return tiny_pairs.publish(tmp_path_factory.mktemp("pairs") / "noisy", n=16, noise=2.0)


def parameters(n: int = 6) -> np.ndarray:
    rng = Stream(5, ("parameters",)).numpy()
    e, angle = rng.uniform(0.05, 0.4, n), rng.uniform(0, np.pi, n)
    columns = (
        *rng.uniform(14.5, 16.5, (2, n)),
        np.log(rng.uniform(2, 5, n)),
        np.log(rng.uniform(0.8, 3.5, n)),
    )
    return np.stack([*columns, e * np.cos(2 * angle), e * np.sin(2 * angle)], axis=1)


def test_the_half_light_radius_is_that_of_the_profile():
    y, x = np.mgrid[:81, :81]
    blob = np.exp(-((x - 40.3) ** 2 + (y - 39.6) ** 2) / (2 * 5.0**2))
    one = torch.ones(1, dtype=torch.float64)
    galaxy = sersic(Sersics(40.3 * one, 39.6 * one, 4 * one, one, one, 0 * one), (81, 81))[0].numpy()
    found = half_light_radii(np.stack([blob, galaxy, 0 * blob])[None], np.array([[39.6, 40.3]]))[0]
    assert found[0] == pytest.approx(5.0 * np.sqrt(2 * np.log(2)), rel=0.005)
    assert found[1] == pytest.approx(4.0, rel=0.01)
    assert np.isnan(found[2])


@pytest.mark.parametrize("seeing", [None, (0.25, 0.4, 0.3)])
def test_a_fit_finds_the_sersic_profile_that_was_drawn(seeing):
    psf = (
        None if seeing is None else transfer(Psf(gaussian=Gaussian(fwhm_arcsec=seeing)), BANDS, 0.1, (32, 32))
    )
    true, flux = parameters(), np.array([[100.0, 300.0, 50.0]] * 6)
    image = paint(true, flux, (32, 32), psf).astype(np.float64)
    sigma = np.full((6, 3), 1e-3)
    found = fit_sersics(image, sigma, np.full((6, 2), 15.5), np.full(6, 3.0), psf)
    assert found.parameters == pytest.approx(true, abs=5e-3)
    assert found.flux == pytest.approx(flux, rel=5e-3)


def test_a_fit_of_a_noisy_galaxy_errs_as_it_says():
    true, flux = np.repeat(parameters(1), 40, axis=0), np.tile([300.0, 300.0, 300.0], (40, 1))
    noise = Stream(6).numpy().normal(0, 0.3, (40, 3, 32, 32))
    image = paint(true, flux, (32, 32), None) + noise
    found = fit_sersics(image, np.full((40, 3), 0.3), np.full((40, 2), 15.5), np.full(40, 3.0))
    # The error is that with the profile known; a free profile adds what is common to the bands.
    pull = (found.flux - found.flux.mean(axis=1, keepdims=True)) / found.error
    assert pull.std() == pytest.approx(np.sqrt(2 / 3), rel=0.2)
    assert np.median(np.abs(found.parameters[:, 2] - true[:, 2])) < 0.05


def test_fitted_spectra_give_the_fluxes_at_the_other_redshift():
    z_in, z_out, spectrum = np.array([0.3, 0.6, 0.5]), np.array([0.9, 1.1, 0.8]), np.array([0, 2, 3])
    near, far = (sed_fluxes(SPECTRA, BANDS, z_in, z, spectrum) for z in (z_in, z_out))
    made = Made(spectra=SPECTRA)
    found = fluxes_at(7 * near, 0.01 * near, z_in, z_out, BANDS, made)
    assert found == pytest.approx(7 * far, rel=1e-9)
    other = (spectrum + 1) % 4
    blend = [
        sum(w * sed_fluxes(SPECTRA, BANDS, z_in, z, s) for w, s in ((1, spectrum), (0.3, other)))
        for z in (z_in, z_out)
    ]
    found = fluxes_at(blend[0], 1e-3 * blend[0], z_in, z_out, BANDS, made)
    assert found == pytest.approx(blend[1], rel=0.15)


def rows(report, title: str) -> dict[str, dict]:
    (section,) = [s for s in report.sections if s.title == title]
    return {row["method"]: row for row in section.rows}


def test_the_baselines_of_noiseless_pairs(clean_pairs, tmp_path):
    report = evaluate_redshifter(None, str(clean_pairs), split="train", spectra=SPECTRA)
    report.write(tmp_path / "out")
    overall = rows(report, "All bands and redshifts")
    assert list(overall) == [IDENTITY, BAND_SHIFT, GEOMETRY, SERSIC]
    assert overall[SERSIC]["flux error"] < 2e-3 and overall[SERSIC]["radius error"] < 2e-3
    assert overall[GEOMETRY]["radius error"] < 0.05 < overall[IDENTITY]["radius error"]
    assert overall[GEOMETRY]["flux error"] < 0.3 < overall[BAND_SHIFT]["flux error"]
    pairs = mockforge.load(clean_pairs, split="train").as_pairs()
    flux = [[float(image.sum()) for image in pair[:2]] for pair in pairs]
    by_hand = [[(a.sum((1, 2)) / b.sum((1, 2)) - 1).numpy() for a, b, *_ in pairs]]
    assert overall[IDENTITY]["flux bias"] == pytest.approx(np.median(by_hand), rel=1e-4)
    assert len(flux) == report.facts["pairs"] and report.passed is None
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert found["facts"]["truth"] == "target"
    assert "data:image/png;base64," in (tmp_path / "out" / "report.html").read_text()


def test_noisy_pairs_are_held_to_the_noiseless_truth(noisy):
    pairs = read_pairs(str(noisy), "train")
    assert pairs.truth_name == "target_clean"
    assert pairs.sigma == pytest.approx(2.0)
    overall = rows(
        evaluate_redshifter(None, str(noisy), split="train", spectra=SPECTRA), "All bands and redshifts"
    )
    assert overall[SERSIC]["flux error"] < 0.3


def fresh(name: str, **changes) -> Redshifter:
    return Redshifter(
        name=name, network=RedshifterNetwork(unet=Unet(widths=(4, 4))), bands=BANDS,
        geometry=Geometry(pivot_wavelengths(BANDS)), shape=(32, 32), pixel_scale_arcsec=None,
        redshifts=(0.0, 0.0), **changes,
    )  # fmt: skip


def test_a_fresh_model_scores_as_its_first_guess_and_bands_must_agree(clean_pairs, tmp_path):
    made = fresh("fresh")
    made = made.trained(made.network_with_weights(), {})
    made.save(tmp_path / "fresh")
    report = evaluate_redshifter(tmp_path / "fresh", str(clean_pairs), spectra=SPECTRA)
    overall = rows(report, "All bands and redshifts")
    for key in ("flux bias", "radius error"):
        assert overall["fresh"][key] == pytest.approx(overall[GEOMETRY][key], abs=1e-4)
    assert overall["fresh"]["misplaced light"] == pytest.approx(
        overall[GEOMETRY]["misplaced light"], abs=1e-4
    )
    assert report.passed is False and len(report.sections[0].verdicts) == 3
    assert {row["z_out"] for row in report.sections[3].rows} and len(report.sections[4].rows) == 3 * 4 * 5
    replace(made, bands=("F435W", *BANDS[1:])).save(tmp_path / "other")
    with pytest.raises(InputError, match="has the bands F435W, F814W, F125W"):
        evaluate_redshifter(tmp_path / "other", str(clean_pairs))
    with pytest.raises(InputError, match="no split 'tets'"):
        evaluate_redshifter(None, str(clean_pairs), split="tets")


@pytest.fixture(scope="module")
def barely(clean_pairs, tmp_path_factory) -> Path:
    """A network of 20 steps."""
    recipe = TrainRedshifter(
        name="barely", seed=1, dataset=str(clean_pairs),
        network=RedshifterNetwork(unet=Unet(widths=(8, 8), embedding=8)),
        batch=4, train=TrainConfig(steps=20, device="cpu", preview_steps=0),
    )  # fmt: skip
    return recipe.run(tmp_path_factory.mktemp("barely") / "run")


def test_twenty_steps_do_not_pass(barely, clean_pairs):
    report = evaluate_redshifter(barely, str(clean_pairs), spectra=SPECTRA)
    assert report.passed is False
    rules = {v.measure: v.rule for v in report.sections[0].verdicts}
    overall = rows(report, "All bands and redshifts")
    for measure, key in (("total flux", "flux error"), ("half-light radius", "radius error")):
        errors = {name: row[key] for name, row in overall.items() if name != "barely"}
        best = min(errors, key=errors.__getitem__)
        assert f"{errors[best]:.3g} ({best}, the strongest of 4 non-neural baselines)" in rules[measure]


def test_what_a_model_learned_is_no_measure_of_it(barely, clean_pairs, tmp_path):
    with pytest.raises(
        InputError, match=r"barely was trained on this very split.*val, test.*--allow-training-split"
    ):
        evaluate_redshifter(barely, str(clean_pairs), split="train", spectra=SPECTRA)
    report = evaluate_redshifter(
        barely, str(clean_pairs), split="train", spectra=SPECTRA, allow_training_split=True
    )
    assert report.passed is None and not report.sections[0].verdicts
    other = tiny_pairs.publish(tmp_path / "other", n=16)
    with pytest.raises(InputError, match="was trained on the split 'train' of its dataset"):
        evaluate_redshifter(barely, str(other), split="train", spectra=SPECTRA)
    assert held_out(load_redshifter(barely), str(other), "test")


def test_another_build_of_the_seed_that_was_learned_is_refused(tmp_path):
    first, more, new = (
        tiny_pairs.publish(tmp_path / f"{n}-{seed}", n=n, recipe=f"name: tiny\nseed: {seed}\nsamples: {n}\n")
        for n, seed in ((8, 3), (16, 3), (8, 4))
    )
    made = fresh("tiny", training=about(mockforge.load(first, "train"), "pairs"))
    assert held_out(made, str(first), "test") and held_out(made, str(new), "test")
    with pytest.raises(InputError, match=r"same seed, 3.*seed=4"):
        held_out(made, str(more), "test")
