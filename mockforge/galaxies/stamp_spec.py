"""What stamps of galaxies are: their bands, PSF, and which galaxies of the population they hold."""

from __future__ import annotations

from mockforge.config import Count, Fraction, Index, NonNegative, Positive, config
from mockforge.observe.psf.spec import Airy, Psf
from mockforge.photometry.bands import Band, bands_of
from mockforge.photometry.cosmology import Cosmology, cosmology_word
from mockforge.photometry.igm import Igm


@config
class StampGalaxies:
    """A galaxy of a deep Hubble field in the middle of each stamp, and in some a neighbour beside it."""

    bands: tuple[Band, ...] = ("F606W", "F775W", "F814W")
    """Bands of `truth`, in the order of the channel axis."""
    other_bands: tuple[Band, ...] | None = None
    """Bands of `light`, one for each of `bands`, whose PSF it has; null: no `light`."""
    stamp: Count = 64
    """Height and width of a stamp, pixels."""
    margin: Index = 32
    """Pixels around it that later stages see and that are not saved."""
    pixel_scale_arcsec: Positive = 0.06
    """Size of a pixel, arcsec."""
    psf: Psf = Psf(airy=Airy(diameter_m=2.4, obscuration=0.33))
    """PSF of `truth` and `light`."""
    brightest: float = 18.0
    """AB magnitude in F160W of the brightest galaxies."""
    faintest: float = 25.0
    """AB magnitude in F160W of the faintest."""
    z_min: NonNegative = 0.1
    """Lowest redshift."""
    z_max: Positive = 5.0
    """Highest redshift."""
    jitter: NonNegative = 0.5
    """The galaxy lies within this many pixels of the stamp's centre in x and in y, uniformly."""
    neighbours: Fraction = 0.5
    """Share of the stamps with a neighbour."""
    neighbour_radius: Positive = 15.0
    """The neighbour's centre lies within this many pixels of the galaxy's, uniformly over the disk."""
    isophote: float = 27.0
    """Surface brightness that bounds `instances`: AB magnitude in a square arcsec, mean of `bands`."""
    cosmology: Cosmology = "Planck18"
    """Cosmology for the ages of populations."""
    igm: Igm = "inoue2014"
    """Absorption by intergalactic gas."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", bands_of(self.bands))
        object.__setattr__(self, "cosmology", cosmology_word(self.cosmology))
        if self.other_bands is not None:
            object.__setattr__(self, "other_bands", bands_of(self.other_bands))
        if self.other_bands is not None and len(self.other_bands) != len(self.bands):
            raise ValueError(
                f"other_bands should name a band for each of the {len(self.bands)} bands,"
                f" found {len(self.other_bands)}"
            )
        if self.brightest >= self.faintest:
            raise ValueError(f"brightest ({self.brightest:g}) should be below faintest ({self.faintest:g})")
        if self.z_min >= self.z_max:
            raise ValueError(f"z_min ({self.z_min:g}) should be below z_max ({self.z_max:g})")
