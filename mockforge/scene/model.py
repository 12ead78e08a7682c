"""What a parametric sky is: bands, instrument, population, stars, clustering, structure, shear."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mockforge.config import Fraction, Index, Limit, NonNegative, Positive, config
from mockforge.galaxies.population import TABLE
from mockforge.galaxies.real.rule import Magnitude, RealStamps
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Moffat, Psf
from mockforge.photometry.bands import Band, bands_of


@config
class Stars:
    """Stars, in numbers and magnitudes as in the population's table, with the colours of black bodies."""

    factor: NonNegative = 1.0
    """Times the counts of COSMOS; galactic latitude changes them."""
    faintest: Magnitude = 26.0
    """AB magnitude in F160W; most of the Galaxy's are brighter."""
    temperature_k: tuple[Positive, Positive] = (3000.0, 6500.0)
    """Coolest and hottest, spread evenly in their logarithm."""


@config
class Clustering:
    """Galaxies in clumps, so that w(theta) = amplitude * (theta / arcsec)^-slope well inside `reach`.

    The galaxies of a clump are at one redshift, within the velocities of a group (250 km/s): the excess
    pairs are pairs in space, w / (1 + w) of those at a separation, and all others are by chance. Clumps
    do not know of each other: there is no clustering beyond `reach`.

    A Poisson cluster process (Neyman & Scott 1952, ApJ 116, 144): clumps of density r^-(1 + slope/2)
    hold a `share` of the galaxies, and their number follows from the amplitude.
    """

    amplitude: Positive = 0.4
    """w at one arcsec."""
    slope: Annotated[float, Limit(gt=0.1, lt=1.9)] = 0.8
    """Exponent of the fall."""
    reach_arcsec: Annotated[float, Limit(gt=1, le=30)] = 20.0
    """Radius of a clump."""
    share: Annotated[float, Limit(gt=0, le=1)] = 0.5
    """Share of the galaxies that are in clumps."""


@config
class Structure:
    """Parts of galaxies. Every galaxy keeps its half-light radius, and its flux in every band."""

    bulges: bool = True
    """Galaxies of index n > 1 are a disk and a de Vaucouleurs bulge with (n - 1) / 3 of the light,
    at most 0.9, in an old population's colours; if not, single Sersic profiles."""
    knots: Index = 8
    """Most star-forming knots on a late type (n < 2); the number is even between 0 and this."""
    knot_fraction: Fraction = 0.3
    """Largest share of the disk's light in them, even from 0."""


@config
class SceneModel:
    """A Hubble-like blank field of galaxies and stars whose every parameter is known.

    The population is that of `mockforge.galaxies.population`. Noise is Gaussian of the variance of sky
    and sources (no counting of single electrons).
    """

    bands: tuple[Band, ...] = ("F606W", "F775W", "F814W")
    """Bands of the images, in the order of the channel axis."""
    pixel_scale_arcsec: Positive = 0.06
    """Size of a pixel."""
    psf: Psf | None = Psf(moffat=Moffat(fwhm_arcsec=(0.057, 0.071, 0.072), beta=1.61))
    """PSF; the default is Hubble's ACS in the default bands: encircled energies within 0.04 of PSF
    images from 0.09 to 2.4 arcsec (github.com/cschreib/egg, share/psfs). null for none."""
    noise: Noise | None = None
    """Noise; null for none."""
    faintest: Magnitude = 29.5
    """Faintest galaxies, total AB magnitude in F160W."""
    brightest: Magnitude = 18.0
    """Brightest galaxies and stars."""
    density_factor: NonNegative = 1.0
    """Times the number of galaxies."""
    stars: Stars | None = Stars()
    """Stars; null for none."""
    clustering: Clustering | None = None
    """Clumps of one redshift each; null: positions are random, and galaxies that are close on the sky
    share a redshift no more often than by chance."""
    structure: Structure = Structure()
    """Bulges, disks, knots."""
    real: RealStamps | None = None
    """Real images for the brightest galaxies; null for none."""
    shear: tuple[float, float] = (0.0, 0.0)
    """Weak lensing: reduced shear g1, g2 of every galaxy as a whole: bulge, disk, and places and shapes
    of its knots, before the PSF. Flux and area are kept (no magnification), and galaxies stay where
    they are (positions are not sheared). Stars have none."""
    edge_mag_arcsec2: Annotated[float, Limit(ge=24, le=38)] = 32.0
    """Surface brightness to which a galaxy or star is painted; farther out it has no light."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", bands_of(self.bands))
        if self.brightest >= self.faintest:
            raise ValueError(f"brightest {self.brightest:g} should be below faintest {self.faintest:g}")
        if self.shear[0] ** 2 + self.shear[1] ** 2 >= 0.25:
            raise ValueError(f"shear should be weak, below 0.5, found {list(self.shear)}")
        low, high = (16.0, 30.5) if self.stars is None else self.stars.temperature_k
        if low > high:
            raise ValueError(f"stars: temperature_k: the coolest {low:g} is above the hottest {high:g}")

    def files_read(self) -> dict[str, Path]:
        """Return the population's table."""
        return {"hst_population": TABLE}
