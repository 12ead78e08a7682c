"""From configuration to networks: the two tables of what exists."""

from __future__ import annotations

from mockforge.sgan.config import Forge, PackedCritic, PatchCritic, Smith2019
from mockforge.sgan.networks.forge import ForgeGenerator
from mockforge.sgan.networks.patch import PatchDiscriminator
from mockforge.sgan.networks.smith2019 import PackedDiscriminator, Smith2019Generator
from mockforge.train.model_files import count_parameters

__all__ = ["Generator", "count_parameters", "make_critic", "make_generator"]

Generator = ForgeGenerator | Smith2019Generator
_GENERATORS = {Forge: ForgeGenerator, Smith2019: Smith2019Generator}


def make_generator(spec: Forge | Smith2019, bands: int) -> Generator:
    """Return the generator a configuration describes, with fresh weights."""
    return _GENERATORS[type(spec)](spec, bands)  # type: ignore[arg-type, return-value]


def make_critic(
    spec: PatchCritic | PackedCritic, bands: int, conditions: int = 0
) -> PatchDiscriminator | PackedDiscriminator:
    """Return the discriminator a configuration describes, with fresh weights.

    `conditions` numbers a sample are shown to it beside the pixels; the published one takes none.
    """
    if isinstance(spec, PatchCritic):
        return PatchDiscriminator(spec, bands, conditions)
    return PackedDiscriminator(spec, bands)
