"""The source `redshift_images`: real and painted galaxies moved to a higher redshift."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.batch import Batch
from mockforge.config import config
from mockforge.files import Stamp, stamp
from mockforge.galaxies.notices import age_notice
from mockforge.galaxies.real.cutouts import Cutout, CutoutCatalogue, turned_cutout
from mockforge.galaxies.real.draw import draw, redshifted
from mockforge.galaxies.real.files import FileCatalogue
from mockforge.galaxies.real.paint import Optics, filled, galaxy_table, painted
from mockforge.galaxies.real.realgalaxy import RealCatalogue
from mockforge.galaxies.real.spec import GalaxyImages, ImagePairs
from mockforge.galaxies.real.spectra import fitted
from mockforge.observe.psf.spec import Psf
from mockforge.rng import Stream
from mockforge.sgan.galaxies import SkyCatalogue
from mockforge.stages.painted_stamps import PaintedStamps

_KEPT = 512
"""Cleaned cutouts kept in a process."""


@config
class RedshiftImages(ImagePairs, PaintedStamps):
    """Pairs of one real or painted galaxy, `input` at its own redshift, `target` at z_out > z_in.

    FERENGI's way (Barden, Jahnke & Haeussler 2008, ApJS 175, 105). The spectra that fit the
    galaxy's fluxes say what each wanted band sees at z_in and z_out: an image in a band is the
    nearest observed one (in the rest frame; the mean of two where it lies between) times the
    ratio of the fitted fluxes. At z_in a band that the images have is passed as it is. Size and
    flux follow the cosmology; the image is resampled in Fourier space, its PSF divided out and
    the target's put on in the same step, to a stamp in nJy.

    An observed galaxy has noise, and it comes along: scaled by the same factor as the light, so
    that it is mostly far below the target survey's noise, which the stage `observe` adds.
    The galaxies are shared out among the splits; none is in two.

    Writes `input_psf`, `target_psf` (N,C,H,W) f4 in nJy, the same as `input`, `target`, `z_in`,
    `z_out` (N,) f4 and the table `galaxy`. There is no image without a PSF.
    """

    def writes(self) -> frozenset[str]:
        """Images, redshifts and the table `galaxy`."""
        return frozenset({"input", "target", "input_psf", "target_psf", "z_in", "z_out", "galaxy"})

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"galaxy"})

    def pixels_kept(self, pixels: int) -> int:
        """Return 0: where a cutout ends a stamp may be empty, and compresses."""
        return 0

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        if self.galaxies.sky is not None:
            source = "Galaxies are painted by a network, with the noise of its sky"
        else:
            source = (
                "Galaxies are those of real images, with their selection, neighbours and some of their noise"
            )
        return f"{source}: a target shows only what its input was deep and sharp enough to show."

    def notices(self, tables: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
        """Sentences on what was built, from its tables."""
        notice = age_notice(tables.get("galaxy", {})) if self.population == "constant" else None
        return [notice] if notice else []

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Draw, fit and move every galaxy of the batch. InputError where its files cannot be used."""
        galaxies = catalogue(self.galaxies)
        drawn = draw(self, galaxies, batch, stream)
        cutouts = [turned_cutout(_cut(galaxies, int(g)), int(t)) for g, t in
                   zip(drawn.galaxy, drawn.turn, strict=True)]  # fmt: skip
        light = fitted(redshifted(self, galaxies, drawn), cutouts, drawn.spectrum)
        streams = [stream.child("sky", int(d)) for d in batch.draw]
        optics = Optics.of(self, galaxies, _psf_of(self.galaxies))
        optics.check(self, light.size)
        near, far = painted(self, optics, drawn, cutouts, light, streams)
        table = galaxy_table(self, batch, drawn, cutouts, light, near, far)
        return filled(self, batch, optics, drawn, near, far).with_table("galaxy", table)


def catalogue(which: GalaxyImages) -> Any:
    """Return the galaxies, opened once in a process while their catalogue stays (a `cutouts.Galaxies`).

    InputError where it cannot be used.
    """
    files = which.real or which.files
    if files is None or not Path(files.catalogue).expanduser().exists():
        return _opened(which, None)
    return _opened(which, stamp(files.catalogue))


@lru_cache(maxsize=4)
def _opened(which: GalaxyImages, stamp: Stamp | None) -> Any:
    if which.real is not None:
        return RealCatalogue(which.real)
    if which.files is not None:
        return FileCatalogue(which.files)
    assert which.sky is not None
    return SkyCatalogue(which.sky)


@lru_cache(maxsize=_KEPT)
def _cut(galaxies: CutoutCatalogue, i: int) -> Cutout:
    return galaxies.cutout(i)


def _psf_of(which: GalaxyImages) -> Psf | None:
    """Return the PSF of all images of a source; None where each has its own, or only a width."""
    if which.files is not None:
        return which.files.psf
    return catalogue(which).psf if which.sky is not None else None
