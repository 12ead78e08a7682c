"""The noise of an endless sky: the same bits in any window, rms, photons, saturation."""

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.noise_sky import NoiseSky


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(1)
    shape = np.exp(-np.hypot(*np.mgrid[-3:4, -3:4]))
    kernels = rng.uniform(5, 15, (3, 2, 2, 1, 1)) * shape
    return NoiseField(kernels, 32, np.array([0.0, 0.1]), np.array([0.0, 0.5]), np.array([np.inf, 400.0]))


def test_any_window_by_any_number_of_threads_has_the_same_bits(noise):
    flux = np.abs(np.random.default_rng(2).normal(0, 50, (2, 150, 130))).astype(np.float32)
    whole = NoiseSky(noise, Stream(7)).observed(flux, -70, -20)
    part = NoiseSky(noise, Stream(7)).observed(flux[:, 33:101, 7:90], -70 + 33, -20 + 7, threads=2)
    np.testing.assert_array_equal(part, whole[:, 33:101, 7:90])
    other = NoiseSky(noise, Stream(8)).window(-70, 80, -20, 110)
    assert abs(np.corrcoef(other[0].ravel(), whole[0].ravel())[0, 1]) < 0.05


def test_rms_is_what_is_drawn_and_the_map_is_mirrored(noise):
    sky = NoiseSky(noise, Stream(3), place=(0, 0))
    rms = sky.rms_at(0, 192, 0, 128)
    np.testing.assert_allclose(rms[:, :80], rms[:, 159:79:-1], rtol=1e-5)  # 3 places, there and back
    drawn = np.stack([NoiseSky(noise, Stream(s), place=(0, 0)).window(0, 64, 0, 64) for s in range(200)])
    ratio = drawn.std(axis=0) / rms[:, :64, :64]
    assert abs(ratio.mean() - 1) < 0.01
    assert ratio.std() < 0.08


def test_photon_noise_goes_with_the_flux_and_saturation_cuts(noise):
    quiet = noise.scaled(1e-3)
    assert quiet.electrons_per_njy[1] > 1e6  # a longer exposure collects more electrons
    bare = NoiseField(quiet.kernels, 32, quiet.tail, noise.electrons_per_njy, noise.saturation_njy)
    flux = np.full((2, 200, 200), 100.0, dtype=np.float32)
    seen = NoiseSky(bare, Stream(1)).observed(flux, 0, 0)
    assert seen[0].std() < 0.01
    assert abs(seen[1].std() - np.sqrt(100 / 0.5)) < 0.3
    assert NoiseSky(bare, Stream(1)).observed(flux + 1000, 0, 0)[1].max() == 400.0


def test_depth_correlation_and_pixels_are_as_asked(noise):
    np.testing.assert_allclose(noise.scaled((1.0, 3.0)).rms_njy, (1.0, 3.0), rtol=1e-5)
    np.testing.assert_allclose(noise.on_pixels(2.0).rms_njy, noise.rms_njy / 2, rtol=1e-5)
    y, x = np.mgrid[-2:3, -2:3]
    wanted = 0.4 ** (y**2 + x**2)
    field = noise.correlated(wanted)
    np.testing.assert_allclose(field.rms_mesh, noise.rms_mesh, rtol=1e-5)
    sky = NoiseSky(NoiseField.uniform((2.0,), wanted), Stream(1)).window(0, 512, 0, 512)[0]
    assert abs((sky[:, 1:] * sky[:, :-1]).mean() / sky.var() - 0.4) < 0.02


def test_kept_and_read_again_or_refused(noise):
    again = NoiseField.from_arrays(noise.to_arrays(), 2)
    np.testing.assert_array_equal(again.kernels, noise.kernels)
    assert again.mesh == 32 and np.isinf(again.saturation_njy[0])
    arrays = noise.to_arrays()
    with pytest.raises(InputError, match=r"noise.kernels: \(place y, place x, 3 bands"):
        NoiseField.from_arrays(arrays, 3)
    with pytest.raises(InputError, match=r"has no noise.tail"):
        NoiseField.from_arrays({k: v for k, v in arrays.items() if k != "noise.tail"}, 2)
    with pytest.raises(InputError, match=r"noise.kernels: should be finite"):
        NoiseField.from_arrays(arrays | {"noise.kernels": arrays["noise.kernels"] * np.nan}, 2)
    with pytest.raises(InputError, match=r"noise.tail: a number from 0 to 2"):
        NoiseField.from_arrays(arrays | {"noise.tail": np.array([-1.0, 0.0])}, 2)


def test_noise_that_is_the_same_everywhere_is_cut_from_one_plane():
    y, x = np.mgrid[-2:3, -2:3]
    field = NoiseField.uniform((2.0, 3.0), 0.4 ** (y**2 + x**2), mesh=64)
    whole = NoiseSky(field, Stream(1)).window(0, 200, -50, 150)
    np.testing.assert_array_equal(NoiseSky(field, Stream(1)).window(50, 90, 10, 99), whole[:, 50:90, 60:149])
    np.testing.assert_allclose(whole.std(axis=(1, 2)), (2.0, 3.0), rtol=0.03)
    twice = NoiseField(
        np.repeat(field.kernels, 2, axis=0), 64, field.tail, *(np.zeros(2), np.full(2, np.inf))
    )
    np.testing.assert_allclose(NoiseSky(twice, Stream(1)).window(0, 200, -50, 150), whole, atol=1e-5)
