"""A parametric sky as it is looked at: galaxies as sums of Gaussians, under the very noise of the sky.

A galaxy through a sharp PSF takes milliseconds to draw to 2e-4, and a screen shows some 1e-2. Here
a Sersic profile is a sum of Gaussians (Hogg & Lang 2013, PASP 125, 719), the PSF another, and the image of
both, convolved, the sum over all pairs. Pixels that are kept, measured or written are never made so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mockforge.observe.psf.models import Rings
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Psf
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import Objects
from mockforge.scene.paint import paint
from mockforge.sky.coarse import PIXEL, add_gaussians, add_stamp
from mockforge.sky.endless import Endless
from mockforge.torch_state import numpy_default

_OF_PROFILE = np.geomspace(0.02, 12.0, 14)
"""Sigmas of a profile's Gaussians, half-light radii."""
_OF_PSF = np.geomspace(0.2, 60.0, 11)
"""Sigmas of a PSF's Gaussians, pixels."""
_INDICES = np.geomspace(0.3, 8.0, 34)
"""Sersic indices at which profiles are fitted."""
_LITTLE = 3e-3
"""Pairs of Gaussians of less than this share of the light are left out."""
_MARGIN = 64
"""Pixels about a window in which an object's stamp is looked for: its Gaussians have no edge."""
_SHARP = 2.6
"""Sigma in pixels from which a Gaussian is drawn on pixels twice as large, and so on."""
_COARSEST = 16
_AROUND = 2
"""Coarse pixels about a window that its interpolation reaches."""


@dataclass(frozen=True)
class Blurs:
    """PSFs of all bands as sums of the same Gaussians."""

    variance: np.ndarray
    """(J,) pixels^2."""
    share: np.ndarray
    """(C, J) of the light of each band; a band's add up to 1."""


