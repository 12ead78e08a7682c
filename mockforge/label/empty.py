"""Pixels that are used and look as if they had no value: what the user of a large field is told of.

`Field.read` finds them by looking at the whole image (`field.fits.blank`). A window is not enough to know
that -9999 is no flux; it is enough to say that somebody should look.
"""

from __future__ import annotations

import numpy as np

from mockforge.field.fits.blank import without_value

_SQUARE = 64
"""Pixels equal to both neighbours, fewer of which are no region of one value."""
_OFTEN = 5
"""Times that the least value comes in a window in which it may be a mark, as -9999."""


def empty_pixels(image: np.ndarray, mask: np.ndarray | None) -> int:
    """Return how many pixels of a window look as if they had no value in some band.

    Parameters
    ----------
    image
        (band, y, x) float32.
    mask
        (y, x) true where a pixel is not used anyway.
    """
    found = np.zeros(image.shape[1:], dtype=bool)
    used = np.ones_like(found) if mask is None else ~mask
    if not used.any():
        return 0
    for band in image:
        low, high = band[used].min(), band[used].max()
        if low == high:
            found |= used
        elif _alike(band, used) >= _SQUARE or np.count_nonzero(band[used] == low) >= _OFTEN:
            found |= without_value([np.where(used, band, np.float32(np.nan))], band.shape)[0] & used
    return int(np.count_nonzero(found))


def _alike(band: np.ndarray, used: np.ndarray) -> int:
    here = band[:-1, :-1]
    same = (band[1:, :-1] == here) & (band[:-1, 1:] == here) & used[:-1, :-1]
    return int(np.count_nonzero(same))
