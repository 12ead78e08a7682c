"""Extreme Deconvolution recovers a known mixture under noise that differs from point to point."""

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.sgan.sources.mixture import Deconvolution, Mixture, deconvolved

TRUE = Mixture(
    np.array([0.7, 0.3]),
    np.array([[0.0, 0.0, 0.0], [2.0, 1.5, -1.0]]),
    np.array([np.diag([0.5, 0.04, 0.1]), [[0.3, 0.15, 0.0], [0.15, 0.2, 0.0], [0.0, 0.0, 0.05]]]),
)


def noisy(n=3000, seed=1):
    rng = np.random.default_rng(seed)
    k = rng.choice(2, n, p=TRUE.weights)
    points = TRUE.means[k] + np.einsum(
        "nij,nj->ni", np.linalg.cholesky(TRUE.covariances)[k], rng.normal(size=(n, 3))
    )
    sigma = np.exp(rng.uniform(np.log(0.1), np.log(0.8), (n, 3)))
    noise = sigma[:, :, None] * np.eye(3) * sigma[:, None, :]
    return points + sigma * rng.normal(size=(n, 3)), noise


def test_a_known_mixture_is_recovered_from_heteroscedastic_noise():
    points, noise = noisy()
    fit = deconvolved(points, noise, Deconvolution(2, tolerance=1e-6), np.random.default_rng(3))
    order = np.argsort(fit.means[:, 0])
    np.testing.assert_allclose(fit.weights[order], TRUE.weights, atol=0.05)
    np.testing.assert_allclose(fit.means[order], TRUE.means, atol=0.12)
    np.testing.assert_allclose(fit.covariances[order], TRUE.covariances, atol=0.08)
    # left in, the noise would treble the second coordinate's variance
    assert points[:, 1].var() > 1.15 * (0.7 * 0.04 + 0.3 * 0.2 + 0.21 * 1.5**2)


def test_held_out_points_prefer_the_deconvolved_mixture():
    points, noise = noisy()
    fit = deconvolved(points, noise, Deconvolution(2), np.random.default_rng(3))
    naive = deconvolved(points, 1e-6 * noise, Deconvolution(2), np.random.default_rng(3))
    more, more_noise = noisy(1000, seed=2)
    assert fit.log_density(more, more_noise).mean() > naive.log_density(more, more_noise).mean() + 0.05
    assert fit.log_density(more, more_noise).mean() > TRUE.log_density(more, more_noise).mean() - 0.02


def test_the_conditional_is_that_of_the_gaussians():
    first = np.full(20000, 2.0)
    known = np.column_stack([first, np.full((20000, 2), np.nan)])
    drawn = TRUE.completed(np.random.default_rng(0), known)
    v, m = TRUE.covariances, TRUE.means
    share = TRUE.weights / np.sqrt(v[:, 0, 0]) * np.exp(-0.5 * (2.0 - m[:, 0]) ** 2 / v[:, 0, 0])
    share /= share.sum()
    mean = m[:, 1] + v[:, 1, 0] / v[:, 0, 0] * (2.0 - m[:, 0])
    np.testing.assert_allclose(drawn[:, 1].mean(), share @ mean, atol=0.02)
    np.testing.assert_array_equal(drawn[:, 0], first)


def test_a_vector_of_random_direction_stays_isotropic():
    rng = np.random.default_rng(5)
    points = rng.normal(size=(1500, 3)) * [1.0, 0.3, 0.3] + 0.1 * rng.normal(size=(1500, 3))
    noise = np.repeat(0.01 * np.eye(3)[None], 1500, axis=0)
    fit = deconvolved(points, noise, Deconvolution(3, isotropic=(1, 2)), rng)
    assert np.all(fit.means[:, 1:] == 0)
    np.testing.assert_allclose(fit.covariances[:, 1, 1], fit.covariances[:, 2, 2], rtol=1e-6)
    np.testing.assert_allclose(fit.weights @ fit.covariances[:, 1, 1], 0.09, rtol=0.1)


def test_a_damaged_mixture_is_a_sentence():
    arrays = TRUE.to_arrays()
    assert len(Mixture.from_arrays(arrays)) == 2
    with pytest.raises(InputError, match="add up to 1"):
        Mixture.from_arrays(arrays | {"weights": 2 * arrays["weights"]})
    with pytest.raises(InputError, match="positive"):
        Mixture.from_arrays(arrays | {"covariances": -arrays["covariances"]})
    with pytest.raises(InputError, match="means"):
        Mixture.from_arrays({"weights": arrays["weights"], "covariances": arrays["covariances"]})
