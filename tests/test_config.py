"""Distributions: what is drawn, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mockforge.config import Limit, Varying
from mockforge.rng import Stream

N = 20_000


def draws(value: object, limit: Limit | None = None) -> np.ndarray:
    made = Varying.parse(value)
    return (made if limit is None else made.limited(limit)).draw(Stream(1).numpy(), N)


@pytest.mark.parametrize(
    ("value", "median", "low", "high"),
    [
        (2.5, 2.5, 2.5, 2.5),
        ({"uniform": [1, 3]}, 2.0, 1, 3),
        ({"loguniform": [0.5, 2]}, 1.0, 0.5, 2),
        ({"normal": [5, 2]}, 5.0, -math.inf, math.inf),
        ({"lognormal": [3, 0.5]}, 3.0, 0, math.inf),
        ({"choice": [1, 2, 7]}, 2.0, 1, 7),
        ({"power_law": [1, 100, -1]}, 10.0, 1, 100),
        ({"power_law": [1, 3, -2]}, 1.5, 1, 3),  # the median of 1 - 1/x on [1, 3]
        ({"power_law": [0.5, 2, 1]}, math.sqrt(2.125), 0.5, 2),
    ],
)
def test_medians_and_ranges(value: object, median: float, low: float, high: float) -> None:
    drawn = draws(value)
    assert drawn.shape == (N,) and drawn.dtype == np.float64
    assert np.median(drawn) == pytest.approx(median, rel=0.04)
    assert drawn.min() >= low * (1 - 1e-12) and drawn.max() <= high * (1 + 1e-12)


def test_widths() -> None:
    assert draws({"normal": [5, 2]}).std() == pytest.approx(2, rel=0.03)
    assert np.log(draws({"lognormal": [3, 0.5]})).std() == pytest.approx(0.5, rel=0.03)
    assert set(draws({"choice": [1, 2, 7]})) == {1, 2, 7}


def test_tails_outside_the_limits_are_drawn_again() -> None:
    drawn = draws({"normal": [0.1, 1]}, Limit(gt=0))
    assert drawn.min() > 0
    # The mean of a normal cut at 0: mean + sigma phi(a) / (1 - Phi(a)) with a = -0.1.
    cut = math.exp(-0.005) / math.sqrt(2 * math.pi) / (0.5 * math.erfc(-0.1 / math.sqrt(2)))
    assert drawn.mean() == pytest.approx(0.1 + cut, rel=0.03)
    with pytest.raises(ValueError, match="almost never is > 9"):
        Varying("normal", (0.0, 0.1), Limit(gt=9)).draw(Stream(1).numpy(), 5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"uniform": [3, 1]}, "low 3 is above high 1"),
        ({"uniform": [1]}, r"needs \[low, high\], found 1"),
        ({"loguniform": [0, 1]}, "should be > 0"),
        ({"normal": [0, -1]}, "sigma -1 should be >= 0"),
        ({"choice": []}, "at least one number"),
        ({"uniform": [1, math.inf]}, "finite"),
        ({"uniform": [1, 2], "normal": [1, 2]}, "one key"),
        ({"unifrom": [1, 2]}, "did you mean 'uniform'"),
        ({"uniform": 3}, "needs a list of numbers"),
        (True, "a number or a distribution"),
        ("3", "a number or a distribution"),
    ],
)
def test_what_is_no_distribution_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Varying.parse(value)


@pytest.mark.parametrize("value", [-1, {"uniform": [-1, 2]}, {"choice": [1, 0]}, {"normal": [0, 1]}])
def test_a_range_that_breaks_the_limit_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="should be > 0, and"):
        Varying.parse(value).limited(Limit(gt=0))
