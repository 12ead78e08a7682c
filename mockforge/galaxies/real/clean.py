"""A real galaxy without its stamp's noise: a smooth profile, and the structure that stands out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mockforge.field.robust import SIGMA_PER_MAD
from mockforge.galaxies.real.cutouts import Cutout
from mockforge.observe.psf.image import psf_pixels

_SIGNIFICANT = (4.5, 4.0, 3.5, 3.0, 3.0, 3.0)
"""Structure is kept where it is so many times its noise; the finest scales have the most pixels."""
_SOFT = 0.7
"""Pixels, sigma of a Gaussian over picture and PSF alike: what was kept and what was not leaves steps
from pixel to pixel that no telescope makes, and that would ring."""
_SURE = 0.03
"""Relative error of a ring's median below which it stands by itself."""
_WIDEST = 96
"""Pixels at most by which the profile is continued beyond the stamp."""


@dataclass(frozen=True)
class Clean:
    """One galaxy without its sky's noise."""

    image: np.ndarray
    """(y, x) float64 nJy, falling to 0 at the edges; wider than the stamp."""
    psf: np.ndarray
    """(y, x) of sum 1, with the pixel and what softens the picture."""
    psf_centre: tuple[float, float]
    """x, y of its middle, pixels from 0: its windowed centroid, see `mockforge.observe.psf.image`."""
    outline: np.ndarray
    """(y, x) bool, the pixels where the galaxy stands out of the noise, and 3 more."""
    rms: float
    """Of a pixel of the stamp's sky, nJy."""


def cut_out(cutout: Cutout, electrons_per_njy: float) -> Clean | None:
    """Return a galaxy of one band without its sky; None where nothing stands out of it.

    Its outline is where the image, smoothed by 2 pixels, is above 1.5 times the rms of the smoothed
    rim, joined to the brightest pixel near the middle, and 3 pixels more. Its light is the median on
    ellipses, falling, beyond what is measured exponentially; plus, inside the outline, what differs
    from that on scales of 1 to 32 pixels by 3 to 4.5 times the noise of sky and source there (starlet
    transform: Starck, Murtagh & Fadili 2010, Sparse Image and Signal Processing, ch. 3.5).
    """
    from scipy.ndimage import gaussian_filter

    assert cutout.psf is not None
    image = cutout.image[0]
    rim = _border(image.shape, 3)
    rms = _spread(image[rim])
    smooth = gaussian_filter(image, 2.0)
    outline = _outline(smooth, 1.5 * _spread(smooth[rim]))
    if outline is None:
        return None
    weight = np.where(outline, np.maximum(smooth, 0.0), 0.0)
    x, y, axes, angle = ellipse(weight)
    if not (axes > 0).all():
        return None
    radius = _Radius(x, y, max(math.sqrt(axes[1] / axes[0]), 0.2), angle)
    steps = _profile(image, radius, rms)
    if steps is None:
        return None
    r, value, scale = steps
    pad = min(math.ceil(5.0 * scale), _WIDEST)
    profile = np.pad(image, pad)
    grid = radius.of(profile.shape, pad)
    last = value[-1] * np.exp(-np.maximum(grid - r[-1], 0.0) / scale)
    profile = np.where(grid > r[-1], last, np.interp(grid, r, value))
    inner = (slice(pad, pad + image.shape[0]), slice(pad, pad + image.shape[1]))
    soft = gaussian_filter(outline.astype(np.float64), 1.5, mode="constant", truncate=3.0)
    more = np.maximum(profile[inner], 0.0) / electrons_per_njy
    noise = np.sqrt(1.0 + more / rms**2) if rms > 0 else np.ones_like(more)
    light = profile.copy()
    light[inner] += soft * _standing_out(image - profile[inner], noise, rim)
    edge = gaussian_filter(1.0 - _border(light.shape, 8), 2.0, mode="constant")
    light = gaussian_filter(np.maximum(light, 0.0) * edge, _SOFT, mode="constant")
    own = psf_pixels(cutout.psf, f"PSF of galaxy {cutout.name}")
    psf = gaussian_filter(np.pad(own.pixels, 3), _SOFT, mode="constant")
    middle = own.centre[0] + 3, own.centre[1] + 3
    return Clean(light, psf, middle, np.pad(outline, pad), rms) if light.sum() > 0 else None


def ellipse(image: np.ndarray) -> tuple[float, float, np.ndarray, float]:
    """Centre (x, y), variances along both axes, and angle of the major one in degrees."""
    y, x = np.indices(image.shape)
    total = image.sum()
    cx, cy = float((image * x).sum() / total), float((image * y).sum() / total)
    xx, xy, yy = ((image * v).sum() / total for v in ((x - cx) ** 2, (x - cx) * (y - cy), (y - cy) ** 2))
    mean, cross = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return (
        cx,
        cy,
        np.array([mean + cross, mean - cross]),
        float(np.degrees(0.5 * np.arctan2(2 * xy, xx - yy))),
    )


