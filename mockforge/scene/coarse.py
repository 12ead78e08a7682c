"""A parametric sky on coarser pixels: every object at its place, with its flux, at every level."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from mockforge.galaxies.population import hst_population
from mockforge.observe.noise.pixels import PixelNoise
from mockforge.observe.psf.transfer import psf_fwhm_arcsec
from mockforge.rng import Stream
from mockforge.scene.clustering import CELL
from mockforge.scene.model import SceneModel
from mockforge.scene.noise import NoiseOfPlaces
from mockforge.scene.objects import REACH, Objects
from mockforge.scene.process import ScenePainter
from mockforge.sky.coarse import add_gaussians, add_stamp, averaged_covariance, binned
from mockforge.sky.endless import Endless
from mockforge.torch_state import numpy_default

TILE = 256
"""Coarse pixels a side of what a level's cost is told of."""
COARSEST = 5
_OBJECTS = 1e3
"""Objects of a tile at most: each takes a millisecond or two to draw."""
_STAMPS = 150
"""Objects of a tile that are painted as they are at full resolution: the brightest."""
_FWHM = 2.3548


class CoarseScene:
    """A scene whose pixels are means of 2^k x 2^k of its own (sky.Coarse).

    Parameters
    ----------
    model
        The scene's.
    sky
        Its objects; those removed, changed or added are so at every level.
    noise
        That of its pixels; None for none.
    seed
        The scene's.
    level
        k, 1 or more.
    """

    def __init__(
        self, model: SceneModel, sky: Endless[Objects], noise: PixelNoise | None, seed: int, level: int
    ) -> None:
        self.model, self.sky, self.level = model, sky, level
        self.factor = 2**level
        area = (TILE * self.factor * model.pixel_scale_arcsec / 60.0) ** 2
        self._bright = magnitude_of_density(model, _STAMPS / area)
        self._core = 0.0
        if model.psf is not None:
            fwhm = psf_fwhm_arcsec(model.psf, model.bands, model.pixel_scale_arcsec)
            self._core = (float(np.mean(fwhm)) / model.pixel_scale_arcsec / _FWHM) ** 2
        self._planes = None
        if noise is not None:
            stream = Stream(seed, ("scene",)).child("coarse", level)
            self._planes = NoiseOfPlaces(_averaged(noise, self.factor), stream, len(model.bands))

    @numpy_default()
    def pixels(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return a window in coarse pixels, (band, y, x) float32, observed: nJy per pixel of the sky."""
        return self.observed(self.truth(y0, y1, x0, x1), y0, x0)

    @numpy_default()
    def observed(self, truth: np.ndarray, y0: int, x0: int) -> np.ndarray:
        """Return a noiseless window as it is observed, (y0, x0) its first coarse pixel."""
        return truth if self._planes is None else self._planes.observed(truth, y0, x0)

    @numpy_default()
    def truth(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return the same without noise."""
        f, out = self.factor, np.zeros((len(self.model.bands), y1 - y0, x1 - x0))
        objects = self._near(y0 * f - REACH, y1 * f + REACH, x0 * f - REACH, x1 * f + REACH)
        bright = objects.magnitude < self._bright
        self._stamps(out, objects.rows(bright & objects.touching(y0 * f, y1 * f, x0 * f, x1 * f)), y0, x0)
        self._gaussians(out, objects.rows(~bright), y0, x0)
        return (out / f**2).astype(np.float32)

    def _near(self, y0: int, y1: int, x0: int, x1: int) -> Objects:
        """Objects of the cells that a window meets, and of those about it that clumps reach out of."""
        far = self.sky.process.levels[0].reach - REACH
        rows, columns = (range((a - far) // CELL, (b - 1 + far) // CELL + 1) for a, b in ((y0, y1), (x0, x1)))
        blocks = [self.sky.block(0, cy, cx) for cy in rows for cx in columns]
        edits = self.sky.edits
        parts = [block.sources.rows(edits.kept(block, np.arange(len(block.sources)))) for block in blocks]
        if edits.last is not None:
            parts.append(edits.last.sources.rows(edits.last.touching(y0, y1, x0, x1)))
        return Objects.together(parts)

    def _stamps(self, out: np.ndarray, objects: Objects, y0: int, x0: int) -> None:
        """Add objects as they are painted at full resolution."""
        painter, f = ScenePainter(self.model), self.factor
        for side in np.unique(objects.side).tolist():
            rows = np.flatnonzero(objects.side == side)
            for part in np.array_split(rows, -(-len(rows) // max(1, 2**20 // side**2))):
                few = objects.rows(part)
                corners = zip(*few.corner(), painter.paint(few, side), strict=True)
                for top, left, image in corners:
                    stamp, y, x = binned(image, int(top), int(left), f)
                    add_stamp(out, stamp, y - y0, x - x0)

    def _gaussians(self, out: np.ndarray, objects: Objects, y0: int, x0: int) -> None:
        """Add objects as Gaussians of their half-light radii, through the PSF's core."""
        f = self.factor
        y, x = ((v + 0.5) / f - 0.5 for v in (objects.y, objects.x))
        along = (objects.r_e / self.model.pixel_scale_arcsec) ** 2 / (2 * np.log(2)) / f**2
        across = along * objects.axis_ratio**2
        turn = 2 * np.deg2rad(objects.position_angle)
        mean, half = (along + across) / 2 + self._core / f**2, (along - across) / 2
        moments = np.stack(
            [mean + half * np.cos(turn), half * np.sin(turn), mean - half * np.cos(turn)], axis=1
        )
        add_gaussians(out, y - y0, x - x0, objects.flux, moments)


def coarsest_level(model: SceneModel) -> int:
    """Return the coarsest level at which a tile's objects are drawn in a second or two."""
    number = objects_density(model, model.faintest) * (model.pixel_scale_arcsec / 60.0) ** 2
    most = np.log2(np.sqrt(_OBJECTS / max(number, 1e-12)) / TILE)
    return int(np.clip(np.floor(most), 0, COARSEST))


def objects_density(model: SceneModel, faintest: float) -> float:
    """Return the galaxies and stars per square arcmin down to an F160W magnitude."""
    table, brightest = hst_population(), model.brightest
    out = table.density(faintest, brightest) * model.density_factor if faintest > brightest else 0.0
    if model.stars is not None and min(faintest, model.stars.faintest) > brightest:
        faintest = min(faintest, model.stars.faintest)
        out += table.density(faintest, brightest, "stars") * model.stars.factor
    return out


@lru_cache(maxsize=32)
def magnitude_of_density(model: SceneModel, density: float) -> float:
    """Return the F160W magnitude brighter than which there are so many objects per square arcmin."""
    for faintest in np.arange(model.faintest, model.brightest, -0.25).tolist():
        if objects_density(model, faintest) <= density:
            return float(faintest) if faintest < model.faintest else np.inf
    return model.brightest


def _averaged(noise: PixelNoise, factor: int) -> PixelNoise:
    """Return the noise of means of factor x factor pixels."""
    tied = np.ones((1, 1)) if noise.autocorrelation is None else np.asarray(noise.autocorrelation)
    covariance = averaged_covariance(tied.astype(np.float64), factor)
    middle = covariance.shape[-1] // 2
    variance = covariance[..., middle, middle]
    correlation = covariance / variance[..., None, None]
    return replace(
        noise,
        rms=noise.rms * np.sqrt(variance),
        electrons=None if noise.electrons is None else noise.electrons * factor**2,
        autocorrelation=None if noise.autocorrelation is None else correlation,
    )
