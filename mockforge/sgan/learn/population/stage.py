"""Stage 3, the population: what sources look like, how many there are, and how they cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np

from mockforge.config import Index, Limit, Positive, config
from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.field import LearnField
from mockforge.sgan.learn.fit.fitted import FittedScene
from mockforge.sgan.learn.fit.newton import INDEX, ROUND
from mockforge.sgan.learn.population.joint import (
    Cloud,
    cloud,
    compared,
    fitted_mixture,
    jitter_of,
    lent,
    resampled_mixture,
    without_prior,
)
from mockforge.sgan.learn.population.rehearse import Rehearsal, corrected, kernels_of, rehearsed, seeing_of
from mockforge.sgan.sources.coordinates import Coordinates, softening_of
from mockforge.sgan.sources.counts import Counts, measured_counts
from mockforge.sgan.sources.density import DensityField, measured_density
from mockforge.sgan.sources.marks import LOG_N, Marks
from mockforge.sgan.sources.mixture import Deconvolution, Mixture
from mockforge.sgan.sources.model import SourceModel
from mockforge.sgan.sources.population import Population
from mockforge.sgan.sources.two_point import TwoPoint, two_point

COUNTED = ("", "poor fit", "at a bound")
"""What the fit says of sources that are real, and counted, whether or not their marks are trusted."""
_FEWEST = 40
"""Galaxies with measured marks below which there is no population."""
_FEWEST_STARS = 6
_STAR_SLOPE = 0.3
"""N(>f) ~ f^-0.3 of stars below the limit to which they can be told: one a magnitude fainter for three."""
_FIRST_SLOPES = (0.5, 1.0)
_MOST_STARS = 0.9
"""Share of all sources that stars may be at any flux."""
_PAIRS = 150
"""Sources below which clustering cannot be told from chance."""


@config
class PopulationChoice:
    """What is learned of the sources, and how it goes on where they are too faint to see."""

    kind: Literal["mixture", "resample"] = "mixture"
    """The joint density of the marks: Gaussians with the noise removed, or sources drawn again."""
    complete_snr: Positive = 8.0
    """Signal to noise of sources to which counts and marks are measured; below, they are a law."""
    depth_mag: Annotated[float, Limit(ge=0, le=6)] = 2.0
    """Magnitudes below that limit down to which sources are painted: to little more than a sigma."""
    slope: Annotated[float, Limit(ge=0, le=2)] | None = None
    """Of N(>f) ~ f^-slope below the limit; none: the one that shows as many faint detections as the field."""
    size_slope: Annotated[float, Limit(ge=0, le=1)] = 0.25
    """Radii go as f^size_slope below the limit."""
    rehearsals: Index = 2
    """Times that counts and sizes are corrected by a field painted and detected."""


@dataclass(frozen=True, eq=False)
class LearnedPopulation:
    """What the stage found."""

    model: SourceModel
    facts: dict[str, Any]
    """For the run's page: numbers by name and tables as lists of rows."""
    pairs: TwoPoint | None
    """The two-point function measured."""
    rehearsal: Rehearsal | None
    """Detections in a field of the final model, and in the real one."""


def learn_population(
    field: LearnField, scene: FittedScene, psf: PixelPsf, choice: PopulationChoice, stream: Stream
) -> LearnedPopulation:
    """Learn the sources of a field from its scene fit.

    Parameters
    ----------
    field : LearnField
        The field that was fitted.
    scene : FittedScene
        Its sources.
    psf : PixelPsf
        Of the field.
    choice : PopulationChoice
        How.
    stream : Stream
        Of all that is drawn.

    Returns
    -------
    LearnedPopulation
        The model, facts, and what they rest on.

    Raises
    ------
    InputError
        Where fewer than 40 galaxies have measured marks.
    """
    limit = flux_limit(scene, choice.complete_snr)
    galaxies, stars = counts_of(field, scene, limit, choice)
    population, facts = population_of(field, scene, limit, choice, stream)
    density, pairs = clustering_of(field, scene, stream)
    model = SourceModel(population, galaxies, stars, density)
    model, last, tables = _rehearsals(field, psf, model, choice, stream)
    area = field.area_pix
    facts = {
        "limit nJy": limit,
        "faintest nJy": model.galaxies.faintest,
        "slope of galaxies below the limit": model.galaxies.slope,
        "galaxies above the limit": model.galaxies.number(low=limit) * area,
        "galaxies in all": model.galaxies.number() * area,
        "stars in all": model.stars.number() * area if model.stars else 0.0,
        "shift of ln radius at the limit": model.population.faint_size,
        "scatter of ln density": float(np.sqrt(density.total)),
        **facts,
        **tables,
        "clustering": _clustering_table(density, pairs),
    }
    return LearnedPopulation(model, facts, pairs, last)


