"""The layered picture: crops of a field at many scales, brought to one size and combined.

Pictures of this kind are shown with Smith & Geach (2019, arXiv:1904.10286). How crops are drawn and combined
here is stated in `layered_flux`; it is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.view.colour import Colours, Pixels, window_of

_REACH = 2**20
"""Crops of an endless sky lie within so many pixels of its origin."""
_SMALLEST = 16
"""Pixels a side that a crop has at least."""


@dataclass(frozen=True)
class Layers:
    """How a layered picture is made."""

    side: int = 1024
    """Of the picture, pixels."""
    count: int = 8
    finest: float = 0.25
    """Side of the smallest crop in sides of the picture: its pixels are shown 1 / `finest` times as large."""
    coarsest: float = 2.0
    """Side of the largest crop; it bounds the memory."""


class PaintedSky:
    """A part of an endless sky, read by windows as a field on disk is; nothing is kept.

    Parameters
    ----------
    sky : Sky or Scene
        Gives a `Field` of `sky[y0:y1, x0:x1]`.
    side : int
        Pixels a side of the part, which is centred on the sky's origin.
    """

    def __init__(self, sky: Any, side: int = _REACH) -> None:
        self._sky = sky
        self._first = -(side // 2)
        self._bands = tuple(self._window(0, _SMALLEST, 0, _SMALLEST).bands)
        self.shape = (len(self._bands), side, side)

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the bands."""
        return self._bands

    def read(self, y0: int, y1: int, x0: int, x1: int, plane: str = "image") -> np.ndarray:
        """Return a window, painted now, (band, y, x)."""
        return self._window(y0, y1, x0, x1).image

    def mask(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray | None:
        """Return None: every pixel may be used."""
        return None

    def _window(self, y0: int, y1: int, x0: int, x1: int) -> Field:
        first = self._first
        return self._sky[first + y0 : first + y1, first + x0 : first + x1]


def layered_flux(
    field: Pixels, level: tuple[float, ...], layers: Layers, rng: np.random.Generator
) -> np.ndarray:
    """Return the flux of a layered picture, above the sky.

    Crop i is a square at a random place, its side drawn log-uniformly between the finest and the coarsest
    scale (never more than the field's shorter side), resampled to the picture's size: by means over areas
    where it is larger, by cubic convolution where it is smaller. Then

        F = sum_i (f_i - level) / sqrt(N),

    which keeps the noise of N layers that of one. Unknown pixels count as sky. One crop is in memory at a
    time: at most (coarsest * side)^2 pixels a band, whatever the size of the field.

    Parameters
    ----------
    field : Pixels
        What crops are read from.
    level : tuple of float
        Of the sky in each band.
    layers : Layers
        Size and number.
    rng : numpy.random.Generator
        Draws scales and places.

    Returns
    -------
    ndarray
        (band, side, side) float32, y up, the field's unit.

    Raises
    ------
    InputError
        Where the field is smaller than the smallest crop.
    """
    bands, height, width = field.shape
    short = min(height, width)
    if short < _SMALLEST:
        raise InputError(
            f"--layered: the field has {height} x {width} pixels; crops need {_SMALLEST} a side or more"
        )
    total = np.zeros((bands, layers.side, layers.side), dtype=np.float32)
    sky = np.array(level, dtype=np.float32)[:, None, None]
    for _ in range(layers.count):
        scale = np.exp(rng.uniform(np.log(layers.finest), np.log(layers.coarsest)))
        side = int(np.clip(round(scale * layers.side), _SMALLEST, short))
        y0, x0 = (int(rng.integers(0, n - side + 1)) for n in (height, width))
        crop = np.nan_to_num(window_of(field, y0, y0 + side, x0, x0 + side) - sky)
        for band, image in enumerate(crop):
            total[band] += _resampled(image, layers.side)
    return total / np.float32(np.sqrt(layers.count))


def layered_picture(field: Pixels, colours: Colours, stretch: str, seed: int, layers: Layers) -> np.ndarray:
    """Return the layered picture in colour, (side, side, 3) uint8, the top row first.

    `layered_flux` with the colours and the stretch of the whole field; the same seed gives the same picture.
    """
    flux = layered_flux(field, colours.level, layers, np.random.default_rng(seed))
    flux += np.array(colours.level, dtype=np.float32)[:, None, None]
    return colours.rgb(flux, colours.layers[0], stretch)


def _resampled(image: np.ndarray, side: int) -> np.ndarray:
    """Return a square image on `side` pixels a side, of the same surface brightness."""
    from PIL import Image

    larger = image.shape[0] > side
    how = Image.Resampling.BOX if larger else Image.Resampling.BICUBIC
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(image, dtype=np.float32)).resize((side, side), how)
    )
