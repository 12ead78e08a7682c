"""The process: pure functions of the block, counts and density as asked, tables, other pixel scales."""

from dataclasses import replace

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.sources.coordinates import Coordinates
from mockforge.sgan.sources.counts import Counts
from mockforge.sgan.sources.density import DensityField
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.mixture import Mixture
from mockforge.sgan.sources.model import Asked, SourceModel
from mockforge.sgan.sources.population import Population
from mockforge.sgan.sources.process import CELL, LEVELS, LearnedProcess, TableProcess

FIELDS = ("x", "y", "flux", "log_radius", "e1", "e2", "log_n", "star", "shaped", "z", "mirrored")


def model(density=(0.4, 0.2)) -> SourceModel:
    """Two bands; larger galaxies are brighter, stars blue; z of two numbers."""
    spread = np.diag([1.5, 0.02, 0.02, 0.1, 0.04, 0.04, 0.1])
    spread[0, 3] = spread[3, 0] = 0.2
    galaxies = Mixture(np.ones(1), [[7.0, 1.2, 1.4, 0.6, 0.0, 0.0, 0.2]], spread[None])
    stars = Mixture(np.ones(1), [[7.0, 1.5, 1.0]], np.diag([2.0, 0.01, 0.01])[None])
    population = Population(galaxies, stars, Coordinates([0.3, 0.3]), (5.0, 10.0), (-1.0, 2.5))
    rng = np.random.default_rng(0)
    bright = population.draw(rng, np.exp(rng.uniform(8, 9, 40)), np.zeros(40, bool))
    population = population.with_latents(bright, rng.normal(size=(40, 2)))
    counts = Counts([5.0, 7.0, 9.0], [-9.0, -10.5, -12.5], 0.8, 30.0, 20000.0)
    return SourceModel(population, counts, counts.times(0.2), DensityField([32.0, 128.0], density))


def sides(marks: Marks) -> np.ndarray:
    reach = np.where(marks.star, 8.0, 4.0 * np.exp(marks.log_radius)) + marks.mean_flux**0.4
    return np.array([16, 32, 64, 128, 256, 512])[np.searchsorted([8, 16, 32, 64, 128], reach)]


