"""How far objects reach: where they are as faint as the edge of a stamp, and the stamps that hold them."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from mockforge.observe.psf.models import Rings
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Psf
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import SIDES, Objects
from mockforge.scene.pictures import picture_reach
from mockforge.units import ZEROPOINT_NJY


def with_sides(model: SceneModel, made: Objects) -> Objects:
    """Return the objects with stamps that reach as far as they are brighter than the edge."""
    scale = model.pixel_scale_arcsec
    edge = 10 ** (-0.4 * (model.edge_mag_arcsec2 - ZEROPOINT_NJY))  # nJy / arcsec^2
    reach = _point_reach(model, made.flux.max(axis=1), edge)
    real = made.picture >= 0
    if real.any():
        reach = np.maximum(reach, picture_reach(model, made))
    for k in (0, 1):
        light = np.where(real, 0.0, made.sed[:, :, k].max(axis=1))
        reach = np.maximum(
            reach, sersic_reach(light, made.size[:, k], made.index[:, k], made.axis_ratio, edge)
        )
    spread = np.abs(made.knots[..., :2]).max(axis=(1, 2)) * (made.knot_fraction > 0)
    half = np.maximum(reach, spread) / scale + 3.0
    place = np.minimum(np.searchsorted(np.array(SIDES) / 2.0, half), len(SIDES) - 1)
    return replace(made, side=np.array(SIDES)[place])


def sersic_reach(flux: np.ndarray, r_e: np.ndarray, n: np.ndarray, q: np.ndarray, edge: float) -> np.ndarray:
    """Semi-major axis of the isophote of `edge` (flux per area) of Sersic profiles; 0 where fainter."""
    from scipy.special import gammaincinv, gammaln

    b = gammaincinv(2 * n, 0.5)
    log = np.log(np.maximum(flux, 1e-30)) + 2 * n * np.log(b) - gammaln(2 * n)
    log -= np.log(2 * np.pi * n * q * r_e**2) + math.log(edge)
    return r_e * (np.maximum(log, 0.0) / b) ** n


def _point_reach(model: SceneModel, flux: np.ndarray, edge: float) -> np.ndarray:
    """Radius in arcsec where a point source's PSF falls to `edge`."""
    if model.psf is None:
        return np.zeros(len(flux))
    radius, brightness = _wings(model.psf, model.bands)
    log = np.log(edge / np.maximum(flux, 1e-30))
    return np.exp(np.interp(-log, -np.log(brightness), np.log(radius)))


@lru_cache(maxsize=8)
def _wings(psf: Psf, bands: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Radius (arcsec) and the greatest brightness at or beyond it in any band, falling; to 60 arcsec.

    Measured to 3 arcsec; beyond as the power law of the last third of a decade, or r^-3.
    """
    near = np.geomspace(0.01, 3.0, 120)
    near_brightness = np.max([np.abs(Rings.of(m).brightness(near)) for m in models(psf, bands)], axis=0)
    near_brightness = np.maximum.accumulate(np.maximum(near_brightness, 1e-12)[::-1])[::-1]
    far = np.geomspace(3.2, 60.0, 40)
    slope = min(-3.0, float(np.polyfit(np.log(near[-20:]), np.log(near_brightness[-20:]), 1)[0]))
    brightness = np.concatenate([near_brightness, near_brightness[-1] * (far / near[-1]) ** slope])
    return np.concatenate([near, far]), brightness * np.geomspace(1.0, 0.999, len(brightness))
