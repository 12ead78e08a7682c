"""The source `one_sky`: the same sky as two or more telescopes see it, with one set of labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from mockforge.batch import Bands, Batch, Stage
from mockforge.config import Limit, NonNegative, Positive, config
from mockforge.galaxies.population import TABLE
from mockforge.galaxies.real.rule import Magnitude, RealStamps
from mockforge.names import name_problem
from mockforge.observe.noise.spec import Noise
from mockforge.observe.problems import instrument_problems
from mockforge.observe.psf.spec import Psf
from mockforge.observe.surveys.read import survey
from mockforge.photometry.bands import Band
from mockforge.rng import Stream
from mockforge.scene.model import Clustering, SceneModel, Stars, Structure
from mockforge.scene.views import SceneViews
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.model import load_model, model_path
from mockforge.sgan.paint.asked import survey_files
from mockforge.sgan.paint.control import control
from mockforge.sgan.paint.views import LearnedViews
from mockforge.sky.lattice import corners
from mockforge.sky.views import Frame, Seen, common_order, labels_of, objects_in_views
from mockforge.train.model_files import model_files
from mockforge.units import ZEROPOINT_NJY


@config
class View:
    """One telescope: its bands, its pixels, its PSF, its noise."""

    survey: str | None = None
    """A survey's name or file, for all of the following that is not given."""
    bands: tuple[Band, ...] | None = None
    """Bands of its images; null: the survey's, or all of the model's."""
    pixel_scale_arcsec: Positive | None = None
    """Side of its pixels; null: the survey's, or the model's."""
    psf: Psf | None = None
    """PSF, for a parametric sky; null: the survey's."""
    noise: Noise | None = None
    """Noise, for a parametric sky; null: the survey's, or none."""
    seeing: float | str | dict[str, float | str] | None = None
    """FWHM of stars in arcsec, a survey, or either by band, for a learned sky; null: the model's own."""
    depth: float | str | dict[str, float | str] | None = None
    """5 sigma AB magnitude, a survey, or either by band, for a learned sky; null: the model's own."""


@config
class SceneSources:
    """What there is on a parametric sky; see the source `scene`."""

    faintest: Magnitude = 28.0
    """Faintest galaxies, total AB magnitude in F160W."""
    brightest: Magnitude = 18.0
    """Brightest galaxies and stars."""
    density_factor: NonNegative = 1.0
    """Times the number of galaxies."""
    stars: Stars | None = Stars()
    """Stars; null for none."""
    clustering: Clustering | None = Clustering()
    """Clumps of one redshift each; null: positions are random."""
    structure: Structure = Structure()
    """Bulges, disks, knots."""
    real: RealStamps | None = None
    """Real images for the brightest galaxies; null for none."""
    shear: tuple[float, float] = (0.0, 0.0)
    """Weak lensing: reduced shear g1, g2 of every galaxy."""
    edge_mag_arcsec2: Annotated[float, Limit(ge=24, le=38)] = 31.0
    """Surface brightness to which a galaxy or star is painted."""

    def files_read(self) -> dict[str, Path]:
        """Return the population's table."""
        return {"hst_population": TABLE}


