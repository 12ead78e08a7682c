"""The parts of a galaxy: shares of the light, places, streams."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import gammainc, gammaincinv

from mockforge.config import fixed
from mockforge.galaxies.shapes import Asymmetry, Bulge, Companions, Knots, draw_shapes, radius_of_light
from mockforge.rng import Stream

STREAM = Stream(5, ("shard", 0, "sersic_sed"))
N = 400


def shapes(n=1.0, q=0.5, angle=30.0, **parts):
    """Shapes of N equal main bodies."""
    wanted = {"bulge": None, "companions": None, "knots": None, "asymmetry": None} | parts
    column = np.ones(N)
    return draw_shapes(n * column, q * column, angle * column, SimpleNamespace(**wanted), STREAM)


def test_a_galaxy_without_parts_is_its_main_body():
    found = shapes()
    assert found.x.shape == (N, 1) and found.weight.shape == (N, 2)
    assert (found.weight == [1.0, 0.0]).all() and (found.asymmetry == 0).all()


def test_the_light_of_all_parts_adds_up():
    found = shapes(bulge=Bulge(), companions=Companions(most=2), knots=Knots(), asymmetry=Asymmetry())
    assert found.weight.shape == (N, 5) and (found.weight >= 0).all()
    np.testing.assert_allclose(found.weight.sum(axis=1), 1.0)
    there = found.weight[:, 2:4] > 0
    np.testing.assert_array_equal(there.sum(axis=1), found.companions)
    assert set(found.companions) == {0, 1, 2}
    lit = found.knot_weight.sum(axis=1)
    np.testing.assert_allclose(lit[lit > 0], 1.0)
    np.testing.assert_array_equal(found.weight[:, -1] > 0, lit > 0)


def test_bulge_fraction_is_of_main_body_and_bulge():
    found = shapes(bulge=Bulge(fraction=fixed(0.3)), companions=Companions(flux_ratio=fixed(0.5)))
    main, bulge, companion = found.weight[:, 0], found.weight[:, 1], found.weight[:, 2]
    np.testing.assert_allclose(bulge / (main + bulge), 0.3)
    one = found.companions == 1
    np.testing.assert_allclose(companion[one] / (main + bulge)[one], 0.5)


@pytest.mark.parametrize("n", [0.5, 1.0, 4.0])
def test_knots_follow_the_light(n):
    found = shapes(n=n, q=0.4, angle=90.0, knots=Knots(most=30))
    along, across = found.knot_y, -found.knot_x  # the major axis points up
    radius = np.hypot(along, across / 0.4)
    share = gammainc(2 * n, gammaincinv(2 * n, 0.5) * radius ** (1 / n)).ravel()
    counts, _ = np.histogram(share, bins=9, range=(0.0, 0.9))
    chi2 = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert counts.sum() == N * 30 and chi2 < 25  # 8 degrees of freedom


def test_radius_of_half_the_light_is_the_effective_radius():
    np.testing.assert_allclose(radius_of_light(np.full(4, 0.5), np.array([0.5, 1.0, 2.5, 6.0])), 1.0)


def test_changing_one_part_leaves_the_others_as_they_were():
    one = shapes(bulge=Bulge(), knots=Knots())
    two = shapes(bulge=Bulge(n=fixed(2.0)), knots=Knots(), companions=Companions())
    np.testing.assert_array_equal(one.r_e[:, 1], two.r_e[:, 1])
    np.testing.assert_array_equal(one.knot_x, two.knot_x)
