"""Pixels of a scene's objects: noiseless stamps through the PSF."""

from __future__ import annotations

import numpy as np
import torch

from mockforge.observe.psf.transfer import transfer
from mockforge.profiles.centred import Centred, draw_centred, fits
from mockforge.profiles.draw import GaussianKnots, draw, draw_seen
from mockforge.profiles.sersic import Sersics
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import SIDES, Objects
from mockforge.scene.pictures import picture
from mockforge.scene.wings import returning_wings
from mockforge.torch_state import steadily
from mockforge.units import ZEROPOINT_NJY

_LESS = 12
"""Pixels less than a stamp's that a PSF is first sampled for: its grid is about as much larger again."""
_CORE = 40
"""Side of the stamp that most frequencies of a galaxy are drawn on where they are in its middle alone."""
_OF_EDGE = 0.25
"""Of the brightness of a stamp's edge: what adds less to every pixel of an object may be left out."""


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
    side = int(made.side[0])
    if model.psf is None:
        sersics, knots, sed = _components(model, made)
        return draw(sersics, knots, sed, (side, side)).clean.numpy()
    out = np.empty((len(made), len(model.bands), side, side), dtype=np.float32)
    rest, grid = np.arange(len(made)), 0
    core = (
        transfer(model.psf, model.bands, model.pixel_scale_arcsec, (_CORE, _CORE))
        if side > 2 * _CORE
        else None
    )
    for inner in (side - _LESS, side, 2 * side):
        if not len(rest) or inner > SIDES[-1]:
            break
        psf = transfer(model.psf, model.bands, model.pixel_scale_arcsec, (inner, inner))
        if np.iscomplexobj(psf.basis):  # a lopsided PSF
            break
        if psf.grid[0] == grid or psf.grid[0] < side:
            continue
        grid, few = psf.grid[0], made.rows(rest)
        fitting = fits(galaxies := _centred(model, few), psf).numpy()
        if fitting.any():
            least = torch.full((len(galaxies),), _OF_EDGE * _edge_njy(model))[fitting]
            stamps = draw_centred(galaxies.rows(torch.from_numpy(fitting)), side, psf, least, core)
            out[rest[fitting]] = _without_wings(stamps.numpy(), model, few.rows(fitting), grid)
        rest = rest[~fitting]
    if len(rest):
        few = made.rows(rest)
        psf = transfer(model.psf, model.bands, model.pixel_scale_arcsec, (side, side))
        stamps = draw_seen(*_components(model, few), (side, side), psf).numpy()
        out[rest] = _without_wings(stamps, model, few, psf.grid[0])
    return out


def _edge_njy(model: SceneModel) -> float:
    """Return the brightness at the edges of stamps, nJy per pixel."""
    return 10 ** (-0.4 * (model.edge_mag_arcsec2 - ZEROPOINT_NJY)) * model.pixel_scale_arcsec**2


def _without_wings(stamps: np.ndarray, model: SceneModel, made: Objects, grid: int) -> np.ndarray:
    """Return stamps without what has come back of the PSF's wings."""
    assert model.psf is not None
    wings = returning_wings(model.psf, model.bands, model.pixel_scale_arcsec, grid, stamps.shape[-1])
    for stamp, flux in zip(stamps, made.flux.astype(np.float32), strict=True):
        stamp -= wings * flux[:, None, None]
    return stamps


def _centred(model: SceneModel, made: Objects) -> Centred:
    """Return objects as `draw_centred` takes them."""
    top, left = made.corner()
    order = np.argsort(made.knots[..., 3] <= 0, axis=1, kind="stable")
    knots = np.take_along_axis(made.knots, order[..., None], axis=1)
    knots[..., :3] /= model.pixel_scale_arcsec
    columns = {
        "x": made.x - left, "y": made.y - top, "r_e": made.size / model.pixel_scale_arcsec,
        "n": made.index, "axis_ratio": made.axis_ratio, "position_angle": made.position_angle,
        "knots": knots, "sed": made.sed,
    }  # fmt: skip
    return Centred(**{name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in columns.items()})


def _components(model: SceneModel, made: Objects) -> tuple[Sersics, GaussianKnots, torch.Tensor]:
    """Return objects as `draw` takes them."""
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
    return sersics, knots, torch.from_numpy(made.sed)