@config
class OneSky(Stage):
    """Tiles of one endless sky shown to two or more telescopes, each on its own grid.

    Writes for each view NAME `image_NAME` and `truth_NAME` (N,C,H,W) nJy, with and without noise, in its
    bands and pixels and through its PSF; `instances_visible_NAME` (N,H,W), the label of the brightest
    source of a pixel among those brighter there than the isophote; `sky_rms_NAME` (N,C) where it has
    noise; and once the table `objects`: every true parameter, the flux in all bands of all views, places
    and areas in each view. A source has one label, the same number on every grid; 1, 2, ... from the
    brightest in the first view on. The tiles of a sample have their lower left corner in common, to the
    last digit, and the upper right one to half a pixel.
    """

    scene: SceneSources | None = None
    """A parametric sky, seen in any bands."""
    model: str | None = None
    """A learned sky: a bundled model's name, or a path to NAME.json; seen in its own bands."""
    views: dict[str, View]
    """The telescopes, two or more, by names that end the names of their arrays."""
    tile_arcsec: Annotated[float, Limit(gt=0, le=3600)] = 40.0
    """Side of a sample; each view has the nearest whole number of its pixels."""
    centred: bool = False
    """Stamps: each sample is centred on the brightest galaxy of a part of the sky twice as large."""
    isophote_mag_arcsec2: Annotated[float, Limit(ge=15, le=35)] = 27.0
    """Surface brightness of a source's own light, mean of a view's bands, that bounds its masks there."""
    gap_arcsec: NonNegative = 4.0
    """Empty sky between the tiles of two samples."""

    def __post_init__(self) -> None:
        if (self.scene is None) == (not self.model):
            raise ValueError("one of scene (a parametric sky) and model (a learned one) is expected")
        if len(self.views) < 2:
            raise ValueError(f"views: two telescopes or more are expected, found {len(self.views)}")
        for name, view in self.views.items():
            problem = name_problem(name)
            if problem:
                raise ValueError(f"views: the name of a view: {problem}")
            self._check(name, view)

    def _check(self, name: str, view: View) -> None:
        """ValueError for what a view's sky cannot have."""
        wrong = ("seeing", "depth") if self.scene is not None else ("psf", "noise")
        for key in wrong:
            if getattr(view, key) is not None:
                kind, other = (
                    ("parametric", "psf and noise") if self.scene else ("learned", "seeing and depth")
                )
                raise ValueError(f"views.{name}.{key}: a {kind} sky has {other}")
        if self.scene is not None and view.survey is None:
            missing = [key for key in ("bands", "pixel_scale_arcsec", "psf") if getattr(view, key) is None]
            if missing:
                raise ValueError(f"views.{name}: give a survey, or {' and '.join(missing)}")
        frame = self._frame(name, view)
        if not 8 <= frame.side <= 8192:
            raise ValueError(
                f"views.{name}: a tile of {self.tile_arcsec:g} arcsec is {frame.side} of its pixels of "
                f"{frame.pixel_scale_arcsec:g} arcsec; 8 to 8192 are possible, change tile_arcsec"
            )

    def writes(self) -> frozenset[str]:
        """Return the arrays of each view, and the tables."""
        names = {"objects", "tile"}
        for name, view in self.views.items():
            names |= {f"{kind}_{name}" for kind in ("image", "truth", "instances_visible")}
            names |= {f"sky_rms_{name}"} if self._noisy(view) else set()
        return frozenset(names)

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"objects", "tile"})

    def files_read(self) -> dict[str, Path]:
        """Return the model, and the files of surveys that are the user's own."""
        asked = [v for view in self.views.values() for v in (view.survey, view.seeing, view.depth)]
        return (model_files(self.model) if self.model else {}) | survey_files(*asked)

    def model_cards(self) -> dict[str, str]:
        """Return the model's card, for the dataset's."""
        card = model_path(self.model).with_suffix(".md") if self.model else None
        return {card.stem: card.read_text()} if card is not None and card.exists() else {}

    def bands_after(self, bands: Bands) -> Bands:
        """Return the bands of the first view."""
        return next(iter(self._frames())).bands

    def problems(self, bands: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
        """Return the PSFs and noises that do not fit their view's bands."""
        if self.scene is None:
            return
        for name, view, frame in zip(self.views, self.views.values(), self._frames(), strict=True):
            for key, problem in instrument_problems(self._with_survey(view), frame.bands):
                yield ("views", name, *key), problem

    def pixels(self) -> int:
        """Return the pixels of a sample in all its views and bands."""
        return sum(int(np.prod(frame.shape)) for frame in self._frames())

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        if self.model:
            return f"The sources are those of the learned sky `{self.model}`: none is real."
        return "Galaxies are parametric, of one fitted population; between bands their parts alone differ."

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Make every sample; the sky's seed is the recipe's."""
        sky, frames = _views(self, stream.seed), self._frames()
        pixels = int(np.ceil(self.tile_arcsec / sky.native_scale))
        room = pixels * (2 if self.centred else 1)
        gap = int(np.ceil(self.gap_arcsec / sky.native_scale / 2))
        y0, x0 = corners(batch, room, gap, 1)
        made = [
            self._sample(sky, frames, (y, x), room) for y, x in zip(y0.tolist(), x0.tolist(), strict=True)
        ]
        arrays = {name: np.stack([own[name] for own, _, _ in made]) for name in made[0][0]}
        count = [len(table["label"]) for _, table, _ in made]
        objects = {name: np.concatenate([table[name] for _, table, _ in made]) for name in made[0][1]}
        edge = np.array([corner for _, _, corner in made])
        tile = {"sample": batch.sample.copy(), "sky_x0": edge[:, 1], "sky_y0": edge[:, 0]}
        out = Batch(
            sample=batch.sample, draw=batch.draw, split=batch.split, splits=batch.splits, arrays=arrays,
            tables={"objects": {"sample": np.repeat(batch.sample, count), **objects}, "tile": tile},
        )  # fmt: skip
        return out.with_attributes(**self._attributes(sky, frames))

    def _sample(
        self, sky: Any, frames: tuple[Frame, ...], place: tuple[int, int], room: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], tuple[float, float]]:
        """Arrays, rows of `objects` and the corner of one sample."""
        sources, ids = sky.near(*place, room)
        corner = self._corner(sky, sources, place, room)
        views: list[Seen[Any]] = [
            sky.seen(i, frame, sources, corner, self.isophote_njy(frame)) for i, frame in enumerate(frames)
        ]
        order = common_order(views)
        arrays: dict[str, np.ndarray] = {}
        for i, view in enumerate(views):
            name, truth = view.frame.name, view.truth.image
            arrays[f"truth_{name}"] = truth
            scale = sky.native_scale / view.frame.pixel_scale_arcsec
            y, x = (round(edge * scale) for edge in corner)
            arrays[f"image_{name}"] = sky.observed(i, truth, y, x)
            arrays[f"instances_visible_{name}"] = labels_of(view, order)
            rms = sky.sky_rms(i)
            if rms is not None:
                arrays[f"sky_rms_{name}"] = rms
        marks = {"id": ids, **sky.marks(sources)}
        return arrays, objects_in_views(views, order, sky.flux(sources), marks), corner

    def _corner(self, sky: Any, sources: Any, place: tuple[int, int], room: int) -> tuple[float, float]:
        """Outer edge (y, x) of the tile's first pixel, in pixels of the grid that places are drawn on."""
        side = self.tile_arcsec / sky.native_scale
        if not self.centred:
            return float(place[0]), float(place[1])
        inner = [
            (v + 0.5 > first + side / 2) & (v + 0.5 < first + room - side / 2)
            for v, first in ((sources.y, place[0]), (sources.x, place[1]))
        ]
        light = np.where(inner[0] & inner[1] & ~sources.star, sources.flux.mean(axis=1), -1.0)
        if not len(light) or light.max() <= 0:
            return place[0] + side / 2, place[1] + side / 2
        brightest = int(light.argmax())
        return tuple(float(v[brightest]) + 0.5 - side / 2 for v in (sources.y, sources.x))

    def isophote_njy(self, frame: Frame) -> float:
        """Return the isophote in nJy per pixel of a view."""
        return 10 ** (-0.4 * (self.isophote_mag_arcsec2 - ZEROPOINT_NJY)) * frame.pixel_scale_arcsec**2

    def _attributes(self, sky: Any, frames: tuple[Frame, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {"unit": "nJy", "zeropoint_ab": ZEROPOINT_NJY, "views": tuple(self.views)}
        for i, frame in enumerate(frames):
            fwhm = sky.psf_fwhm_arcsec(i)
            out |= {
                f"bands_{frame.name}": frame.bands,
                f"pixel_scale_arcsec_{frame.name}": frame.pixel_scale_arcsec,
                f"isophote_njy_{frame.name}": self.isophote_njy(frame),
            }
            out |= {} if fwhm is None else {f"psf_fwhm_arcsec_{frame.name}": tuple(float(f) for f in fwhm)}
        return out

    def _frames(self) -> tuple[Frame, ...]:
        return tuple(self._frame(name, view) for name, view in self.views.items())

    def _frame(self, name: str, view: View) -> Frame:
        chosen = None if view.survey is None else survey(view.survey)
        scale = view.pixel_scale_arcsec or (chosen.pixel_scale_arcsec if chosen else None)
        if self.model:
            model = self._learned()
            scale = scale or model.pixel_scale_arcsec
            bands = view.bands or model.bands
            unknown = [band for band in bands if band not in model.bands]
            if unknown:
                raise ValueError(
                    f"views.{name}.bands: {model.name} has {', '.join(model.bands)}, found {unknown[0]!r}"
                )
        else:
            bands = view.bands or (tuple(chosen.bands) if chosen else ())
        scale = float(scale or 0.0)
        return Frame(name, tuple(str(b) for b in bands), scale, round(self.tile_arcsec / scale))

    def _learned(self) -> ForgeModel:
        model = load_model(str(self.model))
        if not isinstance(model, ForgeModel) or not model.pixel_scale_arcsec:
            why = (
                "its pixel scale is not known"
                if isinstance(model, ForgeModel)
                else "its pixels have no owners"
            )
            raise ValueError(f"model: {self.model} cannot be shown to several telescopes: {why}")
        return model

    def _noisy(self, view: View) -> bool:
        return bool(self.model) or view.noise is not None or view.survey is not None

    def _with_survey(self, view: View) -> View:
        """Return a view of a parametric sky with its survey's PSF and noise where it has none of its own."""
        values = {f.name: getattr(view, f.name) for f in fields(View)}
        if view.survey is not None:
            values["psf"] = view.psf or Psf(survey=view.survey)
            values["noise"] = view.noise or Noise(survey=view.survey)
        return View(**values)

    def _scene(self, seed: int) -> SceneViews:
        assert self.scene is not None
        models = []
        for view, frame in zip(self.views.values(), self._frames(), strict=True):
            own = self._with_survey(view)
            about = {f.name: getattr(self.scene, f.name) for f in fields(SceneSources)}
            models.append(
                SceneModel(
                    bands=frame.bands,
                    pixel_scale_arcsec=frame.pixel_scale_arcsec,
                    psf=own.psf,
                    noise=own.noise,
                    **about,
                )
            )
        return SceneViews(tuple(models), tuple(self.views), seed)

    def _of_model(self, seed: int) -> LearnedViews:
        model, frames = self._learned(), self._frames()
        controls = tuple(
            control(
                model,
                pixel_scale=frame.pixel_scale_arcsec,
                seeing=view.seeing if view.seeing is not None else view.survey,
                depth=view.depth if view.depth is not None else view.survey,
            )
            for view, frame in zip(self.views.values(), frames, strict=True)
        )
        return LearnedViews(model, controls, tuple(f.bands for f in frames), tuple(self.views), seed)


def _views(stage: OneSky, seed: int) -> Any:
    """Return the sky of a worker: kept from shard to shard."""
    return _kept(_Key(stage), seed)


class _Key:
    """A stage as a key: its settings, some of which are tables."""

    def __init__(self, stage: OneSky) -> None:
        self.stage = stage

    def __hash__(self) -> int:
        return hash(repr(self.stage))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.stage == other.stage


@lru_cache(maxsize=2)
def _kept(key: _Key, seed: int) -> Any:
    stage = key.stage
    return stage._scene(seed) if stage.scene is not None else stage._of_model(seed)
