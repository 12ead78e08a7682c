"""A learned sky on coarser pixels: every source at its place, with its flux, at every level."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from mockforge.rng import Stream
from mockforge.sgan.instrument.noise_sky import NoiseSky
from mockforge.sgan.paint.learned import LearnedSky
from mockforge.sgan.sources.counts import Counts
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.process import CELL, LearnedProcess, TableProcess, on_sky
from mockforge.sky.coarse import add_gaussians, add_stamp, averaged_covariance, binned
from mockforge.sky.kept import Kept
from mockforge.torch_state import steady

TILE = 256
"""Coarse pixels a side of what a level's cost is told of."""
COARSEST = 5
"""The coarsest level of a sky as crowded as those bundled: a tile of it has about 1e5 sources."""
_SOURCES = 4.0e5
"""Sources of a tile at most, of sky and margin: each is drawn, in 5 microseconds."""
_STAMPS = 300
"""Sources of a tile that are painted as they are at full resolution, the brightest; half as many at each
level from the third on, where all others are hardly larger than a pixel."""
_LARGEST = 512
"""Side of the largest stamp, pixels of the sky."""
_SHAPES = 3
"""Down to this level the brightest have their learned shapes; coarser, these are smaller than a pixel."""
_CELLS = 2**28
"""Bytes of cells kept."""
_TOGETHER = 64
"""Cells drawn together at most."""
_FINEST_MESH = 16
_FWHM = 2.3548


class Placed(Protocol):
    """Sources of a sky by their places, none of them edited."""

    @property
    def process(self) -> Any:
        """Return the process whose they are."""
        ...

    def window(self, y0: int, y1: int, x0: int, x1: int, shapes: bool) -> Marks:
        """Return the sources with a place in a window of the sky, with or without what shapes are made of."""
        ...

    def brighter(self, count: float, side: int) -> float:
        """Return the flux in nJy above which there are so many sources in a square of `side` px."""
        ...


class DrawnSources:
    """Drawn sources by cells of the native grid, kept for all levels of a sky and of its edited ones."""

    def __init__(self, process: LearnedProcess) -> None:
        model = process.model
        plain = replace(model, population=replace(model.population, latents=None))
        # the latents are drawn last: without them all else stays as it is, in half of the time
        self._plain = LearnedProcess(plain, process.stream, process.sides, process.pixels_per_native)
        self.process = process
        self._cells: Kept[Marks] = Kept(_CELLS, _bytes)

    def window(self, y0: int, y1: int, x0: int, x1: int, shapes: bool) -> Marks:
        """Return the sources with a place in a window of the sky, with or without what shapes are made of."""
        where = [(cy, cx) for cy in self._under(y0, y1) for cx in self._under(x0, x1)]
        known = {one: self._cells.known((*one, shapes)) for one in where}
        new = [one for one in where if known[one] is None]
        process = self.process if shapes else self._plain
        for i in range(0, len(new), _TOGETHER):
            some = new[i : i + _TOGETHER]
            for one, native in zip(some, process.natives(some), strict=True):
                known[one] = self._cells.keep((*one, shapes), on_sky(native, process.pixels_per_native))
        cells = [marks for marks in known.values() if marks is not None]
        return _inside(Marks.together(cells), y0, y1, x0, x1)

    def brighter(self, count: float, side: int) -> float:
        """Return the flux in nJy above which there are so many sources in a square of `side` px."""
        model, native = self.process.model, side / self.process.pixels_per_native
        return flux_of_number([model.galaxies, model.stars], count / native**2)

    def _under(self, first: int, last: int) -> range:
        side = self.process.pixels_per_native * CELL
        return range(int(np.floor(first / side)), int(np.ceil(last / side)))


class TableSources:
    """A user's sources, all of them in memory."""

    def __init__(self, process: TableProcess) -> None:
        self.process = process

    def window(self, y0: int, y1: int, x0: int, x1: int, shapes: bool) -> Marks:
        """Return the sources with a place in a window of the sky."""
        sources = _inside(self.process.sources, y0, y1, x0, x1)
        return sources if shapes else _unshaped(sources)

    def brighter(self, count: float, side: int) -> float:
        """Return the flux above which there are so many in a square of `side` px where they lie."""
        flux = self.process.sources.mean_flux
        most = count * _extent(self.process.sources, side) / side**2
        return -np.inf if most >= len(flux) else float(np.quantile(flux, 1.0 - most / len(flux)))


