"""From a redshifter's configuration to its network."""

from __future__ import annotations

from torch import nn

from mockforge.tasks.redshifter.config import Cvae, RedshifterLoss, Unet
from mockforge.tasks.redshifter.cvae import CvaeRedshifter
from mockforge.tasks.redshifter.geometry import Geometry
from mockforge.tasks.redshifter.unet import UnetRedshifter


def make_network(
    spec: Unet | Cvae, bands: int, geometry: Geometry, loss: RedshifterLoss, shape: tuple[int, int]
) -> nn.Module:
    """Return a fresh network; `shape` is (height, width) of the stamps that it learns from."""
    if isinstance(spec, Unet):
        return UnetRedshifter(spec, bands, geometry, loss)
    return CvaeRedshifter(spec, bands, geometry, shape)
