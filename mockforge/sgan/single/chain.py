"""The stages of a model of single galaxies: smooth profiles, shapes, their population, and a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.learn.fit.fitted import FittedScene
from mockforge.sgan.learn.fit.stage import SceneFit, fit_scene
from mockforge.sgan.learn.population.joint import fitted_mixture, jitter_of, resampled_mixture
from mockforge.sgan.learn.population.stage import measured_galaxies
from mockforge.sgan.learn.shapes.bright import BrightScene
from mockforge.sgan.learn.shapes.morphology import Morphology, learn_morphology
from mockforge.sgan.learn.stages import Learned, Stage
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.single.compare import compared_with, real_galaxies
from mockforge.sgan.single.model import GalaxyModel
from mockforge.sgan.single.read import FEWEST, StampSet
from mockforge.sgan.single.sheet import Sheet, correlation_of
from mockforge.sgan.sources.coordinates import Coordinates, softening_of
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.mixture import Deconvolution
from mockforge.sgan.sources.population import Population
from mockforge.train.loop import Report

Done = Mapping[str, Learned]
_NOT_USED = ("no light", "swallowed by a neighbour", "background", "moved away")
"""What the fit says of stamps whose galaxy is not where it should be. Others are used: large galaxies fill
their stamps, and a profile that fits badly is what shapes are learned for."""


@dataclass(frozen=True)
class GalaxyChain:
    """The stages of one recipe on one set of stamps."""

    recipe: Any
    """A `recipe.TrainGalaxies`."""
    stamps: StampSet
    sheet: Sheet
    notes: Mapping[str, Any]
    """What the model's card says of its data."""

    def stages(self) -> list[Stage]:
        """Return the stages in order."""
        r = self.recipe
        used = [r.morphology, r.stamps.least_snr, r.stamps.most]
        return [
            Stage("fit", "A smooth profile for each galaxy", r.fit_steps, self._fit),
            Stage("shapes", "What profiles leave: shapes by reconstruction", used, self._shapes),
            Stage("population", "What galaxies are like, all marks together", r.population, self._population),
            Stage("compared", "Generated galaxies beside real ones", None, self._compared),
        ]

    def model(self, done: Done) -> GalaxyModel:
        """Return the model that the finished stages make."""
        seconds = {f"{name}_seconds": learned.seconds for name, learned in done.items()}
        facts = {
            k: v for name in ("shapes", "compared") for k, v in done[name].facts.items() if k in _ON_CARD
        }
        notes = {**self.notes, **facts, **seconds, "minutes": round(sum(seconds.values()) / 60.0, 1)}
        return self._model(done, notes)

    def _stream(self, name: str) -> Stream:
        return Stream(self.recipe.seed, ("train", name))

    def _fit(self, done: Done, folder: Path, report: Report) -> Learned:
        rule = SceneFit(steps=self.recipe.fit_steps, second_look=0, star_snr=1e9)
        scene = fit_scene(self.sheet.field, self.stamps.psf, rule, folder, report)
        facts = {
            "galaxies": len(scene),
            "median signal to noise": float(np.median(scene.snr)),
            "FWHM of the PSF in pixels": [float(f) for f in self.stamps.psf.fwhm_pix],
            "scatter of the stamps' PSF widths": self.stamps.psf_scatter,
            **{k: scene.numbers[k] for k in ("not good", "fit seconds")},
        }
        return Learned(scene.to_arrays(), facts)

    def _scene(self, done: Done) -> FittedScene:
        return FittedScene.from_arrays(done["fit"].arrays, done["fit"].facts)

    def _rows(self, scene: FittedScene) -> np.ndarray:
        """Rows of galaxies that are learned from, the brightest first; InputError where they are too few."""
        spec, marks = self.recipe.stamps, scene.marks
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

    def _shapes(self, done: Done, folder: Path, report: Report) -> Learned:
        choice, scene = self.recipe.morphology, self._scene(done)
        rows = self._rows(scene)
        if choice is None:
            return Learned({"none": np.zeros(1, np.float32), "rows": rows}, {"not learned": "not asked for"})
        field = self.sheet.field
        bright = BrightScene(
            field.image, field.mask, field.rms, field.gains, scene.model, scene.marks.rows(rows),
            self.stamps.psf,
        )  # fmt: skip
        found = learn_morphology(bright, choice, self.recipe.seed, folder, report)
        return Learned({**found.to_arrays(), "rows": rows}, found.facts, found.picture)

    def _shaped(self, done: Done) -> tuple[np.ndarray, Marks, Modulation | None]:
        """Return rows of the galaxies used, their marks as corrected, and the network."""
        arrays, scene = done["shapes"].arrays, self._scene(done)
        rows = np.asarray(arrays["rows"])
        if "none" in arrays:
            return rows, scene.marks.rows(rows), None
        found = Morphology.from_arrays(arrays, len(self.stamps.bands))
        return rows, found.applied(scene.marks.rows(rows)), found.modulation

    def _population(self, done: Done, folder: Path, report: Report) -> Learned:
        scene, rng = self._scene(done), self._stream("population").numpy()
        rows, shaped, modulation = self._shaped(done)
        coordinates = Coordinates(softening_of(scene.marks.rows(rows).flux))
        cloud = measured_galaxies(coordinates, scene, rows, rng)
        mixture, scores = fitted_mixture(cloud, Deconvolution(isotropic=coordinates.ellipticity), rng)
        if self.recipe.population == "resample":
            mixture = resampled_mixture(cloud, jitter_of(coordinates))
        flux, radius = cloud.points[:, 0], cloud.points[:, coordinates.shape.start]
        population = Population(
            mixture, None, coordinates, (float(flux.min()), float(flux.max()) + 0.1),
            (float(radius.min()) - 0.2, float(radius.max()) + 0.2),
        )  # fmt: skip
        if modulation is not None:
            population = population.with_latents(shaped, shaped.z, above=1e-6)
        facts = {
            "galaxies": len(cloud),
            "Gaussians": len(mixture),
            "ln likelihood by Gaussians": [{"Gaussians": k, "ln likelihood": v} for k, v in scores.items()],
        }
        return Learned(population.to_arrays(), facts)

    def _compared(self, done: Done, folder: Path, report: Report) -> Learned:
        rows, marks, _ = self._shaped(done)
        marks = marks.replace(x=marks.x - self.sheet.left[rows], y=marks.y - self.sheet.top[rows])
        real = real_galaxies(self.stamps.rows(rows), marks, self._scene(done).snr[rows])
        # that of the fit knows of correlated noise, that of stamps is of pixels
        least = float(self.recipe.stamps.least_snr * self.sheet.field.correlated.mean())
        facts, picture = compared_with(real, self._model(done, {}), least, self._stream("compared"))
        return Learned({"none": np.zeros(1, np.float32)}, facts, picture)

    def _model(self, done: Done, notes: Mapping[str, Any]) -> GalaxyModel:
        _, _, modulation = self._shaped(done)
        rms = np.median(self.stamps.rms, axis=0)
        return GalaxyModel(
            name=self.recipe.name,
            bands=self.stamps.bands,
            psf=self.stamps.psf,
            noise=NoiseField.uniform(tuple(rms.tolist()), correlation_of(self.sheet.field)),
            population=Population.from_arrays(dict(done["population"].arrays)),
            modulation=modulation,
            pixel_scale_arcsec=self.stamps.pixel_scale_arcsec,
            training=notes,
        )


_ON_CARD = (
    "sources",
    "chi2 per pixel, held out, smooth profiles",
    "chi2 per pixel, held out, with morphology",
    "feature AUC, real against real",
    "feature AUC, real against generated",
    "feature AUC, real against smooth profiles",
)