class ScenePreview:
    """The windows of a scene for the eye: to a few percent of each galaxy, pictures of real ones exactly.

    Parameters
    ----------
    model
        The scene's.
    sky
        Its objects.
    observe
        Adds the noise of a place to a noiseless window: (band, y, x), y0, x0.
    """

    def __init__(
        self, model: SceneModel, sky: Endless[Objects], observe: Callable[[np.ndarray, int, int], np.ndarray]
    ) -> None:
        self.model, self.sky, self._observe = model, sky, observe

    @numpy_default()
    def pixels(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return a window (band, y, x) float32 nJy, observed."""
        out = np.zeros((len(self.model.bands), y1 - y0, x1 - x0))
        objects = self.sky.sources(y0 - _MARGIN, y1 + _MARGIN, x0 - _MARGIN, x1 + _MARGIN)
        real = objects.picture >= 0
        add_quickly(out, self.model, objects.rows(~real), y0, x0)
        for i in np.flatnonzero(real & objects.touching(y0, y1, x0, x1)).tolist():
            one = objects.rows(np.array([i]))
            top, left = one.corner()
            add_stamp(out, paint(self.model, one)[0], int(top[0]) - y0, int(left[0]) - x0)
        return self._observe(out.astype(np.float32), y0, x0)


def add_quickly(out: np.ndarray, model: SceneModel, objects: Objects, y0: int, x0: int) -> None:
    """Add objects to a window (C, h, w) nJy, float64, whose first pixel is (y0, x0)."""
    parts = _Parts(blurs_of(model.psf, model.bands, model.pixel_scale_arcsec))
    scale, turn = model.pixel_scale_arcsec, 2 * np.deg2rad(objects.position_angle)
    y, x = objects.y - y0, objects.x - x0
    for k in (0, 1):
        along = (_OF_PROFILE * objects.size[:, k, None] / scale) ** 2
        across = along * objects.axis_ratio[:, None] ** 2
        mean, half = (along + across) / 2, (along - across) / 2
        cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
        moments = np.stack([mean + half * cos, half * sin, mean - half * cos], axis=2)
        ys, xs = (np.broadcast_to(v[:, None], along.shape) for v in (y, x))
        parts.add(ys, xs, objects.sed[:, :, k], profile_weights(objects.index[:, k]), moments)
    x_off, y_off, sigma, share = np.moveaxis(objects.knots, 2, 0)
    moments = ((sigma / scale) ** 2)[..., None] * np.array([1.0, 0.0, 1.0])
    parts.add(y[:, None] + y_off / scale, x[:, None] + x_off / scale, objects.sed[:, :, 2], share, moments)
    parts.onto(out)


class _Parts:
    """Gaussians of many objects, each through every Gaussian of the PSF."""

    def __init__(self, blurs: Blurs) -> None:
        self.blurs = blurs
        self._rows: list[tuple[np.ndarray, ...]] = []

    def add(
        self, y: np.ndarray, x: np.ndarray, flux: np.ndarray, share: np.ndarray, moments: np.ndarray
    ) -> None:
        """Add a component of N objects: I Gaussians at y, x (N, I), each a share (N, I) of its flux (N, C).

        `moments` (N, I, 3) are xx, xy, yy in pixels^2. What little is left out is given to the others.
        """
        most = self.blurs.share.max(axis=0)
        pair = share[:, :, None] * most > _LITTLE  # (N, I, J)
        kept = np.einsum("nij,ni,cj->nc", pair, share, self.blurs.share)
        flux = np.divide(flux * share.sum(axis=1)[:, None], kept, out=np.zeros_like(flux), where=kept > 0)
        pair &= (np.abs(flux).max(axis=1) > 0)[:, None, None]
        n, i, j = np.nonzero(pair)
        light = flux[n] * share[n, i, None] * self.blurs.share.T[j]
        wider = moments[n, i] + self.blurs.variance[j, None] * np.array([1.0, 0.0, 1.0])
        self._rows.append((y[n, i], x[n, i], light, wider))

    def onto(self, out: np.ndarray) -> None:
        """Add them to an image."""
        y, x, flux, moments = (np.concatenate(parts) for parts in zip(*self._rows, strict=True))
        narrow = np.sqrt(_least(moments))
        octave = np.clip(np.floor(np.log2(np.maximum(narrow / _SHARP, 0.5)) + 1), 0, np.log2(_COARSEST))
        for k in np.unique(octave).astype(int).tolist():
            some = octave == k
            _add_on(out, 2**k, (y[some], x[some]), flux[some], moments[some])


def _least(moments: np.ndarray) -> np.ndarray:
    """Return the variance along the minor axis of each Gaussian."""
    xx, xy, yy = moments.T
    return (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)


def _add_on(
    out: np.ndarray, factor: int, place: tuple[np.ndarray, np.ndarray], flux: np.ndarray, moments: np.ndarray
) -> None:
    """Add Gaussians that are drawn on pixels `factor` times as large, and interpolated."""
    if factor == 1:
        add_gaussians(out, place[0], place[1], flux, moments)
        return
    shape = tuple(-(-n // factor) + 2 * _AROUND for n in out.shape[1:])
    coarse = np.zeros((len(out), *shape))
    y, x = ((v + 0.5) / factor - 0.5 + _AROUND for v in place)
    pixel = PIXEL * (1 - 1 / factor**2) * np.array([1.0, 0.0, 1.0])  # a pixel of the image is what it has
    add_gaussians(coarse, y, x, flux / factor**2, moments / factor**2 - pixel)
    rows, columns = (_between(n, factor, m) for n, m in zip(out.shape[1:], shape, strict=True))
    out += rows @ coarse @ columns.T


@lru_cache(maxsize=32)
def _between(count: int, factor: int, coarse: int) -> np.ndarray:
    """Return the weights (count, coarse) of cubic convolution (Keys 1981, a = -1/2) between coarse pixels."""
    place = (np.arange(count) + 0.5) / factor - 0.5 + _AROUND
    t = np.abs(place[:, None] - np.arange(coarse))
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


def profile_weights(index: np.ndarray) -> np.ndarray:
    """Return the share of a profile's light in each of its Gaussians, (..., I), by its Sersic index (...)."""
    table = _profile_table()
    place = np.interp(np.log(np.clip(index, 0.3, 8.0)), np.log(_INDICES), np.arange(len(_INDICES)))
    low = np.minimum(place.astype(int), len(_INDICES) - 2)
    part = (place - low)[..., None]
    return (1 - part) * table[low] + part * table[low + 1]


@lru_cache(maxsize=1)
def _profile_table() -> np.ndarray:
    """Shares of the light, (n, I): fitted to the light in rings, at most as faint as 1e-4 of it."""
    from scipy.special import gammaincinv

    r = np.geomspace(3e-3, 30.0, 200)
    design = np.exp(-0.5 * (r[:, None] / _OF_PROFILE) ** 2) / (2 * np.pi * _OF_PROFILE**2)
    out = np.zeros((len(_INDICES), len(_OF_PROFILE)))
    for row, n in enumerate(_INDICES):
        b = gammaincinv(2 * n, 0.5)
        out[row] = _fitted(design, np.exp(-b * r ** (1 / n)) * _peak(n, b), lambda f: r * f)
    return out


def _peak(n: float, b: float) -> float:
    """Brightness of a Sersic profile of light 1 and half-light radius 1 in its middle."""
    from scipy.special import gammaln

    return float(np.exp(2 * n * np.log(b) - gammaln(2 * n)) / (2 * np.pi * n))


@lru_cache(maxsize=8)
def blurs_of(psf: Psf | None, bands: tuple[str, ...], scale: float) -> Blurs:
    """Return the PSFs as sums of Gaussians, fitted to their transfer functions."""
    if psf is None:
        return Blurs(np.zeros(1), np.ones((len(bands), 1)))
    shares = []
    for model in models(psf, bands):
        rings = Rings.of(model)
        k = np.geomspace(rings.k[1], rings.k[-1], 200)
        design = np.exp(-0.5 * (k[:, None] * _OF_PSF * scale) ** 2)
        shares.append(_fitted(design, np.interp(k, rings.k, rings.t), lambda f: f))
    return Blurs(_OF_PSF**2, np.array(shares))


def _fitted(
    design: np.ndarray, target: np.ndarray, weighed: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return shares that are not negative and add up to 1, nearest to a target."""
    from scipy.optimize import nnls

    share = nnls(np.stack([weighed(column) for column in design.T], axis=1), weighed(target))[0]
    return share / share.sum()
