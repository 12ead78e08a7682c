"""What is learned of a set of galaxies: shapes, their population, and what a critic makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.learn.fit.fitted import FittedScene
from mockforge.sgan.learn.population.joint import fitted_mixture, jitter_of, resampled_mixture
from mockforge.sgan.learn.population.stage import measured_galaxies
from mockforge.sgan.learn.shapes.adversarial import AdversarialTask, Painter, copied, trained_to
from mockforge.sgan.learn.shapes.bright import BrightScene
from mockforge.sgan.learn.shapes.morphology import Morphology, learn_morphology
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.single.compare import Shown, real_galaxies
from mockforge.sgan.single.critic import StampDraw, stamp_sides, with_shapes
from mockforge.sgan.single.model import GalaxyModel
from mockforge.sgan.single.read import FEWEST, StampSet
from mockforge.sgan.single.sheet import Sheet, correlation_of
from mockforge.sgan.sources.coordinates import Coordinates, softening_of
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.mixture import Deconvolution
from mockforge.sgan.sources.population import Population
from mockforge.train.loop import Report

_NOT_USED = ("no light", "swallowed by a neighbour", "background", "moved away")
"""What the fit says of stamps whose galaxy is not where it should be. Others are used: large galaxies fill
their stamps, and a profile that fits badly is what shapes are learned for."""


@dataclass(frozen=True, eq=False)
class Refined:
    """A model with shapes as they are after some steps against a critic."""

    step: int
    modulation: Modulation
    z: np.ndarray
    """(N, Z) latents of the galaxies learned from."""


@dataclass(frozen=True, eq=False)
class Learner:
    """Stamps with a smooth profile for each, and a recipe."""

    recipe: Any
    """A `recipe.TrainGalaxies`."""
    stamps: StampSet
    sheet: Sheet
    scene: FittedScene

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of galaxies that are learned from, the brightest first; InputError where they are too few."""
        spec, marks, scene = self.recipe.stamps, self.scene.marks, self.scene
        major = np.exp(marks.log_radius) / np.sqrt(marks.axis_ratio)
        used = ~np.isin(scene.why, _NOT_USED) & (scene.snr >= spec.least_snr) & (major <= 0.5 * spec.side)
        if used.sum() < FEWEST:
            raise InputError(
                f"stamps: {int(used.sum())} of {len(scene)} galaxies are of a signal to noise of "
                f"{spec.least_snr:g} and smaller than their stamp, at least {FEWEST} are required: lower "
                "stamps.least_snr, take a larger stamps.side, or give more"
            )
        rows = np.flatnonzero(used)
        return rows[np.argsort(-scene.snr[rows], kind="stable")][: spec.most]

    @cached_property
    def real(self) -> Shown:
        """The galaxies that are learned from, in the middle of their stamps."""
        marks = self.scene.marks.rows(self.rows)
        left, top = self.sheet.left[self.rows], self.sheet.top[self.rows]
        marks = marks.replace(x=marks.x - left, y=marks.y - top)
        return real_galaxies(self.stamps.rows(self.rows), marks, self._of_pixels(self.scene.snr[self.rows]))

    @property
    def least_snr(self) -> float:
        """Least signal to noise of pixels."""
        return float(self._of_pixels(self.recipe.stamps.least_snr))

    def _of_pixels(self, snr: Any) -> Any:
        """Return signal to noise of pixels, given that of the fit, which knows of correlated noise."""
        return snr * float(self.sheet.field.correlated.mean())

    @cached_property
    def noise(self) -> NoiseField:
        """The noise of all stamps."""
        rms = np.median(self.stamps.rms, axis=0)
        return NoiseField.uniform(tuple(rms.tolist()), correlation_of(self.sheet.field))

    def stream(self, name: str) -> Stream:
        """Return the random numbers of a stage."""
        return Stream(self.recipe.seed, ("train", name))

    def shapes(self, folder: Path, report: Report, apart: np.ndarray | None = None) -> Morphology:
        """Learn the shapes of `rows`; the network does not learn from those `apart` (N,) bool."""
        apart = np.zeros(len(self.rows), dtype=bool) if apart is None else apart
        field = self.sheet.field
        bright = BrightScene(
            field.image, field.mask, field.rms, field.gains, self.scene.model,
            self.scene.marks.rows(self.rows), self.stamps.psf,
        )  # fmt: skip
        return learn_morphology(bright, self.recipe.morphology, self.recipe.seed, folder, report, apart)

    def population(
        self, shaped: Marks, some: np.ndarray, rng: np.random.Generator
    ) -> tuple[Population, dict[str, Any]]:
        """Return what galaxies are like, and facts; `shaped` are those of `rows[some]`, with latents."""
        rows = self.rows[some]
        coordinates = Coordinates(softening_of(self.scene.marks.rows(rows).flux))
        cloud = measured_galaxies(coordinates, self.scene, rows, rng)
        mixture, scores = fitted_mixture(cloud, Deconvolution(isotropic=coordinates.ellipticity), rng)
        if self.recipe.population == "resample":
            mixture = resampled_mixture(cloud, jitter_of(coordinates))
        flux, radius = cloud.points[:, 0], cloud.points[:, coordinates.shape.start]
        population = Population(
            mixture, None, coordinates, (float(flux.min()), float(flux.max()) + 0.1),
            (float(radius.min()) - 0.2, float(radius.max()) + 0.2),
        )  # fmt: skip
        if shaped.z.shape[1]:
            population = with_shapes(population, shaped, shaped.z)
        facts = {
            "galaxies": len(cloud),
            "Gaussians": len(mixture),
            "ln likelihood by Gaussians": [{"Gaussians": k, "ln likelihood": v} for k, v in scores.items()],
        }
        return population, facts

    def model(
        self, population: Population, modulation: Modulation | None, notes: Mapping[str, Any] | None = None
    ) -> GalaxyModel:
        """Return the model of a population."""
        return GalaxyModel(
            name=self.recipe.name,
            bands=self.stamps.bands,
            psf=self.stamps.psf,
            noise=self.noise,
            population=population,
            modulation=modulation,
            pixel_scale_arcsec=self.stamps.pixel_scale_arcsec,
            training=notes or {},
        )

    def refined(
        self, shaped: Marks, population: Population, modulation: Modulation, real: Shown,
        steps: list[int], folder: Path, report: Report,
    ) -> Iterator[Refined]:  # fmt: skip
        """Yield shapes after some steps against a critic of `real`, whose population and shapes these are."""
        model = self.model(population, modulation)
        sides = stamp_sides(real, model, self.least_snr, self.stream("critic"))
        draw = StampDraw(population, shaped)
        task = AdversarialTask(
            sides, draw, self.stamps.psf, modulation, self.recipe.adversarial, self.recipe.seed
        )
        for step in steps:
            kept = folder / f"step-{step}.pt"
            if kept.exists():  # by a run that was stopped later
                painter = Painter(copied(modulation))
                painter.load_state_dict(torch.load(kept, weights_only=True))
            else:
                painter = trained_to(task, step, folder, report)
                torch.save(painter.state_dict(), kept)
            found = painter.modulation.eval().requires_grad_(False)
            yield Refined(step, found, painter.latents(shaped))
