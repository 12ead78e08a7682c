"""What cubes of turning disks are: the galaxies, the instrument, the noise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from mockforge.config import (
    Count,
    Fraction,
    Index,
    Limit,
    NonNegative,
    Positive,
    Varying,
    config,
    fixed,
    uniform,
)
from mockforge.galaxies.cubes.body.doppler import Convention
from mockforge.galaxies.cubes.instrument.instruments import instrument
from mockforge.galaxies.cubes.instrument.lines import VACUUM, lines_of
from mockforge.galaxies.cubes.source.picture_spec import DiskPicture
from mockforge.observe.psf.spec import Psf

Above = Annotated[Varying, Limit(gt=0)]
AtLeast = Annotated[Varying, Limit(ge=0)]
Speed = Annotated[Varying, Limit(ge=-2000, le=2000)]


@config
class DiskClumps:
    """Clumps that turn with their disk."""

    most: Count = 8
    """They are 0 to this many, uniformly."""
    share: Annotated[Varying, Limit(ge=0, lt=1)] = uniform(0.05, 0.25)
    """Of the galaxy's flux, all together."""
    size: Above = fixed(0.12)
    """Standard deviation of a clump, half-light radii of the disk."""
    sigma: AtLeast = uniform(15.0, 40.0)
    """Their own dispersion, km/s."""


@config
class Companion:
    """A second disk in the same cube, drawn as the first: a pair that merges."""

    share: Fraction = 0.5
    """Of the samples that have one."""
    separation_arcsec: Above = uniform(0.5, 2.0)
    velocity: Speed = uniform(-200.0, 200.0)
    """Of the second relative to the first, km/s."""
    flux_ratio: Annotated[Varying, Limit(gt=0, le=1)] = uniform(0.2, 1.0)
    """Second over first."""


@config
class Motion:
    """Non-circular motion and warps."""

    v_radial: Speed = fixed(0.0)
    """Radial flow, outwards positive, km/s."""
    v_bar: Speed = fixed(0.0)
    """Streaming along a bar, km/s: Spekkens & Sellwood 2007."""
    r_bar: Above = fixed(0.5)
    """Where the streaming is strongest, half-light radii."""
    warp_inclination: Annotated[Varying, Limit(ge=-15, le=15)] = fixed(0.0)
    """Degrees a half-light radius beyond `warp_start`."""
    warp_angle: Annotated[Varying, Limit(ge=-30, le=30)] = fixed(0.0)
    """Of the position angle, degrees a half-light radius beyond `warp_start`."""
    warp_start: AtLeast = fixed(1.0)
    """Half-light radii."""


@config
class CubeNoise:
    """Noise of a cube, whose level follows the lines of the night sky."""

    snr: Above = uniform(3.0, 30.0)
    """Brightest channel of the brightest spaxel over the noise between sky lines."""
    sky_lines: NonNegative = 10.0
    """Variance in the middle of a strong line over that between lines; 0: none. None either from space."""
    mask_snr: Positive = 3.0
    """`snr_mask` is 1 where the brightest channel of a spaxel, without noise, is so many times the noise."""


