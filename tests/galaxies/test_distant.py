"""Galaxies at high redshift against the luminosity function; no value of a draw is on an edge."""

import numpy as np
import pytest

from mockforge.galaxies.distant import JOIN, nodes, share
from mockforge.galaxies.population import AXIS_RATIO, INDEX, R_E_ARCSEC, REDSHIFT, hst_population
from mockforge.galaxies.uv_galaxies import (
    LF_COSMOLOGY,
    effective_radius,
    luminosity_function,
    spectra_of_slope,
    uv_slope,
)
from mockforge.rng import Stream

ARCMIN2 = 150.0


@pytest.fixture(scope="module")
def drawn():
    table, rng = hst_population(), Stream(11).numpy()
    return table.draw(rng, rng.poisson(table.density(30.5, 20.0) * ARCMIN2), 30.5, 20.0)


def test_no_value_is_drawn_twice_and_none_is_on_an_edge(drawn):
    for name, (low, high) in (("r_e", R_E_ARCSEC), ("n", INDEX), ("axis_ratio", AXIS_RATIO), ("z", REDSHIFT)):
        value = getattr(drawn, name)
        assert value.min() > low and value.max() < high, name
        assert len(np.unique(value)) == len(value), name


def test_a_range_of_the_faintest_has_no_heap_at_its_end(drawn):
    """As many galaxies just above an edge as a little farther on: 19% were at exactly n = 0.3."""
    faint = drawn.n[drawn.magnitude > 29.0]
    first, next_ = (np.mean((faint >= a) & (faint < a + 0.02)) for a in (0.3, 0.32))
    assert first < 2 * next_ + 0.002 and first < 0.01


@pytest.mark.parametrize(("low", "high"), [(4.0, 4.5), (4.5, 5.5), (5.5, 6.5), (6.5, 8.0)])
def test_distant_galaxies_follow_the_luminosity_function(drawn, low, high):
    """By M_UV from -21 to -18 within 12%, or three Poisson errors (they were 0.14 to 0.4 of it)."""
    from astropy.cosmology import FlatLambdaCDM

    table, universe = hst_population().distant, FlatLambdaCDM(*LF_COSMOLOGY)
    chosen = np.flatnonzero((drawn.z >= low) & (drawn.z < high))
    i = np.clip(((drawn.z[chosen] - JOIN[0]) / 0.05).astype(int), 0, len(nodes()) - 1)
    m_uv = drawn.magnitude[chosen] - table.modulus[i] - table.colour[i, drawn.spectrum[chosen]]
    z = np.linspace(low, high, 41)
    volume = universe.differential_comoving_volume(z).value * np.radians(1 / 60) ** 2
    for m in (-21.0, -20.0, -19.0):
        grid = np.linspace(m, m + 1, 41)
        wanted = np.trapezoid(luminosity_function(grid[None], z[:, None]), grid, axis=1)
        wanted = np.trapezoid(wanted * volume, z) * ARCMIN2
        found = int(((m_uv >= m) & (m_uv < m + 1)).sum())
        assert abs(found - wanted) < max(0.12 * wanted, 3 * np.sqrt(wanted)), (m, found, wanted)


def test_the_join_leaves_no_gap_and_no_step(drawn):
    """Numbers in steps of 0.25 from z = 2.5 to 5: no neighbours differ by more than a third."""
    some = drawn.z[(drawn.magnitude > 25.0) & (drawn.magnitude < 28.0)]
    number = np.histogram(some, np.arange(2.5, 5.01, 0.25))[0]
    assert (np.abs(np.diff(np.log(number))) < 0.4).all(), number


def test_counts_that_were_measured_are_kept():
    """F160W 18 to 25.5: what 3D-HST COSMOS has, galaxies per square arcmin."""
    table = hst_population()
    assert table.density(25.5, 25.0) == pytest.approx(22.98, abs=0.01)
    assert table.density(25.5, 18.0) == pytest.approx(97.54, abs=0.01)
    rise = np.diff(np.log10(table.counts[-10:])) / 0.5
    assert (rise > 0.14).all() and (rise < 0.27).all()


def test_published_values():
    """Bouwens et al. 2021 (table 5, z = 3.8 and 5.9), 2014 (z = 6), Shibuya et al. 2015 (r_0 at z = 4)."""
    for z, knee, number, alpha in ((3.8, -20.93, 1.69e-3, -1.69), (5.9, -20.93, 0.51e-3, -1.93)):
        for m in (-21.0, -19.0):
            x = 10 ** (-0.4 * (m - knee))
            wanted = 0.4 * np.log(10) * number * x ** (alpha + 1) * np.exp(-x)
            assert luminosity_function(m, z) == pytest.approx(wanted, rel=0.2)
    assert uv_slope(np.array(-19.5), np.array(5.9)) == pytest.approx(-2.00)
    assert effective_radius(np.array(-21.0), np.array(4.0)) == pytest.approx(1.0, abs=0.01)
    assert share(np.array([2.9, 3.5, 4.0])) == pytest.approx([0.0, 0.5, 1.0])


def test_spectra_keep_the_mean_slope():
    slope = np.array([-1.2, -2.4, -1.8, -0.6])
    mean = np.array([-1.9, -1.5, -9.0])
    found = spectra_of_slope(slope, np.repeat(mean[:, None], 4, axis=1))
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    np.testing.assert_allclose((found @ slope)[:2], mean[:2], atol=0.02)
    np.testing.assert_allclose(found[2], [0, 1, 0, 0], atol=1e-6)


def test_sizes_are_those_of_their_luminosity(drawn):
    """Median r_e of M_UV = -20 at z = 5: 0.65 kpc circularised, 0.10 arcsec."""
    table = hst_population().distant
    i = np.flatnonzero((drawn.z > 4.8) & (drawn.z < 5.2))
    at = np.clip(((drawn.z[i] - JOIN[0]) / 0.05).astype(int), 0, len(nodes()) - 1)
    m_uv = drawn.magnitude[i] - table.modulus[at] - table.colour[at, drawn.spectrum[i]]
    some = i[np.abs(m_uv + 20.0) < 0.5]
    circular = drawn.r_e[some] * np.sqrt(drawn.axis_ratio[some])
    wanted = effective_radius(np.array(-20.0), np.array(5.0)) / 6.41  # kpc per arcsec at z = 5, Planck18
    assert np.median(circular) == pytest.approx(wanted, rel=0.1)


def test_magnitudes_beyond_the_counts_are_drawn_too():
    far = hst_population().given(Stream(3).numpy(), np.array([10.0, 33.0, 60.0, 60.0]))
    assert far.magnitude.tolist() == [10.0, 33.0, 60.0, 60.0] and np.isfinite(far.r_e).all()
