"""The stages of a model of single galaxies: profiles, shapes, their population, tests by folds, a critic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.sgan.learn.fit.fitted import FittedScene
from mockforge.sgan.learn.fit.stage import SceneFit, fit_scene
from mockforge.sgan.learn.shapes.morphology import Morphology
from mockforge.sgan.learn.stages import Learned, Stage
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.single.compare import generated_galaxies, side_by_side
from mockforge.sgan.single.critic import with_shapes
from mockforge.sgan.single.folds import fold_of, tested
from mockforge.sgan.single.learner import Learner
from mockforge.sgan.single.model import GalaxyModel
from mockforge.sgan.single.read import StampSet
from mockforge.sgan.single.sheet import Sheet
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.population import Population
from mockforge.train.loop import Report

Done = Mapping[str, Learned]
_NONE = {"none": np.zeros(1, np.float32)}


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
            Stage("folds", "Shapes again, without each fold of the galaxies", r.folds, self._folds),
            Stage("tested", "Galaxies that were left out", r.adversarial, self._tested),
            Stage("critic", "Shapes, by a critic", None, self._critic),
            Stage("compared", "Real galaxies above, generated ones below", None, self._compared),
        ]

    def model(self, done: Done) -> GalaxyModel:
        """Return the model that the finished stages make."""
        seconds = {f"{name}_seconds": learned.seconds for name, learned in done.items()}
        facts = {k: v for k, v in done["tested"].facts.items() if not isinstance(v, list)}
        learned_from = {"galaxies_learned_from": len(done["shapes"].arrays["rows"])}
        notes = {**self.notes, **learned_from, **facts, **seconds}
        return self._model(done, notes | {"minutes": round(sum(seconds.values()) / 60.0, 1)})

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

    def _learner(self, done: Done) -> Learner:
        scene = FittedScene.from_arrays(done["fit"].arrays, done["fit"].facts)
        return Learner(self.recipe, self.stamps, self.sheet, scene)

    def _shapes(self, done: Done, folder: Path, report: Report) -> Learned:
        learner = self._learner(done)
        if self.recipe.morphology is None:
            return Learned({**_NONE, "rows": learner.rows}, {"not learned": "not asked for"})
        found = learner.shapes(folder, report)
        return Learned({**found.to_arrays(), "rows": learner.rows}, found.facts, found.picture)

    def _shaped(self, done: Done) -> tuple[Marks, Modulation | None]:
        """Return the galaxies learned from as corrected, with their latents, and the network."""
        arrays, learner = done["shapes"].arrays, self._learner(done)
        marks = learner.scene.marks.rows(learner.rows)
        if "none" in arrays:
            return marks, None
        found = Morphology.from_arrays(arrays, len(self.stamps.bands))
        return found.applied(marks), found.modulation

    def _population(self, done: Done, folder: Path, report: Report) -> Learned:
        learner = self._learner(done)
        shaped, _ = self._shaped(done)
        rng = learner.stream("population").numpy()
        population, facts = learner.population(shaped, np.arange(len(shaped)), rng)
        return Learned(population.to_arrays(), facts)

    def _folds(self, done: Done, folder: Path, report: Report) -> Learned:
        if not self.recipe.folds or self.recipe.morphology is None:
            return Learned(_NONE, {"not learned": "not asked for"})
        learner, arrays, rows = self._learner(done), {}, []
        fold = fold_of(learner)
        for k in range(self.recipe.folds):
            found = learner.shapes(folder / f"fold-{k}", report, fold == k)
            arrays |= {f"{k}/{name}": values for name, values in found.to_arrays().items()}
            rows.append({"fold": k, **{name: v for name, v in found.facts.items() if "chi2" in name}})
        return Learned(arrays, {"by fold": rows})

    def _tested(self, done: Done, folder: Path, report: Report) -> Learned:
        folds, kept = self.recipe.folds, done["folds"]
        if not folds:
            return Learned({"steps": np.zeros(1, np.float32)}, {"not tested": "no folds were asked for"})
        shapes: list[Morphology | None] = [None] * folds
        if "none" not in kept.arrays:
            for k, facts in enumerate(kept.facts["by fold"]):
                own = {n.removeprefix(f"{k}/"): v for n, v in kept.arrays.items() if n.startswith(f"{k}/")}
                shapes[k] = replace(Morphology.from_arrays(own, len(self.stamps.bands)), facts=facts)
        found = tested(self._learner(done), shapes, folder, report)
        return Learned({"steps": np.full(1, found.steps, np.float32)}, found.facts)

    def _critic(self, done: Done, folder: Path, report: Report) -> Learned:
        steps = int(done["tested"].arrays["steps"][0])
        shaped, modulation = self._shaped(done)
        if not steps or modulation is None:
            why = done["tested"].facts.get("critic", "not tried")
            return Learned(_NONE, {"shapes by reconstruction stay": why})
        learner, population = self._learner(done), Population.from_arrays(dict(done["population"].arrays))
        *_, found = learner.refined(shaped, population, modulation, learner.real, [steps], folder, report)
        return Learned({**found.modulation.to_arrays(), "z": found.z}, {"steps": steps})

    def _compared(self, done: Done, folder: Path, report: Report) -> Learned:
        learner, model = self._learner(done), self._model(done, {})
        seed = int(learner.stream("compared").numpy().integers(1 << 30))
        n = len(learner.real.image)
        made = generated_galaxies(model, learner.real, n, learner.least_snr, seed)
        picture = side_by_side(learner.real, made, np.asarray(model.noise.rms_njy))
        return Learned(_NONE, {"generated galaxies": n}, picture)

    def _model(self, done: Done, notes: Mapping[str, Any]) -> GalaxyModel:
        learner, arrays = self._learner(done), done["critic"].arrays
        shaped, modulation = self._shaped(done)
        population = Population.from_arrays(dict(done["population"].arrays))
        if "none" not in arrays:
            modulation = Modulation.from_arrays(arrays, len(self.stamps.bands))
            population = with_shapes(population, shaped, np.asarray(arrays["z"]))
        return learner.model(population, modulation, notes)
