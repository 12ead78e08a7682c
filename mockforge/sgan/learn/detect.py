"""Finding the sources of a field on an optimal mean of its bands, and parting those that touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.field.robust import sigma_about
from mockforge.label.bright import grown
from mockforge.label.extract import extracted

ISOPHOTE = 1.5
"""Detections are connected pixels above this many rms of the smoothed mean image."""
_PARTS, _CONTRAST = 32, 0.002
"""Levels and least share of light of what is parted (Bertin & Arnouts 1996)."""
_SHARPER, _WIDER, _SHARP_ISOPHOTE, _SHARP_CONTRAST = 0.4, 1.0, 5.0, 0.01
"""Smoothing, in widths of the seeing, of the sharper image on which near neighbours are parted and of what
is taken off it, which leaves peaks narrower than stars; the level and contrast there."""
_RESOLVED, _LARGEST = 1.2, 2.0
"""Size over the seeing of a detection that is resolved, and of the largest that is parted there; stars have
0.7."""
_LOWER = "mask the brightest sources"


@dataclass(frozen=True)
class Detections:
    """N sources found; `table` is sep's, a row per source."""

    table: Any
    """Columns x, y, a, b, theta, npix, ... of `sep.extract` on the smoothed image in units of its rms."""
    labels: np.ndarray
    """(y, x) int32: 0 = sky, row i of `table` is source i + 1."""
    snr: np.ndarray
    """(N,) peak of the smoothed mean image over its rms."""
    spectrum: np.ndarray
    """(C,) flux in each band over the mean, by which the bands were weighted."""

    def __len__(self) -> int:
        return len(self.table)


