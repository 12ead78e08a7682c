"""Pixels that hold no value: NaN, marks such as -9999, and what lies outside a footprint."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

BEYOND = 1e30
"""Flux that no pixel has; SExtractor's mark of a bad one."""
_MARKS = (-9999.0, -9999.9, -999.0, -99.0, -99999.0, -32768.0, -1e20, 9999.0, 99999.0, 1e20)
"""Values that pipelines write where there is none."""
_SIDE = 9
"""Pixels; a constant square of this side is no accident in an image with noise."""
_MOST_PLATEAUS = 8
_HOLE = 4
"""Pixels of a group that is a hole."""
_OFTEN = 5
"""Times that a number comes which is a mark, though no known one."""
_FEW_PHOTONS = 10
_FRAME = 4
"""Pixels beyond which no connected frame is looked for at the border: half a square."""


def without_value(image: Iterable[np.ndarray], shape: tuple[int, ...]) -> tuple[np.ndarray, str]:
    """Where no band may be used, and in words what was found there.

    `image`: bands of `shape` (y, x), float32. NaN, infinite and absurd pixels of any band; the marks of
    pipelines, such as -9999, where they are far from everything else; and connected regions of
    one constant value (0, or the extreme of the image) that noise cannot make. Single pixels that
    are exactly 0 are values: integers and Rice-compressed images are full of them.
    """
    mask = np.zeros(shape, dtype=bool)
    words: dict[str, np.ndarray] = {}
    for band in image:
        bad = beyond(band)
        _note(words, "NaN or beyond 1e30", bad)
        for value in _candidates(band, bad):
            here = band == value
            if not here.any():
                continue
            here &= ~bad
            region = here if _is_mark(band, value, here | bad) else _region(band, value, here, bad)
            if value == 0:
                holes = _holes(band, here, here | bad)
                region = holes if region is None else region | holes
            if region is not None and region.any():
                _note(words, f"{value:g} in a region" if value == 0 else f"{value:g}", region)
                bad = bad | region
        mask |= bad
    reason = ", ".join(f"{k} ({v.mean():.2%})" for k, v in words.items())
    return mask, reason


def beyond(band: np.ndarray, most: float = BEYOND) -> np.ndarray:
    """Return where a band (y, x) is no number or as far from 0 as `most`."""
    if band.min(initial=0.0) > -most and band.max(initial=0.0) < most:  # neither, where one is NaN
        return np.zeros(band.shape, dtype=bool)
    return ~(np.abs(band) < most)


def _note(words: dict[str, np.ndarray], what: str, where: np.ndarray) -> None:
    if where.any():
        words[what] = words.get(what, np.zeros_like(where)) | where


def _candidates(band: np.ndarray, bad: np.ndarray) -> list[float]:
    """Values that may stand for none: 0, the extremes, the marks of pipelines."""
    good = band[~bad] if bad.any() else band
    if good.size == 0:
        return []
    low, high = float(good.min()), float(good.max())
    marks = [float(np.float32(m)) for m in _MARKS if low <= m <= high]
    return list(dict.fromkeys([0.0, *marks, low, high, *_plateaus(band)]))


def _plateaus(band: np.ndarray) -> list[float]:
    """Values of which there are constant squares: what is saturated, or filled in."""
    alike = np.zeros(band.shape, dtype=bool)
    alike[:-1, :-1] = (band[1:, :-1] == band[:-1, :-1]) & (band[:-1, 1:] == band[:-1, :-1])
    if np.count_nonzero(alike) < (_SIDE - 1) ** 2:
        return []
    inside = alike & _eroded(alike, _SIDE - 2)
    values, counts = np.unique(band[inside], return_counts=True)
    return [float(v) for v in values[np.argsort(-counts)][:_MOST_PLATEAUS]]


def _is_mark(band: np.ndarray, value: float, left_out: np.ndarray) -> bool:
    """Whether a pipeline's mark stands apart from everything else in the image."""
    is_standard = any(value == float(np.float32(m)) for m in _MARKS)
    # The same number below 0 again and again, far below all others, is a mark too, as -32767 and -1e10.
    if not is_standard and (value >= 0 or np.count_nonzero(band == value) < _OFTEN):
        return False
    rest = band[~left_out]
    if rest.size < 100:
        return False
    low, middle, high = np.percentile(rest, [1, 50, 99])
    spread = max(float(high - low), 1e-30)
    gap = float(rest.min()) - value if value < middle else value - float(high)
    return gap > (3.0 if is_standard else 30.0) * spread


