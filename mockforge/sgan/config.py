"""What a SGAN is made of, as data: two networks, their discriminators, the instrument, the losses."""

from __future__ import annotations

from typing import Annotated, Literal

from mockforge.config import (
    Count,
    Fraction,
    Layers,
    Limit,
    NonNegative,
    Positive,
    Size,
    Width,
    config,
    one_of,
)

Channels = Annotated[int, Limit(ge=0, le=1024)]
Dilation = Annotated[int, Limit(ge=1, le=64)]
Batch = Annotated[int, Limit(ge=1, le=65536)]
Packed = Annotated[int, Limit(ge=1, le=64)]


@config
class Forge:
    """The `forge` generator: paints the noiseless sky; every layer is free of padding.

    z lives on a lattice of one cell per 16 pixels. Convolutions on the cells, dilated, widen the
    receptive field; then doublings to 8, 4 and 2 pixels, and a last layer that paints 2 x 2.
    """

    z_channels: Width = 32
    """Channels of N(0, 1) per z cell."""
    fine_channels: tuple[Channels, Channels] = (8, 8)
    """Further channels of N(0, 1) per 8 and per 4 pixels: what places a source within its cell."""
    dilations: Annotated[tuple[Dilation, ...], Size(0, 16)] = (1, 2, 4)
    """Steps in cells of the 3 x 3 convolutions on the cells, a residual layer each."""
    detail_layers: Layers = 2
    """Residual 3 x 3 convolutions at 4 pixels per element, where sources get their shapes."""
    widths: tuple[Width, Width, Width, Width] = (64, 48, 32, 16)
    """Filters at 16, 8, 4 and 2 pixels per element."""
    density: bool = True
    """Whether the density of sources is a condition, so that it can be requested of a sky."""
    density_smooth_pix: Annotated[float, Limit(gt=0, le=1e4)] = 48.0
    """Sigma of the Gaussian that sources are counted with, in pixels."""
    y_low: Annotated[float, Limit(ge=-40, le=40)] = -0.25
    """Lowest value of y, where flux = 2 rms sinh(y): how far below the sky a pixel may go."""
    y_high: Annotated[float, Limit(ge=-40, le=40)] = 7.5
    """Highest value of y: the brightest pixel is 2 rms sinh(y_high)."""

    def __post_init__(self) -> None:
        if self.y_high <= self.y_low:
            raise ValueError(f"y_high should be above y_low, found {self.y_high:g} and {self.y_low:g}")


@config
class Smith2019:
    """The published generator and discriminator (Smith & Geach 2019), with observed pixels out."""

    z_channels: Width = 50
    """Channels of N(0, 1) per z cell."""
    widths: tuple[Width, Width, Width, Width] = (256, 128, 64, 32)
    """Filters at 8, 4, 2 and 1 pixels per element."""
    unit_layers: Layers = 2
    """Unit-stride layers after each doubling; the paper's text has 3, its released code 2."""


@config
class GeneratorChoice:
    """Exactly one of the networks, e.g. `{forge: {}}`."""

    forge: Forge | None = None
    """Noiseless sky, seen through the measured instrument."""
    smith2019: Smith2019 | None = None
    """The published SGAN: paints the noise as well."""

    def __post_init__(self) -> None:
        one_of(self)

    @property
    def chosen(self) -> Forge | Smith2019:
        """The network that was named."""
        return self.forge or self.smith2019  # type: ignore[return-value]


@config
class PatchCritic:
    """A logit per patch at several scales; the image is averaged down before its asinh."""

    widths: Annotated[tuple[Width, ...], Size(1, 12)] = (32, 64, 128)
    """Filters at 2 pixels per element and after each k4 s2 convolution."""
    scales: Annotated[tuple[Dilation, ...], Size(1, 8)] = (1, 2, 4)
    """Averaging factors: a critic each. Averaging lowers the noise, so faint sources show."""
    packed: Packed = 1
    """Samples of one class stacked on the channel axis."""
    spectral_norm: bool = True
    """Spectral normalisation of every convolution (Miyato et al. 2018)."""


