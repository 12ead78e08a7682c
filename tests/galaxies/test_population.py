"""The population against the catalogues it was fitted to, and against its own counts."""

import numpy as np
import pytest

from mockforge.bundle.mixture import fit_mixture
from mockforge.errors import InputError
from mockforge.galaxies.population import SPECTRA, hst_population
from mockforge.photometry.fluxes import sed_fluxes, spectrum_set
from mockforge.rng import Stream


@pytest.fixture(scope="module")
def drawn():
    return hst_population().draw(Stream(1).numpy(), 40000, 29.0, 18.0)


def test_magnitudes_follow_the_counts(drawn):
    table = hst_population()
    edges = np.arange(22.0, 29.1, 1.0)
    found = np.histogram(drawn.magnitude, edges)[0]
    whole = table.density(29.0, 18.0)
    wanted = np.array([table.density(b, a) for a, b in zip(edges[:-1], edges[1:], strict=True)])
    expected = 40000 * wanted / whole
    assert (np.abs(found - expected) < 4.5 * np.sqrt(expected)).all()


def test_shapes_stay_in_their_ranges_and_spectra_exist(drawn):
    assert drawn.r_e.min() >= 0.02 and drawn.r_e.max() <= 4.0
    assert drawn.n.min() >= 0.3 and drawn.n.max() <= 6.0
    assert drawn.axis_ratio.min() > 0.0 and drawn.axis_ratio.max() <= 1.0
    assert drawn.spectrum.min() >= 0 and drawn.spectrum.max() < len(spectrum_set(SPECTRA).names)


def test_fainter_galaxies_are_smaller_farther_and_bluer(drawn):
    bright, faint = drawn.magnitude < 22.5, drawn.magnitude > 26.0
    assert np.median(drawn.r_e[faint]) < 0.6 * np.median(drawn.r_e[bright])
    assert np.median(drawn.z[faint]) > np.median(drawn.z[bright])

    def colour(rows):
        rows = np.flatnonzero(rows)[:300]
        z = drawn.z[rows]
        v, i = sed_fluxes(SPECTRA, ("F606W", "F814W"), z, z, drawn.spectrum[rows]).T
        return np.median(-2.5 * np.log10(v / i))

    assert colour(faint) < colour(bright) - 0.3


def test_draws_are_the_streams():
    a, b = (hst_population().draw(Stream(4).numpy(), 50, 27.0) for _ in range(2))
    assert all(np.array_equal(getattr(a, k), getattr(b, k)) for k in vars(a))


def test_beyond_the_counts_is_an_error():
    with pytest.raises(InputError, match=r"reach from 16 to 30\.5"):
        hst_population().draw(Stream(0).numpy(), 3, 33.0)


def test_the_mixture_finds_two_clouds_and_their_classes():
    rng = Stream(2).numpy()
    low, high = rng.normal(0, 1, (3000, 2)), rng.normal(8, 0.5, (1000, 2))
    values = np.concatenate([low, high])
    classes = np.concatenate([np.zeros(3000, int), np.ones(1000, int)])
    found = fit_mixture(values, np.ones(4000), classes, 2, 2, rng)
    order = np.argsort(found.mean[:, 0])
    assert found.weight[order] == pytest.approx([0.75, 0.25], abs=0.01)
    assert found.mean[order] == pytest.approx(np.array([[0, 0], [8, 8]]), abs=0.1)
    assert found.shares[order] == pytest.approx(np.eye(2), abs=0.01)


def test_draws_have_the_catalogues_medians(shared_data):
    """Sizes, indices and shapes of COSMOS F160W, magnitude by magnitude: medians within 12%."""
    fit = np.loadtxt(shared_data / "catalogues" / "cosmos_3dhst.v4.1_f160w.galfit")
    good = (
        (fit[:, 3] == 0)
        & (fit[:, 7] < 0.3 * fit[:, 6])
        & (fit[:, 6] > 0.05)
        & (fit[:, 8] > 0.21)
        & (fit[:, 8] < 7.9)
    )
    fit = fit[good]
    table = hst_population()
    for magnitude in (21.0, 22.0, 23.0, 24.0):
        near = fit[(fit[:, 4] >= magnitude) & (fit[:, 4] < magnitude + 0.5)]
        mine = table.draw(Stream(5).numpy(), 4000, magnitude + 0.5, magnitude)
        assert np.median(mine.r_e) == pytest.approx(np.median(near[:, 6]), rel=0.12)
        assert np.median(mine.n) == pytest.approx(np.median(near[:, 8]), rel=0.15)
        assert np.median(mine.axis_ratio) == pytest.approx(np.median(near[:, 10]), abs=0.06)
