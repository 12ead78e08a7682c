"""What disk galaxies are: disk, bulge, clumps, spiral arms, bar, their spectra, a shear and an instrument."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from mockforge.config import Index, Limit, NonNegative, Positive, Varying, config, fixed, uniform
from mockforge.galaxies.notices import check_formed
from mockforge.galaxies.redshifts import reach
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Moffat, Psf
from mockforge.photometry.bands import Band, bands_of
from mockforge.photometry.cosmology import Cosmology, cosmology_word
from mockforge.photometry.igm import Igm
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.populations.sfh import Burst, Constant, Sfh
from mockforge.photometry.spectra.spec import Spectra

THICK_N = 2.0
"""Largest Sersic index of a disk with thickness, arms or a bar."""

_MOST_PIXELS = 2048
"""Largest stamp."""


@config
class DiskBulge:
    """A bulge in the middle of the disk: a Sersic profile, by default de Vaucouleurs'."""

    fraction: Annotated[Varying, Limit(ge=0, le=1)] = Varying("normal", (0.2, 0.05))
    """Its share of the galaxy's light, in `magnitude_band`."""
    r_half: Annotated[Varying, Limit(gt=0)] = uniform(0.2, 0.5)
    """Its half-light radius over the disk's; semi-major axis."""
    n: Annotated[Varying, Limit(ge=0.5, le=6.2)] = fixed(4.0)
    """Sersic index; 4 is de Vaucouleurs' law."""
    axis_ratio: Annotated[Varying, Limit(ge=0.1, le=1)] = uniform(0.7, 1.0)
    """Minor over major axis as it is seen, before the shear; the major axis is the disk's."""
    spectra: Spectra | None = Spectra(
        populations=Populations(sfh=(Sfh(burst=Burst()),), metallicity=(1.0,), a_v=(0.0, 0.5))
    )
    """Its spectra; null: those of the disk, drawn independently."""


@config
class Clumps:
    """Star-forming clumps: round Gaussians in the disk, which the shear stretches with the rest."""

    fraction: Annotated[Varying, Limit(ge=0, le=1)] = Varying("normal", (0.1, 0.05))
    """Their share of the galaxy's light, in `magnitude_band`; the disk's where a galaxy has no clumps."""
    fewest: Index = 5
    """Clumps a galaxy has at least."""
    most: Annotated[int, Limit(ge=1, le=1000)] = 20
    """And at most, all numbers equally likely."""
    along: Literal["disk", "random_walk"] = "disk"
    """How they are scattered. disk: as its light is, arms and bar included. random_walk: as the ends of long
    random walks in its plane, a Gaussian of the disk's half-light radius (galsim.RandomKnots, once
    RandomWalk)."""
    places: tuple[tuple[float, float, float], ...] | None = None
    """Clumps at these places in every galaxy, and none that are drawn: [u, v, share] each, u along the major
    axis and v across it in the disk's plane, in half-light radii; shares are brought to a sum of 1."""
    brightness: Literal["exponential", "equal"] = "exponential"
    """How the light is shared out among clumps that are drawn."""
    size: Annotated[Varying, Limit(ge=0)] = uniform(0.03, 0.1)
    """Sigma of a clump over the disk's half-light radius, one for a galaxy; 0: points."""
    spectra: Spectra | None = Spectra(
        populations=Populations(sfh=(Sfh(constant=Constant()),), metallicity=(0.4,), a_v=(0.0,))
    )
    """Their spectrum, one for a galaxy; null: those of the disk, drawn independently."""

    def __post_init__(self) -> None:
        if self.fewest > self.most:
            raise ValueError(f"fewest ({self.fewest}) should not be above most ({self.most})")
        if self.places is not None and not 1 <= len(self.places) <= 1000:
            raise ValueError(f"places should be 1 to 1000 clumps, found {len(self.places)}")
        for u, v, share in self.places or ():
            if not (abs(u) <= _FARTHEST and abs(v) <= _FARTHEST and 0 < share <= 1e6):
                raise ValueError(
                    f"places: [{u:g}, {v:g}, {share:g}] should be u and v within {_FARTHEST:g} half-light"
                    " radii of the centre and a share above 0"
                )


@config
class SpiralArms:
    """Logarithmic spiral arms: the disk's light is moved along its rings, each of which keeps its own."""

    number: tuple[Annotated[int, Limit(ge=1, le=4)], ...] = (2, 2, 3, 4)
    """Arms a galaxy has, one of these, equally likely: a number twice is twice as likely."""
    strength: Annotated[Varying, Limit(ge=0, le=1)] = uniform(0.3, 0.8)
    """Share of the light beyond `start` that is moved onto the arms; 0: smooth."""
    pitch: Annotated[Varying, Limit(ge=5, le=60)] = uniform(12.0, 28.0)
    """Angle between an arm and a circle, degrees."""
    start: Annotated[Varying, Limit(ge=0.1, le=3)] = uniform(0.3, 0.5)
    """Where arms begin, in half-light radii; with a bar at its ends, where that is farther out."""
    sharpness: Annotated[Varying, Limit(gt=0, le=3)] = uniform(1.0, 2.5)
    """kappa of the arms' profile exp(kappa cos psi) over the angle; 0 is a cosine, 3 is narrow."""


@config
class Bar:
    """A bar: inside its length the light of each ring is moved towards its two ends.

    The arms of a barred galaxy start there, so that they are even in number: 2 where 1 or 3 were drawn.
    """

    share: Annotated[float, Limit(ge=0, le=1)] = 0.5
    """Share of the galaxies with a bar."""
    strength: Annotated[Varying, Limit(ge=0, le=0.95)] = uniform(0.5, 0.9)
    """Share of the light within the bar's length that is moved into it."""
    length: Annotated[Varying, Limit(ge=0.1, le=3)] = uniform(0.5, 0.9)
    """From the centre to an end, in half-light radii."""
    axis_ratio: Annotated[Varying, Limit(ge=0.1, le=1)] = uniform(0.25, 0.45)
    """Its width over its length."""


