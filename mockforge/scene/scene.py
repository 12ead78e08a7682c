"""Scene: an endless, random-access field of galaxies and stars whose every parameter is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.observe.noise.spec import pixel_noise
from mockforge.observe.psf.transfer import psf_fwhm_arcsec
from mockforge.rng import Stream
from mockforge.scene.catalogue import ObjectTable, catalogue_of
from mockforge.scene.clustering import CELL
from mockforge.scene.coarse import CoarseScene, coarsest_level
from mockforge.scene.edit import SceneEditor
from mockforge.scene.model import SceneModel
from mockforge.scene.noise import NoiseOfPlaces
from mockforge.scene.objects import Objects
from mockforge.scene.preview import ScenePreview
from mockforge.scene.process import ScenePainter, SceneProcess
from mockforge.sky.coarse import Averaged, Coarse, check_level
from mockforge.sky.endless import KEPT_BYTES, Endless
from mockforge.sky.layers import Layer
from mockforge.sky.place import place_cards, sky_wcs
from mockforge.sky.plane import ends
from mockforge.sky.stream import Written
from mockforge.sky.truth import Truth
from mockforge.torch_state import numpy_default
from mockforge.units import ZEROPOINT_NJY

ISOPHOTE = 27.5
"""AB per square arcsec, mean of the bands: bounds the masks of objects unless told otherwise."""


class Scene(Written):
    """An endless parametric field: `scene[y0:y1, x0:x1]` is a Field with the noiseless `truth`.

    Any window, in any order, from any process, has the same pixels to the last bit: objects belong
    to canonical cells, are painted with the others of their cell, and are added up in one order;
    every random number of the noise belongs to a pixel. Coordinates may be negative.

    Parameters
    ----------
    model
        What the sky is like: its bands, pixels, population, PSF and noise.
    seed
        Chooses one of endless skies.
    kept_bytes
        Painted objects kept in memory at most, for windows that overlap; by default those of a window of
        3200 pixels.
    noise_block
        Side of the squares that noise is drawn in, pixels; another side is another noise.
    """

    @numpy_default()
    def __init__(
        self,
        model: SceneModel | None = None,
        seed: int = 0,
        kept_bytes: float = KEPT_BYTES,
        noise_block: int = CELL,
    ) -> None:
        if model is not None and not isinstance(model, SceneModel):
            raise InputError(
                f"a Scene is made of a SceneModel, found {model!r}; `mockforge generate --scene RECIPE` "
                "paints the scene of a recipe"
            )
        self.model = model or SceneModel()
        self.seed = seed
        stream = Stream(seed, ("scene",))
        process, painter = SceneProcess(self.model, stream.child("objects")), ScenePainter(self.model)
        self.sky = Endless(process, painter, SceneEditor(self.model), kept_bytes)
        self.noise, self._planes = None, None
        if self.model.noise is not None:
            self.noise = pixel_noise(
                self.model.noise, self.model.bands, self.model.pixel_scale_arcsec, self.psf_fwhm_arcsec
            )
            self._planes = NoiseOfPlaces(self.noise, stream, len(self.model.bands), noise_block)

    def __repr__(self) -> str:
        model = self.model
        noise = "no noise" if self.noise is None else "with noise"
        return (
            f"<mockforge.Scene, seed {self.seed}: endless parametric sky in {', '.join(model.bands)}, "
            f'{model.pixel_scale_arcsec:g}" per pixel\n'
            f" galaxies of F160W {model.brightest:g} to {model.faintest:g} AB, {noise}, nJy; "
            "scene[y0:y1, x0:x1] is a Field, scene.objects(y0, y1, x0, x1) its Table>"
        )

    @property
    def psf_fwhm_arcsec(self) -> tuple[float, ...] | None:
        """FWHM of the PSF in each band, without the pixel; None without a PSF."""
        if self.model.psf is None:
            return None
        return psf_fwhm_arcsec(self.model.psf, self.model.bands, self.model.pixel_scale_arcsec)

    @numpy_default()
    def __getitem__(self, window: tuple[slice, slice]) -> Field:
        """Return the Field of a window `[y0:y1, x0:x1]`, both ends given, no step.

        One WCS for the whole sky.

        Raises
        ------
        InputError
            Where the window is none, is empty, lies beyond 2^40 pixels or does not fit in memory.
        """
        y0, y1, x0, x1 = ends(window)
        image, truth = self.pixels(y0, y1, x0, x1)
        return Field(
            image=image,
            bands=self.model.bands,
            pixel_scale_arcsec=self.model.pixel_scale_arcsec,
            psf_fwhm_arcsec=self.psf_fwhm_arcsec,
            truth=truth,
            wcs=sky_wcs(image.shape, self.model.pixel_scale_arcsec, y0, x0),
            header=place_cards(self.seed, y0, x0),
        )

    @numpy_default()
    def pixels(self, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, np.ndarray]:
        """Paint a window [y0:y1, x0:x1].

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First row and one past the last, first column and one past the last, in pixels of the sky.

        Returns
        -------
        image : ndarray
            (band, y, x) float32 nJy, with the noise of that place.
        truth : ndarray
            The same without noise.
        """
        truth = self.sky.image(y0, y1, x0, x1)
        return self.observed(truth, y0, x0), truth

    @property
    def coarsest(self) -> int:
        """The coarsest level of `coarse`: a tile of 256 coarse pixels takes a second or two."""
        return coarsest_level(self.model)

    @numpy_default()
    def coarse(self, level: int) -> Coarse:
        """Return the scene on pixels 2^level larger, each the mean of those of the sky: nJy per sky pixel.

        The objects are those of the sky at every level, at their places and with their fluxes; the noise is
        drawn anew, as averaged pixels have it. InputError for a level above `coarsest`.
        """
        check_level(level, self.coarsest)
        if level == 0:
            return Averaged(self, level)
        return CoarseScene(self.model, self.sky, self.noise, self.seed, level)

    def preview(self) -> ScenePreview:
        """Return the scene for the eye: to a few percent of each galaxy, about three times as fast."""
        return ScenePreview(self.model, self.sky, self.observed)

    def observed(self, truth: np.ndarray, y0: int, x0: int) -> np.ndarray:
        """Add the noise of a place to a noiseless window.

        Parameters
        ----------
        truth : ndarray
            (band, y, x) nJy.
        y0, x0 : int
            Its first pixel on the sky.

        Returns
        -------
        ndarray
            (band, y, x) float32 nJy: with Gaussian noise, correlated where the model says so, of the
            variance of sky and sources.
        """
        return truth.copy() if self._planes is None else self._planes.observed(truth, y0, x0)

    @numpy_default()
    def objects(self, y0: int, y1: int, x0: int, x1: int) -> ObjectTable:
        """Return the objects whose stamps have a pixel in a window, as an astropy Table with units.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First row and one past the last, first column and one past the last, in pixels of the sky.

        Returns
        -------
        ObjectTable
            A row per object, in the order in which they are added up: place in pixels of the sky and
            in degrees, redshift, AB magnitude in F160W, size, shape, and `flux` (band) in nJy; see
            `mockforge.scene.catalogue.COLUMNS`.
        """
        objects, ids = self.drawn(y0, y1, x0, x1), self.ids(y0, y1, x0, x1)
        return catalogue_of(objects, ids, self.model.bands, self.model.pixel_scale_arcsec, self.seed)

    @numpy_default()
    def drawn(self, y0: int, y1: int, x0: int, x1: int) -> Objects:
        """Return the same as arrays, as painters take them."""
        return self.sky.sources(y0, y1, x0, x1)

    @numpy_default()
    def ids(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return the id of each of `drawn(...)`, (N,) text `level/by/bx/row`."""
        return self.sky.ids(y0, y1, x0, x1)

    @numpy_default()
    def layers(self, y0: int, y1: int, x0: int, x1: int, threads: int = 1) -> Iterator[Layer]:
        """Yield the pixels of the objects of `drawn(...)` inside the window, in the same order."""
        return self.sky.layers(y0, y1, x0, x1, threads)

    @numpy_default()
    def truth(
        self, y0: int, y1: int, x0: int, x1: int, *, isophote_njy: float | None = None, depth: int = 4
    ) -> Truth:
        """Return the exact truth of a window: masks, shares, areas, blendedness; row i is `objects(...)[i]`.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            As of `objects`.
        isophote_njy
            nJy per pixel of an object's own light, mean of the bands, that bounds its mask; by default
            27.5 AB per square arcsec.
        depth
            Objects of a pixel that are distinguished.
        """
        if isophote_njy is None:
            isophote_njy = njy_per_pixel(ISOPHOTE, self.model.pixel_scale_arcsec)
        return self.sky.truth(y0, y1, x0, x1, isophote_njy, depth)

    @numpy_default()
    def isolated(self, y0: int, y1: int, x0: int, x1: int, *, most: int | None = None) -> np.ndarray:
        """Return objects of a window alone, noiseless, and all others together: they add up to the truth.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            As of `objects`.
        most
            At most so many, those with the most light in the window; by default all.

        Returns
        -------
        ndarray
            (M + 1, band, y, x) float32 nJy. Without `most` slot k is row k of `objects(...)`, with it they
            come from the brightest on; the last slot is the light of all others.
        """
        return self.sky.isolated(y0, y1, x0, x1, most)

    def without(self, ids: str | Iterable[str]) -> Scene:
        """Return the same scene without an object, or several, of these ids.

        Pixels that none of them has light in keep their bits, noise and all.

        Raises
        ------
        InputError
            For an id that no object has.
        """
        return self._of(self.sky.without(ids))

    @numpy_default()
    def edit(self, table: Any) -> Scene:
        """Return the same scene with single objects changed or added.

        Parameters
        ----------
        table
            An astropy Table or a dict of columns, a row each object: its `id` and what is other than it
            was, or the table of `objects(...)` with other values. Rows with an empty id, or
            without one, are new objects: `x`, `y`, `flux` and, unless `star`, `r_e` and `n`. See
            `mockforge.scene.edit.COLUMNS`.

        Returns
        -------
        Scene
            Pixels that none of the objects has, or had, light in keep their bits, noise and all.

        Raises
        ------
        InputError
            For an id that no object has, a column that cannot be changed, and values that no object can
            have.
        """
        return self._of(self.sky.edit(table))

    def painted_from(self) -> tuple[Any, ...]:
        """Return what decides the pixels beside the seed: the model and the edits."""
        return (self.model, self.sky.edits)

    def keeping(self, kept_bytes: float) -> Scene:
        """Return the same scene with stamps of its own kept in memory, at most so many bytes of them."""
        return self._of(self.sky.keeping(kept_bytes))

    def _of(self, sky: Endless[Objects]) -> Scene:
        """Return the scene of another sky, with the same noise."""
        other = copy(self)
        other.sky = sky
        return other

    def cell(self, cy: int, cx: int) -> Objects:
        """Return the objects of a canonical cell; those in clumps may lie a clump's radius outside it."""
        return self.sky.block(0, cy, cx).sources


def njy_per_pixel(mag_arcsec2: float, pixel_scale_arcsec: float) -> float:
    """Return a surface brightness in AB per square arcsec as nJy per pixel."""
    return 10 ** (-0.4 * (mag_arcsec2 - ZEROPOINT_NJY)) * pixel_scale_arcsec**2
