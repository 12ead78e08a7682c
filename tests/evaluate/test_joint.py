"""Joint distributions: what no single distribution shows."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.evaluate.sky.counts import ks_distance
from mockforge.evaluate.sky.joint import Ranks, correlation_distance, correlations, energy_distance
from mockforge.rng import Stream

RNG = Stream(5, ("joint",))


def pairs(correlation: float, n: int, name: str) -> np.ndarray:
    a, b = RNG.child(name).numpy().standard_normal((2, n))
    return np.stack([a, correlation * a + np.sqrt(1 - correlation**2) * b], axis=1)


def test_equal_margins_with_another_correlation_differ_jointly_alone():
    one, same, other = pairs(0.6, 600, "a"), pairs(0.6, 600, "b"), pairs(-0.6, 600, "c")
    assert max(ks_distance(one[:, i], other[:, i]) for i in range(2)) < 0.1
    assert correlation_distance(one, other) == pytest.approx(1.2, abs=0.1)
    assert correlation_distance(one, same) < 0.1
    assert energy_distance(one, other) > 3 * energy_distance(one, same)


def test_the_energy_distance_of_shifted_gaussians_is_the_closed_form():
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| of unit normals a shift apart, in one dimension."""
    from scipy.stats import norm

    rng = RNG.child("shift").numpy()
    a, b = rng.standard_normal((1500, 1)), 1.5 + rng.standard_normal((1500, 1))
    s, d = np.sqrt(2.0), 1.5
    apart = s * np.sqrt(2 / np.pi) * np.exp(-(d**2) / (2 * s**2)) + d * (1 - 2 * norm.cdf(-d / s))
    wanted = np.sqrt(2 * apart - 2 * 2 / np.sqrt(np.pi))
    assert energy_distance(a, b) == pytest.approx(wanted, rel=0.08)


def test_ranks_are_normal_scores_that_no_unit_changes():
    values = np.exp(RNG.child("ranks").numpy().standard_normal((500, 2)))
    scores = Ranks.of(values).scores(values)
    assert scores.std(axis=0) == pytest.approx(1.0, abs=0.03)
    scaled = Ranks.of(1000 * values).scores(1000 * values)
    assert np.allclose(scores, scaled)
    assert np.isfinite(Ranks.of(values).scores(np.array([[1e9, -1e9]]))).all()


def test_a_column_that_does_not_vary_has_no_correlation():
    values = np.stack([np.arange(50.0), np.ones(50)], axis=1)
    assert np.allclose(correlations(values), np.eye(2))
    assert correlation_distance(values[:10], values) == np.inf
