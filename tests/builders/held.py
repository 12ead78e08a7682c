"""A field in memory, read by windows as one on disk is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mockforge.field.field import Field


class HeldField:
    """A `Field` as a viewer reads it: what `open_field` gives of a file, of an image that is in memory.

    Parameters
    ----------
    field : Field
        The image; it is not copied.
    """

    def __init__(self, field: Field) -> None:
        self.field = field

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (bands, y, x)."""
        return self.field.shape

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the bands."""
        return self.field.bands

    @property
    def wcs(self) -> Any:
        """Return an astropy WCS, or None."""
        return self.field.wcs

    @property
    def pixel_scale_arcsec(self) -> float | None:
        """Return the side of a pixel, where it is known."""
        return self.field.pixel_scale_arcsec

    @property
    def psf_fwhm_arcsec(self) -> tuple[float, ...] | None:
        """Return the FWHM of the PSF in each band, where it is known."""
        return self.field.psf_fwhm_arcsec

    @property
    def header(self) -> Mapping[str, Any]:
        """Return further cards."""
        return self.field.header

    def read(self, y0: int, y1: int, x0: int, x1: int, plane: str = "image") -> np.ndarray:
        """Return a window of the image, or of its noiseless `truth`, (band, y, x)."""
        image = self.field.truth if plane == "truth" and self.field.truth is not None else self.field.image
        return image[:, y0:y1, x0:x1]

    def mask(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray | None:
        """Return where pixels must not be used, (y, x) bool; None where all may be."""
        return None if self.field.mask is None else self.field.mask[y0:y1, x0:x1]
