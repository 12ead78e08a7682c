"""What a redshifter is made of, as data: the network, its data, its losses."""

from __future__ import annotations

from typing import Annotated

from mockforge.config import Fraction, Limit, NonNegative, Positive, Size, Width, config, one_of

Blocks = Annotated[int, Limit(ge=1, le=16)]


@config
class Unet:
    """A conditional U-Net that corrects the first guess of geometry.

    The input is moved through the bands, shrunk and dimmed as the two redshifts say; the network
    then changes the flux of each band and the stretched pixels.
    """

    widths: Annotated[tuple[Width, ...], Size(1, 8)] = (24, 48, 96)
    """Filters at 1, 2, 4, ... pixels per element."""
    blocks: Blocks = 1
    """Residual blocks at each resolution, on the way down and again on the way up."""
    embedding: Width = 64
    """Numbers that the redshifts and band fluxes become before they steer the blocks."""
    softening: Positive = 0.1
    """Where the stretch asinh(flux / softening / rms) bends, in rms of the image in its band."""


@config
class Cvae:
    """The conditional variational autoencoder of the original experiment.

    Convolutions 64, 64 (stride 2), 64 (stride 3), 128 (stride 3); 20 latent dimensions, joined by
    z_in and z_out; a decoder that mirrors them. Kingma & Welling 2013; Sohn et al. 2015.
    """

    widths: Annotated[tuple[Width, ...], Size(1, 8)] = (64, 64, 64, 128)
    """Filters of the encoder's convolutions."""
    strides: Annotated[tuple[Annotated[int, Limit(ge=1, le=16)], ...], Size(1, 8)] = (1, 2, 3, 3)
    """Their strides."""
    latent: Width = 20
    """Latent dimensions."""
    noise: NonNegative = 0.2
    """Gaussian noise added to the input while training; the input's brightest pixel is 1."""

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.strides):
            raise ValueError(f"{len(self.widths)} widths and {len(self.strides)} strides; give one each")


@config
class RedshifterNetwork:
    """Exactly one of the networks, e.g. `{unet: {}}`."""

    unet: Unet | None = None
    """The modern one: first guess and correction."""
    cvae: Cvae | None = None
    """The original's."""

    def __post_init__(self) -> None:
        one_of(self)

    @property
    def chosen(self) -> Unet | Cvae:
        """The network that was named."""
        return self.unet or self.cvae  # type: ignore[return-value]


@config
class RedshifterLoss:
    """What the U-Net is held to; the CVAE has its own: summed squares and KL."""

    flux: NonNegative = 1.0
    """Weight of the error of a band's flux, in the whole stamp and in four windows about its centre."""
    softening: Positive = 0.1
    """Where the stretch of the pixels bends, in rms of the target in its band."""
    faintest: Fraction = 0.003
    """A band fainter than this fraction of the brightest is held to absolute errors only."""
