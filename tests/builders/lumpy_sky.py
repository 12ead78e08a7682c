"""SGANs that nobody trained and that paint more than noise."""

from __future__ import annotations

import torch

from mockforge.rng import Stream
from mockforge.sgan.model import SganModel


def lumpy(model: SganModel, gain: float = 1.0) -> SganModel:
    """The model with random weights so large that its sky has lumps.

    Parameters
    ----------
    model : SganModel
        Configuration, bands and instrument.
    gain : float
        Standard deviation of the weights times the root of the number of inputs of a filter
        (25 at least).
    """
    generator = model.painter().generator
    for weights in generator.parameters():
        each = gain / max(weights[0].numel(), 25) ** 0.5
        torch.nn.init.normal_(weights, std=each, generator=Stream(2, (weights.numel(),)).torch())
    return model.trained(generator, {"steps": 0})
