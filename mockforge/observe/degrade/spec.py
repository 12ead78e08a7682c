"""What a degradation is: the telescope to imitate, and what of the image it starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from mockforge.config import Count, Limit, Positive, Varying, config, fixed
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Psf
from mockforge.observe.surveys.read import own_files, survey
from mockforge.photometry.colours import Colours


@config
class Sweep:
    """What differs from sample to sample."""

    fwhm_factor: Annotated[Varying, Limit(gt=0)] = fixed(1.0)
    """Times the width of the target's PSF, in all bands."""
    depth_offset_mag: Varying = fixed(0.0)
    """Magnitudes by which the image is deeper than the survey; negative: shallower."""
    pixel_scale_arcsec: Annotated[Varying, Limit(gt=0)] | None = None
    """Size of a coarse pixel; null: the target's own. The number of pixels stays."""


@config
class Degradation:
    """How a fine image becomes what another telescope observes: its PSF, pixels, bands and noise."""

    to: str
    """A survey by name, or the path of a YAML file of one; `mockforge surveys` lists them."""
    input: Literal["truth", "light", "image"] = "truth"
    """`truth`, noiseless; `light`, noiseless in bands like the target's; `image`, with noise."""
    bands: tuple[str, ...] | None = None
    """The target's bands that stand for the input's, in order; null: those of the same names, else the
    nearest in wavelength."""
    colours: Colours | None = None
    """Makes the target's bands of the input's, as many as `bands` names, by a matrix fitted to
    spectra; null: each band stands for one, its flux as it is."""
    psf: Psf | None = None
    """PSF of the input; null: what the source says."""
    psf_out: Psf | None = None
    """PSF of the target before its pixel; null: the survey's."""
    pixel_scale_arcsec: Positive | None = None
    """Size of a coarse pixel; null: the survey's."""
    shape: Count | None = None
    """Height and width of the coarse image; null: as many pixels as fit."""
    phase: Annotated[Varying, Limit(ge=-1, le=1)] = fixed(0.0)
    """By how many coarse pixels the sky is moved on the coarse grid, in x and in y, each drawn; at
    0 the middles of both images fall together."""
    noise: Noise | None = None
    """Noise of the target; null: the survey's depth and gain."""
    noisy: bool = True
    """Whether to add noise at all."""
    own_rms_njy: Positive | tuple[Positive, ...] | None = None
    """Rms of the noise that an input `image` has, per band; null: measured on it,
    with its correlation on all samples of a shard together, so that what is added depends on which these
    are. Samples without noise (input: truth) do not depend on each other, to the last bit."""
    whiten: bool = False
    """Make the noise of an input `image` white: what is added fills its power spectrum up."""
    sweep: Sweep | None = None
    """Width of the PSF, depth and pixel scale that differ from sample to sample."""
    labels: tuple[str, ...] = ("instances",)
    """Label maps that follow onto the coarse grid."""
    edge: Literal["mirror", "empty"] = "mirror"
    """What lies beyond the image: its reflection, or nothing."""

    def __post_init__(self) -> None:
        chosen = survey(self.to)
        for band in self.bands or ():
            chosen.band(band)
        if self.colours is not None and self.bands is None:
            raise ValueError("colours needs `bands`, the target's bands to make")
        if self.bands is not None and len(set(self.bands)) < len(self.bands):
            raise ValueError(f"bands should be different names, found {list(self.bands)}")
        if self.input != "image" and (self.own_rms_njy is not None or self.whiten):
            raise ValueError(f"own_rms_njy and whiten are for input: image; {self.input} has no noise")

    def files_read(self) -> dict[str, Path]:
        """Return the file of a survey that is the user's own."""
        return own_files(self.to)
