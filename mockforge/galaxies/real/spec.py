"""What pairs of real and painted galaxies are: whose images, which bands, redshifts and instruments."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Literal

from mockforge.config import Count, Limit, NonNegative, Positive, Varying, config, uniform
from mockforge.galaxies.real.files import FileGalaxies
from mockforge.galaxies.real.painted import SkyGalaxies
from mockforge.galaxies.real.realgalaxy import RealGalaxies
from mockforge.galaxies.real.spectra import Fit
from mockforge.observe.psf.spec import Psf
from mockforge.photometry.bands import Band, bands_of
from mockforge.photometry.cosmology import Cosmology, cosmology_word
from mockforge.photometry.igm import Igm
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.spectra.spec import Spectra


@config
class GalaxyImages:
    """Exactly one source of galaxies."""

    real: RealGalaxies | None = None
    """galsim's RealGalaxy format, such as COSMOS with HST."""
    files: FileGalaxies | None = None
    """FITS images and a catalogue of redshifts."""
    sky: SkyGalaxies | None = None
    """A painted sky."""

    def __post_init__(self) -> None:
        named = [f.name for f in fields(self) if getattr(self, f.name) is not None]
        if len(named) != 1:
            raise ValueError(f"needs exactly one of real, files, sky; found {', '.join(named) or 'none'}")


@config
class ImagePairs:
    """One real or painted galaxy at its own redshift and at a higher one."""

    galaxies: GalaxyImages
    """The galaxies and their images."""
    bands: tuple[Band, ...] = ("F606W", "F814W", "F125W", "F160W")
    """Bands of the pairs, in the order of the channel axis."""
    stamp: Count = 64
    """Height and width of a stamp, pixels."""
    pixel_scale_arcsec: Positive = 0.06
    """Size of a pixel, arcsec."""
    cosmology: Cosmology = "Planck18"
    """Cosmology for distances, angular sizes and ages."""
    z_out: Annotated[Varying, Limit(gt=0)] = uniform(0.5, 3.0)
    """Redshift of the target. Galaxies that have no z_out above their own are left out."""
    spectra: Spectra = Spectra()
    """Spectra that are fitted to the galaxies."""
    spectrum: str | None = None
    """Name of the one spectrum of all galaxies; null: fitted where two bands or more are known,
    else drawn, all equally likely."""
    fit: Fit = Fit()
    """How spectra are fitted."""
    population: Literal["constant", "evolving"] = "constant"
    """Constant: the target is the very population seen at z_in, farther away. Evolving: the
    target is younger by the time between, as its star-formation history has it."""
    igm: Igm = "inoue2014"
    """Absorption by intergalactic gas."""
    magnitude_band: Band = "lsst_r"
    """Rest-frame band of the absolute magnitudes and K-corrections in the table."""
    psf_in: Psf | None = None
    """PSF of the input; null for that of the images, and the pixel of the stamp where it is larger."""
    psf_out: Psf
    """PSF of the target. It should be broader than that of the images at their new angular size."""
    psf_floor: Annotated[float, Limit(gt=0, lt=1)] = 0.01
    """Contrast below which the images' PSF has left nothing to restore."""
    extend_sky: bool = True
    """Around a cutout smaller than the stamp, go on with noise like that of its edges, where its
    noise is known; if not, the stamp is 0 there."""
    jitter: NonNegative = 0.5
    """The centre lies within this many pixels of the stamp's centre in x and in y, uniformly."""
    turn: bool = True
    """Draw one of the eight orientations of a square for every pair."""
    angular_size: bool = True
    """The target's angular size follows the angular-diameter distance; if not, it is the input's."""
    dimming: bool = True
    """Surface brightness falls by ((1 + z_in) / (1 + z_out))^4."""
    band_shift: bool = True
    """The target's bands see the spectrum at z_out; if not, the target has the input's colours."""
    size_evolution: float = 0.0
    """Physical sizes change by ((1 + z_out) / (1 + z_in)) to this power; about -1 is observed."""
    luminosity_evolution: float = 0.0
    """Magnitudes by which the target changes per unit of redshift; -1 brightens it by 1 a unit."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", bands_of(self.bands))
        object.__setattr__(self, "cosmology", cosmology_word(self.cosmology))
        if self.population == "evolving" and not isinstance(self.spectra.chosen, Populations):
            raise ValueError("population: evolving needs spectra: {populations: ...}; templates have no age")
