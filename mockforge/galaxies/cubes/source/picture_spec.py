"""Which pictures of galaxies are the light of turning disks."""

from __future__ import annotations

from typing import Annotated

from mockforge.config import Limit, config
from mockforge.galaxies.real.files import FileGalaxies
from mockforge.galaxies.real.painted import SkyGalaxies
from mockforge.galaxies.real.rule import RealStamps
from mockforge.galaxies.real.spec import GalaxyImages
from mockforge.photometry.bands import Band, bands_of


@config
class DiskPicture:
    """Galaxies of exactly one source, each the light of a disk: real ones, or those of a learned sky."""

    real: RealStamps | None = None
    """galsim's RealGalaxy format, such as COSMOS with HST; each without its stamp's noise."""
    files: FileGalaxies | None = None
    """FITS images and a catalogue; each without its image's noise."""
    sky: SkyGalaxies | None = None
    """A learned sky."""
    band: Band | None = None
    """Of the images; null: the first."""
    resize: bool = False
    """Draw pictures to the half-light radii of `r_half_arcsec`; if not, they keep their size."""
    turn: bool = True
    """Draw one of the eight orientations of a square for every disk."""
    steepest: Annotated[float, Limit(ge=10, le=85)] = 75.0
    """Galaxies inclined by more degrees are left out: a plane seen edge-on cannot be unfolded."""

    def __post_init__(self) -> None:
        GalaxyImages(real=self.real, files=self.files, sky=self.sky)  # exactly one
        if self.band is not None:
            object.__setattr__(self, "band", bands_of((self.band,))[0])
