"""Counts: what is measured is drawn, the law below the limit, and the controls."""

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.sgan.sources.counts import Counts, measured_counts


def power_law(slope=0.8, n=4000, low=100.0, seed=0):
    return low * np.random.default_rng(seed).random(n) ** (-1 / slope)


def test_a_power_law_is_measured_and_continued():
    flux = power_law()
    counts = measured_counts(flux, 1e6, 100.0, slope=0.8, faintest=10.0)
    np.testing.assert_allclose(counts.number(low=100.0), 4000e-6, rtol=0.01)
    # N(>f) of the whole is still a power law of 0.8 below the limit
    for f in (15.0, 40.0, 100.0, 1000.0):
        expected = 4000e-6 * (f / 100.0) ** -0.8
        np.testing.assert_allclose(counts.above(np.array([f])), expected, rtol=0.12)


def test_drawn_fluxes_follow_the_counts():
    counts = measured_counts(power_law(), 1e6, 100.0, slope=0.5, faintest=20.0)
    drawn = counts.draw(np.random.default_rng(1), 20000)
    assert drawn.min() >= 20.0 and drawn.max() <= counts.brightest
    for f in (30.0, 100.0, 300.0, 2000.0):
        share = float(counts.above(np.array([f]))[0]) / counts.number()
        assert abs((drawn > f).mean() - share) < 4 * np.sqrt(share / 20000)
    some = counts.draw(np.random.default_rng(1), 500, low=50.0, high=60.0)
    assert some.min() >= 50.0 and some.max() <= 60.0
    total = counts.number(20, 50) + counts.number(50, 400) + counts.number(low=400)
    np.testing.assert_allclose(total, counts.number())


def test_slope_limits_and_density_are_controls():
    counts = measured_counts(power_law(), 1e6, 100.0, slope=0.8, faintest=10.0)
    flat = counts.sloped(0.0)
    np.testing.assert_allclose(flat.number(low=100.0), counts.number(low=100.0))
    np.testing.assert_allclose(flat.density(np.array([20.0])), counts.density(np.array([100.0])), rtol=1e-6)
    np.testing.assert_allclose(counts.times(2.0).number(), 2 * counts.number())
    assert counts.times(0.0).number() < 1e-20
    np.testing.assert_allclose(counts.limited(brightest=300.0).number(), counts.number(high=300.0), rtol=1e-9)
    deeper = counts.limited(faintest=1.0)
    ratio = deeper.number(1.0, 10.0) / deeper.number(10.0, 100.0)
    np.testing.assert_allclose(ratio, 10**0.8, rtol=1e-3)
    with pytest.raises(InputError, match="slope 3"):
        counts.sloped(3.0)
    with pytest.raises(InputError, match="leave no flux"):
        counts.limited(faintest=1e9)


def test_counts_survive_their_file_and_a_damaged_one_is_named():
    counts = measured_counts(power_law(), 1e6, 100.0, slope=0.8, faintest=10.0)
    again = Counts.from_arrays(counts.to_arrays())
    np.testing.assert_allclose(again.number(), counts.number(), rtol=1e-5)
    with pytest.raises(InputError, match="finite and grow"):
        Counts.from_arrays(counts.to_arrays() | {"log_flux": np.zeros(len(counts.log_flux))})
    with pytest.raises(InputError, match="law"):
        Counts.from_arrays({"log_flux": counts.log_flux})


def test_too_few_sources_are_a_sentence():
    with pytest.raises(InputError, match="3 sources above 100 nJy are too few for counts, 10 are"):
        measured_counts(np.full(3, 200.0), 1e6, 100.0, slope=0.8, faintest=10.0)
