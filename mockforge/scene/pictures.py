"""Real galaxies in a scene: which galaxy has which picture, how it is laid on the sky, its pixels."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from mockforge.galaxies.population import Galaxies
from mockforge.galaxies.real.clean import Clean
from mockforge.galaxies.real.library import Library, library
from mockforge.galaxies.real.moved import effective
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.resample import matching, odd_size, pixel_transfer
from mockforge.observe.psf.spec import Psf
from mockforge.rng import Stream
from mockforge.scene.light import galaxy_fluxes
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import Objects
from mockforge.scene.shear import lens, sheared
from mockforge.units import ZEROPOINT_NJY

_MARGIN = 32
"""Pixels by which the grid that pictures are made on is wider than the stamp, for the PSF's wings."""


def with_pictures(
    model: SceneModel, drawn: Galaxies, angle: np.ndarray, made: Objects, stream: Stream
) -> Objects:
    """Return the galaxies of `made`, those brighter than the limit with a picture.

    What it shows replaces size, axis ratio and position angle. `angle` (N,) degrees is each galaxy's before
    the shear.
    """
    rule = model.real
    if rule is None:
        return made
    pictures, rng = library(rule), stream.numpy()
    u, coin, half = rng.random((3, len(made)))  # for all, so that the limit leaves the others alone
    flux = galaxy_fluxes((rule.band, pictures.band), drawn.magnitude, drawn.z, drawn.spectrum)
    with np.errstate(divide="ignore"):
        magnitude = ZEROPOINT_NJY - 2.5 * np.log10(flux)
    bright = np.flatnonzero(magnitude[:, 0] <= rule.faintest)
    if not len(bright):
        return made
    row = pictures.chosen(magnitude[bright, 1], drawn.r_e[bright], drawn.axis_ratio[bright], u[bright])
    factor = np.clip(drawn.r_e[bright] / pictures.r_e[row], *rule.size_factor)
    stretch, q, position_angle = sheared(pictures.axis_ratio[row], angle[bright], *model.shear)
    turn = angle[bright] + 180.0 * (half[bright] < 0.5)
    flip = np.eye(2) * np.where(coin[bright] < 0.5, -1.0, 1.0)[:, None, None]
    flip[:, 0, 0] = 1.0
    place = lens(*model.shear) @ _rotation(turn) @ flip @ _rotation(-pictures.angle[row])

    def put(old: np.ndarray, new: np.ndarray | float) -> np.ndarray:
        out = old.copy()
        out[bright] = new
        return out

    sed = made.sed.copy()
    sed[bright, :, 0], sed[bright, :, 1:] = made.flux[bright], 0.0
    return replace(
        made, sed=sed, r_e=put(made.r_e, factor * pictures.r_e[row] * stretch), n=put(made.n, 0.0),
        axis_ratio=put(made.axis_ratio, q), position_angle=put(made.position_angle, position_angle),
        bulge_fraction=put(made.bulge_fraction, 0.0), knot_fraction=put(made.knot_fraction, 0.0),
        picture=put(made.picture, row), turned=put(made.turned, place * factor[:, None, None]),
    )  # fmt: skip


def picture_reach(model: SceneModel, made: Objects) -> np.ndarray:
    """(N,) arcsec from the centre to the edge of each galaxy's picture; 0 without one."""
    out = np.zeros(len(made))
    rows = np.flatnonzero(made.picture >= 0)
    if model.real is not None and len(rows):
        out[rows] = library(model.real).extent[made.picture[rows]] * _stretches(made.turned[rows])[:, 0]
    return out


def picture(model: SceneModel, made: Objects, i: int) -> np.ndarray:
    """(C, S, S) float32 nJy: the stamp of the i-th object, which has a picture, through the PSF.

    The picture is laid on a fine grid (spline of degree 5 through twice its own samples), its PSF
    likewise, and multiplied by the ratio of the scene's transfer function to the PSF's, see
    `mockforge.observe.psf.resample.matching`. One shape for all bands.
    """
    assert model.real is not None
    pictures = library(model.real)
    row, scale, side = int(made.picture[i]), model.pixel_scale_arcsec, int(made.side[i])
    source, turned = pictures.clean(row), made.turned[i]
    least = float(_stretches(turned[None])[0, 1]) * pictures.pixel_scale_arcsec
    fine = 1 << (max(1, math.ceil(scale / least - 0.25)) - 1).bit_length()  # few grids to know
    wide = odd_size(side + _MARGIN)
    light, blur = _laid(pictures, source, row, turned, scale / fine, wide * fine, _place(made, i, wide, fine))
    targets = _wanted(model.psf, model.bands, scale, wide, fine)
    first = (wide - side) // 2
    out = np.empty((len(model.bands), side, side), dtype=np.float32)
    cut = (slice(first, first + side),) * 2
    for c, target in enumerate(targets):
        ratio = target if model.psf is None else matching(target, blur, model.real.psf_floor)
        fine_image = np.fft.irfft2(light * ratio, s=(wide * fine,) * 2)[::fine, ::fine]
        out[c] = made.flux[i, c] * fine**2 * fine_image[cut]
    return out


