"""The default redshift pairs have the shot noise of their galaxies: asked and measured at the peaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mockforge.batch import Batch
from mockforge.observe.noise.pixels import add_noise
from mockforge.observe.noise.sky_noise import sky_noise
from mockforge.observe.noise.spec import Noise, pixel_noise, survey_problems
from mockforge.observe.surveys.read import names, survey
from mockforge.recipe.read import load
from mockforge.rng import Stream
from mockforge.units import electrons_per_njy
from tests.builders.batches import samples

COUNT, DRAWS = 12, 150


@pytest.fixture(scope="module")
def pairs() -> tuple[Batch, Noise]:
    """Galaxies of the default recipe before any noise, and the noise that it asks for."""
    source, observe = (entry.stage for entry in load("redshift_pairs").stages)
    return source(samples(COUNT), Stream(1, ("pairs",))), observe.noise_in


def test_shot_noise_at_the_peak_is_what_is_asked(pairs: tuple[Batch, Noise]) -> None:
    batch, noise = pairs
    bands = tuple(batch.attributes["bands"])
    model = pixel_noise(noise, bands, float(batch.attributes["pixel_scale_arcsec"]))
    gain = np.array([survey("candels-goodss-deep").band(band).electrons_per_njy for band in bands])
    assert model.electrons == pytest.approx(gain)
    flux = torch.from_numpy(batch.arrays["input"].astype(np.float32))
    seen = np.stack([add_noise(flux, model, Stream(3, (i,)).torch()).numpy() for i in range(DRAWS)])
    measured = (seen - flux.numpy()).var(axis=0)
    flat = flux.numpy().reshape(COUNT, len(bands), -1)
    peak = flat.argmax(axis=-1)[..., None]
    bright = np.take_along_axis(flat, peak, -1)[..., 0]
    found = np.take_along_axis(measured.reshape(flat.shape), peak, -1)[..., 0]
    asked = model.rms**2 + bright / gain
    ratio = found / asked
    assert ratio.mean() == pytest.approx(1.0, abs=3 * np.sqrt(2 / DRAWS / ratio.size))
    shot = np.median(np.sqrt(bright / gain) / model.rms)
    assert shot > 0.8  # of the sky's rms or more at the peaks: it was missing altogether
    dark = measured.reshape(flat.shape)[..., 0]  # a corner
    assert (dark / (model.rms**2 + np.maximum(flat[..., 0], 0) / gain)).mean() == pytest.approx(1, abs=0.05)


def test_shot_noise_can_be_switched_off(pairs: tuple[Batch, Noise]) -> None:
    batch, noise = pairs
    model = pixel_noise(replace(noise, shot=False), tuple(batch.attributes["bands"]), 0.1)
    assert model.electrons is None


@pytest.mark.parametrize("name", names())
def test_every_survey_counts_electrons_and_spreads_them_rightly(name: str) -> None:
    """A bright even field: the variance of a pixel, and of sums over 8 x 8, is sky and photons together."""
    chosen = survey(name)
    band = next(iter(chosen.bands))
    model = pixel_noise(Noise(survey=name, shot=True), (band,), chosen.pixel_scale_arcsec)
    assert model.electrons is not None
    level = float(20 * model.rms[0] ** 2 * model.electrons[0])
    flux = torch.full((40, 1, 64, 64), level)
    noise = (add_noise(flux, model, Stream(2).torch()) - flux).double().numpy()
    photons = level / model.electrons[0]
    assert noise.var() == pytest.approx(model.rms[0] ** 2 + photons, rel=0.02)
    sums = noise.reshape(40, 8, 8, 8, 8).sum(axis=(2, 4))
    large = sky_noise(chosen, band).white_njy ** 2
    assert 0.9 * 64 * photons < sums.var() < 1.1 * 64 * (photons + large)


def test_a_band_without_gain_leaves_the_shot_noise_of_the_others(tmp_path) -> None:
    """A survey that knows the gain of one band of two: no shot noise in the other alone."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: Mine\npixel_scale_arcsec: 0.1\nsources: {depth_ab: measured}\nbands:\n"
        "  one: {depth_ab: 27, fwhm_arcsec: 0.3, zeropoint_e: 25, exposure_s: 100}\n"
        "  two: {depth_ab: 27, fwhm_arcsec: 0.3}\n"
    )
    gain = electrons_per_njy(25, 100)
    model = pixel_noise(Noise(survey=str(path)), ("two", "one"), 0.1)
    assert model.electrons.tolist() == [np.inf, pytest.approx(gain)]
    flux = torch.full((20, 2, 64, 64), 1e4)
    spread = (add_noise(flux, model, Stream(5).torch()) - flux).double().numpy().var(axis=(0, 2, 3))
    assert spread == pytest.approx(model.rms**2 + [0, 1e4 / gain], rel=0.02)
    own = pixel_noise(Noise(survey=str(path), zeropoint_e=26, exposure_s=(10, 20)), ("two", "one"), 0.1)
    assert own.electrons == pytest.approx(electrons_per_njy(26, [10, 20]))
    assert pixel_noise(Noise(survey=str(path)), ("two",), 0.1).electrons is None
    assert "none for two" in survey_problems(Noise(survey=str(path), shot=True), ("two", "one"))[0]
