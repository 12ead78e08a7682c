"""Fourier resampling against galsim, closed forms, and conservation."""

from __future__ import annotations

import galsim
import numpy as np
import pytest

from mockforge.observe.psf.models import image as image_model
from mockforge.observe.psf.resample import (
    fourier_frequencies,
    matching,
    odd_size,
    padded_side,
    pixel_transfer,
    sampled,
    transform,
)


def drawn(profile, side: int, scale: float, **how) -> np.ndarray:
    """A galsim profile as float64 pixels, its centre on the middle of the stamp."""
    return profile.drawImage(nx=side, ny=side, scale=scale, dtype=float, **how).array


def moments(image: np.ndarray) -> tuple[float, float, float]:
    """Centre and rms radius in pixels."""
    y, x = np.indices(image.shape)
    total = image.sum()
    cx, cy = (image * x).sum() / total, (image * y).sum() / total
    return cx, cy, np.sqrt((image * ((x - cx) ** 2 + (y - cy) ** 2)).sum() / total / 2)


@pytest.mark.parametrize("least", [1, 2, 44, 316, 1000])
def test_sizes_are_odd_and_just_enough(least):
    found = odd_size(least)
    assert found % 2 == 1
    assert least <= found < 1.3 * least + 3


def test_same_grid_gives_the_same_pixels():
    image = np.random.default_rng(1).normal(size=(2, 20, 25))
    out = sampled(transform(image, 35), 1.0, (20, 25), (12.0, 9.5), (12.0, 9.5))
    np.testing.assert_allclose(out, image, atol=1e-12)


@pytest.mark.parametrize("step", [0.6, 1.0, 1.7])
def test_flux_place_and_size_of_a_gaussian(step):
    image = drawn(galsim.Gaussian(sigma=3.0).shift(1.3, -0.6), 61, 1.0)
    side = padded_side((61, 61), (80, 81), step, (30, 30), (40.2, 39.5))
    out = sampled(transform(image, side), step, (80, 81), (30, 30), (40.2, 39.5))
    cx, cy, rms = moments(out)
    assert out.sum() == pytest.approx(image.sum(), rel=1e-4)
    assert cx == pytest.approx(40.2 + 1.3 / step, abs=0.01)
    assert cy == pytest.approx(39.5 - 0.6 / step, abs=0.01)
    assert rms == pytest.approx(moments(image)[2] / step, rel=1e-3)


def test_a_window_wider_than_the_image_holds_nothing_twice():
    image = drawn(galsim.Gaussian(sigma=1.5), 15, 1.0)
    side = padded_side((15, 15), (64, 64), 1.0, (7, 7), (10.0, 50.0))
    out = sampled(transform(image, side), 1.0, (64, 64), (7, 7), (10.0, 50.0))
    assert out.sum() == pytest.approx(image.sum(), rel=1e-6)
    assert np.unravel_index(out.argmax(), out.shape) == (50, 10)


def test_a_point_source_gets_the_wanted_psf():
    """HST's undersampled PSF on 0.03 arcsec pixels to a broader one on 0.06, both with their pixels."""
    old, new = galsim.Airy(lam=814, diam=2.4, obscuration=0.33), galsim.Moffat(beta=3.0, fwhm=0.18)
    image = drawn(old, 97, 0.03)
    side = padded_side(image.shape, (41, 41), 2.0, (48, 48), (20, 20), 20)
    fy, fx = fourier_frequencies(side)
    f = np.hypot(fy[:, None], fx) / 0.03
    wanted = np.vectorize(lambda k: new.kValue(2 * np.pi * k, 0).real)(f) * pixel_transfer(fy, fx, 2.0)
    model = image_model(image / image.sum(), 0.03, includes_pixel=True)
    k = 2 * np.pi / 0.03
    present = model.at(k * fx[None, :], k * fy[:, None]) * pixel_transfer(fy, fx)
    ratio = matching(wanted, present, 1e-3)
    out = sampled(transform(image, side) * ratio, 2.0, (41, 41), (48, 48), (20, 20))
    target = drawn(new, 41, 0.06)
    assert np.linalg.norm(out * target.sum() / out.sum() - target) / np.linalg.norm(target) < 2e-3


def test_matching_keeps_flux_and_is_held_down_where_nothing_is_left():
    present = np.array([1.0, 0.1, 1e-2, 1e-3, 0.0])
    ratio = matching(np.ones(5), present, floor=1e-2)
    np.testing.assert_allclose(ratio, [1.0, 10.0, 100.0, 10.0, 0.0])
