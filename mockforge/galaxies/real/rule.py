"""Which real galaxies are the pictures of bright ones, and how they are fitted to them."""

from __future__ import annotations

from typing import Annotated

from mockforge.config import Count, Limit, NonNegative, Positive, config
from mockforge.galaxies.real.realgalaxy import RealGalaxies
from mockforge.photometry.bands import Band

Magnitude = Annotated[float, Limit(ge=16, le=30.5)]
"""AB magnitude of a galaxy of a deep field."""


@config
class RealStamps(RealGalaxies):
    """Real galaxies in galsim's RealGalaxy format as the pictures of a scene's bright ones.

    A galaxy gets the picture of one that looks alike in magnitude, half-light radius and axis
    ratio, laid along its position angle, in any of the four ways to do so, resized towards its
    radius, sheared, seen through the scene's PSF and scaled to its flux in each band: the colours
    are the spectrum's, the shape is the same in all bands. Places, fluxes, redshifts and all other
    galaxies stay as they are without.

    How clean the truth is: a picture is a smooth profile on ellipses, continued exponentially beyond
    what its stamp shows, and inside the galaxy's outline the structure that stands out of the noise by
    3 to 4.5 sigma on scales from 1 to 32 pixels (`mockforge.galaxies.real.clean`). Outside the outline there
    is no noise. On exponential disks of magnitude 21.6 to 23.2 with COSMOS's noise, light in the wrong
    pixel adds up to 3 to 5% of the galaxy's, where noise adds up to 60 to 230% in the stamp. Structure
    fainter than the noise is gone, foreign objects within the outline stay, faint rings of the
    elliptic profile show around irregular galaxies, and where the scene's PSF is the sharper one,
    rings of the matching up to some thousandths of the peak.
    """

    faintest: Magnitude = 24.0
    """Galaxies up to this AB magnitude get a picture."""
    band: Band = "F814W"
    """Band of this limit; that of the images need not be."""
    nearest: Count = 5
    """One of so many galaxies that look most alike, at random."""
    size_factor: tuple[Positive, Positive] = (0.5, 2.0)
    """Least and largest factor on a picture's angular size; beyond, the galaxy's radius gives way."""
    least_snr: NonNegative = 30.0
    """Pictures of a lower signal to noise are not used (flux over that of its pixels, as if white)."""
    electrons_per_njy: Positive = 13.3
    """Of the images, for the noise of the galaxies' own light; 13.3: COSMOS, 2028 s in F814W."""
    psf_floor: Annotated[float, Limit(gt=0, lt=1)] = 0.3
    """Contrast below which a picture's PSF has left nothing to restore: where the scene's PSF is the
    sharper one, finer details than this stay as they are."""

    def __post_init__(self) -> None:
        if self.photometry:
            raise ValueError("photometry has no effect here: a galaxy's colours are those of its spectrum")
        if self.size_factor[0] > self.size_factor[1]:
            raise ValueError(f"size_factor should be rising, found {list(self.size_factor)}")