@config
class TurningDisks:
    """Turning disks and the instrument that sees them."""

    instrument: str = "muse"
    """muse, muse-udf, kmos-yj, kmos-h, kmos-k, sinfoni-h, sinfoni-k, eris-k, nirspec-g140h, nirspec-g235h,
    nirspec-g395h or manga: `galaxies/cubes/instrument/instruments.py` has their numbers and sources."""
    spaxels: Count = 32
    """Side of the cube's field."""
    channels: Count = 40
    """Channels about the middle of the lines."""
    lsf_includes_channel: bool = False
    """The line-spread function was measured on sampled lines: the channel's width is taken off."""
    psf: Psf | None = None
    """By default the instrument's typical one."""
    noise: CubeNoise | None = CubeNoise()
    """null: none."""
    lines: Literal["line", "oii", "ha_nii", "oiii_hb"] = "oii"
    """One line, or a group with its ratios."""
    line: str = "Ha"
    """Which, where `lines` is `line`."""
    ratio: Above | None = None
    """[O II] 3729/3727, [N II] 6583/Ha or [O III] 5007/Hb; null: 1.3, 0.3, 3."""
    equivalent_width_angstrom: NonNegative = 0.0
    """Observed: the lines' flux over the continuum's flux density; 0: no continuum."""
    redshift: AtLeast = uniform(0.4, 1.0)
    flux: Above = Varying("loguniform", (10.0, 100.0))
    """Of all lines, 1e-18 erg/s/cm2."""
    radial: Literal["exponential", "gaussian", "sersic"] = "exponential"
    vertical: Literal["gaussian", "exponential", "sech2"] = "gaussian"
    r_half_arcsec: Above = uniform(0.4, 1.0)
    """Half-light radius seen face-on."""
    n: Annotated[Varying, Limit(ge=0.36, le=8)] = fixed(1.0)
    """Sersic index, where `radial` is `sersic`."""
    thickness: Annotated[Varying, Limit(ge=0.005, le=1)] = fixed(0.15)
    """Scale height over half-light radius."""
    inclination: Annotated[Varying, Limit(ge=0, le=90)] = uniform(20.0, 80.0)
    """Degrees, 0 face-on, 90 edge-on."""
    position_angle: Varying = uniform(0.0, 360.0)
    """Of the receding end of the major axis, degrees from +x towards +y."""
    jitter_arcsec: NonNegative = 0.1
    """The centre lies within this of the field's in x and in y, uniformly."""
    velocity: Speed = Varying("normal", (0.0, 20.0))
    """Of the galaxy beyond its redshift, km/s."""
    curve: Literal[
        "arctan", "tanh", "exponential", "flat", "freeman", "isothermal", "nfw", "universal", "table"
    ] = "arctan"
    """Rotation curve; `table`: `curve_file`."""
    curve_file: str | None = None
    """Text of two columns, arcsec and km/s."""
    v_max: AtLeast = uniform(100.0, 300.0)
    """Speed of the curve, km/s."""
    r_turn: Above = uniform(0.2, 0.6)
    """Radius of the curve, half-light radii."""
    sigma: AtLeast = uniform(20.0, 60.0)
    """Isotropic dispersion, km/s."""
    sigma_scale: AtLeast = fixed(0.0)
    """Scale length of its decline, half-light radii; 0: constant."""
    sigma_floor: NonNegative = 0.0
    """Added in quadrature, km/s."""
    sigma_file: str | None = None
    """The isotropic dispersion as text of two columns, arcsec and km/s."""
    thick: bool = False
    """Adds h v/r: the dispersion of a thick disk."""
    thin: bool = False
    """Adds v sqrt(h/r): that of a thin one."""
    convention: Convention = "relativistic"
    """What a velocity does to a wavelength."""
    motion: Motion = Motion()
    clumps: DiskClumps | None = None
    """null: none."""
    picture: DiskPicture | None = None
    """Galaxies whose pictures are the disks' light: `inclination`, `position_angle` and, but for
    `picture.resize`, `r_half_arcsec` are theirs; `radial` and `n` are of no effect. null: none."""
    companion: Companion | None = None
    """null: none."""
    tolerance: Annotated[float, Limit(ge=1e-5, le=0.1)] = 2e-3
    """Sampling is refined until no channel of a spaxel changes by more of the brightest one."""
    margin: Index = 4
    """Spaxels beside the field from where light is scattered in."""

    def __post_init__(self) -> None:
        chosen = instrument(self.instrument)
        if (self.curve == "table") != (self.curve_file is not None):
            raise ValueError("curve: table and curve_file go together; give both, or another curve")
        lines_of(self.lines, single=self.line)
        if self.spaxels * chosen.pixel_scale_arcsec > chosen.field_arcsec * 1.001:
            raise ValueError(
                f"spaxels {self.spaxels} of {chosen.pixel_scale_arcsec:g} arcsec are wider than the"
                f" {chosen.field_arcsec:g} arcsec of {self.instrument}"
            )
        tilt = abs(self.motion.warp_inclination.values[0]) if self.motion.warp_inclination.values else 0.0
        ends = self.inclination.values
        steepest = max(ends if self.inclination.kind == "choice" else ends[:2])
        if tilt and steepest > 75:
            raise ValueError(
                f"a warp in inclination needs disks below 75 degrees, found up to {steepest:g}: a line of"
                " sight may cross a steeper one twice"
            )
        if self.picture is not None and any(w.values != (0.0,) for w in self._warps()):
            raise ValueError(
                "picture: it lies in a flat plane; leave out motion.warp_inclination and warp_angle"
            )
        if self.lines == "line" and self.line not in VACUUM:
            raise ValueError(f"line: unknown {self.line!r}; valid: {', '.join(VACUUM)}")

    def _warps(self) -> tuple[Varying, Varying]:
        return self.motion.warp_inclination, self.motion.warp_angle

    def files_read(self) -> dict[str, Path]:
        """Return the user's own profiles."""
        given = {"curve_file": self.curve_file, "sigma_file": self.sigma_file}
        return {key: Path(value).expanduser() for key, value in given.items() if value is not None}
