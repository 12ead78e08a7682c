"""Stage 3: a population is learned again from sources fitted with noise; rehearsals correct counts."""

from dataclasses import replace

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.detect import detect
from mockforge.sgan.learn.field import LearnField
from mockforge.sgan.learn.fit.fitted import FittedScene
from mockforge.sgan.learn.fit.newton import INDEX, ROUND
from mockforge.sgan.learn.population.joint import jitter_of, resampled_mixture, without_prior
from mockforge.sgan.learn.population.rehearse import corrected, kernels_of, observed, rehearsed
from mockforge.sgan.learn.population.stage import (
    PopulationChoice,
    flux_limit,
    learn_population,
    measured_galaxies,
)
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.sources.coordinates import Coordinates
from mockforge.sgan.sources.counts import Counts
from mockforge.sgan.sources.density import DensityField
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.mixture import Mixture
from mockforge.sgan.sources.model import SourceModel
from mockforge.sgan.sources.population import Population
from mockforge.sgan.sources.process import LearnedProcess
from mockforge.sky.endless import Endless

SIDE = 512
SIZE = (-1.0, 0.2, 0.5)
RMS = np.array([10.0, 12.0])


def truth(number: float = 1.0) -> SourceModel:
    """Galaxies whose larger ones are redder; some seven hundred above 300 nJy on 512 x 512 pixels."""
    spread = np.diag([2.0, 0.02, 0.02, 0.16, 0.03, 0.03, 0.1])
    spread[1, 3] = spread[3, 1] = -0.04
    galaxies = Mixture(np.ones(1), [[7.0, 1.2, 1.4, 0.5, 0.0, 0.0, 0.1]], spread[None])
    stars = Mixture(np.ones(1), [[7.0, 1.5, 1.0]], np.diag([2.0, 0.01, 0.01])[None])
    population = Population(galaxies, stars, Coordinates([0.3, 0.3]), (5.0, 10.0), (-1.0, 2.5))
    log_flux = np.log(300.0) + np.arange(8) * 0.5
    counts = Counts(log_flux, np.log(number * 2e-3) - 0.8 * (log_flux - log_flux[0]), 0.8, 60.0, 9000.0)
    return SourceModel(population, counts, counts.times(0.15).sloped(0.3), DensityField([24.0], [0.0]))


def psf() -> PixelPsf:
    y, x = np.mgrid[-32:33, -32:33]
    star = np.exp(-0.5 * (x**2 + y**2) / 1.4**2)
    return PixelPsf(np.repeat(star[None] / star.sum(), 2, axis=0).astype(np.float32))


def painted(model: SourceModel, seed: int, side: int = SIDE) -> tuple[LearnField, Marks]:
    """A field of the model, ready to be learned from, and its true sources."""
    painter = SourcePainter(psf(), None, 0.05 * RMS)
    sky = Endless(LearnedProcess(model, Stream(seed), painter.sides), painter)
    image, sources = sky.image(0, side, 0, side), sky.sources(0, side, 0, side)
    mask = np.zeros((side, side), dtype=bool)
    mask[:, :20] = True
    rms = np.broadcast_to(RMS[:, None, None].astype(np.float32), image.shape)
    image = image + rms * np.random.default_rng(seed).standard_normal(image.shape, dtype=np.float32)
    image -= np.median(image, axis=(1, 2), keepdims=True)
    return LearnField(
        image=image, mask=mask, defects=mask, mesh=128,
        rms_mesh=np.repeat(RMS[:, None], 16, axis=1).reshape(2, 4, 4).astype("f4"),
        correlated=np.ones(2), gains=np.zeros(2), fwhm_pix=np.full(2, 3.3),
        detections=detect(image, mask, rms, 3.3), bands=("g", "r"),
    ), sources  # fmt: skip


