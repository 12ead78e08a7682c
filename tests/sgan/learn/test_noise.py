"""Stage 4: noise of skies whose noise is known."""

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.observe.noise.tails import tail_of, width_of
from mockforge.rng import Stream
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.noise_sky import NoiseSky
from mockforge.sgan.learn.noise.kernels import covariance, measure_noise
from mockforge.sgan.learn.noise.page import NoiseCompared

SIDE = 640


def correlation(share, reach=3):
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return share ** (y**2 + x**2)


def autocorrelation(noise, lags=3):
    kernel = noise.kernels.astype(float).mean(axis=(0, 1))
    wide = np.abs(np.fft.rfft2(kernel, (64, 64))) ** 2
    own = np.roll(np.fft.irfft2(wide, (64, 64)), (lags, lags), (1, 2))[:, : 2 * lags + 1, : 2 * lags + 1]
    return own / own[:, lags, lags][:, None, None]


def test_rms_by_place_and_correlation_of_a_sky_are_found():
    true = NoiseField.uniform((10.0, 20.0), np.stack([correlation(0.02), correlation(0.35)]))
    factor = np.linspace(0.8, 1.2, 5)[None, :, None, None, None]
    true = NoiseField(
        np.repeat(true.kernels * factor, 5, axis=0), 128, *(np.zeros(2),) * 2, np.full(2, np.inf)
    )
    sky = NoiseSky(true, Stream(1), place=(0, 0)).window(-64, SIDE - 64, -64, SIDE - 64)
    free = np.ones((SIDE, SIDE), dtype=bool)
    free[np.random.default_rng(1).random((SIDE, SIDE)) < 0.2] = False
    found = measure_noise(sky, free).noise
    np.testing.assert_allclose(found.rms_mesh, true.rms_mesh, rtol=0.05)
    assert np.abs(autocorrelation(found) - autocorrelation(true)).max() < 0.02
    assert (found.tail == 0).all()


def test_light_that_is_painted_is_not_counted_as_noise():
    rng = np.random.default_rng(2)
    free = np.ones((SIDE, SIDE), dtype=bool)
    white = NoiseField.uniform((10.0,))

    def faint():  # sources under the noise, as wide as a PSF
        spots = np.zeros((SIDE, SIDE))
        spots[tuple(rng.integers(0, SIDE, (2, 4000)))] = rng.exponential(150.0, 4000)
        f = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
        return np.fft.irfft2(np.fft.rfft2(spots) * np.exp(-2 * (np.pi * 1.5 * f) ** 2))[None]

    real = faint() + NoiseSky(white, Stream(1)).window(0, SIDE, 0, SIDE)
    twice = measure_noise(real, free).noise
    assert autocorrelation(twice)[0, 3, 4] > 0.03
    painted = faint() + NoiseSky(twice, Stream(2)).window(0, SIDE, 0, SIDE)
    light = covariance(painted, free) - covariance(real, free)
    once = measure_noise(real, free, painted=light).noise
    assert abs(autocorrelation(once)[0, 3, 4]) < 0.012
    assert abs(once.rms_njy[0] - 10.0) < 0.1 < twice.rms_njy[0] - 10.0


def test_tails_of_a_local_rms_that_varies():
    rng = np.random.default_rng(3)
    values = rng.normal(size=400_000)
    assert tail_of(values) == 0.0
    rough = values * np.exp(0.2 * rng.normal(size=values.size) - 0.04)
    assert abs(tail_of(rough) - 0.2) < 0.02
    assert abs(width_of(0.2) - 1.4826 * np.median(np.abs(rough))) < 0.01
    white = NoiseField.uniform((10.0,))
    heavy = NoiseField(white.kernels, 128, np.array([0.2]), white.electrons_per_njy, white.saturation_njy)
    sky = NoiseSky(heavy, Stream(5)).window(0, SIDE, 0, SIDE)
    found = measure_noise(sky, np.ones((SIDE, SIDE), dtype=bool)).noise
    assert abs(found.tail[0] - 0.2) < 0.04
    assert abs(found.rms_njy[0] - 10.0) < 0.2


def test_a_field_full_of_sources_says_so():
    free = np.zeros((200, 200), dtype=bool)
    free[0, :100] = True
    with pytest.raises(InputError, match=r"0.2% of the field is source-free sky, too little"):
        measure_noise(np.zeros((1, 200, 200), dtype=np.float32), free)


def test_the_page_shows_real_beside_made():
    true = NoiseField.uniform((10.0, 20.0), np.stack([correlation(0.02), correlation(0.35)]))
    sky = NoiseSky(true, Stream(1)).window(0, SIDE, 0, SIDE)
    free = np.ones((SIDE, SIDE), dtype=bool)
    compared = NoiseCompared((sky, free), None, measure_noise(sky, free), Stream(9))
    for row in compared.facts(("g", "r"))["noise"]:
        assert abs(row["rms, made / real"] - 1) < 0.01
        assert row["autocorrelation, largest difference"] < 0.02
        assert row["histogram, total variation"] < 0.01
    assert compared.picture().shape == (400, 900, 3)
