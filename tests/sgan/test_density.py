"""How crowded a field is, and the condition that says so."""

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.density import measure_density


@pytest.fixture(scope="module")
def measured():
    """A field whose right half is three times as crowded as its left."""
    rng = Stream(1, ("field",)).numpy()
    y = rng.uniform(0, 600, 1200)
    x = np.where(np.arange(1200) % 4 == 0, rng.uniform(0, 400, 1200), rng.uniform(400, 800, 1200))
    return measure_density(y, x, np.zeros((600, 800), bool), 40.0)


def test_the_condition_is_standard_normal_over_the_field(measured):
    condition, _ = measured
    assert condition.shape == (600, 800) and condition.dtype == np.float32
    assert condition.mean() == pytest.approx(0, abs=0.05)
    assert condition.std() == pytest.approx(1, abs=0.08)
    assert condition[:, 600:].mean() - condition[:, :200].mean() > 1.0


def test_a_density_asked_for_is_the_condition_of_its_place(measured):
    condition, scale = measured
    assert scale.low < 0.6 and scale.high > 1.4
    crowded = scale.condition(1.5)
    share = (condition < crowded).mean()
    assert np.interp(share, np.linspace(0, 1, len(scale.levels)), scale.levels) == pytest.approx(
        1.5, abs=0.02
    )
    assert scale.condition(0.7) < scale.condition(1.0) < crowded


def test_what_the_field_cannot_teach_is_refused(measured):
    with pytest.raises(InputError, match="density 9: the training field covers"):
        measured[1].condition(9.0)
    with pytest.raises(InputError, match="3 sources are too few"):
        measure_density(np.arange(3.0), np.arange(3.0), np.zeros((50, 50), bool), 5.0)


def test_masked_sky_is_not_empty_sky():
    rng = Stream(2, ("field",)).numpy()
    y, x = rng.uniform(0, 400, (2, 2000))
    mask = np.zeros((400, 400), bool)
    mask[150:200] = True
    bare, _ = measure_density(y, x, np.zeros_like(mask), 30.0)
    masked, _ = measure_density(y, x, mask, 30.0)
    assert np.abs(masked - bare)[120:150].mean() < 0.5
