"""A parametric sky shown to several telescopes: the same objects, each in its bands, pixels and PSF."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mockforge.rng import Stream
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import REACH, Objects
from mockforge.scene.process import ScenePainter, SceneProcess
from mockforge.scene.reach import with_sides
from mockforge.scene.scene import Scene
from mockforge.scene.table import marks_of
from mockforge.sky.endless import Endless
from mockforge.sky.views import Frame, Seen


@dataclass(frozen=True, eq=False)
class SceneViews:
    """An endless parametric sky, its objects drawn once, in the bands of all views.

    `models` are what each view's images are like; population, stars, clustering and structure are those of
    the first, and objects are drawn on its pixels.
    """

    models: tuple[SceneModel, ...]
    names: tuple[str, ...]
    seed: int

    @cached_property
    def bands(self) -> tuple[str, ...]:
        """Bands of all views, each once."""
        return tuple(dict.fromkeys(band for model in self.models for band in model.bands))

    @cached_property
    def native_scale(self) -> float:
        """Pixel scale in arcsec that places are drawn on."""
        return self.models[0].pixel_scale_arcsec

    @cached_property
    def _sky(self) -> Endless[Objects]:
        model = replace(self.models[0], bands=self.bands, psf=None, noise=None)
        stream = Stream(self.seed, ("scene",)).child("objects")
        return Endless(SceneProcess(model, stream), ScenePainter(model))

    @cached_property
    def _scenes(self) -> tuple[Scene, ...]:
        """Each view's instrument: its noise is no other's."""
        seeds = [int(Stream(self.seed, ("view", name)).numpy().integers(2**31)) for name in self.names]
        return tuple(Scene(model, seed) for model, seed in zip(self.models, seeds, strict=True))

    def near(self, y0: int, x0: int, side: int) -> tuple[Objects, np.ndarray]:
        """Return the objects that can have light in a tile in any view, and their ids.

        The tile begins at pixel (y0, x0) of the first view's grid and has `side` of its pixels.
        """
        coarsest = max(model.pixel_scale_arcsec for model in self.models)
        far = int(np.ceil(REACH * coarsest / self.native_scale)) + 2
        window = (y0 - far, y0 + side + far, x0 - far, x0 + side + far)
        return self._sky.sources(*window), self._sky.ids(*window)

    def seen(
        self, view: int, frame: Frame, objects: Objects, corner: tuple[float, float], isophote_njy: float
    ) -> Seen[Objects]:
        """Return a view of objects; `corner` (y, x) is the tile's outer edge in pixels of the first grid."""
        model = self.models[view]
        columns = [self.bands.index(band) for band in model.bands]
        y, x = (
            frame.places((place + 0.5 - edge) * self.native_scale)
            for place, edge in ((objects.y, corner[0]), (objects.x, corner[1]))
        )
        placed = replace(objects, x=x, y=y, flux=objects.flux[:, columns], sed=objects.sed[:, columns])
        return Seen.of(ScenePainter(model), with_sides(model, placed), frame, isophote_njy)

    def observed(self, view: int, truth: np.ndarray, y: int, x: int) -> np.ndarray:
        """Return a noiseless tile of a view as it is observed; (y, x) is where its noise is drawn."""
        return self._scenes[view].observed(truth, y, x)

    def sky_rms(self, view: int) -> np.ndarray | None:
        """Rms of empty sky (C,) nJy; None without noise."""
        noise = self._scenes[view].noise
        return None if noise is None else noise.rms.astype(np.float32)

    def psf_fwhm_arcsec(self, view: int) -> tuple[float, ...] | None:
        """FWHM of a view's PSF per band, without the pixel."""
        return self._scenes[view].psf_fwhm_arcsec

    def flux(self, objects: Objects) -> dict[str, np.ndarray]:
        """Return the flux (N,) nJy in each band of any view."""
        return {band: objects.flux[:, i] for i, band in enumerate(self.bands)}

    def marks(self, objects: Objects) -> dict[str, np.ndarray]:
        """Return the other parameters of objects, as the table `objects` has them."""
        return marks_of(objects)
