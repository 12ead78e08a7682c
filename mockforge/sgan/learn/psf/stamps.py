"""Stamps of stars: their pixels, which of them count, and the noise in each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mockforge.field.robust import sigma_about
from mockforge.label.bright import grown

_GROWN = 4
"""Pixels by which neighbours are grown."""
_CLOSE = 7.0
"""Pixels: a star with a neighbour's pixels as near is left out."""
_SKY = (40.0, 64.0)
"""Pixels from a star between which its own level of the sky is measured."""


@dataclass(frozen=True)
class StarStamps:
    """n stars in one band, cut from the field about their nearest pixel."""

    pixels: np.ndarray
    """(n, P, P) float64 nJy."""
    used: np.ndarray
    """(n, P, P) bool: no neighbour, no defect, not saturated."""
    dx: np.ndarray
    """(n,) centre of the star less the middle of its stamp, pixels."""
    dy: np.ndarray
    rms: float
    """Of the sky, nJy."""
    electrons_per_njy: float
    """Gain; 0 where it is not known."""

    def __len__(self) -> int:
        return len(self.pixels)

    def rows(self, which: np.ndarray) -> StarStamps:
        """Return some of the stars."""
        return replace(
            self, pixels=self.pixels[which], used=self.used[which], dx=self.dx[which], dy=self.dy[which]
        )


def cut_stars(
    band: np.ndarray, hidden: np.ndarray, x: np.ndarray, y: np.ndarray, half: int, electrons_per_njy: float
) -> StarStamps:
    """Return the stamps of stars at `x`, `y` (pixels) with sides of 2 `half` + 1.

    `band` (y, x) nJy less its background; `hidden` (n, P, P) bool: pixels that do not count.
    """
    side = 2 * half + 1
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    padded = np.pad(band, half)
    pixels = np.stack([padded[r : r + side, c : c + side] for r, c in zip(row, column, strict=True)])
    pixels = pixels.astype(np.float64)
    saturated = pixels >= saturation(pixels, hidden)[:, None, None]
    used = ~hidden & ~np.stack([grown(s, 2) if s.any() else s for s in saturated])
    rms = float(sigma_about(band[::3, ::3], 0.0))
    return StarStamps(pixels, used, x - column, y - row, rms, electrons_per_njy)


def hidden_pixels(
    labels: np.ndarray, mask: np.ndarray, x: np.ndarray, y: np.ndarray, label: np.ndarray, half: int
) -> np.ndarray:
    """(n, P, P) bool: neighbours of each star, grown, masked pixels, and what lies beyond the field."""
    side = 2 * half + 1
    numbers = np.pad(labels, half)
    covered = np.pad(mask, half, constant_values=True)
    out = []
    for c, r, own in zip(np.rint(x).astype(int), np.rint(y).astype(int), label, strict=True):
        cell = np.s_[r : r + side, c : c + side]
        others = (numbers[cell] != 0) & (numbers[cell] != own)
        out.append(grown(others, _GROWN) | covered[cell])
    return np.stack(out) if out else np.zeros((0, side, side), dtype=bool)


def alone(hidden: np.ndarray) -> np.ndarray:
    """(n,) bool: stars whose middle no neighbour and no defect touches."""
    half = hidden.shape[-1] // 2
    y, x = np.indices(hidden.shape[-2:]) - half
    return ~(hidden & (np.hypot(x, y) < _CLOSE)).any(axis=(1, 2))


def saturation(pixels: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Per star the value from which its pixels do not count, inf for one that is not saturated.

    The peak of a star over its light between 4 and 8 pixels is the same for all stars of a field, to
    the change of the seeing over it; where a star's is below 0.7 of the others' its middle is cut off, and
    what exceeds half its peak is left out.
    """
    half = pixels.shape[-1] // 2
    y, x = np.indices(pixels.shape[-2:]) - half
    r = np.hypot(x, y)
    ring = ((r >= 4) & (r < 8)) & ~hidden
    outer = (pixels * ring).sum(axis=(1, 2)) / np.maximum(ring.sum(axis=(1, 2)), 1)
    peak = np.where(r < 3, pixels, -np.inf).max(axis=(1, 2))
    ratio = peak / np.maximum(outer, 1e-30)
    bright = peak > 0.05 * peak.max(initial=0.0)
    faint = ~bright & (outer > 0)
    usual = np.median(ratio[faint]) if faint.sum() >= 3 else np.median(ratio) if len(ratio) else 1.0
    return np.where(bright & (ratio < 0.7 * usual), 0.5 * peak, np.inf)


def less_sky(stamps: StarStamps, wings: np.ndarray | None = None) -> StarStamps:
    """Return the stamps less the level of the sky about each star.

    `wings` (n, P, P) nJy: what the star itself leaves there. The level is the median of what counts between
    40 and 64 pixels (the outer 40% of a smaller stamp), outliers left out.
    """
    half = stamps.pixels.shape[-1] // 2
    y, x = np.indices(stamps.pixels.shape[-2:]) - half
    r = np.hypot(x, y)
    inner = min(_SKY[0], 0.6 * half)
    ring = (r >= inner) & (r < max(_SKY[1], half))
    rest = stamps.pixels - (0.0 if wings is None else wings)
    levels = []
    for star, used in zip(rest, stamps.used, strict=True):
        values = star[ring & used]
        values = values[np.abs(values - np.median(values)) < 4 * stamps.rms] if len(values) > 50 else values
        levels.append(values.mean() if len(values) > 50 else 0.0)
    return replace(stamps, pixels=stamps.pixels - np.array(levels)[:, None, None])
