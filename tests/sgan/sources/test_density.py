"""The density field: unit variance everywhere, the asked two-point function, the mean that was asked."""

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.sources.density import DensityField, fitted_density, measured_density
from mockforge.sgan.sources.two_point import two_point

SCALES = np.array([16.0, 64.0, 256.0])


def sources(field: DensityField, stream: Stream, side: int, number: int):
    """A Cox process of the field on a square, by thinning."""
    rng = stream.child("places").numpy()
    n = rng.poisson(number * field.most)
    y, x = rng.uniform(-0.5, side - 0.5, (2, n))
    kept = rng.random(n) * field.most < field.relative(stream, y, x)
    return y[kept], x[kept]


def test_ln_density_has_the_variance_asked_everywhere():
    field = DensityField(SCALES, np.array([0.0, 0.3, 0.0]))
    seeds = [Stream(s) for s in range(500)]
    for place in (0.0, 13.0, 32.0, 51.0):
        g = np.log([field.relative(s, np.array([place]), np.array([7.0]))[0] for s in seeds])
        assert abs(g.var() / 0.3 - 1) < 0.3


def test_the_mean_density_is_kept_and_bounded():
    field = DensityField(SCALES, np.array([0.8, 0.4, 0.2]))
    rng = np.random.default_rng(0)
    y, x = rng.uniform(0, 60000, (2, 20000))
    relative = field.relative(Stream(3), y, x)
    assert abs(relative.mean() - 1) < 0.03
    assert relative.max() <= field.most * (1 + 1e-12)
    assert relative.max() / relative.min() > 50


def test_a_place_has_its_density_whatever_else_is_asked():
    field = DensityField(SCALES, np.array([0.3, 0.2, 0.1]))
    rng = np.random.default_rng(1)
    y, x = rng.uniform(-3000, 3000, (2, 500))
    whole = field.relative(Stream(5), y, x)
    some = np.arange(500) % 7 == 0
    np.testing.assert_array_equal(field.relative(Stream(5), y[some], x[some]), whole[some])
    assert not np.allclose(field.relative(Stream(6), y, x), whole)


def test_the_two_point_function_asked_is_obtained():
    field = DensityField(SCALES, np.array([0.35, 0.15, 0.05]))
    edges = np.geomspace(8, 400, 9)
    side, rounds = 2600, []
    for seed in range(3):
        y, x = sources(field, Stream(seed), side, 4000)
        rounds.append(two_point(y, x, np.zeros((side, side), bool), edges, np.random.default_rng(seed), 3).w)
    mean, scatter = np.mean(rounds, axis=0), np.std(rounds, axis=0, ddof=1) / np.sqrt(3)
    asked = field.correlation(np.sqrt(edges[1:] * edges[:-1]))
    assert asked[0] > 0.5
    # 3 sigma of three skies, and six hundredths for the cut and the bins' width
    np.testing.assert_array_less(np.abs(mean - asked), 3 * scatter + 0.06)


def test_what_is_measured_is_fitted_again():
    field = DensityField(SCALES, np.array([0.4, 0.2, 0.1]))
    theta = np.geomspace(6, 600, 20)
    again = fitted_density(theta, field.correlation(theta), np.full(20, 0.01), SCALES)
    np.testing.assert_allclose(again.variances, field.variances, atol=1e-3)
    y, x = sources(field, Stream(2), 2000, 4000)
    pairs = two_point(
        y, x, np.zeros((2000, 2000), bool), np.geomspace(8, 500, 10), np.random.default_rng(0), 3
    )
    measured = measured_density(pairs, SCALES)
    near = np.array([12.0, 40.0])
    np.testing.assert_allclose(measured.correlation(near), field.correlation(near), rtol=0.35)


def test_clustering_is_a_factor_and_nought_is_poisson():
    field = DensityField(SCALES, np.array([0.4, 0.2, 0.1]))
    theta = np.array([10.0, 40.0, 150.0])
    for factor in (0.5, 2.0):
        np.testing.assert_allclose(
            field.clustered(factor).correlation(theta), factor * field.correlation(theta), rtol=0.15
        )
    poisson = field.clustered(0.0)
    assert poisson.most == 1.0 and (poisson.relative(Stream(0), theta, theta) == 1.0).all()
    with pytest.raises(InputError, match="clustering -1"):
        field.clustered(-1.0)


def test_a_damaged_field_is_a_sentence():
    field = DensityField(SCALES, np.array([0.4, 0.2, 0.1]))
    np.testing.assert_allclose(
        DensityField.from_arrays(field.to_arrays()).variances, field.variances, rtol=1e-6
    )
    with pytest.raises(InputError, match="0 or more"):
        DensityField(SCALES, np.array([-0.4, 0.2, 0.1]))
    with pytest.raises(InputError, match="a variance for each scale"):
        DensityField(SCALES, np.array([0.4]))
