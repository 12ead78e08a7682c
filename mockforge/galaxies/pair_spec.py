"""What pairs of Sersic galaxies are: their bands, redshifts, spectra, shapes and instruments."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from mockforge.config import Count, Limit, NonNegative, Positive, Varying, config, uniform
from mockforge.galaxies.notices import check_formed
from mockforge.galaxies.redshifts import RedshiftGrid, check_redshifts, reach
from mockforge.galaxies.shapes import Asymmetry, Bulge, Companions, Knots
from mockforge.observe.psf.spec import Psf
from mockforge.photometry.bands import Band, bands_of
from mockforge.photometry.cosmology import Cosmology, cosmology_word
from mockforge.photometry.igm import Igm
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.spectra.spec import Spectra


@config
class SersicPairs:
    """One galaxy at two redshifts, Sersic profiles times spectra."""

    bands: tuple[Band, ...] = ("F435W", "F606W", "F775W", "F814W", "F850LP", "F105W", "F125W", "F160W")
    """Bands of the images, in the order of the channel axis."""
    stamp: Count = 60
    """Height and width of a stamp, pixels."""
    enclose: Annotated[float, Limit(gt=0, lt=1)] | None = None
    """Share of its light that a galaxy should have on its stamp, e.g. 0.95: stamps are then as large as 99%
    of the galaxies need at both redshifts, and at least `stamp`. Null: `stamp`, whatever falls off it."""
    pixel_scale_arcsec: Positive = 0.1
    """Size of a pixel, arcsec."""
    cosmology: Cosmology = "Planck18"
    """Cosmology for distances, angular sizes and ages."""
    z_in: Annotated[Varying, Limit(gt=0)] = uniform(0.1, 2.0)
    """Redshift of the input."""
    z_out: Annotated[Varying, Limit(gt=0)] = uniform(0.1, 2.0)
    """Redshift of the target; always above z_in."""
    redshift_grid: RedshiftGrid | None = RedshiftGrid()
    """Redshifts move to the nearest of this grid (its ends catch half as many draws of a uniform
    distribution between them); null for continuous redshifts, each integrated by itself."""
    spectra: Spectra = Spectra()
    """Spectra of the galaxies; every galaxy draws one, all equally likely."""
    population: Literal["constant", "evolving"] = "constant"
    """Constant: the target is the very population seen at z_in, farther away. Evolving: the
    target is younger by the time between, as its star-formation history has it."""
    igm: Igm = "inoue2014"
    """Absorption by intergalactic gas."""
    magnitude: Varying = uniform(-23.0, -18.0)
    """AB magnitude of the whole galaxy in `magnitude_band`."""
    magnitude_kind: Literal["absolute", "apparent"] = "absolute"
    """Absolute in the rest frame, or apparent as the input has it."""
    magnitude_band: Band = "lsst_r"
    """Band of `magnitude`; it need not be one of `bands`."""
    r_e: Annotated[Varying, Limit(gt=0)] = Varying("lognormal", (3.0, 0.5))
    """Effective radius of the main body: semi-major axis of the ellipse that holds half its light."""
    r_e_unit: Literal["kpc", "arcsec", "pixel"] = "kpc"
    """Unit of `r_e`; an angle is that of the input."""
    n: Annotated[Varying, Limit(ge=0.3, le=8)] = uniform(0.5, 4.0)
    """Sersic index of the main body."""
    axis_ratio: Annotated[Varying, Limit(ge=0.05, le=1)] = uniform(0.2, 1.0)
    """Minor over major axis, 1 - ellipticity."""
    position_angle: Varying = uniform(0.0, 180.0)
    """Angle of the major axis from +x towards +y, degrees."""
    jitter: NonNegative = 0.5
    """The centre lies within this many pixels of the stamp's centre in x and in y, uniformly."""
    bulge: Bulge | None = None
    """A bulge on the main body, which is then the disk: colours differ from centre to edge."""
    companions: Companions | None = None
    """Further galaxies beside it, for compound ones."""
    knots: Knots | None = None
    """Star-forming knots on the main body."""
    asymmetry: Asymmetry | None = None
    """Lopsidedness of the main body."""
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
    psf_in: Psf | None = None
    """PSF of the input; null for none."""
    psf_out: Psf | None = None
    """PSF of the target; null for none."""
    device: str = "cpu"
    """Where galaxies are drawn: cpu, cuda, cuda:1, ... Bytes are equal on one kind of device."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", bands_of(self.bands))
        object.__setattr__(self, "cosmology", cosmology_word(self.cosmology))
        check_redshifts(self.z_in, self.z_out, self.redshift_grid)
        if (self.psf_in is None) != (self.psf_out is None):
            raise ValueError("psf_in and psf_out go together: give both, or neither")
        if self.population == "evolving" and not isinstance(self.spectra.chosen, Populations):
            raise ValueError("population: evolving needs spectra: {populations: ...}; templates have no age")
        evolving = self.population == "evolving"
        parts = (self, *(p for p in (self.bulge, self.companions, self.knots) if p is not None))
        for spectra in (part.spectra for part in parts if part.spectra is not None):
            last = reach(self.z_out if evolving else self.z_in)[1]
            if math.isfinite(last):
                check_formed(spectra, last, "z_out" if evolving else "z_in")