def _holes(band: np.ndarray, here: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """Find pixels that are exactly 0 where no other value comes twice, or where the sky is far above 0.

    Nothing but a gap is so, however narrow (trails, columns in part, small holes).
    """
    none = np.zeros_like(here)
    if np.count_nonzero(here) < _HOLE or here.mean() > 0.5 or not _apart(band, 0.0, left_out):
        return none
    rest = band[~left_out]
    lowest, low, high, highest = np.percentile(rest, [1, 16, 84, 99])
    sky = rest[(rest >= low) & (rest <= high)][:20_000]
    clear = float(lowest) > 5.0 * float(highest - lowest)  # a sky that was not subtracted, far above 0
    if not clear and len(np.unique(sky)) < 0.95 * len(sky):
        return none
    from scipy.ndimage import label  # here: few images have gaps

    labelled: Any = label(here, structure=np.ones((3, 3)))
    groups, n = labelled
    large = np.bincount(groups.ravel(), minlength=n + 1) >= _HOLE
    large[0] = False
    return large[groups]


def _region(band: np.ndarray, value: float, here: np.ndarray, bad: np.ndarray) -> np.ndarray | None:
    """Return the connected regions of one value that the noise of the rest cannot make.

    None where none are.
    """
    if np.count_nonzero(here) < min(_SIDE**2, *here.shape) or not _apart(band, value, here | bad):
        return None
    from scipy.ndimage import binary_dilation  # here: few images have such a region

    side = _SIDE
    padded = np.pad(here, _FRAME + 1, constant_values=True)
    while True:
        inside = slice(_FRAME + 1, -_FRAME - 1)
        opened = ~_eroded(~_eroded(padded, side), side, beyond=True)[inside, inside] & here
        chance = float(here[~opened].mean()) if not opened.all() else 0.0
        needed_side = _side_for(chance, here.size)
        if needed_side <= side or needed_side > min(here.shape):
            break
        side = needed_side
    if needed_side > min(here.shape):
        return None
    region = (
        binary_dilation(
            opened, np.ones((3, 3), dtype=bool), iterations=side if chance < 0.02 else 1, mask=here
        )
        if opened.any()
        else opened
    )
    if value == 0:
        rows, columns = here.all(axis=1), here.all(axis=0)
        region[rows] = True
        region[:, columns] = True
    return region


def _eroded(region: np.ndarray, side: int, beyond: bool = False) -> np.ndarray:
    """Where a square of that odd side lies within the region; `beyond`: what is outside the image is too."""
    from scipy.ndimage import minimum_filter

    return minimum_filter(region.view(np.uint8), size=side, mode="constant", cval=int(beyond)).view(bool)


def _side_for(chance: float, pixels: int) -> int:
    """Return the odd side of a square that independent pixels of this chance fill once in a million images.

    Twice that where they are many, since neighbours of resampled noise are alike.
    """
    if chance <= 0.02:
        return _SIDE
    if chance > 0.97:
        return 10**9
    return max(_SIDE, math.ceil(2.0 * math.sqrt(math.log(1e-6 / pixels) / math.log(chance))) | 1)


def _apart(band: np.ndarray, value: float, left_out: np.ndarray) -> bool:
    """Whether the rest is a noisy sky in which the value is no sky level of a noiseless image.

    Either the rest scatters about the value (a subtracted sky about 0), or it lies clear of it.
    """
    rest = band[~left_out]
    if rest.size == 0:
        return False
    if np.mean(rest < value) > 0.1:
        return True
    low, middle, high = np.percentile(rest, [1, 50, 99])
    if value == 0 and low <= _FEW_PHOTONS and np.all(rest == np.rint(rest)):
        return False  # an image of counted photons, most pixels without any
    if value < middle:
        return float(low) - value > max(float(high - low), 0.05 * abs(float(middle) - value))
    return value - float(high) > 3.0 * max(float(high - low), 1e-30)