def optimal_mean(image: np.ndarray, rms: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """Signal to noise (y, x) of a source of this spectrum in each pixel: sum s I / v over sqrt(sum s^2 / v).

    `image`, `rms` (band, y, x), `spectrum` (band,); v is the variance. The best mean of the bands for
    sources of that colour.
    """
    top = np.zeros(image.shape[1:], dtype=np.float32)
    below = np.zeros(image.shape[1:], dtype=np.float32)
    for band, sigma, share in zip(image, rms, spectrum, strict=True):
        top += np.float32(share) * band / sigma**2
        below += np.float32(share**2) / sigma**2
    return top / np.sqrt(below)


def detect(
    image: np.ndarray, mask: np.ndarray, rms: np.ndarray, fwhm_pix: float, *, least: float = 3.5
) -> Detections:
    """Find the sources whose peak, smoothed by the seeing, exceeds `least` times its noise.

    Parameters
    ----------
    image : ndarray
        (band, y, x) nJy, background subtracted.
    mask : ndarray
        (y, x) bool, true where nothing is looked for.
    rms : ndarray
        (band, y, x) nJy.
    fwhm_pix : float
        Width of the Gaussian that smooths: about that of the stars.
    least : float
        Significance of the peak.

    Returns
    -------
    Detections
        The bands are weighted for flat spectra first, then for the median spectrum of what that finds.
    """
    spectrum = np.ones(len(image))
    smooth = _smoothed(image, mask, rms, spectrum, fwhm_pix)
    if len(image) > 1:
        at = np.unravel_index(np.argsort(smooth, axis=None)[-max(smooth.size // 200, 20) :], smooth.shape)
        at = tuple(axis[smooth[at] > 5.0] for axis in at)
        if len(at[0]) >= 20:
            light = np.maximum(np.median(image[:, at[0], at[1]], axis=1), 0.0)
            spectrum = light / light.mean() if light.any() else spectrum
            smooth = _smoothed(image, mask, rms, spectrum, fwhm_pix)
    table, labels = _found(smooth, mask, ISOPHOTE, _CONTRAST, max(4, round(0.4 * fwhm_pix**2)))
    kept = table["cpeak"] > least
    number = np.zeros(len(table) + 1, dtype=np.int32)
    number[1:][kept] = np.arange(1, kept.sum() + 1)
    table, labels = table[kept], number[labels]
    sharp = _smoothed(image, mask, rms, spectrum, _SHARPER * fwhm_pix, less=_WIDER * fwhm_pix)
    parts = _found(sharp, mask, _SHARP_ISOPHOTE, _SHARP_CONTRAST, 4)
    table, labels = _parted(table, labels, *parts, fwhm_pix)
    return Detections(table, labels, table["cpeak"], spectrum)


def _found(
    image: np.ndarray, mask: np.ndarray, threshold: float, contrast: float, pixels: int
) -> tuple[Any, np.ndarray]:
    return extracted(
        image, threshold, minarea=pixels, filter_kernel=None, mask=mask,
        deblend_nthresh=_PARTS, deblend_cont=contrast, lower=_LOWER,
    )  # fmt: skip


def _parted(
    table: Any, labels: np.ndarray, parts: Any, part_labels: np.ndarray, fwhm: float
) -> tuple[Any, np.ndarray]:
    """Replace detections that a sharper image shows to be several by those; not galaxies, which have knots.

    A part counts whose peak is no knot: a tenth of the brightest part's, 0.3 in what the seeing resolves.
    """
    size = np.sqrt(table["cflux"] / (2.0 * np.pi * table["cpeak"])) / fwhm  # sigma of such a Gaussian
    y, x = (np.clip(np.rint(parts[k]).astype(int), 0, n - 1) for k, n in zip("yx", labels.shape, strict=True))
    owner = labels[y, x]
    brightest = np.zeros(len(table) + 1)
    np.maximum.at(brightest, owner, parts["cpeak"])
    least = np.concatenate([[0.0], np.where(size < _RESOLVED, 0.1, 0.3)])
    owner[parts["cpeak"] < (least * brightest)[owner]] = 0
    several = np.bincount(owner, minlength=len(table) + 1) > 1
    several[1:] &= size < _LARGEST
    several[0] = False
    if not several.any():
        return table, labels
    taken = np.flatnonzero(several[owner])
    kept = np.flatnonzero(~several[1:])
    number = np.zeros(len(table) + 1, dtype=np.int32)
    number[1 + kept] = np.arange(1, len(kept) + 1)
    out = number[labels]
    at = np.flatnonzero(several[labels])  # their pixels go to the part that holds them, or the nearest
    rows, columns = np.divmod(at, labels.shape[1])
    place = np.zeros(len(parts) + 1, dtype=np.int32)
    place[1 + taken] = len(kept) + 1 + np.arange(len(taken))
    mine = place[part_labels.ravel()[at]]
    for whole in np.flatnonzero(several):
        own = taken[owner[taken] == whole]
        here = (labels.ravel()[at] == whole) & ~np.isin(mine, place[1 + own])
        apart = np.hypot(rows[here, None] - parts["y"][own], columns[here, None] - parts["x"][own])
        mine[here] = place[1 + own][apart.argmin(1)]
    out.ravel()[at] = mine
    return np.concatenate([table[kept], parts[taken]]), out


def _smoothed(
    image: np.ndarray, mask: np.ndarray, rms: np.ndarray, spectrum: np.ndarray, fwhm: float, less: float = 0.0
) -> np.ndarray:
    """Return the optimal mean, smoothed by a Gaussian, less a wider one, in units of its own rms."""
    from scipy.ndimage import gaussian_filter

    mean = optimal_mean(image, rms, spectrum)
    mean = np.where(mask, 0.0, mean)
    smooth = gaussian_filter(mean, fwhm / 2.3548, mode="nearest")
    if less:
        smooth -= gaussian_filter(mean, less / 2.3548, mode="nearest")
    used = smooth[~mask]
    sky = used[np.abs(used) < 3.0 * sigma_about(used, 0.0)]
    level = float(np.median(sky))
    return (smooth - level) / float(sigma_about(sky, level) * 1.02)  # what is cut off at 3 sigma


def source_free(labels: np.ndarray, mask: np.ndarray, pixels: int = 3) -> np.ndarray:
    """(y, x) true where there is no source, nor one within so many pixels, and no mask."""
    return ~grown(labels > 0, pixels) & ~mask