@config
class PackedCritic:
    """The published discriminator: packed samples, k4 s2, global average pool, one logit."""

    widths: Annotated[tuple[Width, ...], Size(1, 12)] = (32, 64, 128, 256)
    """Filters of the k4 s2 convolutions; the paper's text has five layers, its code four."""
    packed: Packed = 2
    """Samples of one class stacked on the channel axis."""


@config
class CriticChoice:
    """Exactly one of the discriminators, e.g. `{patch: {}}`."""

    patch: PatchCritic | None = None
    """A logit per patch, several scales."""
    packed: PackedCritic | None = None
    """The published one."""

    def __post_init__(self) -> None:
        one_of(self)

    @property
    def chosen(self) -> PatchCritic | PackedCritic:
        """The discriminator that was named."""
        return self.patch or self.packed  # type: ignore[return-value]


@config
class AdversarialLoss:
    """The adversarial game."""

    kind: Literal["hinge", "relativistic", "non_saturating"] = "hinge"
    """hinge; relativistic average (Jolicoeur-Martineau 2018); non-saturating logistic."""
    r1: NonNegative = 0.0
    """Weight of the gradient penalty on real images (Mescheder et al. 2018); 0 = none."""
    r1_every: Count = 8
    """The penalty falls on one batch in so many, drawn at random, with that many times its weight."""


@config
class AdamPair:
    """Adam, one for each of the two networks."""

    rate_generator: Positive = 2e-4
    """Learning rate of the generator."""
    rate_critic: Positive = 4e-4
    """Learning rate of the discriminator."""
    beta1: Annotated[float, Limit(ge=0, lt=1)] = 0.0
    """Decay of the first moment."""
    beta2: Annotated[float, Limit(ge=0, lt=1)] = 0.9
    """Decay of the second moment."""


@config
class CropSizes:
    """What the discriminator sees: one crop size per batch, chosen by weight."""

    sizes: Annotated[tuple[Annotated[int, Limit(ge=32, le=4096)], ...], Size(1, 16)] = (96,)
    """Side of the crops in pixels; multiples of 16."""
    batch: Batch = 16
    """Crops in a batch of the smallest size; larger crops get fewer, so that pixels stay equal."""
    equal_pixels: bool = True
    """Whether larger crops get fewer samples; off = always `batch` samples, as published."""
    augment: Literal["none", "adaptive"] = "none"
    """adaptive: real and generated crops are turned by any angle and shifted by fractions of a pixel,
    more often the more the discriminator overfits to the real ones (Karras et al. 2020)."""

    def __post_init__(self) -> None:
        wrong = [s for s in self.sizes if s % 16]
        if wrong:
            raise ValueError(f"crop sizes should be multiples of 16, found {wrong}")

    def samples(self, size: int, multiple: int = 1) -> int:
        """Return the samples in a batch of crops of `size`, a multiple of `multiple`."""
        n = self.batch * min(self.sizes) ** 2 // size**2 if self.equal_pixels else self.batch
        return max(multiple, n // multiple * multiple)


@config
class InstrumentChoice:
    """How the instrument between the clean sky and the discriminator is found."""

    psf: Literal["measured", "none"] = "measured"
    """A Gaussian of the stars' FWHM in each band, or no PSF."""
    psf_fwhm_pix: tuple[Positive, ...] | None = None
    """FWHM of each band's stars in pixels, where it is known; none = measured on the field's stars. A
    deep, narrow field has few stars, and its smallest galaxies pass for them."""
    psf_fraction: Fraction = 0.8
    """FWHM of the fixed PSF over the measured one; below 1 the network never has to sharpen."""
    noise_lags: Annotated[int, Limit(ge=0, le=16)] = 4
    """Pixels to which the noise's autocorrelation is measured."""
    photon_noise: Literal["measured", "none"] = "measured"
    """The sources' own noise, from the growth of the finest fluctuations with brightness, or none."""
    rms_mesh: Annotated[int, Limit(ge=32, le=65536)] = 128
    """Side in pixels of the mesh on which the local sky rms is measured."""
    saturation_njy: NonNegative | tuple[NonNegative, ...] = 0.0
    """Flux of a pixel above the sky at which the detector saturates, for all bands or each; 0 = never."""
