"""Sersic profiles as Gaussians: their growth and their look through a PSF, against the closed forms."""

import numpy as np
import pytest
import torch

from mockforge.bundle.sersic_gaussians import amplitudes_of, growth, through_gaussian
from mockforge.sgan.light.gaussians import INDEX_RANGE, amplitudes, log_sigmas, mixture

INDICES = (0.4, 0.408, 0.42, 0.5, 0.7, 1.0, 1.37, 2.0, 2.9, 4.0)


def _mixture(n: float) -> tuple[np.ndarray, np.ndarray]:
    return tuple(v[0].numpy() for v in mixture(torch.tensor([np.log(n)], dtype=torch.float64)))


@pytest.mark.parametrize("n", INDICES)
def test_flux_in_any_aperture(n: float) -> None:
    radius = np.geomspace(1e-3, 300, 200)
    amplitude, sigma = _mixture(n)
    inside = (amplitude * (1 - np.exp(-0.5 * (radius[:, None] / sigma) ** 2))).sum(axis=1)
    assert np.abs(inside - growth(n, radius)).max() < 1e-3
    assert amplitude.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("n", INDICES)
@pytest.mark.parametrize("psf", [0.15, 0.5, 1.2])
def test_profile_through_a_psf(n: float, psf: float) -> None:
    radius = np.linspace(0, 8 * max(psf, 0.5), 60)
    amplitude, sigma = _mixture(n)
    variance = sigma**2 + psf**2
    found = (amplitude * np.exp(-0.5 * radius[:, None] ** 2 / variance) / (2 * np.pi * variance)).sum(axis=1)
    wanted = through_gaussian(n, psf, radius)
    assert np.abs(found - wanted).max() < 1e-3 * wanted[0]


def test_high_indices_are_as_stated() -> None:
    for n, least in ((6.0, 1.7e-3), (8.0, 2.6e-3)):
        radius = np.geomspace(1e-2, 50, 100)
        amplitude, sigma = _mixture(n)
        inside = (amplitude * (1 - np.exp(-0.5 * (radius[:, None] / sigma) ** 2))).sum(axis=1)
        assert np.abs(inside - growth(n, radius)).max() < least


def test_smooth_in_the_index() -> None:
    log_n = torch.linspace(np.log(0.41), np.log(7.9), 4001, dtype=torch.float64, requires_grad=True)
    amplitude = amplitudes(log_n)
    (slope,) = torch.autograd.grad(amplitude[:, 4].sum(), log_n)
    step = float(log_n.detach().diff()[0])
    numeric = torch.gradient(amplitude[:, 4].detach(), spacing=step)[0]
    assert (slope - numeric)[1:-1].abs().max() < 1e-3
    assert slope.diff().abs().max() < 0.2 * slope.abs().max()  # no jump of the derivative


def test_indices_outside_are_those_at_the_ends() -> None:
    low, high = np.log(INDEX_RANGE)
    outside, ends = torch.tensor([low - 1, high + 1]), torch.tensor([low, high])
    for a, b in zip(mixture(outside), mixture(ends), strict=True):
        assert torch.equal(a, b)
    assert torch.isfinite(log_sigmas(ends)).all()


def test_the_table_is_what_its_script_makes() -> None:
    low, high = np.log(INDEX_RANGE)
    for node in (0, 11, 32):
        log_n = low + (high - low) * node / 32
        found = amplitudes(torch.tensor([log_n], dtype=torch.float64))[0].numpy()
        np.testing.assert_allclose(found, amplitudes_of(float(np.exp(log_n))), atol=2e-6)
