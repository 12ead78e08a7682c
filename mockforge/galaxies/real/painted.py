"""Galaxies of a painted sky, each alone and without noise; their redshifts are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mockforge.config import Count, Index, Limit, NonNegative, Varying, config, uniform
from mockforge.photometry.bands import Band
from mockforge.train.model_files import model_files


@config
class PaintedBand:
    """A band of the painted sky and the curve that stands for it."""

    painted: str
    """Its name in the model, e.g. `g`."""
    band: Band
    """The bandpass that its spectra are seen through."""


@config
class SkyGalaxies:
    """Galaxies of an endless learned sky: those bright enough in a part of it, each alone, without noise.

    A painted galaxy has no redshift of its own: `z_in` draws one for every pair. The network has to be
    `forge`, whose pixels have owners.
    """

    model: str = "kids-viking"
    """A bundled model's name, or a path to NAME.json."""
    seed: Index = 1
    """Which of its endless skies."""
    area: Annotated[int, Limit(ge=64, le=8192)] = 1024
    """Side of the square that is searched, pixels."""
    side: Count = 48
    """Side of a cutout, pixels."""
    bands: tuple[PaintedBand, ...] = (
        PaintedBand(painted="g", band="lsst_g"),
        PaintedBand(painted="r", band="lsst_r"),
        PaintedBand(painted="Z", band="vista_Z"),
    )
    """Bands that are used."""
    z_in: Annotated[Varying, Limit(gt=0)] = uniform(0.1, 0.6)
    """Redshift of a galaxy as it is painted."""
    min_snr: NonNegative = 30.0
    """Least signal to noise, in the pixels where it is brighter than half of the sky's rms."""
    leave_blended: bool = True
    """Leave out galaxies that others overlap strongly."""
    leave_stars: bool = True
    """Leave out stars."""

    def files_read(self) -> dict[str, Path]:
        """Return the model's."""
        return model_files(self.model)
