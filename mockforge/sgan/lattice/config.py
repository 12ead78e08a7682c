"""What the published SGAN is made of, as data: network, discriminator, losses, crops."""

from __future__ import annotations

from typing import Annotated, Literal

from mockforge.config import (
    Count,
    Layers,
    Limit,
    NonNegative,
    Positive,
    Size,
    Width,
    config,
)

Batch = Annotated[int, Limit(ge=1, le=65536)]
Packed = Annotated[int, Limit(ge=1, le=64)]


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
    """The network of a lattice model: `{smith2019: {}}`."""

    smith2019: Smith2019
    """The published SGAN: paints the noise as well."""

    @property
    def chosen(self) -> Smith2019:
        """The network that was named."""
        return self.smith2019


@config
class PackedCritic:
    """The published discriminator: packed samples, k4 s2, global average pool, one logit."""

    widths: Annotated[tuple[Width, ...], Size(1, 12)] = (32, 64, 128, 256)
    """Filters of the k4 s2 convolutions; the paper's text has five layers, its code four."""
    packed: Packed = 2
    """Samples of one class stacked on the channel axis."""


@config
class CriticChoice:
    """The discriminator: `{packed: {}}`."""

    packed: PackedCritic
    """The published one."""


@config
class AdversarialLoss:
    """The adversarial game."""

    kind: Literal["hinge", "relativistic", "non_saturating"] = "relativistic"
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

    def __post_init__(self) -> None:
        wrong = [s for s in self.sizes if s % 16]
        if wrong:
            raise ValueError(f"crop sizes should be multiples of 16, found {wrong}")

    def samples(self, size: int, multiple: int = 1) -> int:
        """Return the samples in a batch of crops of `size`, a multiple of `multiple`."""
        n = self.batch * min(self.sizes) ** 2 // size**2 if self.equal_pixels else self.batch
        return max(multiple, n // multiple * multiple)
