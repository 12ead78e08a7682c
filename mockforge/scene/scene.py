"""Scene: an endless, random-access field of galaxies and stars whose every parameter is known."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.galaxies.population import hst_population
from mockforge.observe.noise.spec import pixel_noise
from mockforge.observe.psf.transfer import psf_fwhm_arcsec
from mockforge.rng import Stream
from mockforge.scene.catalogue import ObjectTable, catalogue_of
from mockforge.scene.clustering import CELL, clumped, in_clumps
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import REACH, Objects, together
from mockforge.scene.paint import paint
from mockforge.scene.populate import galaxies, stars
from mockforge.sky.layers import Layer, layer_of
from mockforge.sky.place import place_cards, sky_wcs
from mockforge.sky.plane import NoisePlane, empty_window, ends
from mockforge.torch_state import numpy_default

_KEPT_BYTES = 2**31
"""Stamps kept in memory at most: those of a window of 3200 pixels, which are gone through twice."""
_KEPT_CELLS = 4096


class Scene:
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
    """

    @numpy_default()
    def __init__(self, model: SceneModel | None = None, seed: int = 0) -> None:
        if model is not None and not isinstance(model, SceneModel):
            raise InputError(
                f"a Scene is made of a SceneModel, found {model!r}; `mockforge generate --scene RECIPE` "
                "paints the scene of a recipe"
            )
        self.model = model or SceneModel()
        self.seed = seed
        stream = Stream(seed, ("scene",))
        self._objects = stream.child("objects")
        self._white = NoisePlane(stream.child("noise"), len(self.model.bands), CELL)
        self._photons = NoisePlane(stream.child("photons"), len(self.model.bands), CELL)
        self._cells: OrderedDict[tuple[int, int], Objects] = OrderedDict()
        self._stamps: OrderedDict[tuple[int, int, int], np.ndarray] = OrderedDict()
        self._bytes = 0
        self.noise = None
        if self.model.noise is not None:
            self.noise = pixel_noise(
                self.model.noise, self.model.bands, self.model.pixel_scale_arcsec, self.psf_fwhm_arcsec
            )

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
        truth = empty_window(len(self.model.bands), y0, y1, x0, x1)
        truth[:] = 0.0
        for layer in self.layers(y0, y1, x0, x1):
            truth[:, layer.y, layer.x] += layer.image
        return self.observed(truth, y0, x0), truth

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
        if self.noise is None:
            return truth.copy()
        tied, variance = self.noise.autocorrelation, (self.noise.rms**2)[:, None, None]
        noise = _correlated(self._white, tied, y0, x0, truth.shape[1:])
        if self.noise.electrons is None:
            return truth + (noise * np.sqrt(variance)).astype(np.float32)
        photons = np.maximum(truth, 0.0) / self.noise.electrons[:, None, None]
        if tied is None:
            return truth + (noise * np.sqrt(variance + photons)).astype(np.float32)
        shot = _correlated(self._photons, None, y0, x0, truth.shape[1:])
        return truth + (noise * np.sqrt(variance) + shot * np.sqrt(photons)).astype(np.float32)

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
        objects = self.drawn(y0, y1, x0, x1)
        return catalogue_of(objects, self.model.bands, self.model.pixel_scale_arcsec, self.seed)

    @numpy_default()
    def drawn(self, y0: int, y1: int, x0: int, x1: int) -> Objects:
        """Return the same as arrays, as painters take them."""
        cells = [self.cell(cy, cx) for cy, cx in self._near(y0, y1, x0, x1)]
        return together([cell.rows(cell.touching(y0, y1, x0, x1)) for cell in cells])

    def layers(self, y0: int, y1: int, x0: int, x1: int) -> Iterator[Layer]:
        """Yield the pixels of the objects of `drawn(...)` inside the window, in the same order."""
        row = 0
        for key in self._near(y0, y1, x0, x1):
            cell = self.cell(*key)
            top, left = cell.corner()
            for i in np.flatnonzero(cell.touching(y0, y1, x0, x1)).tolist():
                image = self._stamp(key, cell, i)
                yield layer_of(row, image, int(top[i]), int(left[i]), (y0, y1, x0, x1))
                row += 1

    @numpy_default()
    def cell(self, cy: int, cx: int) -> Objects:
        """Return the objects of a canonical cell; those in clumps may lie a clump's radius outside it."""
        if (cy, cx) not in self._cells:
            self._cells[cy, cx] = self._drawn(cy, cx)
            if len(self._cells) > _KEPT_CELLS:
                self._cells.popitem(last=False)
        self._cells.move_to_end((cy, cx))
        return self._cells[cy, cx]

    def _near(self, y0: int, y1: int, x0: int, x1: int) -> list[tuple[int, int]]:
        """Cells whose objects can have light in a window."""
        far = REACH + 1
        if self.model.clustering is not None:
            far += math.ceil(self.model.clustering.reach_arcsec / self.model.pixel_scale_arcsec)
        return [
            (cy, cx)
            for cy in range((y0 - far) // CELL, (y1 - 1 + far) // CELL + 1)
            for cx in range((x0 - far) // CELL, (x1 - 1 + far) // CELL + 1)
        ]

    def _drawn(self, cy: int, cx: int) -> Objects:
        model, stream = self.model, self._objects.child(cy, cx)
        table, rng = hst_population(), stream.child("places").numpy()
        area = (CELL * model.pixel_scale_arcsec / 60.0) ** 2
        expected = table.density(model.faintest, model.brightest) * area * model.density_factor
        y, x, clump = clumped(model.clustering, rng, expected, model.pixel_scale_arcsec)
        limits = model.faintest, model.brightest
        drawn = table.draw(stream.child("galaxies").numpy(), len(x), *limits)
        drawn = in_clumps(table, stream.child("clumps").numpy(), drawn, clump, limits)
        galaxy_objects = galaxies(model, drawn, x + cx * CELL, y + cy * CELL, stream.child("galaxy"))
        rule = model.stars
        if rule is None or rule.faintest <= model.brightest:
            return galaxy_objects
        rng = stream.child("stars").numpy()
        number = rng.poisson(table.density(rule.faintest, model.brightest, "stars") * area * rule.factor)
        magnitude = table.magnitudes(rng, number, rule.faintest, model.brightest, "stars")
        sy, sx = rng.uniform(-0.5, CELL - 0.5, (2, number))
        points = stars(model, rule, magnitude, sx + cx * CELL, sy + cy * CELL, stream.child("star"))
        return together([galaxy_objects, points])

    def _stamp(self, key: tuple[int, int], cell: Objects, i: int) -> np.ndarray:
        """One object's stamp; those of its cell and size are painted together, always the same ones."""
        side = int(cell.side[i])
        alike = np.flatnonzero(cell.side == side)
        place = (*key, side)
        if place not in self._stamps:
            self._stamps[place] = paint(self.model, cell.rows(alike))
            self._bytes += self._stamps[place].nbytes
            while self._bytes > _KEPT_BYTES and len(self._stamps) > 1:
                self._bytes -= self._stamps.popitem(last=False)[1].nbytes
        self._stamps.move_to_end(place)
        return self._stamps[place][int(np.searchsorted(alike, i))]


def _correlated(
    plane: NoisePlane, autocorrelation: np.ndarray | None, y0: int, x0: int, shape: tuple[int, ...]
) -> np.ndarray:
    """Noise of variance 1 at a place, (C, h, w): white, or white times the root of its power spectrum.

    `autocorrelation` (n, n) of all bands, or (C, n, n).
    """
    h, w = shape
    if autocorrelation is None:
        return plane.window(y0, y0 + h, x0, x0 + w)
    from scipy.ndimage import convolve

    own = np.broadcast_to(autocorrelation, (plane.channels, *autocorrelation.shape[-2:]))
    kernels = [root_kernel(lag_map).astype(np.float32) for lag_map in own]
    r = max(len(kernel) for kernel in kernels) // 2
    white = plane.window(y0 - r, y0 + h + r, x0 - r, x0 + w + r)
    pairs = zip(white, kernels, strict=True)
    return np.stack([convolve(band, kernel, mode="constant")[r : r + h, r : r + w] for band, kernel in pairs])


def root_kernel(autocorrelation: np.ndarray) -> np.ndarray:
    """Return the symmetric kernel, squares summing to 1, that gives white noise this autocorrelation.

    The transform of the root of the power spectrum, cut where it has fallen to 1e-3 of its peak.
    """
    lags, size = len(autocorrelation) // 2, 64 + 8 * len(autocorrelation)
    ring = np.zeros((size, size))
    k = np.arange(-lags, lags + 1) % size
    ring[np.ix_(k, k)] = autocorrelation
    kernel = np.fft.fftshift(np.fft.ifft2(np.sqrt(np.fft.fft2(ring).real.clip(0.0))).real)
    middle = size // 2
    large = np.argwhere(np.abs(kernel) > 1e-3 * kernel.max()) - middle
    r = int(np.abs(large).max())
    kernel = kernel[middle - r : middle + r + 1, middle - r : middle + r + 1]
    return kernel / np.sqrt((kernel**2).sum())
