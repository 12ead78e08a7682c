"""Weights of spectra against scipy's solver; factors of bands against exact mixtures."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.photometry.kcorrect import band_factors, neighbours, sed_weights

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(("bands", "spectra"), [(6, 4), (5, 12), (9, 48)])
def test_fit_is_as_good_as_scipys(bands, spectra):
    optimize = pytest.importorskip("scipy.optimize")
    model = RNG.lognormal(0, 1, (bands, spectra))
    flux, error = RNG.normal(2, 2, (40, bands)), RNG.uniform(0.1, 1, (40, bands))
    weights = sed_weights(flux, error, model)
    assert (weights >= 0).all()
    for f, e, w in zip(flux, error, weights, strict=True):
        _, wanted = optimize.nnls(model / e[:, None], f / e)
        assert np.linalg.norm((f - model @ w) / e) == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_weights_of_mixtures_are_recovered():
    model = RNG.lognormal(0, 1, (200, 8, 5)) * 10.0 ** RNG.uniform(-6, 6, (1, 1, 5))
    truth = np.where(RNG.uniform(size=(200, 5)) < 0.5, 0.0, RNG.uniform(0.1, 1, (200, 5))) / model.mean(1)
    flux = (model @ truth[..., None])[..., 0]
    found = sed_weights(flux, np.full(flux.shape, 0.01), model)
    np.testing.assert_allclose(found * model.mean(1), truth * model.mean(1), atol=1e-4)


def test_a_band_of_infinite_error_does_not_count():
    model = RNG.lognormal(0, 1, (4, 3))
    flux = model @ np.array([1.0, 0.0, 2.0])
    wrong = np.append(flux[:3], 1e9)
    found = sed_weights(wrong[None], np.array([[1.0, 1.0, 1.0, np.inf]]), model)
    np.testing.assert_allclose(found, [[1.0, 0.0, 2.0]], atol=1e-5)


def test_shares_of_the_bands_on_either_side():
    shares = neighbours(np.array([300.0, 400.0, np.sqrt(400 * 900), 2000.0]), np.array([900.0, 400.0]))
    np.testing.assert_allclose(shares, [[0, 1], [0, 1], [0.5, 0.5], [1, 0]], atol=1e-12)
    np.testing.assert_allclose(neighbours(np.array([1.0, 5.0]), np.array([2.0])), 1.0)


def test_factors_give_the_spectrums_flux_where_the_fit_is_exact():
    wanted, present = RNG.lognormal(0, 1, (3, 4)), RNG.lognormal(0, 1, (2, 4))
    weights = RNG.uniform(0, 1, (50, 4))
    shares = np.array([[1.0, 0.0], [0.3, 0.7], [0.0, 1.0]])
    factor = band_factors(weights, wanted, present, shares)
    found = (factor @ (weights @ present.T)[..., None])[..., 0]
    np.testing.assert_allclose(found, weights @ wanted.T)


def test_a_dark_band_gives_its_share_away():
    present = np.array([[0.0], [2.0]])  # absorbed altogether in the first band
    factor = band_factors(np.ones((1, 1)), np.array([[3.0]]), present, np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(factor, [[[0.0, 1.5]]])