def _place(made: Objects, i: int, wide: int, fine: int) -> tuple[float, float]:
    """(x, y) of the object on the fine grid."""
    top, left = made.corner()
    first = (wide - int(made.side[i])) // 2
    return (made.x[i] - left[i] + first) * fine, (made.y[i] - top[i] + first) * fine


def _laid(
    found: Library, source: Clean, row: int, turned: np.ndarray, step: float, size: int,
    centre: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the transforms of a picture around `centre` and of its PSF around 0.

    The grid is of `size` pixels of `step` arcsec; both are 1 at frequency 0.
    """
    own = found.pixel_scale_arcsec
    h, w = source.psf.shape
    corner = float(np.hypot(h, w)) / 2
    reach = float(_stretches(turned[None])[0, 0]) / step
    grids = []
    for image, own_centre, far, at in (
        (source.image, (found.x[row], found.y[row]), found.extent[row] + 4 * own, centre),
        (source.psf, source.psf_centre, corner * own, (0.0, 0.0)),
    ):
        grid = _spread(image, own_centre, np.linalg.inv(turned) / own, step, size, at, far * reach)
        spectrum = np.fft.rfft2(grid)
        grids.append(spectrum / spectrum[0, 0].real)
    return grids[0], grids[1]


def _spread(
    image: np.ndarray, own_centre: tuple[float, float], back: np.ndarray, step: float, size: int,
    centre: tuple[float, float], reach: float,
) -> np.ndarray:  # fmt: skip
    """Return an image (y, x) laid on a periodic grid of `size` pixels, `reach` pixels around `centre`.

    `back` (2, 2) takes an offset (x, y) in arcsec on the grid, whose pixels are `step` arcsec, to one
    in pixels of the image.
    """
    from scipy.ndimage import map_coordinates

    half = min(math.ceil(reach) + 1, (size - 1) // 2)
    x, y = (np.arange(round(c) - half, round(c) + half + 1) for c in centre)
    dx, dy = np.meshgrid((x - centre[0]) * step, (y - centre[1]) * step)
    u = back[0, 0] * dx + back[0, 1] * dy
    v = back[1, 0] * dx + back[1, 1] * dy
    twice = _twice(image)
    values = map_coordinates(
        twice, [2 * (v + own_centre[1]), 2 * (u + own_centre[0])], order=5, mode="grid-constant"
    )
    grid = np.zeros((size, size))
    grid[np.ix_(y % size, x % size)] = values
    return grid


def _twice(image: np.ndarray) -> np.ndarray:
    """Return the band-limited image at twice as many samples; sample (2 y, 2 x) is pixel (y, x)."""
    sides = [n + 16 + (n + 1) % 2 for n in image.shape]  # odd, and zeros around
    pad = [(0, m - n) for n, m in zip(image.shape, sides, strict=True)]
    spectrum = np.fft.fftshift(np.fft.fft2(np.pad(image, pad)))
    wide = np.pad(spectrum, [((m + 1) // 2, m // 2) for m in sides])
    out = np.fft.ifft2(np.fft.ifftshift(wide)).real * 4
    return out[: 2 * image.shape[0] - 1, : 2 * image.shape[1] - 1]


@lru_cache(maxsize=8)
def _wanted(
    psf: Psf | None, bands: tuple[str, ...], scale: float, wide: int, fine: int
) -> tuple[np.ndarray, ...]:
    """Transfer functions of PSF and pixel in each band, on the fine grid; the pixel's without PSF."""
    size, step = wide * fine, scale / fine
    fy, fx = np.fft.fftfreq(size, step), np.fft.rfftfreq(size, step)
    if psf is None:
        return (pixel_transfer(fy, fx, scale),) * len(bands)
    transfers: dict[int, np.ndarray] = {}
    psf_models = models(psf, bands)
    for m in psf_models:
        if id(m) not in transfers:
            transfers[id(m)] = effective(m, scale)(fy, fx)
    return tuple(transfers[id(m)] for m in psf_models)


def _rotation(angle: np.ndarray) -> np.ndarray:
    """(N, 2, 2) for angles in degrees."""
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)


def _stretches(turned: np.ndarray) -> np.ndarray:
    """(N, 2) largest and least stretch of maps (N, 2, 2)."""
    return np.linalg.svd(turned, compute_uv=False)
