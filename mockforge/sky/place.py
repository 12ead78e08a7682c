"""Where a window lies on its endless sky: one tangent plane for all windows, and FITS cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mockforge.field.field import tan_wcs


def sky_wcs(shape: Sequence[int], pixel_scale_arcsec: float, y0: int, x0: int) -> Any:
    """Return the WCS of a window of `shape` (..., y, x) whose first pixel is (y0, x0) of the sky."""
    return tan_wcs(shape, pixel_scale_arcsec, reference=(-x0, -y0))


def place_cards(seed: int, y0: int, x0: int) -> dict[str, tuple[int, str]]:
    """Return FITS cards that say which sky a window is of, and its first pixel (y0, x0)."""
    return {
        "MFSEED": (seed, "seed of the sky"),
        "MFY0": (y0, "first row of the window in the sky"),
        "MFX0": (x0, "first column of the window in the sky"),
    }
