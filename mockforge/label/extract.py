"""sep, which finds objects as SExtractor does: given room enough, and its errors in sentences.

Bertin & Arnouts 1996, A&AS 117, 393; Barbary 2016, JOSS 1, 58.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mockforge.errors import MockforgeError

_FEWEST_PIXELS, _MOST_PIXELS = 500_000, 50_000_000
"""Smallest and largest pixel buffer sep is given; some 20 MB and 2 GB, of which it fills every byte."""
_LOWER = "raise `threshold`, use a smaller `background_mesh`, or mask the brightest sources"


def extracted(
    image: np.ndarray, threshold: float, *, parts: int = 16_384, lower: str = _LOWER, **how: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Find the objects of an image (y, x) above a threshold.

    Parameters
    ----------
    image
        (y, x), its background subtracted.
    threshold
        In units of `err` where that is given, else of the image.
    parts
        Parts of one connected region that may be followed.
    lower
        What to do where too many pixels lie above the threshold, for the error.
    **how
        Further arguments of `sep.extract`.

    Returns
    -------
    tuple
        sep's table, a row per object, and labels (y, x) int32: 0 = sky, row i is object i + 1.

    Raises
    ------
    MockforgeError
        Where sep fails.
    """
    import sep

    sep.set_sub_object_limit(parts)
    image = np.ascontiguousarray(image, dtype=np.float32)
    most = min(max(image.size, _FEWEST_PIXELS), _MOST_PIXELS)
    room = _FEWEST_PIXELS
    while True:  # what is found does not depend on the room, and few images need as much as they have pixels
        sep.set_extract_pixstack(room)
        try:
            with explained(lower):
                table, labels = sep.extract(image, threshold, segmentation_map=True, **how)
            return table, np.ascontiguousarray(labels, dtype=np.int32)
        except MockforgeError as error:
            if room >= most or "pixel buffer full" not in str(error):
                raise
        room = min(4 * room, most)


def less_background(image: np.ndarray, mask: np.ndarray, mesh: int) -> np.ndarray:
    """Return the image (band, y, x) less its background (Bertin & Arnouts 1996); `mesh` in pixels."""
    import sep

    flat = np.empty_like(image)
    for i, band in enumerate(image):
        flat[i] = band - sep.Background(band, mask=mask, bw=mesh, bh=mesh).back(dtype=np.float32)
    return flat


@contextmanager
def explained(lower: str = _LOWER) -> Iterator[Any]:
    """Give sep's bare Exceptions as MockforgeError; `lower` is what leaves fewer pixels."""
    try:
        yield
    except MemoryError as error:
        raise MockforgeError("detection ran out of memory; cut the image into smaller ones") from error
    except Exception as error:
        text = str(error)
        advice = "check the image"
        if "pixel buffer full" in text or "deblend" in text or "overflow" in text:
            advice = f"too many pixels lie above the threshold: {lower}"
        raise MockforgeError(f"sep failed ({text}); {advice}") from error