def _rehearsals(
    field: LearnField, psf: PixelPsf, model: SourceModel, choice: PopulationChoice, stream: Stream
) -> tuple[SourceModel, Rehearsal | None, dict[str, Any]]:
    """Return the model corrected by rehearsals, the last one, of the final model, and tables for the page."""
    if not choice.rehearsals:
        return model, None, {}
    kernels, fwhm = kernels_of(field), seeing_of(field)
    first = last = rehearsed(field, psf, model, stream.child("rehearsal", 0), kernels)
    for i in range(choice.rehearsals):
        model = corrected(model, last, fwhm, slope=choice.slope is None)
        last = rehearsed(field, psf, model, stream.child("rehearsal", i + 1), kernels)
    tables = {"detections, first counts": first.table(), "detections, counts corrected": last.table()}
    return model, last, tables


def flux_limit(scene: FittedScene, snr: float) -> float:
    """Return the mean flux, nJy, above which nearly all sources exceed a signal to noise.

    Sources of one mean flux differ in signal to noise by their colours: four in five of those at `snr`
    are fainter. InputError where hardly any source is as significant.
    """
    flux = scene.marks.mean_flux
    used = scene.good & (flux > 0) & (scene.snr > 0)
    bright = int((used & (scene.snr > snr)).sum())
    if bright < _FEWEST:
        raise InputError(
            f"{bright} sources of the field are above {snr:g} sigma, {_FEWEST} are needed to learn from: use "
            "more of the field, or lower population.complete_snr"
        )
    near = np.argsort(np.abs(np.log(scene.snr[used] / snr)))[: max(30, int(0.05 * used.sum()))]
    scaled = flux[used][near] * snr / scene.snr[used][near]
    enough = np.sort(flux[used])[-_FEWEST]
    return float(min(np.quantile(scaled, 0.8), enough))


def counts_of(
    field: LearnField, scene: FittedScene, limit: float, choice: PopulationChoice
) -> tuple[Counts, Counts | None]:
    """Return the counts of galaxies and of stars; those of stars are taken off the counts of all."""
    marks, area = scene.marks, float(field.area_pix)
    real = np.isin(scene.why, COUNTED) & _outside_mask(field, marks)
    flux = marks.mean_flux
    faintest = limit * 10 ** (-0.4 * choice.depth_mag) if choice.depth_mag else 0.999 * limit
    every = measured_counts(flux[real], area, limit, slope=0.8, faintest=faintest)
    stars = _star_counts(flux[real & marks.star], area, limit, faintest)
    density = np.exp(every.log_density)
    if stars is not None:
        taken = np.minimum(stars.density(np.exp(every.log_flux)), _MOST_STARS * density)
        density = density - taken
    galaxies = replace(every, log_density=np.log(density))
    near = np.log(limit) + np.array([0.0, 1.0])
    fall = np.log(galaxies.density(np.exp(near[0])) / galaxies.density(np.exp(near[1])))
    slope = float(np.clip(fall, *_FIRST_SLOPES)) if choice.slope is None else choice.slope
    return galaxies.sloped(slope), stars


def _star_counts(flux: np.ndarray, area: float, limit: float, faintest: float) -> Counts | None:
    """Return the counts of stars: measured to where they are told, and on by a flat law; None where few."""
    flux = flux[flux > 0]
    if len(flux) < _FEWEST_STARS:
        return None
    told = max(limit, float(np.quantile(flux, 0.1)))
    if (flux >= told).sum() < _FEWEST_STARS - 1:
        return None
    least = min(faintest, 0.999 * told)
    return measured_counts(flux, area, told, slope=_STAR_SLOPE, faintest=least, fewest=_FEWEST_STARS - 1)


def population_of(
    field: LearnField, scene: FittedScene, limit: float, choice: PopulationChoice, stream: Stream
) -> tuple[Population, dict[str, Any]]:
    """Return the marks' joint density of both kinds of source, and facts of the two kinds of density."""
    rng = stream.child("population").numpy()
    chosen = scene.good & (scene.marks.mean_flux >= limit) & _outside_mask(field, scene.marks)
    galaxies, stars = np.flatnonzero(chosen & ~scene.marks.star), np.flatnonzero(chosen & scene.marks.star)
    if len(galaxies) < _FEWEST:
        raise InputError(
            f"{len(galaxies)} galaxies of the field have well measured marks, {_FEWEST} are needed: use more "
            "of the field, or lower population.complete_snr"
        )
    coordinates = Coordinates(softening_of(scene.marks.rows(galaxies).flux))
    sources = measured_galaxies(coordinates, scene, galaxies, rng)
    mixtures, facts = _both_kinds(field, coordinates, sources, rng)
    points = sources.points
    radius = points[:, coordinates.shape.start]
    low, high = np.quantile(points[:, 0], (0.0, 0.998))
    population = Population(
        galaxies=mixtures[choice.kind],
        stars=_star_mixture(coordinates, scene, stars, rng),
        coordinates=coordinates,
        log_flux=(float(low), float(max(high, low + 0.1))),
        log_radius=(float(min(np.quantile(radius, 0.005), -0.7)), float(np.quantile(radius, 0.999)) + 0.2),
        size_slope=choice.size_slope,
    )
    return population, facts