def everything(process, side=512):
    """Sources of all levels whose blocks lie in a square, and their names."""
    parts, names = [], []
    for k, level in enumerate(process.levels):
        for by in range(side // level.block):
            for bx in range(side // level.block):
                block = process.block(k, by, bx)
                parts.append(block)
                names += [(k, by, bx, row) for row in range(len(block))]
    return Marks.together(parts), names


def same(a: Marks, b: Marks) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_block_is_a_function_of_its_key():
    first, again = (LearnedProcess(model(), Stream(4), sides) for _ in range(2))
    everything(again, 1024)
    for key in ((0, 3, -2), (1, 0, 0), (3, -1, 1)):
        same(first.block(*key), again.block(*key))
    other = LearnedProcess(model(), Stream(5), sides).block(1, 0, 0)
    assert len(other) != len(first.block(1, 0, 0)) or (other.x != first.block(1, 0, 0).x).any()


def test_sources_lie_in_their_blocks_and_within_reach():
    process = LearnedProcess(model(), Stream(1), sides)
    for k, level in enumerate(process.levels):
        block = process.block(k, -1, 2)
        assert (np.floor((block.y + 0.5) / level.block) == -1).all()
        assert (np.floor((block.x + 0.5) / level.block) == 2).all()
        if len(block):
            assert sides(block).max() // 2 + 1 <= level.reach
    assert len({level.block for level in LEVELS}) > 1


def test_every_source_belongs_to_one_block():
    process = LearnedProcess(model(), Stream(2), sides)
    blocks, _ = everything(process, 2 * CELL)
    cells = Marks.together([process.native(cy, cx) for cy in range(2) for cx in range(2)])
    np.testing.assert_array_equal(np.sort(blocks.x), np.sort(cells.x))


def test_counts_star_fraction_and_density_are_those_asked():
    asked = model(density=(0.4, 0.0))
    process = LearnedProcess(asked, Stream(3), sides)
    cells = Marks.together([process.native(cy, cx) for cy in range(-3, 3) for cx in range(-3, 3)])
    area = (6 * CELL) ** 2
    stars = cells.rows(cells.star)
    assert abs(len(stars) - asked.stars.number() * area) < 4 * np.sqrt(len(stars))
    galaxies = cells.rows(~cells.star)
    # clustering widens the scatter of the number
    np.testing.assert_allclose(len(galaxies), asked.galaxies.number() * area, rtol=0.06)
    share = asked.galaxies.number(low=1000.0) / asked.galaxies.number()
    np.testing.assert_allclose((galaxies.mean_flux > 1000).mean(), share, rtol=0.2)
    twice = asked.asked(Asked(density=2.0, star_fraction=0.5, faintest_mag=26.0, clustering=0.0))
    np.testing.assert_allclose(twice.star_fraction, 0.5)
    faintest = 10 ** (-0.4 * (26.0 - 31.4))
    expected = 2 * (asked.galaxies.number(low=faintest) + asked.stars.number(low=faintest))
    np.testing.assert_allclose(twice.number, expected, rtol=1e-6)
    process = LearnedProcess(twice, Stream(3), sides)
    cells = Marks.together([process.native(cy, cx) for cy in range(4) for cx in range(4)])
    assert cells.mean_flux.min() >= faintest * (1 - 1e-9)
    assert abs(cells.star.mean() - 0.5) < 0.06


def test_marks_are_within_bounds_and_bright_galaxies_shaped():
    process = LearnedProcess(model(), Stream(6), sides)
    cells = Marks.together([process.native(cy, 0) for cy in range(20)]).check()
    assert cells.ellipticity[~cells.star].max() < 0.85
    shaped = ~cells.star & (cells.mean_flux >= process.model.population.latents.above)
    np.testing.assert_array_equal(cells.shaped, shaped)
    assert (cells.z[~shaped] == 0).all() and cells.z[shaped].std() > 0.5
    assert (cells.flux > 0).all()
    angle = cells.angle[~cells.star]
    assert abs(np.mean(np.cos(2 * angle))) < 0.1


def test_the_same_sources_lie_on_a_sky_of_another_scale():
    coarse = LearnedProcess(model(), Stream(7), sides)
    fine = LearnedProcess(model(), Stream(7), sides, pixels_per_native=1.7)
    native = Marks.together([coarse.native(cy, cx) for cy in range(3) for cx in range(3)])
    edge = 512 / 1.7 - 0.5
    inside = (native.x < edge) & (native.y < edge)
    on_fine, _ = everything(fine)
    np.testing.assert_allclose(np.sort((on_fine.x + 0.5) / 1.7 - 0.5), np.sort(native.x[inside]), atol=1e-9)
    np.testing.assert_array_equal(np.sort(on_fine.log_radius), np.sort(native.log_radius[inside]))


def test_colour_shift_keeps_mean_fluxes():
    asked = model()
    plain = LearnedProcess(asked, Stream(8), sides).native(0, 0)
    red = LearnedProcess(asked.asked(Asked(colour_shift=(0.5, 0.0))), Stream(8), sides).native(0, 0)
    np.testing.assert_allclose(red.mean_flux, plain.mean_flux)
    shift = -2.5 * np.log10(red.flux[:, 0] / red.flux[:, 1] / (plain.flux[:, 0] / plain.flux[:, 1]))
    np.testing.assert_allclose(shift, 0.5)


def test_a_table_is_looked_up():
    table = LearnedProcess(model(), Stream(9), sides).native(0, 0)
    process = TableProcess(table, sides)
    found, names = everything(process, 512)
    np.testing.assert_array_equal(np.sort(found.x), np.sort(table.x))
    assert len(set(names)) == len(table)
    assert len(process.block(0, 99, 99)) == 0
    with pytest.raises(InputError, match="table of sources: row 1"):
        TableProcess(table.replace(x=np.where(np.arange(len(table)) == 1, np.nan, table.x)), sides)


def test_a_model_survives_its_file_and_what_cannot_be_asked_is_a_sentence():
    asked = model()
    arrays = asked.to_arrays()
    again = SourceModel.from_arrays(arrays)
    assert all(v.dtype == np.float32 for v in arrays.values())
    np.testing.assert_allclose(again.number, asked.number, rtol=1e-5)
    a, b = (
        LearnedProcess(m, Stream(1), sides).native(0, 0) for m in (again, SourceModel.from_arrays(arrays))
    )
    same(a, b)
    with pytest.raises(InputError, match="unknown array 'other'"):
        SourceModel.from_arrays(arrays | {"other": np.zeros(1)})
    with pytest.raises(InputError, match="too few stars"):
        replace(asked, stars=None).asked(Asked(star_fraction=0.3))
    with pytest.raises(InputError, match="lower density"):
        LearnedProcess(asked.asked(Asked(density=1e6)), Stream(0), sides)
    with pytest.raises(InputError, match="one number of magnitudes per band"):
        asked.asked(Asked(colour_shift=(0.1,)))