_FARTHEST = 6.0
"""Half-light radii from the centre beyond which no clump is placed."""


@config
class DiskGalaxies:
    """A disk galaxy in the middle of each stamp."""

    bands: tuple[Band, ...] = ("F606W", "F814W", "F160W")
    """Bands of the images, in the order of the channel axis."""
    stamp: Annotated[int, Limit(ge=8, le=_MOST_PIXELS)] = 64
    """Height and width of a stamp, pixels."""
    pixel_scale_arcsec: Positive = 0.06
    """Size of a pixel, arcsec."""
    psf: Psf = Psf(moffat=Moffat(fwhm_arcsec=0.12, beta=3.5))
    """PSF of the images."""
    noise: Noise | None = None
    """Noise of `image`: an rms, a depth, a survey's, or a detector under a sky; null: none."""
    cosmology: Cosmology = "Planck18"
    """Cosmology for the ages of populations."""
    igm: Igm = "inoue2014"
    """Absorption by intergalactic gas."""
    z: Annotated[Varying, Limit(gt=0, le=20)] = uniform(0.3, 1.5)
    """Redshift."""
    z_step: Annotated[float, Limit(ge=0, le=1)] = 0.01
    """Redshifts are moved to multiples of this, which makes spectra through bands fast; 0: as drawn."""
    magnitude: Varying = uniform(20.0, 23.5)
    """AB magnitude of the whole galaxy in `magnitude_band`, as it is observed."""
    magnitude_band: Band = "F814W"
    """Band of `magnitude` and of all shares of light; it need not be one of `bands`."""
    spectra: Spectra = Spectra()
    """Spectra of the disk; every galaxy draws one, all equally likely."""
    r_half: Annotated[Varying, Limit(gt=0)] = Varying("lognormal", (0.45, 0.3))
    """Half-light radius of the disk seen face-on, arcsec: 1.678 scale lengths of an exponential one."""
    n: Annotated[Varying, Limit(ge=0.5, le=6.2)] = fixed(1.0)
    """Sersic index of the disk; 1 is exponential. Thick disks, arms and bars: at most 2."""
    thickness: Annotated[Varying, Limit(ge=0, le=1)] = fixed(0.1)
    """Height h of the vertical sech^2(z / h) over the scale length, `r_half` / 1.678; 0: a thin disk."""
    inclination: Annotated[Varying, Limit(ge=0, le=90)] | None = None
    """0 face-on, 90 edge-on, degrees; null: directions at random, cos i uniform."""
    position_angle: Varying = uniform(0.0, 180.0)
    """Angle of the major axis from +x towards +y before the shear, degrees."""
    g1: Annotated[Varying, Limit(gt=-1, lt=1)] = fixed(0.0)
    """Reduced shear along x; the flux stays."""
    g2: Annotated[Varying, Limit(gt=-1, lt=1)] = fixed(0.0)
    """Reduced shear along the diagonal x = y."""
    jitter: NonNegative = 0.5
    """The centre lies within this many pixels of the stamp's centre in x and in y, uniformly."""
    bulge: DiskBulge | None = None
    """A bulge; null: none."""
    clumps: Clumps | None = None
    """Star-forming clumps; null: none."""
    arms: SpiralArms | None = None
    """Spiral arms; null: none."""
    bar: Bar | None = None
    """Bars; null: none."""
    device: str = "cpu"
    """Where galaxies are drawn: cpu, cuda, cuda:1, ... Bytes are equal on one kind of device."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", bands_of(self.bands))
        object.__setattr__(self, "cosmology", cosmology_word(self.cosmology))
        g1, g2 = _farthest(self.g1), _farthest(self.g2)
        if g1**2 + g2**2 >= 1:
            raise ValueError(
                f"g1 reaches {g1:g} and g2 {g2:g}; sqrt(g1^2 + g2^2) should be below 1, and is below 0.1 for"
                " a weak shear"
            )
        self._check_steep()
        for part in (self, self.bulge, self.clumps):
            spectra = None if part is None else part.spectra
            if spectra is not None and math.isfinite(reach(self.z)[1]):
                check_formed(spectra, reach(self.z)[1], "z")
        least = [0.0 if p is None else p.fraction.values[0] for p in (self.bulge, self.clumps)]
        if sum(least) > 1:
            raise ValueError(
                f"bulge.fraction starts at {least[0]:g} and clumps.fraction at {least[1]:g}: together they"
                " are more than the whole galaxy's light"
            )
        if self.arms is not None and not self.arms.number:
            raise ValueError("arms.number should be one or more numbers of arms, such as [2, 2, 3, 4]")

    def _check_steep(self) -> None:
        """ValueError for steep disks that are thick or structured."""
        made = {"arms: null": self.arms is not None, "bar: null": self.bar is not None}
        made |= {"thickness: 0": _farthest(self.thickness) > 0}
        if any(made.values()) and (n := _farthest(self.n)) > THICK_N:
            raise ValueError(
                f"n reaches {n:g}, and a disk with thickness, arms or a bar has n of at most {THICK_N:g};"
                f" lower n, or set {', '.join(key for key, there in made.items() if there)}"
            )


def _farthest(value: Varying) -> float:
    """Return how far from 0 a draw can be; of a normal one, its middle."""
    ends = value.values[:1] if value.kind in ("normal", "lognormal") else reach(value)
    return max(abs(end) for end in ends)
