"""Controls: the measures against closed forms, and a sky's asked against obtained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mockforge.evaluate.controls import added_blur, controls_section, point_source_depth
from mockforge.observe.depth import rms_of_psf_depth
from mockforge.rng import Stream
from mockforge.sgan.config import Forge
from mockforge.sgan.instrument import Instrument
from mockforge.sgan.model import Model

RNG = Stream(7, ("controls",))


@pytest.mark.parametrize("fwhm", [3.0, 5.5])
def test_the_depth_of_white_noise_is_the_closed_form(fwhm):
    magnitude = 25.3
    rms = rms_of_psf_depth(magnitude, 0.2, 0.2 * fwhm)
    noise = rms * RNG.child("white").numpy().standard_normal((512, 512))
    found, error = point_source_depth(noise, fwhm)
    assert error < 0.015
    assert found == pytest.approx(magnitude, abs=4 * error)


def test_the_depth_of_correlated_noise_is_the_closed_form():
    kernel = np.array([[0.1, 0.2, 0.1], [0.2, 0.8, 0.2], [0.1, 0.2, 0.1]])
    kernel /= np.sqrt((kernel**2).sum())
    power = np.abs(np.fft.rfft2(kernel, (5, 5))) ** 2
    autocorrelation = np.fft.fftshift(np.fft.irfft2(power, (5, 5)))
    rms = rms_of_psf_depth(25.0, 0.2, 0.8, autocorrelation=autocorrelation)
    white = RNG.child("correlated").numpy().standard_normal((514, 514))
    places = [(j, i) for j in range(3) for i in range(3)]
    noise = rms * np.sum([kernel[j, i] * white[j : j + 512, i : i + 512] for j, i in places], axis=0)
    found, error = point_source_depth(noise, 4.0)
    assert found == pytest.approx(25.0, abs=4 * error + 0.01)


def test_a_known_blur_is_found():
    rng = RNG.child("blur").numpy()
    sharp = np.zeros((160, 160))
    sharp[tuple(rng.integers(0, 160, (2, 60)))] = rng.exponential(100, 60)
    sharp = gaussian_filter(sharp, 1.2)
    for sigma in (0.9, 1.7):
        blurred = gaussian_filter(sharp, sigma, truncate=6.0)
        assert added_blur(sharp, blurred, 3.0) == pytest.approx(sigma, abs=0.01)


@pytest.fixture(scope="module")
def model() -> Model:
    """A forge that paints lumps, of two bands and a known PSF."""
    white = ((0.0, 0.1, 0.0), (0.1, 0.98, 0.1), (0.0, 0.1, 0.0))
    instrument = Instrument(rms_njy=(4.0, 5.0), psf_fwhm_pix=(3.0, 3.5), noise_kernel=(white, white))
    fresh = Model(
        "tiny", Forge(z_channels=8, widths=(16, 12, 8, 8), dilations=(1, 2), density=False), ("g", "r"), instrument,
        pixel_scale_arcsec=0.2, psf_fwhm_arcsec=(0.6, 0.7),
    )  # fmt: skip
    generator = fresh.painter().generator
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=Stream(2, (parameter.numel(),)).torch())
    return fresh.trained(generator, {"steps": 0})


def test_a_sky_has_the_depth_and_the_seeing_it_was_asked_for(model):
    section = controls_section(model, 384, 3, "cpu")
    rows = {(r["control"], r["band"], round(r["asked"], 2)): r for r in section.rows}
    depths = [r for key, r in rows.items() if key[0] == "depth"]
    assert len(depths) == 6 and {r["band"] for r in depths} == {"g", "r"}
    assert max(abs(r["asked"] - r["obtained"]) for r in depths) < 0.04
    for band, own in (("g", 0.6), ("r", 0.7)):
        for times in (1.2, 1.5):
            found = rows["seeing", band, round(own * times, 2)]["obtained"]
            assert found == pytest.approx(own * times, rel=0.02)
    assert section.passed is True and not any(r["control"] == "density" for r in section.rows)
    assert "was not taught" in section.text


def test_without_a_known_psf_nothing_is_asked(model):
    section = controls_section(replace(model, psf_fwhm_arcsec=None), 128, 3, "cpu")
    assert not section.rows and section.passed is None and "not known" in section.text


def test_the_error_of_a_depth_is_its_scatter():
    rng = RNG.child("scatter").numpy()
    found = [point_source_depth(rng.standard_normal((160, 160)), 4.0) for _ in range(40)]
    scatter = float(np.std([d for d, _ in found]))
    assert scatter == pytest.approx(found[0][1], rel=0.3)
