"""Controls: the measures against closed forms, and a sky's asked against obtained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mockforge.evaluate.sky.controls import (
    _densities,
    _verdict,
    added_blur,
    controls_section,
    point_source_depth,
)
from mockforge.field.field import Field
from mockforge.observe.noise.depth import rms_of_psf_depth
from mockforge.rng import Stream
from mockforge.sgan.config import Forge
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.model import SganModel
from tests.builders.lumpy_sky import lumpy

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
def model() -> SganModel:
    """A forge that paints lumps, of two bands and a known PSF."""
    white = ((0.0, 0.1, 0.0), (0.1, 0.98, 0.1), (0.0, 0.1, 0.0))
    instrument = Instrument(rms_njy=(4.0, 5.0), psf_fwhm_pix=(3.0, 3.5), noise_kernel=(white, white))
    spec = Forge(z_channels=8, widths=(16, 12, 8, 8), dilations=(1, 2), density=False)
    seen = {"pixel_scale_arcsec": 0.2, "psf_fwhm_arcsec": (0.6, 0.7)}
    return lumpy(SganModel("tiny", spec, ("g", "r"), instrument, **seen))


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
    assert "was not trained" in section.text


def crowded(factor: float) -> Field:
    """300 times `factor` faint stars on a grid, in noise."""
    rng = RNG.child("crowded", int(100 * factor)).numpy()
    image = np.zeros((1, 512, 512))
    places = np.stack(np.meshgrid(np.arange(10, 502, 22), np.arange(10, 502, 22))).reshape(2, -1)
    image[0, places[0, : int(300 * factor)], places[1, : int(300 * factor)]] = 900.0
    image = gaussian_filter(image, (0, 1.5, 1.5)) + rng.standard_normal(image.shape)
    return Field(image=image.astype(np.float32), bands=("r",))


@pytest.mark.parametrize(("listens", "passed"), [(True, [True, True, True]), (False, [False, True, False])])
def test_a_sky_that_does_not_listen_to_density_fails(listens, passed):
    def sky(density: float) -> Field:
        return crowded(density if listens else 1.0)

    rows = list(_densities(sky, crowded(1.0), 0.6, 1.9))
    assert [r["asked"] for r in rows] == [0.7, 1.0, 1.4]
    assert [_verdict(r).passed for r in rows] == passed
    assert [r["asked"] for r in _densities(sky, crowded(1.0), 0.8, 1.2)] == [0.8, 1.0, 1.2]


def test_without_a_known_psf_nothing_is_asked(model):
    section = controls_section(replace(model, psf_fwhm_arcsec=None), 128, 3, "cpu")
    assert not section.rows and section.passed is None and "not known" in section.text


def test_the_error_of_a_depth_is_its_scatter():
    rng = RNG.child("scatter").numpy()
    found = [point_source_depth(rng.standard_normal((160, 160)), 4.0) for _ in range(40)]
    scatter = float(np.std([d for d, _ in found]))
    assert scatter == pytest.approx(found[0][1], rel=0.3)
