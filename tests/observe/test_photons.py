"""The gain of a field from its finest fluctuations."""

import numpy as np
import pytest

from mockforge.observe.noise.photons import electrons_per_unit
from mockforge.rng import Stream

RMS, SIDE = 10.0, 900


@pytest.fixture(scope="module")
def light() -> np.ndarray:
    """Noiseless stars of a PSF of 3.3 pixels FWHM."""
    rng = Stream(3, ("stars",)).numpy()
    light = np.zeros((SIDE, SIDE))
    yy, xx = np.mgrid[-12:13, -12:13]
    for _ in range(1500):
        y, x = rng.uniform(14, SIDE - 15, 2)
        star = np.exp(-0.5 * ((yy + round(y) - y) ** 2 + (xx + round(x) - x) ** 2) / 1.4**2)
        light[round(y) - 12 : round(y) + 13, round(x) - 12 : round(x) + 13] += rng.uniform(30, 500) * star
    return light


def measured(light: np.ndarray, gain: float, fwhm: float = 3.3) -> float:
    rng = Stream(4, ("noise",)).numpy()
    image = light + RMS * rng.standard_normal(light.shape)
    if gain:
        image += np.sqrt(light / gain) * rng.standard_normal(light.shape)
    return electrons_per_unit(image, np.zeros(light.shape, bool), light < 0.01, RMS, fwhm)


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_the_gain_comes_back(light, gain):
    assert measured(light, gain) == pytest.approx(gain, rel=0.15)


def test_no_gain_is_claimed_without_photon_noise(light):
    assert measured(light, 0.0) == 0.0


def test_a_psf_sharper_than_the_filter_can_tell_gives_none(light):
    assert measured(light, 0.5, fwhm=2.0) == 0.0
    assert measured(light, 0.5, fwhm=float("nan")) == 0.0
