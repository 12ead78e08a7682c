"""From the configuration of a network that recovers to its network."""

from __future__ import annotations

from torch import nn

from mockforge.tasks.recover.cgan import CganGenerator
from mockforge.tasks.recover.config import Cgan, Residual
from mockforge.tasks.recover.residual import ResidualGenerator


def make_network(
    spec: Residual | Cgan, bands: int, shape: tuple[int, int], fine: tuple[int, int]
) -> nn.Module:
    """Make a fresh network; `shape` and `fine` are (height, width) of the stamps that it learns from.

    Called as network(base (N,C,H,W), unit (N,C,1,1), depth (N,C)), with `base` the interpolated
    coarse image in nJy, `unit` the noise of a coarse pixel spread over its fine pixels, and `depth`
    the log of the noise over that of the training set, it returns the fine image (N,C,H,W) in nJy.
    """
    if isinstance(spec, Residual):
        return ResidualGenerator(spec, bands)
    return CganGenerator(spec, bands, shape, fine)