@dataclass(frozen=True)
class _Radius:
    """Elliptical radius: along the major axis, pixels."""

    x: float
    y: float
    q: float
    angle: float

    def of(self, shape: tuple[int, ...], pad: int = 0) -> np.ndarray:
        """(y, x) on an image that begins `pad` pixels before the one that x, y are of."""
        t = np.deg2rad(self.angle)
        rows, columns = np.indices(shape)
        dx, dy = columns - pad - self.x, rows - pad - self.y
        return np.hypot(dx * np.cos(t) + dy * np.sin(t), (dy * np.cos(t) - dx * np.sin(t)) / self.q)


def _profile(image: np.ndarray, radius: _Radius, rms: float) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Radii, falling median brightness, and the scale length of what follows."""
    from scipy.ndimage import gaussian_filter1d

    r = radius.of(image.shape)
    ring = np.floor(r).astype(int).ravel()
    order = np.argsort(ring, kind="stable")
    edges = np.searchsorted(ring[order], np.arange(ring.max() + 2))
    radii, values, error = [], [], []
    for k, (a, b) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        full_ring = 2 * math.pi * (k + 0.5) * radius.q
        if b - a < max(0.5 * full_ring, 1):
            if k > 1:
                break
            continue
        pixels = image.ravel()[order[a:b]]
        median = float(np.median(pixels))
        error.append(rms * math.sqrt(2.0 / (b - a)))
        if median <= 2.5 * error[-1] or (values and median < 1e-4 * values[0]):
            break
        radii.append(float(r.ravel()[order[a:b]].mean()))
        values.append(median)
    if len(radii) < 4:
        return None
    value = np.minimum.accumulate(np.array(values))
    # rings that are measured to worse than some percent share with their neighbours
    shared = np.clip(np.array(error[: len(value)]) / value / _SURE, 0.0, 1.0)
    value = np.exp(
        (1.0 - shared) * np.log(value) + shared * gaussian_filter1d(np.log(value), 2.5, mode="nearest")
    )
    outer = slice(len(radii) // 2, None)
    slope = float(np.polyfit(np.array(radii)[outer], np.log(value[outer]), 1)[0])
    return np.array(radii), value, float(np.clip(-1.0 / min(slope, -1e-3), 1.0, radii[-1] / 3))


def _standing_out(image: np.ndarray, noise: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """Return what of an image stands out of its noise, scale by scale.

    `noise` (y, x) over that of the rim.
    """
    from scipy.ndimage import convolve1d

    out, rest = np.zeros_like(image), image
    for j, times in enumerate(_SIGNIFICANT):
        wider = np.zeros_like(rest)
        if j < len(_SIGNIFICANT) - 1:
            kernel = np.zeros(4 * 2**j + 1)
            kernel[:: 2**j] = np.array([1, 4, 6, 4, 1]) / 16
            wider = convolve1d(
                convolve1d(rest, kernel, axis=0, mode="reflect"), kernel, axis=1, mode="reflect"
            )
        detail = rest - wider
        out += np.where(np.abs(detail) >= times * _spread(detail[rim]) * noise, detail, 0.0)
        rest = wider
    return out


def _outline(smooth: np.ndarray, level: float) -> np.ndarray | None:
    """Return the galaxy's own pixels; None where none is bright enough."""
    from scipy.ndimage import binary_dilation, binary_fill_holes, label

    h, w = smooth.shape
    middle = (slice(h // 3, h - h // 3), slice(w // 3, w - w // 3))
    peak = np.unravel_index(int(np.argmax(smooth[middle])), smooth[middle].shape)
    y, x = int(peak[0]) + h // 3, int(peak[1]) + w // 3
    parts = np.zeros((h, w), dtype=np.int32)
    label(smooth > max(level, 1e-3 * float(smooth[y, x])), output=parts)
    if not parts[y, x] or not smooth[y, x] > 0:
        return None
    grown = np.asarray(binary_fill_holes(binary_dilation(parts == parts[y, x], iterations=3)))
    return grown & ~_border(smooth.shape, 2)


def _spread(values: np.ndarray) -> float:
    """Robust rms."""
    return SIGMA_PER_MAD * float(np.median(np.abs(values - np.median(values))))


def _border(shape: tuple[int, ...], width: int) -> np.ndarray:
    """(y, x) bool: the outermost `width` pixels of an image."""
    out = np.ones(shape, dtype=bool)
    out[width:-width, width:-width] = False
    return out
