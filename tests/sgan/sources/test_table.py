"""A user's catalogue: what it says is kept, what it does not say is drawn given it."""

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.sgan.sources.coordinates import Coordinates
from mockforge.sgan.sources.mixture import Mixture
from mockforge.sgan.sources.population import Population
from mockforge.sgan.sources.table import Grid, marks_of_table

RNG = np.random.default_rng
SPREAD = np.diag([1.5, 0.05, 0.05, 0.1, 0.04, 0.04, 0.1])
SPREAD[1, 3] = SPREAD[3, 1] = -0.06  # bright in g, small
POPULATION = Population(
    Mixture(np.ones(1), [[7.0, 1.2, 1.4, 0.6, 0.0, 0.0, 0.2]], SPREAD[None]),
    Mixture(np.ones(1), [[7.0, 1.5, 1.0]], np.diag([2.0, 0.01, 0.01])[None]),
    Coordinates([0.3, 0.3]), (5.0, 10.0), (-1.0, 2.5),
)  # fmt: skip
GRID = Grid(("g", "r"), pixel_scale_arcsec=0.2, to_pixels=lambda ra, dec: (100 * ra, 100 * dec))


def table(n=400, **more):
    return {"x": np.arange(n) * 1.5, "y": np.arange(n) * 0.5, "mag_r": np.linspace(20, 25, n)} | more


def test_what_is_given_is_kept_and_the_rest_drawn():
    marks = marks_of_table(table(n=400, q=np.full(400, 0.5), pa=np.full(400, 30.0)), GRID, POPULATION, RNG(0))
    np.testing.assert_allclose(-2.5 * np.log10(marks.flux[:, 1]) + 31.4, np.linspace(20, 25, 400))
    np.testing.assert_allclose(marks.axis_ratio, 0.5)
    np.testing.assert_allclose(np.rad2deg(marks.angle), 30.0)
    np.testing.assert_array_equal(marks.x, np.arange(400) * 1.5)
    assert (marks.flux[:, 0] > 0).all() and marks.log_radius.std() > 0.2
    colour = np.arcsinh(marks.flux[:, 0] / marks.mean_flux / 0.6)
    drawn = POPULATION.draw(RNG(1), marks.mean_flux, np.zeros(400, bool))
    expected = np.arcsinh(drawn.flux[:, 0] / drawn.mean_flux / 0.6)
    assert abs(colour.mean() - expected.mean()) < 0.06
    again = marks_of_table(table(n=400, q=np.full(400, 0.5), pa=np.full(400, 30.0)), GRID, POPULATION, RNG(0))
    np.testing.assert_array_equal(again.flux, marks.flux)


def test_what_is_drawn_follows_what_is_known():
    red, blue = ({"flux_g": np.full(400, f), "flux_r": np.full(400, 1000.0)} for f in (400.0, 1200.0))
    radii = [
        marks_of_table(
            {"x": np.zeros(400), "y": np.zeros(400)} | c, GRID, POPULATION, RNG(0)
        ).log_radius.mean()
        for c in (red, blue)
    ]
    assert radii[0] - radii[1] > 0.2


def test_radii_are_of_the_major_axis_and_in_native_pixels():
    radius = np.full(50, 0.8)
    grid = Grid(("g", "r"), pixels_per_native=2.0, pixel_scale_arcsec=0.1)
    for more in ({"q": np.full(50, 0.25)}, {}):
        marks = marks_of_table(table(n=50, r_e_arcsec=radius, **more), grid, POPULATION, RNG(2))
        np.testing.assert_allclose(np.exp(marks.log_radius) / np.sqrt(marks.axis_ratio), 4.0, rtol=1e-9)


def test_places_may_be_in_degrees_and_stars_are_points():
    star = np.arange(20) % 2
    marks = marks_of_table(
        {"ra": np.full(20, 1.5), "dec": np.full(20, 2.0), "flux_g": np.full(20, 50.0), "star": star},
        GRID, POPULATION, RNG(0),
    )  # fmt: skip
    assert (marks.x == 150).all() and (marks.y == 200).all()
    np.testing.assert_array_equal(marks.star, star == 1)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [1.0], "flux_r": [3.0]}, "x and y in pixels of the sky or ra and dec"),
        ({"x": [1.0], "y": [1.0]}, "light in at least one band"),
        ({"x": [1.0], "y": [1.0], "mag_R": [20.0]}, "did you mean 'mag_r'"),
        ({"x": [1.0, 2.0], "y": [1.0], "flux_r": [3.0]}, "columns of one length"),
        ({"x": [1.0], "y": [1.0], "flux_r": [-3.0]}, "row 0 has a flux that is not positive"),
        ({"x": [1.0], "y": [1.0], "flux_r": [np.nan]}, "row 0 has no flux in any band"),
        ({"x": [np.nan], "y": [1.0], "flux_r": [3.0]}, "row 0 has no place"),
        ({"x": [1.0], "y": [1.0], "flux_r": [3.0], "q": [1.5]}, "row 0 has q = 1.5"),
        ({"x": [1.0], "y": [1.0], "flux_r": [3.0], "n": [12.0]}, "row 0 has n = 12"),
    ],
)
def test_what_cannot_be_painted_is_a_sentence(columns, message):
    with pytest.raises(InputError, match=message):
        marks_of_table(columns, GRID, POPULATION, RNG(0))