def fitted(field: LearnField, sources: Marks, seed: int = 0) -> FittedScene:
    """What a fit would find: errors of a Gaussian each, drawn to its priors."""
    inside = (sources.x > 0) & (sources.x < SIDE - 1) & (sources.y > 0) & (sources.y < SIDE - 1)
    true = sources.rows(inside & (sources.mean_flux > 150))
    rng, n = np.random.default_rng(seed), int((inside & (sources.mean_flux > 150)).sum())
    snr = true.mean_flux / 40.0
    flux_err = np.repeat(1.4 * 40.0 * np.ones((n, 1)), 2, axis=1)
    shape_err = np.maximum(1.5 / snr, 0.02)
    flux = true.flux + flux_err * rng.normal(size=(n, 2))

    def pulled(value, error, mean, scatter):
        measured = value + error * rng.normal(size=n)
        weight = error**-2 + scatter**-2
        return (measured * error**-2 + mean / scatter**2) / weight, weight**-0.5

    size = SIZE[0] + SIZE[1] * np.log(np.maximum(flux.mean(axis=1), 1.0))
    radius, radius_err = pulled(true.log_radius, shape_err, size, SIZE[2])
    (e1, e_err), (e2, _) = (pulled(e, 0.5 * shape_err, 0.0, ROUND) for e in (true.e1, true.e2))
    log_n, n_err = pulled(true.log_n, 2.0 * shape_err, *INDEX)
    marks = true.replace(
        flux=flux, log_radius=radius, e1=e1, e2=e2, log_n=np.clip(log_n, -0.9, 2.0),
        star=true.star & (snr > 20),
    )  # fmt: skip
    return FittedScene(
        marks=marks, flux_err=flux_err, log_radius_err=radius_err, e_err=e_err, log_n_err=n_err,
        place_err=np.full(n, 0.1), snr=snr, why=np.full(n, ""), chi2=np.ones(n),
        found_later=np.zeros(n, dtype=bool), size_prior=SIZE, model=np.zeros_like(field.image),
    )  # fmt: skip


@pytest.fixture(scope="module")
def field():
    return painted(truth(), 5)


def test_priors_are_taken_off():
    rng = np.random.default_rng(0)
    true = 1.0 + 0.3 * rng.normal(size=4000)
    error = rng.uniform(0.1, 0.6, 4000)
    weight = error**-2 + 0.5**-2
    value = ((true + error * rng.normal(size=4000)) * error**-2 + 0.2 / 0.5**2) / weight
    free, free_error = without_prior(value, weight**-0.5, 0.2, 0.5, 4.0)
    np.testing.assert_allclose(free_error, error, rtol=1e-6)
    assert abs(np.average(free, weights=error**-2) - 1.0) < 0.02
    assert np.isnan(without_prior(value, weight**-0.5, 0.2, 0.5, 0.1)[0]).any()


def test_the_population_is_learned_again(field):
    learned = learn_population(field[0], fitted(*field), psf(), PopulationChoice(rehearsals=0), Stream(1))
    model, true = learned.model, truth()
    assert 250 < learned.facts["limit nJy"] < 420
    for low in (400.0, 1000.0):
        np.testing.assert_allclose(model.galaxies.number(low=low), true.galaxies.number(low=low), rtol=0.15)
    np.testing.assert_allclose(model.stars.number(low=1000.0), true.stars.number(low=1000.0), rtol=0.4)
    assert model.stars.slope == 0.3 and 0.5 <= model.galaxies.slope <= 1.0
    flux = np.exp(np.random.default_rng(0).uniform(np.log(400), np.log(5000), 6000))
    none = np.zeros(6000, dtype=bool)
    ours, theirs = (m.population.draw(np.random.default_rng(1), flux, none) for m in (model, true))
    for marks in (ours, theirs):
        marks.check()
    assert abs(ours.log_radius.mean() - theirs.log_radius.mean()) < 0.06
    assert abs(ours.log_radius.std() - theirs.log_radius.std()) < 0.05
    assert abs(ours.ellipticity.mean() - theirs.ellipticity.mean()) < 0.03
    correlation = [np.corrcoef(m.log_radius, m.flux[:, 0] / m.flux[:, 1])[0, 1] for m in (ours, theirs)]
    assert abs(correlation[0] - correlation[1]) < 0.15 and correlation[1] < -0.3
    kinds = learned.facts["kinds of density on held-out galaxies"]
    assert [row["kind"] for row in kinds] == ["mixture", "resample"]
    assert kinds[0]["ln likelihood"] > kinds[1]["ln likelihood"]
    assert sum(v.nbytes for v in model.to_arrays().values()) < 2e6


