"""Transmission of the intergalactic hydrogen against values that others computed."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.photometry.igm import breaks, lyman_series, transmission


def test_published_values_at_redshift_3():
    """eazy-py's own test values of Inoue et al. 2014 (github.com/gbrammer/eazy-py, tests/test_igm.py)."""
    rest = np.arange(850.0, 1251.0, 50.0)
    wanted = [
        0.33537573,
        0.54634578,
        0.74207249,
        0.74194787,
        0.79182545,
        0.75792504,
        0.72135181,
        0.68233589,
        1,
    ]
    np.testing.assert_allclose(transmission(rest, 3.0), wanted, rtol=0.01)


def test_published_values_at_redshift_5_8():
    """fastspecfit's own test values (github.com/desihub/fastspecfit, test_igm.py)."""
    seen = np.array([6800.0, 7600.0])
    np.testing.assert_allclose(transmission(seen / 6.8, 5.8), [0.09645156, 0.08515676], rtol=1e-4)


@pytest.mark.parametrize("z", [0.8, 1.9, 3.3, 6.5])
def test_lines_agree_with_a_sum_line_by_line(z):
    rest = np.linspace(912.5, 1230.0, 400)
    depth = np.zeros_like(rest)
    for line, a1, a2, a3, d1, d2 in lyman_series():
        x = rest * (1 + z) / line
        seen = (x > 1) & (rest < line)
        forest = np.where(x < 2.2, a1 * x**1.2, np.where(x < 5.7, a2 * x**3.7, a3 * x**5.5))
        damped = np.where(x < 3.0, d1 * x**2.0, d2 * x**3.0)
        depth += np.where(seen, forest + damped, 0.0)
    np.testing.assert_allclose(transmission(rest, z), np.exp(-depth), rtol=1e-12)


@pytest.mark.parametrize("model", ["inoue2014", "madau1995"])
def test_hydrogen_only_absorbs_blueward_of_lyman_alpha(model):
    rest = np.linspace(100.0, 3000.0, 2000)
    for z in (0.05, 1.19, 1.21, 2.0, 4.69, 4.71, 8.0):
        seen = transmission(rest, z, model)
        assert ((seen >= 0) & (seen <= 1)).all()
        assert (seen[rest > breaks(model)[0]] == 1).all()
    assert (transmission(rest, 4.0, "none") == 1).all()


def test_madau_takes_more_at_redshift_3_to_5_and_less_at_7():
    """The abstract of Inoue et al. 2014: less Lyman alpha attenuation at z = 3 to 5, more above 6."""
    forest = np.linspace(1050.0, 1170.0, 100)
    for z, more in ((3.0, True), (4.0, True), (7.0, False)):
        assert (transmission(forest, z, "madau1995").mean() < transmission(forest, z).mean()) == more
    limit = transmission(900.0, 3.5) / transmission(900.0, 3.5, "madau1995")
    assert limit > 1.2


def test_madau_is_closed_form():
    """Footnote 3 of Madau 1995 and its lines, at one wavelength each."""
    assert transmission(1100.0, 3.5, "madau1995") == pytest.approx(
        np.exp(-3.6e-3 * (1100 * 4.5 / 1216) ** 3.46)
    )
    assert transmission(1300.0, 3.5, "madau1995") == 1