class CoarseSky:
    """A learned sky whose pixels are means of 2^k x 2^k of its own (sky.Coarse).

    Parameters
    ----------
    sky
        The learned sky; sources of it that were removed, changed or added are so at every level.
    sources
        Its sources before any edit, shared by all levels.
    level
        k, 1 or more.
    """

    def __init__(self, sky: LearnedSky, sources: Placed, level: int) -> None:
        self.sky, self.sources, self.level = sky, sources, level
        self.factor = 2**level
        control = sky.control
        self._bright = sources.brighter(_STAMPS >> max(level - 2, 0), TILE * self.factor)
        core = (np.mean(control.grid.fwhm_pix) / _FWHM) ** 2 - 1.0 / 12.0
        self._core = max(float(core), 0.0)
        self._noise = _coarse_noise(sky, self.factor, level)
        blocks = sky.endless.edits.removed.items()
        gone = [sky.endless.block(*where).sources.rows(np.array(sorted(rows))) for where, rows in blocks]
        # a source has the same place to the last bit however it is looked up, and no other has it
        self._gone = np.concatenate([np.zeros(0, dtype=complex), *(one.x + 1j * one.y for one in gone)])

    def pixels(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return a window in coarse pixels, (band, y, x) float32, observed: nJy per pixel of the sky."""
        return self.observed(self.truth(y0, y1, x0, x1), y0, x0)

    def observed(self, truth: np.ndarray, y0: int, x0: int) -> np.ndarray:
        """Return a noiseless window as it is observed, (y0, x0) its first coarse pixel."""
        with steady():
            return self._noise.observed(truth, y0, x0)

    def truth(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return the same without noise."""
        f, margin = self.factor, _LARGEST // 2
        window = (y0 * f - margin, y1 * f + margin, x0 * f - margin, x1 * f + margin)
        out = np.zeros((len(self.sky.model.bands), y1 - y0, x1 - x0))
        with steady():
            sources = self._window(*window)
            bright = sources.mean_flux >= self._bright
            self._stamps(out, sources.rows(bright), y0, x0)
            self._gaussians(out, sources.rows(~bright), y0, x0)
        return (out / f**2).astype(np.float32)

    def _window(self, *window: int) -> Marks:
        """Return the sources with a place in a window, as they are after all edits."""
        shapes = self.level <= _SHAPES
        sources = self.sources.window(*window, shapes=shapes)
        if len(self._gone):
            sources = sources.rows(~np.isin(sources.x + 1j * sources.y, self._gone))
        last = self.sky.endless.edits.last
        if last is None:
            return sources
        edited = _inside(last.sources, *window)
        return Marks.together([sources, edited if shapes else _unshaped(edited)])

    def _stamps(self, out: np.ndarray, sources: Marks, y0: int, x0: int) -> None:
        """Add sources as they are painted at full resolution."""
        painter, f = self.sky.painter, self.factor
        top, left, side = painter.footprints(sources)
        high, wide = (n * f for n in out.shape[1:])
        near = (top < y0 * f + high) & (top + side > y0 * f) & (left < x0 * f + wide) & (left + side > x0 * f)
        for one in np.unique(side[near]).tolist():
            rows = np.flatnonzero(near & (side == one))
            most = max(1, 2**22 // (one * one))
            for part in (rows[i : i + most] for i in range(0, len(rows), most)):
                images = painter.paint(sources.rows(part), one)
                for row, image in zip(part.tolist(), images, strict=True):
                    stamp, y, x = binned(image, int(top[row]), int(left[row]), f)
                    add_stamp(out, stamp, y - y0, x - x0)

    def _gaussians(self, out: np.ndarray, sources: Marks, y0: int, x0: int) -> None:
        """Add sources as Gaussians of their half-light radii, through the PSF's core."""
        f = self.factor
        y, x = ((v + 0.5) / f - 0.5 for v in (sources.y, sources.x))
        radius = np.where(sources.star, -30.0, sources.log_radius)
        size = np.exp(2 * radius) * self.sky.control.grid.pixels_per_native**2 / (2 * np.log(2)) / f**2
        square = np.minimum(sources.ellipticity, 0.95) ** 2
        mean, along = size * (1 + square) / (1 - square), 2 * size / (1 - square)
        core = self._core / f**2
        moments = np.stack(
            [mean + along * sources.e1 + core, along * sources.e2, mean - along * sources.e1 + core], axis=1
        )
        add_gaussians(out, y - y0, x - x0, sources.flux, moments)


def placed(sky: LearnedSky) -> Placed:
    """Return the sources of a sky, drawn or a user's, before any edit."""
    process = sky.endless.process
    if isinstance(process, TableProcess):
        return TableSources(process)
    assert isinstance(process, LearnedProcess)  # there is no third kind
    return DrawnSources(process)


def coarsest_level(sky: LearnedSky) -> int:
    """Return the coarsest level at which a tile's sources are drawn in about a second."""
    number = sky.control.sources.number / sky.control.grid.pixels_per_native**2
    most = np.log2(np.sqrt(_SOURCES / max(number, 1e-12)) / TILE)
    return int(np.clip(np.floor(most), 0, COARSEST))


def flux_of_number(counts: list[Counts | None], number: float) -> float:
    """Return the flux in nJy above which there are so many sources a native px."""
    there = [c for c in counts if c is not None and c.number() > 0]
    if not there or sum(c.number() for c in there) <= number:
        return 0.0
    flux = np.geomspace(min(c.faintest for c in there), max(c.brightest for c in there), 400)
    above = np.sum([np.where(flux < c.brightest, c.above(flux), 0.0) for c in there], axis=0)
    return float(flux[np.flatnonzero(above >= number)[-1]])


def _coarse_noise(sky: LearnedSky, factor: int, level: int) -> NoiseSky:
    """Return the noise of averaged pixels on the map of the sky's: its places stay where they are."""
    from scipy.signal import fftconvolve

    field = sky.control.noise
    stream = Stream(sky.seed, ("sky", "noise"))
    kernels = field.kernels.astype(np.float64)
    reach = field.reach
    padded = np.pad(kernels, [(0, 0)] * 3 + [(reach, reach)] * 2)
    covariance = fftconvolve(padded, kernels[..., ::-1, ::-1], mode="same", axes=(-2, -1))
    mapped = field.mesh % factor == 0 and field.mesh // factor >= _FINEST_MESH
    if not mapped:
        covariance = covariance.mean(axis=(0, 1), keepdims=True)
    coarse = averaged_covariance(covariance, factor)
    own = replace(
        field,
        kernels=_roots(coarse).astype(np.float32),
        mesh=field.mesh // factor if mapped else 128,
        tail=np.zeros_like(field.tail) if level > 1 else field.tail / factor,
        electrons_per_njy=field.electrons_per_njy * factor**2,
    )
    return NoiseSky(own, stream.child("coarse", level), sky.noise_place if mapped else (0, 0))


def _roots(covariance: np.ndarray) -> np.ndarray:
    """Return kernels whose autocorrelation is this, (..., k, k): the transform of the root of the power."""
    lags = covariance.shape[-1] // 2
    size = 8 * lags + 16
    ring = np.zeros((*covariance.shape[:-2], size, size))
    at = np.arange(-lags, lags + 1) % size
    ring[(..., *np.ix_(at, at))] = covariance
    kernel = np.fft.ifft2(np.sqrt(np.fft.fft2(ring).real.clip(0.0))).real
    keep = np.arange(-2 * lags - 2, 2 * lags + 3) % size
    kernel = kernel[(..., *np.ix_(keep, keep))]
    centre = covariance[..., lags, lags]
    scale = np.sqrt(centre / np.maximum((kernel**2).sum(axis=(-2, -1)), 1e-30))
    return kernel * scale[..., None, None]


def _inside(sources: Marks, y0: int, y1: int, x0: int, x1: int) -> Marks:
    """Return the sources with a place in a window."""
    x, y = sources.x, sources.y
    return sources.rows((y >= y0 - 0.5) & (y < y1 - 0.5) & (x >= x0 - 0.5) & (x < x1 - 0.5))


def _unshaped(sources: Marks) -> Marks:
    """Return smooth sources, as those drawn without latents are."""
    none = np.zeros(len(sources), dtype=bool)
    return sources.replace(z=np.zeros((len(sources), 0), dtype=np.float32), shaped=none, mirrored=none)


def _extent(sources: Marks, least: int) -> float:
    """Return the area in px of the rectangle that holds sources, each side at least so long."""
    if not len(sources):
        return float(least) ** 2
    return float(max(np.ptp(sources.x), least) * max(np.ptp(sources.y), least))


def _bytes(marks: Marks) -> int:
    return sum(column.nbytes for column in vars(marks).values())
