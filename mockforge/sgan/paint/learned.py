"""The endless sky of a learned model: its sources painted, added up, and observed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import torch

from mockforge.rng import Stream
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.instrument.noise_sky import NoiseSky
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.paint.control import Control
from mockforge.sgan.paint.marks_table import MarksEditor, MarksTable, catalogue_marks
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.process import LearnedProcess, TableProcess
from mockforge.sgan.sources.table import Grid
from mockforge.sky.endless import KEPT_BYTES, Endless
from mockforge.sky.layers import Layer
from mockforge.sky.place import sky_wcs
from mockforge.sky.plane import empty_window
from mockforge.torch_state import steady


class LearnedSky:
    """Sources of one sky, painted and observed as requested.

    Parameters
    ----------
    model
        The learned sky.
    control
        What is requested of it.
    seed
        Chooses one of endless skies.
    table
        A user's catalogue in place of drawn sources.
    kept_bytes
        Stamps kept in memory at most.
    """

    def __init__(
        self,
        model: ForgeModel,
        control: Control,
        seed: int,
        table: Any = None,
        kept_bytes: float = KEPT_BYTES,
    ) -> None:
        self.model, self.control, self.seed = model, control, seed
        stream = Stream(seed, ("sky",))
        grid = control.grid
        self.how = MarksTable(
            Grid(model.bands, grid.pixels_per_native, grid.scale_arcsec, _to_pixels(grid.scale_arcsec))
        )
        painter = SourcePainter(
            control.psf, model.modulation, control.edge_njy, grid.pixels_per_native, control.pixels_per_psf
        )
        population = control.sources.population
        process: Any
        if table is None:
            process = LearnedProcess(control.sources, stream, painter.sides, grid.pixels_per_native)
        else:
            marks = catalogue_marks(table, self.how, population, stream.child("table"))
            process = TableProcess(marks, painter.sides)
        editor = MarksEditor(self.how, population, stream.child("added"))
        self.painter = painter
        self.endless: Endless[Marks] = Endless(process, painter, editor, kept_bytes)  # type: ignore
        self._noise = _noise_of(control, seed)

    def observed_with(self, control: Control) -> LearnedSky:
        """Return this sky's sources seen with the noise of another control of the same painter."""
        other = copy(self)
        other.control = control
        other._noise = _noise_of(control, self.seed)
        return other

    def of(self, endless: Endless[Marks]) -> LearnedSky:  # type: ignore
        """Return the sky with other sources and the same noise."""
        other = copy(self)
        other.endless = endless
        return other

    def layers(self, window: tuple[int, int, int, int]) -> Iterator[Layer]:
        """Yield the light of each source inside a window, in their order; torch's threads paint at once."""
        threads = torch.get_num_threads()
        with steady():
            yield from self.endless.layers(*window, threads=threads)

    def empty(self, window: tuple[int, int, int, int]) -> np.ndarray:
        """Return an array for a window; InputError where it does not fit in memory."""
        return empty_window(len(self.model.bands), *window)

    def image(self, window: tuple[int, int, int, int]) -> np.ndarray:
        """Return the noiseless sky of a window, (C, h, w) float32 nJy."""
        threads = torch.get_num_threads()
        with steady():
            return self.endless.image(*window, threads=threads)

    def observed(self, truth: np.ndarray, y0: int, x0: int) -> np.ndarray:
        """Return a noiseless window (C, h, w) nJy, whose first pixel is (y0, x0), as it is observed.

        Photon noise of the sources where the gain is known, the sky's noise of that place, and saturation.
        """
        threads = torch.get_num_threads()
        with steady():
            return self._noise.observed(truth, y0, x0, threads)

    def isophote_njy(self, sigma: float, own: bool = False) -> float:
        """Return `sigma` times the rms of empty sky in a pixel of the mean of the bands, nJy.

        `own`: of the model's field, and where there is no noise; else of the sky as it is observed.
        """
        rms = self.control.noise.rms_njy
        if own or not (rms > 0).any():
            rms = np.asarray(self.model.rms_njy) / self.control.grid.pixels_per_native
        return sigma * float(np.sqrt((rms**2).sum())) / len(rms)

    @property
    def noise_place(self) -> tuple[int, int]:
        """Place (y, x) of the noise's map at which the sky begins."""
        return self._noise.place

    def rms(self, window: tuple[int, int, int, int]) -> np.ndarray:
        """Return the rms of the noise of empty sky in a window, (C, h, w) float32 nJy."""
        return self._noise.rms_at(*window)


def _noise_of(control: Control, seed: int) -> NoiseSky:
    place = None if control.place_drawn else (0, 0)
    return NoiseSky(control.noise, Stream(seed, ("sky", "noise")), place)


def _to_pixels(scale_arcsec: float | None) -> Callable[..., Any] | None:
    """Return what turns ra and dec in degrees into pixels of the sky; None without a pixel scale."""
    if not scale_arcsec:
        return None
    return partial(_pixels_of, scale_arcsec)


def _pixels_of(scale_arcsec: float, ra: Any, dec: Any) -> Any:
    """x, y of ra and dec in degrees; no lambda, so that a sky can be sent to other processes."""
    return sky_wcs((1, 1), scale_arcsec, 0, 0).all_world2pix(ra, dec, 0)
