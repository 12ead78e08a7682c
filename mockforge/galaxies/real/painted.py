"""Galaxies cut from the noiseless pixels of a painted sky; their redshifts are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mockforge.config import Count, Index, Limit, NonNegative, Varying, config, uniform
from mockforge.label.rule import DetectionRule
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
    """Galaxies of an endless painted sky: found on its observed pixels, cut from its noiseless ones.

    A painted galaxy has no redshift of its own: `z_in` draws one for every pair. It keeps the
    light of its own pixels, grown; what other objects cover is taken from the opposite side. The
    network has to paint the noiseless sky.
    """

    model: str = "kids-viking"
    """A bundled model's name, or a path to NAME.json."""
    seed: Index = 1
    """Which of its endless skies."""
    area: Annotated[int, Limit(ge=64, le=8192)] = 1024
    """Side of the square that is searched, pixels: about 90 galaxies in 1024 x 1024 of `kids-viking`."""
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
    detect: DetectionRule = DetectionRule(threshold=2.0, min_pixels=8)
    """How galaxies are found."""
    min_snr: NonNegative = 30.0
    """Least isophotal signal to noise."""
    grow: Index = 8
    """Pixels by which objects grow beyond what was detected, until they meet."""
    leave_blended: bool = True
    """Leave out objects that were separated from a neighbour: their shape is half a guess."""
    leave_stars: bool = True
    """Leave out objects as compact as stars; see `mockforge.observe.measure.stars`."""

    def files_read(self) -> dict[str, Path]:
        """Return the model's."""
        return model_files(self.model)
