"""Pixels of a scene's objects: noiseless stamps through the PSF."""

from __future__ import annotations

import numpy as np

from mockforge.observe.psf.transfer import transfer
from mockforge.profiles.draw import GaussianKnots, draw, draw_seen
from mockforge.profiles.sersic import Sersics
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import Objects
from mockforge.scene.pictures import picture
from mockforge.torch_state import steadily


@steadily()
def paint(model: SceneModel, made: Objects) -> np.ndarray:
    """Stamps (N, C, S, S) float32 in nJy of objects that have one side S, through the PSF.

    A stamp begins at `made.corner()`; its object has no light outside it.
    """
    real = made.picture >= 0
    if not real.any():
        return _parametric(model, made)
    side = int(made.side[0])
    out = np.empty((len(made), len(model.bands), side, side), dtype=np.float32)
    if not real.all():
        out[~real] = _parametric(model, made.rows(~real))
    for i in np.flatnonzero(real).tolist():
        out[i] = picture(model, made, i)
    return out


def _parametric(model: SceneModel, made: Objects) -> np.ndarray:
    """Stamps of objects without a picture."""
    import torch

    side = int(made.side[0])
    top, left = made.corner()
    x, y, scale = made.x - left, made.y - top, model.pixel_scale_arcsec

    def pair(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.broadcast_to(values[:, None], (len(made), 2))))

    zero = torch.zeros((len(made), 2), dtype=torch.float64)
    sersics = Sersics(
        x=pair(x), y=pair(y), r_e=torch.from_numpy(made.size / scale), n=torch.from_numpy(made.index),
        axis_ratio=pair(made.axis_ratio), position_angle=pair(made.position_angle),
        asymmetry=zero, asymmetry_angle=zero,
    )  # fmt: skip
    knots = GaussianKnots(
        x=torch.from_numpy(x[:, None] + made.knots[..., 0] / scale),
        y=torch.from_numpy(y[:, None] + made.knots[..., 1] / scale),
        sigma=torch.from_numpy(made.knots[..., 2] / scale),
        weight=torch.from_numpy(np.ascontiguousarray(made.knots[..., 3])),
    )
    sed = torch.from_numpy(made.sed)
    if model.psf is None:
        return draw(sersics, knots, sed, (side, side)).clean.numpy()
    psf = transfer(model.psf, model.bands, scale, (side, side))
    return draw_seen(sersics, knots, sed, (side, side), psf).numpy()
