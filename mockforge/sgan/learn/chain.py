"""The stages of a learned sky, each fed by those before it, and the model that they end in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mockforge.rng import Stream
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.field import LearnField
from mockforge.sgan.learn.fit.fitted import FittedScene
from mockforge.sgan.learn.fit.picture import fit_picture
from mockforge.sgan.learn.fit.stage import SceneFit, fit_scene
from mockforge.sgan.learn.noise.stage import NoiseChoice, learn_noise
from mockforge.sgan.learn.population.picture import population_picture
from mockforge.sgan.learn.population.stage import PopulationChoice, flux_limit, learn_population
from mockforge.sgan.learn.psf.page import psf_facts, psf_picture
from mockforge.sgan.learn.psf.stage import PsfChoice, field_psf
from mockforge.sgan.learn.shapes.adversarial import AdversarialChoice, Compared
from mockforge.sgan.learn.shapes.bright import BrightScene
from mockforge.sgan.learn.shapes.cutouts import CutoutRule, real_cutouts, sky_patches
from mockforge.sgan.learn.shapes.morphology import FEWEST, Morphology, MorphologyChoice, learn_morphology
from mockforge.sgan.learn.shapes.refine import refine
from mockforge.sgan.learn.stages import Learned, Stage
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.model import SourceModel
from mockforge.train.loop import Report
from mockforge.units import ZEROPOINT_NJY

Done = Mapping[str, Learned]
_DRAWN_SNR = 20.0
"""Signal to noise from which on sources are drawn to be compared: the cutouts' own rule is stricter."""
_PATCHES = 1500
"""Source-free patches of sky on each side of the comparison."""
_FEWEST_COMPARED = 100
"""Bright, isolated sources below which a critic has too little to learn from."""


class Settings(Protocol):
    """What a recipe says of the stages; see `recipe.TrainForge`."""

    name: str
    seed: int
    psf: PsfChoice
    fit: SceneFit
    population: PopulationChoice
    noise: NoiseChoice
    morphology: MorphologyChoice | None
    adversarial: AdversarialChoice | None


