"""Depth in magnitudes against the scatter of fluxes measured on simulated noise."""

from __future__ import annotations

import math

import galsim
import numpy as np
import pytest

from mockforge.observe.noise.correlation import drizzle_autocorrelation
from mockforge.observe.noise.depth import (
    effective_area,
    encircled,
    rms_of_aperture_depth,
    rms_of_psf_depth,
    with_pixel,
)
from mockforge.observe.noise.pixels import unit_noise
from mockforge.rng import Stream
from mockforge.units import flux_njy

SCALE = 0.1


def noise(rms: float, autocorrelation: np.ndarray | None = None) -> np.ndarray:
    """4000 images of 31 x 31 pixels."""
    generator = Stream(5).torch()
    return rms * unit_noise((4000, 1, 31, 31), autocorrelation, generator).numpy()[:, 0].astype(np.float64)


def psf(profile: galsim.GSObject) -> np.ndarray:
    return profile.drawImage(nx=31, ny=31, scale=SCALE, method="no_pixel", dtype=float).array


@pytest.mark.parametrize("beta", [None, 3.5])
def test_effective_area_is_that_of_a_drawn_psf(beta: float | None) -> None:
    made = galsim.Gaussian(fwhm=0.6) if beta is None else galsim.Moffat(beta, fwhm=0.6)
    image = made.drawImage(nx=301, ny=301, scale=0.05, method="no_pixel", dtype=float).array
    assert effective_area(0.6, beta) == pytest.approx(0.05**2 / (image**2).sum(), rel=2e-4)
    y, x = np.mgrid[-150:151, -150:151] * 0.05
    inside = image[np.hypot(x, y) < 0.8].sum()
    assert encircled(0.8, 0.6, beta) == pytest.approx(inside, abs=3e-3)


@pytest.mark.parametrize("fwhm", [0.05, 0.1, 0.25])
def test_effective_area_with_a_pixel_averages_over_where_the_source_lies(fwhm: float) -> None:
    made = galsim.Gaussian(fwhm=fwhm)
    places = np.linspace(-0.5, 0.5, 10, endpoint=False) * SCALE
    sums = [
        (made.shift(dx, dy).drawImage(nx=21, ny=21, scale=SCALE, dtype=float).array ** 2).sum()
        for dx in places
        for dy in places
    ]
    assert effective_area(fwhm, pixel=SCALE) == pytest.approx(SCALE**2 / np.mean(sums), rel=5e-3)


def test_effective_area_with_a_pixel_has_its_limits() -> None:
    assert effective_area(1e-6, pixel=SCALE) == pytest.approx(SCALE**2)
    assert effective_area(1.0, pixel=1e-4) == pytest.approx(effective_area(1.0))
    assert with_pixel(with_pixel(0.2, 0.1), 0.1, -1) == pytest.approx(0.2)


@pytest.mark.parametrize("drop", [None, 1.6])
def test_psf_depth_is_the_scatter_of_psf_photometry(drop: float | None) -> None:
    correlation = None if drop is None else drizzle_autocorrelation(drop)
    weights = psf(galsim.Gaussian(fwhm=0.3))
    weights = weights / (weights**2).sum()
    rms = rms_of_psf_depth(26.0, SCALE, 0.3, sigma=5.0, autocorrelation=correlation)
    fluxes = (noise(rms, correlation) * weights).sum(axis=(1, 2))
    assert fluxes.std() == pytest.approx(flux_njy(26.0) / 5.0, rel=0.03)  # 1.1% of chance


@pytest.mark.parametrize("drop", [None, 1.6])
def test_aperture_depth_is_the_scatter_of_aperture_fluxes(drop: float | None) -> None:
    correlation = None if drop is None else drizzle_autocorrelation(drop)
    rms = rms_of_aperture_depth(26.0, SCALE, 1.6, sigma=10.0, autocorrelation=correlation)
    y, x = (np.mgrid[: 31 * 5, : 31 * 5] + 0.5) / 5 - 15.5
    fine = np.hypot(x, y) < 0.8 / SCALE
    share = fine.reshape(31, 5, 31, 5).mean(axis=(1, 3))
    fluxes = (noise(rms, correlation) * share).sum(axis=(1, 2))
    expected = flux_njy(26.0) / 10.0
    # Pixels cut by the edge count in part, which lowers the variance of white noise a little.
    exact = expected if drop else expected * math.sqrt((share**2).sum() / (math.pi * 64.0))
    assert fluxes.std() == pytest.approx(exact, rel=0.03)
    assert exact == pytest.approx(expected, rel=0.05)


def test_a_magnitude_deeper_is_as_much_less_noise() -> None:
    a, b = (rms_of_psf_depth(m, SCALE, 0.3) for m in (26.0, 27.0))
    assert a / b == pytest.approx(10**0.4)
    assert rms_of_psf_depth(26.0, 2 * SCALE, 0.3) == pytest.approx(2 * a)  # the noise of an area stays
