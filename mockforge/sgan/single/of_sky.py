"""The galaxies of a learned sky, one at a time: of its population, above a signal to noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.instrument.noise_sky import NoiseSky
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.paint.learned import LearnedSky
from mockforge.sgan.paint.sky import Sky
from mockforge.sgan.single.paint import SingleGalaxies
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.model import SourceModel

LEAST_SNR = 30.0
"""Signal to noise of a learned sky's galaxies where none is asked for: fainter ones show little shape."""


@dataclass(frozen=True)
class SkyDraw:
    """Galaxies of a learned sky of which a point as bright would have a signal to noise."""

    sources: SourceModel
    least_snr: float
    point_njy: np.ndarray
    """(C,) nJy: error of the flux of a point source."""

    def __call__(self, rng: np.random.Generator, n: int) -> Marks:
        """Return those of `n` galaxies that are bright enough as points: light spread out has less."""
        counts = self.sources.galaxies
        # no colours make a source of less mean flux as significant
        least = max(self.least_snr * float(self.point_njy.min()) / len(self.point_njy), counts.faintest)
        if least >= counts.brightest:
            raise InputError(
                f"the model's galaxies are of at most {counts.brightest:.3g} nJy, none has a signal to noise "
                f"of {self.least_snr:g}: ask for fainter ones, or for a deeper sky"
            )
        marks = self.sources.population.draw(rng, counts.draw(rng, n, low=least), np.zeros(n, dtype=bool))
        snr = np.sqrt(((marks.flux / self.point_njy) ** 2).sum(axis=1))
        return marks.rows(snr >= self.least_snr)


def galaxies_of_sky(
    model: ForgeModel | str | Path, seed: int = 1, least_snr: float | None = None, **asked: Any
) -> SingleGalaxies:
    """Return the galaxies of a learned sky, each alone.

    Parameters
    ----------
    model
        A learned sky, its bundled name or its file.
    seed
        Chooses among endless rows of galaxies.
    least_snr
        Signal over noise of the light known, from which on galaxies are drawn; 30 without.
    **asked
        How it is observed, as of `mockforge.Sky`: depth, seeing, pixel_scale, ...

    Raises
    ------
    InputError
        Where pixels of the model's sky have no owners, or the sky cannot be observed so.
    """
    least = LEAST_SNR if least_snr is None else float(least_snr)
    if not 0 < least <= 1e6:
        raise InputError(f"galaxies: a signal to noise above 0, 1e6 at most, is expected, found {least:g}")
    sky = Sky(model, seed, **asked)
    if not isinstance(sky.model, ForgeModel):
        raise InputError(
            f"model {sky.model.name}: is a network of pixels, which knows no galaxies: use a learned sky, "
            "such as kids-viking, or a model of single galaxies"
        )
    control = sky.control
    rms = control.noise.rms_njy
    if not (rms > 0).all():
        raise InputError(
            "galaxies above a signal to noise need a sky with noise; leave the noise on, and write the "
            "noiseless stamps beside"
        )
    learned = LearnedSky(sky.model, control, seed)
    noise = NoiseSky(control.noise, Stream(seed, ("galaxies", "noise")))
    draw = SkyDraw(control.sources, least, rms / _sharpness(learned.painter))
    return SingleGalaxies(
        draw, learned.painter, noise, learned.how, np.asarray(control.grid.fwhm_pix), sky.model.name,
        sky.model.sha256, seed, least,
    )  # fmt: skip


def _sharpness(painter: SourcePainter) -> np.ndarray:
    """(C,) root of the sum of squares of a point source of flux 1, in the middle of a pixel."""
    point = Marks.make(np.zeros(1), np.zeros(1), np.ones((1, painter.bands)), star=np.ones(1, dtype=bool))
    return np.sqrt((painter.paint(point)[0].astype(np.float64) ** 2).sum(axis=(1, 2)))