@dataclass(frozen=True)
class Chain:
    """The stages of one recipe on one field."""

    recipe: Any
    field: LearnField
    notes: Mapping[str, Any]
    """What the model's card says of its data."""

    def stages(self) -> list[Stage]:
        """Return the stages in order."""
        r = self.recipe
        return [
            Stage("psf", "The PSF of each band", r.psf, self._psf),
            Stage("fit", "Every source of the field, fitted at once", r.fit, self._fit),
            Stage("population", "What sources are like, and their numbers", r.population, self._population),
            Stage("noise", "Noise by place, less what is painted", r.noise, self._noise),
            Stage("morphology", "Shapes of bright galaxies", r.morphology, self._morphology),
            Stage("adversarial", "Shapes, by a critic", r.adversarial, self._adversarial),
        ]

    def model(self, done: Done) -> ForgeModel:
        """Return the model that the finished stages make."""
        seconds = {f"{name}_seconds": learned.seconds for name, learned in done.items()}
        limit = float(done["population"].facts["limit nJy"])
        modulation, sources = self._shapes(done, "adversarial")
        return ForgeModel(
            name=self.recipe.name,
            bands=self.field.bands,
            psf=self._psf_of(done),
            noise=NoiseField.from_arrays(done["noise"].arrays, len(self.field.bands)),
            sources=sources,
            modulation=modulation,
            pixel_scale_arcsec=self.field.pixel_scale_arcsec,
            limit_mag=self._limits(done, limit),
            training={**self.notes, **seconds, "minutes": round(sum(seconds.values()) / 60.0, 1)},
        )

    def _stream(self, name: str) -> Stream:
        return Stream(self.recipe.seed, ("train", name))

    def _psf(self, done: Done, folder: Path, report: Report) -> Learned:
        psf, measured = field_psf(self.field, self.recipe.psf)
        facts = psf_facts(psf, self.field.bands, measured)
        return Learned(psf.to_arrays(), facts, psf_picture(psf))

    def _fit(self, done: Done, folder: Path, report: Report) -> Learned:
        scene = fit_scene(self.field, self._psf_of(done), self.recipe.fit, folder, report)
        return Learned(scene.to_arrays(), scene.numbers, fit_picture(self.field, scene))

    def _population(self, done: Done, folder: Path, report: Report) -> Learned:
        scene, stream = self._scene(done), self._stream("population")
        found = learn_population(self.field, scene, self._psf_of(done), self.recipe.population, stream)
        picture = population_picture(self.field, scene, found, stream)
        return Learned(found.model.to_arrays(), found.facts, picture)

    def _noise(self, done: Done, folder: Path, report: Report) -> Learned:
        found = learn_noise(
            self.field, self._psf_of(done), self._sources(done), self.recipe.noise, self._stream("noise")
        )
        return Learned(found.noise.to_arrays(), found.facts, found.picture)

    def _morphology(self, done: Done, folder: Path, report: Report) -> Learned:
        choice = self.recipe.morphology
        rows = self._bright(done)
        if choice is None or len(rows) < FEWEST:
            why = "not asked for" if choice is None else f"{len(rows)} bright galaxies, {FEWEST} are needed"
            return Learned({"none": np.zeros(1, np.float32)}, {"not learned": why})
        scene = self._scene(done)
        bright = BrightScene(
            self.field.image, self.field.mask, self.field.rms, self.field.gains, scene.model,
            scene.marks.rows(rows), self._psf_of(done),
        )  # fmt: skip
        found = learn_morphology(bright, choice, self.recipe.seed, folder, report)
        return Learned({**found.to_arrays(), "rows": rows}, found.facts, found.picture)

    def _adversarial(self, done: Done, folder: Path, report: Report) -> Learned:
        choice = self.recipe.adversarial
        modulation, sources = self._shapes(done, "morphology")
        why = "not asked for" if choice is None else "no morphology was learned" if modulation is None else ""
        compared = None if why else self._compared(done)
        if compared is not None and len(compared.real) < _FEWEST_COMPARED:
            why = f"{len(compared.real)} bright sources stand alone, {_FEWEST_COMPARED} are needed"
        if why or choice is None or compared is None or modulation is None:
            return Learned({"none": np.zeros(1, np.float32)}, {"not learned": why})
        rows = self._shaped_rows(done)
        draw = Bright(sources, rows, flux_limit(self._scene(done), _DRAWN_SNR))
        found = refine(
            compared,
            draw,
            self._psf_of(done),
            rows,
            modulation,
            choice,
            self.recipe.seed,
            folder,
            report,
        )
        return Learned({**found.modulation.to_arrays(), "z": found.z}, found.facts, found.picture)

    def _psf_of(self, done: Done) -> PixelPsf:
        return PixelPsf.from_arrays(done["psf"].arrays, len(self.field.bands), self.field.pixel_scale_arcsec)

    def _scene(self, done: Done) -> FittedScene:
        return FittedScene.from_arrays(done["fit"].arrays, done["fit"].facts)

    def _sources(self, done: Done) -> SourceModel:
        return SourceModel.from_arrays(dict(done["population"].arrays))

    def _bright(self, done: Done) -> np.ndarray:
        """Rows of the fit whose shapes are learned: good galaxies, bright enough, the brightest first."""
        choice, scene = self.recipe.morphology, self._scene(done)
        if choice is None:
            return np.zeros(0, dtype=np.int64)
        used = np.flatnonzero(scene.good & ~scene.marks.star & (scene.snr > choice.least_snr))
        return used[np.argsort(-scene.marks.mean_flux[used], kind="stable")][: choice.most_sources]

    def _shaped_rows(self, done: Done) -> Marks:
        """Return the sources whose shapes were learned, corrected, with their latents."""
        arrays = done["morphology"].arrays
        found = Morphology.from_arrays(arrays, len(self.field.bands))
        return found.applied(self._scene(done).marks.rows(np.asarray(arrays["rows"])))

    def _shapes(self, done: Done, stage: str) -> tuple[Modulation | None, SourceModel]:
        """Return modulation and population as they are after a stage."""
        sources = self._sources(done)
        if "none" in done["morphology"].arrays:
            return None, sources
        rows, arrays = self._shaped_rows(done), done["morphology"].arrays
        if stage == "adversarial" and "none" not in done[stage].arrays:
            arrays = done[stage].arrays
            rows = rows.replace(z=np.asarray(arrays["z"]))
        population = sources.population.with_latents(rows, rows.z)
        modulation = Modulation.from_arrays(arrays, len(self.field.bands))
        return modulation, replace(sources, population=population)

    def _compared(self, done: Done) -> Compared:
        """Return the real bright sources, and the sky that painted ones are added to."""
        field, psf = self.field, self._psf_of(done)
        peak = self.recipe.field.cut.mask_peaks_above
        rule = CutoutRule(
            float(np.median(psf.fwhm_pix)),
            tuple(float(v) for v in np.median(field.rms_mesh, axis=(1, 2))),
            most_peak_njy=float("inf") if peak is None else float(peak),
        )
        places = (field.detections.table["x"], field.detections.table["y"])
        planes, stream = (field.image, field.mask, field.labels), self._stream("adversarial")
        skies = [sky_patches(*planes, rule, _PATCHES, stream.child(name)) for name in ("real sky", "sky")]
        gains = tuple(float(gain) for gain in field.gains)
        return Compared(rule, real_cutouts(*planes, places, rule), *skies, gains=gains)

    def _limits(self, done: Done, limit_njy: float) -> tuple[float | None, ...]:
        """AB magnitude per band of sources at the limit of the mean flux, of their median colours."""
        marks = self._scene(done).marks
        near = marks.rows(np.argsort(np.abs(np.log(np.maximum(marks.mean_flux, 1e-9) / limit_njy)))[:100])
        ratio = np.median(near.flux / near.mean_flux[:, None], axis=0)
        return tuple(float(ZEROPOINT_NJY - 2.5 * np.log10(limit_njy * r)) if r > 0 else None for r in ratio)


@dataclass(frozen=True)
class Bright:
    """Bright sources of a population, as `adversarial.BrightDraw` asks for them."""

    sources: SourceModel
    rows: Marks
    """Whose latents the population draws from."""
    least: float
    """nJy."""

    def __call__(self, n: int, stream: Stream, z: np.ndarray | None = None) -> Marks:
        """Return `n` of them, near the origin; `z` (N, Z) in place of the rows' own latents."""
        model, rng = self.sources, stream.numpy()
        population = model.population if z is None else model.population.with_latents(self.rows, z)
        counts = [c.number(low=self.least) if c is not None else 0.0 for c in (model.galaxies, model.stars)]
        star = np.sort(rng.random(n) < counts[1] / sum(counts))
        parts = [
            c.draw(rng, int(k), low=self.least)
            for c, k in ((model.galaxies, (~star).sum()), (model.stars, star.sum()))
            if c is not None
        ]
        marks = population.draw(rng, np.concatenate(parts), star)
        x, y = rng.uniform(-0.5, 0.5, (2, n))
        return marks.replace(x=x, y=y)
