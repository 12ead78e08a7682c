"""Half-light radii from growth curves, measured alike on every image."""

from __future__ import annotations

import numpy as np

_PARTS = 5
"""Parts of a pixel's side: a pixel's light is spread evenly over its square."""
_BIN = 0.1
"""Pixels between two radii of a growth curve."""


def half_light_radii(image: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Radius in pixels of the circle that holds half the light, (N, C).

    `image` (N,C,H,W), sky subtracted; `centre` (N,2) as (y, x) in pixels. All the light is that
    within the largest circle about the centre that fits on the stamp; the growth curve is linear
    between radii. NaN where that light is not positive.
    """
    out = np.full(image.shape[:2], np.nan)
    for i, (stamp, (y, x)) in enumerate(zip(image, centre, strict=True)):
        share = _shares(stamp.shape[1:], float(y), float(x))
        growth = np.concatenate(
            [np.zeros((len(stamp), 1)), np.cumsum(stamp.reshape(len(stamp), -1) @ share, axis=1)], 1
        )
        out[i] = [_half(curve) for curve in growth]
    return out


def _half(curve: np.ndarray) -> float:
    """Where a growth curve first reaches half its end."""
    if not curve[-1] > 0:
        return np.nan
    k = int(np.argmax(curve >= 0.5 * curve[-1]))
    return _BIN * (k - 1 + (0.5 * curve[-1] - curve[k - 1]) / (curve[k] - curve[k - 1]))


def _shares(shape: tuple[int, ...], y: float, x: float) -> np.ndarray:
    """(pixels, radii): the share of each pixel's square that lies in each ring."""
    reach = 0.5 + min(y, x, shape[0] - 1 - y, shape[1] - 1 - x)
    part = (np.arange(_PARTS) + 0.5) / _PARTS - 0.5
    rows = (np.arange(shape[0])[:, None] + part).ravel() - y
    columns = (np.arange(shape[1])[:, None] + part).ravel() - x
    ring = (np.hypot(rows[:, None], columns[None]) / _BIN).astype(np.int64)
    pixel = np.arange(shape[0]).repeat(_PARTS)[:, None] * shape[1] + np.arange(shape[1]).repeat(_PARTS)[None]
    count = int(reach / _BIN)
    inside = ring < count
    flat = np.bincount(pixel[inside] * count + ring[inside], minlength=shape[0] * shape[1] * count)
    return flat.reshape(-1, count) / _PARTS**2