def test_faint_sources_go_on_from_the_faintest_measured():
    population = truth().population
    rng, none = np.random.default_rng(0), np.zeros(4000, dtype=bool)
    faint, limit = (population.draw(rng, np.full(4000, f), none) for f in (np.exp(3.0), np.exp(5.0)))
    difference = limit.log_radius.mean() - faint.log_radius.mean()
    np.testing.assert_allclose(difference, 2.0 * population.size_slope, atol=0.03)
    np.testing.assert_allclose(np.median(faint.flux / faint.mean_flux[:, None]),
                               np.median(limit.flux / limit.mean_flux[:, None]), rtol=0.02)  # fmt: skip


def test_bounds_are_kept_without_piles():
    population = replace(truth().population, log_radius=(0.4, 0.9))
    marks = population.draw(np.random.default_rng(0), np.full(8000, 1000.0), np.zeros(8000, dtype=bool))
    assert marks.log_radius.min() > 0.4 and marks.log_radius.max() < 0.9
    counts = np.histogram(marks.log_radius, np.linspace(0.4, 0.9, 11))[0]
    assert counts.max() < 1.6 * counts.min()


def test_resampling_is_the_other_kind(field):
    scene = fitted(*field)
    coordinates = Coordinates([0.3, 0.3])
    rows = np.flatnonzero(~scene.marks.star & (scene.marks.mean_flux > 350))
    sources = measured_galaxies(coordinates, scene, rows, np.random.default_rng(0))
    again = resampled_mixture(sources, jitter_of(coordinates))
    assert len(again) == len(sources) > 200 and len(again.covariances) == 1
    population = replace(truth().population, galaxies=again)
    flux = np.exp(np.random.default_rng(1).uniform(6, 8, 3000))
    ours, theirs = (
        p.draw(np.random.default_rng(2), flux, np.zeros(3000, bool)) for p in (population, truth().population)
    )
    assert abs(ours.log_radius.std() / theirs.log_radius.std() - 1) < 0.3
    ours.check()


def test_a_rehearsal_of_the_truth_shows_the_same_detections_and_corrects_too_few(field):
    kernels = kernels_of(field[0])
    seen = rehearsed(field[0], psf(), truth(), Stream(8), kernels)
    total = seen.real.sum()
    assert abs(total - seen.painted.sum()) < 4 * np.sqrt(2 * total)
    assert len(seen.table()) > 5
    assert abs(corrected(truth(), seen, 3.3).population.faint_size) < 0.2
    few = truth(number=0.6)
    better = few
    for i in range(2):
        better = corrected(better, rehearsed(field[0], psf(), better, Stream(9 + i), kernels), 3.3)
    ratios = [m.galaxies.number(300, 600) / truth().galaxies.number(300, 600) for m in (few, better)]
    assert ratios[0] < 0.65 and 0.7 < ratios[1] < 1.25


def test_what_is_observed_has_the_field_s_rms(field):
    image = observed(field[0], np.zeros_like(field[0].image), kernels_of(field[0]), np.random.default_rng(0))
    np.testing.assert_allclose(image.std(axis=(1, 2)), RMS, rtol=0.05)


def test_too_few_sources_are_a_sentence(field):
    scene = fitted(*field)
    few = replace(scene, snr=np.full(len(scene), 2.0))
    with pytest.raises(InputError, match="0 sources of the field are above 8 sigma, 40 are needed"):
        learn_population(field[0], few, psf(), PopulationChoice(), Stream(0))


def test_the_limit_holds_for_sources_of_all_colours(field):
    scene = fitted(*field)
    half = np.arange(len(scene)) % 2 == 0
    reddened = replace(scene, snr=np.where(half, scene.snr, 0.5 * scene.snr))
    limit = flux_limit(reddened, 8.0)
    above = reddened.snr[scene.marks.mean_flux > limit]
    assert (above > 7.0).mean() > 0.9
    assert flux_limit(scene, 8.0) < limit
