"""What recovers a sharp image, as data: the network, its discriminator, its losses."""

from __future__ import annotations

from typing import Annotated, Literal

from mockforge.config import Limit, NonNegative, Positive, Size, Width, config, one_of


@config
class Residual:
    """A residual U-Net, fully convolutional: the interpolated image and what it lacks.

    It works on blocks of 2 x 2 fine pixels, in units of the noise, without any statistics over
    the image: any window of a field comes out as in the whole field.
    """

    widths: Annotated[tuple[Width, ...], Size(1, 8)] = (32, 64, 96)
    """Filters at 2, 4, 8, ... fine pixels per element."""
    blocks: Annotated[int, Limit(ge=1, le=16)] = 1
    """Residual blocks at each resolution, on the way down and again on the way up."""
    fine_width: Width = 12
    """Filters at full resolution."""


@config
class Cgan:
    """The conditional GAN of the original study: a coarse stamp of one size to a fine one.

    A DCGAN generator (Radford et al. 2015) that starts from the encoded coarse image in place of
    random numbers; it knows only stamps of the size that it learned.
    """

    ngf: Annotated[int, Limit(ge=1, le=512)] = 64
    """Filters of the generator's last hidden layer; doubled at each halving of the resolution."""


@config
class RecovererNetwork:
    """Exactly one of the networks, e.g. `{residual: {}}`."""

    residual: Residual | None = None
    """The modern one: for stamps and fields of any size."""
    cgan: Cgan | None = None
    """The original's."""

    def __post_init__(self) -> None:
        one_of(self)

    @property
    def chosen(self) -> Residual | Cgan:
        """The network that was named."""
        return self.residual or self.cgan  # type: ignore[return-value]


@config
class Critic:
    """A DCGAN discriminator (Radford et al. 2015); it sees the fine image beside the coarse one."""

    ndf: Annotated[int, Limit(ge=1, le=512)] = 24
    """Filters of its first layer; the original's has 64."""
    layers: Annotated[int, Limit(ge=1, le=5)] = 3
    """Convolutions of stride 2; each doubles the filters."""


@config
class RecovererLoss:
    """What the network is held to. Pixels are compared in asinh(flux / noise) and in flux."""

    pixels: NonNegative = 1.0
    """Weight of the mean absolute error of stretched pixels: faint light and shapes."""
    light: NonNegative = 0.6
    """Weight of the mean absolute error in flux, over the truth's rms: bright cores."""
    flux: NonNegative = 0.2
    """Weight of the flux in cells of 8 pixels and in the whole stamp, in units of its noise."""
    adversarial: NonNegative = 0.02
    """Weight of the discriminator's verdict; 0: there is no discriminator."""
    kind: Literal["relativistic", "hinge", "non_saturating"] = "relativistic"
    """The adversarial loss; the original's is non_saturating."""


@config
class AdversarialAdam:
    """Adam, for both networks."""

    rate_generator: Positive = 1e-3
    """Learning rate of the network that recovers; the original's is 2e-4."""
    rate_critic: Positive = 2e-4
    """Learning rate of the discriminator; the original's is 1e-5."""
    beta1: Annotated[float, Limit(ge=0, lt=1)] = 0.9
    """Decay of the first moment; the original's is 0.5."""
    beta2: Annotated[float, Limit(ge=0, lt=1)] = 0.99
    """Decay of the second moment."""

    @property
    def rate(self) -> float:
        """Learning rate of the network that recovers."""
        return self.rate_generator