def measured_galaxies(
    coordinates: Coordinates, scene: FittedScene, rows: np.ndarray, rng: np.random.Generator
) -> Cloud:
    """Return galaxies as points with noise, the fit's priors taken off."""
    marks = scene.marks.rows(rows)
    size = scene.size_prior
    expected = size[0] + size[1] * np.log(marks.mean_flux)
    radius = without_prior(marks.log_radius, scene.log_radius_err[rows], expected, size[2], 9.0)
    e1, e2 = (without_prior(e, scene.e_err[rows], 0.0, ROUND, 30.0) for e in (marks.e1, marks.e2))
    log_n = without_prior(marks.log_n, scene.log_n_err[rows], *INDEX, 2.0)
    like = coordinates.points(marks)[:, : coordinates.shape.start]
    columns = [lent(like, np.stack(part, axis=1), rng) for part in (radius, (e1[0], e2[0], e1[1]), log_n)]
    marks = marks.replace(
        log_radius=columns[0][:, 0], e1=columns[1][:, 0], e2=columns[1][:, 1],
        log_n=np.clip(columns[2][:, 0], *LOG_N),
    )  # fmt: skip
    errors = np.stack([columns[0][:, 1], columns[1][:, 2], columns[2][:, 1]], axis=1)
    return cloud(coordinates, marks, scene.flux_err[rows], errors)


def _both_kinds(
    field: LearnField, coordinates: Coordinates, sources: Cloud, rng: np.random.Generator
) -> tuple[dict[str, Mixture], dict[str, Any]]:
    """Return both kinds of density, from all sources, and how they do on a third that neither has seen."""
    rule = Deconvolution(isotropic=coordinates.ellipticity)
    held_out, seen = np.split(rng.permutation(len(sources)), [len(sources) // 3])
    mixture, scores = fitted_mixture(sources.rows(seen), rule, rng)
    jitter = jitter_of(coordinates)
    part = {"mixture": mixture, "resample": resampled_mixture(sources.rows(seen), jitter)}
    rows = compared(part, sources.rows(held_out), coordinates.names(field.bands), rng)
    whole, _ = fitted_mixture(sources, rule, rng, tried=(len(mixture),))
    facts = {
        "galaxies with measured marks": len(sources),
        "Gaussians": len(whole),
        "ln likelihood by Gaussians": [{"Gaussians": k, "ln likelihood": v} for k, v in scores.items()],
        "kinds of density on held-out galaxies": rows,
    }
    return {"mixture": whole, "resample": resampled_mixture(sources, jitter)}, facts


def _star_mixture(
    coordinates: Coordinates, scene: FittedScene, rows: np.ndarray, rng: np.random.Generator
) -> Mixture | None:
    if len(rows) < _FEWEST_STARS:
        return None
    sources = cloud(coordinates, scene.marks.rows(rows), scene.flux_err[rows], None)
    if len(sources) < _FEWEST_STARS:
        return None
    return fitted_mixture(sources, Deconvolution(), rng, tried=(1, 2, 3))[0]


def clustering_of(
    field: LearnField, scene: FittedScene, stream: Stream
) -> tuple[DensityField, TwoPoint | None]:
    """Return the density field fitted to the galaxies' two-point function, and that function."""
    usual = float(np.nanmedian(field.fwhm_pix)) if np.isfinite(field.fwhm_pix).any() else 3.0
    least, most = max(8.0, 2.5 * usual), min(field.mask.shape) / 4
    octaves = max(1, int(np.log2(most / least)))
    scales = 1.5 * least * 2.0 ** np.arange(octaves)
    marks = scene.marks
    used = np.isin(scene.why, COUNTED) & ~marks.star & (scene.snr > 5.0) & _outside_mask(field, marks)
    if used.sum() < _PAIRS or most < 2 * least:
        return DensityField(scales, np.zeros(octaves)), None
    edges = np.geomspace(least, most, 3 * octaves + 1)
    rng = stream.child("pairs").numpy()
    pairs = two_point(marks.y[used], marks.x[used], field.mask, edges, rng)
    return measured_density(pairs, scales), pairs


def _clustering_table(density: DensityField, pairs: TwoPoint | None) -> list[dict[str, float]]:
    if pairs is None:
        return []
    fitted = density.correlation(pairs.middle)
    return [
        {"separation px": float(t), "w measured": float(w), "error": float(e), "w of the model": float(m)}
        for t, w, e, m in zip(pairs.middle, pairs.w, pairs.error, fitted, strict=True)
    ]


def _outside_mask(field: LearnField, marks: Marks) -> np.ndarray:
    """Whether each source lies on an unmasked pixel of the field, (N,) bool."""
    height, width = field.mask.shape
    y, x = (np.rint(v).astype(np.int64) for v in (marks.y, marks.x))
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    out = np.zeros(len(marks), dtype=bool)
    out[inside] = ~field.mask[y[inside], x[inside]]
    return out
