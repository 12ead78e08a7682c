"""Colours of a whole field: one stretch for every tile and every scale, so that there are no seams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mockforge.errors import InputError, nearest
from mockforge.field.picture import BLACK, WHITE, asinh_rgb, rgb_bands
from mockforge.field.robust import SIGMA_PER_MAD
from mockforge.view.config import STRETCHES

NEUTRAL = (11, 13, 18)
"""Where there is no light to show: the ground of the page."""
_PATCHES, _PATCH = 5, 192
"""The sky is measured on so many patches a side, of so many pixels a side."""
_STEPS = 16384
"""Of the table that makes a band grey: 0.15 of a level of 255 at most, in each stretch."""
LAYER = "colour"
"""Name of the layer in colour; the others are named after their band."""


class Pixels(Protocol):
    """What gives windows of a field: a `Mosaic`."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (bands, y, x)."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the bands."""
        ...

    def read(self, y0: int, y1: int, x0: int, x1: int, plane: str = "image") -> np.ndarray:
        """Return a window, (band, y, x) float32."""
        ...

    def mask(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray | None:
        """Return where pixels must not be used, (y, x) bool."""
        ...


@dataclass(frozen=True)
class Colours:
    """How flux becomes colour, everywhere in a field."""

    bands: tuple[str, ...]
    level: tuple[float, ...]
    """Of the sky in each band, subtracted before it is shown; the image's unit."""
    rms: tuple[float, ...]
    """Of a pixel's noise in each band; sets black, bend and white."""
    shown: tuple[str, ...]
    """Bands of the colour layer; several are ordered by wavelength, red the longest."""
    assigned: bool = False
    """Whether `shown` are red, green and blue as the user gave them, whatever their wavelengths."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Return the names of the layers: in colour, then each band alone; of one band only that."""
        return self.bands if len(self.bands) == 1 else (LAYER, *self.bands)

    def rgb(self, flux: np.ndarray, layer: str, stretch: str, coarser: float = 1) -> np.ndarray:
        """Return a picture of a window in a layer.

        Parameters
        ----------
        flux : ndarray
            (band, y, x), all bands, y up; NaN where nothing is known.
        layer : str
            `colour` or a band.
        stretch : str
            A name in `STRETCHES`.
        coarser : float
            A pixel of `flux` is the mean of so many pixels of the field a side: its noise is lower by that
            factor, and fainter light shows its colour.

        Returns
        -------
        ndarray
            (y, x, 3) uint8; the first row is the top, which is the last row of `flux`. Pixels that are
            unknown in each of the bands shown have the colour of the page.
        """
        names = self.shown if layer == LAYER and len(self.bands) > 1 else (layer,)
        numbers = [self.bands.index(name) for name in names]
        flat = flux[numbers] - np.array([self.level[i] for i in numbers], dtype=np.float32)[:, None, None]
        unknown = ~np.isfinite(flat)
        rms = np.array([self.rms[i] for i in numbers])
        unit = float(np.sqrt(np.mean(rms**2)))
        if self.assigned and len(names) == 3:
            flat, labels = flat[::-1], None  # from blue to red, as an order without names is read
        else:
            labels = names
        if len(names) == 1:
            picture = _grey(flat[0], unit, stretch)
        else:
            picture = asinh_rgb(
                flat, unit * STRETCHES[stretch], bands=labels, noise=unit / coarser, black=BLACK * unit
            )
        picture[np.flip(unknown.all(axis=0), axis=0)] = NEUTRAL
        return picture


def _grey(flux: np.ndarray, unit: float, stretch: str) -> np.ndarray:
    """Return what `asinh_rgb` makes of one band, to a level of 255, from a table of it: ten times as fast."""
    scale = unit * STRETCHES[stretch]
    low, high = BLACK * unit, WHITE * scale
    steps = np.linspace(low, high, _STEPS, dtype=np.float32)
    table = asinh_rgb(steps[None, None], scale, noise=0.0, black=low)[0, :, 0]
    place = np.nan_to_num((flux[::-1] - low) * ((_STEPS - 1) / (high - low)))
    grey = table[np.clip(place + 0.5, 0, _STEPS - 1).astype(np.int32)]
    return np.repeat(grey[..., None], 3, axis=2)


def colours_of(field: Pixels, bands: Sequence[str] | None = None) -> Colours:
    """Return the colours of a field: level and rms of its sky, by sigma clipping patches all over it.

    Parameters
    ----------
    field : Pixels
        The field; patches of it are read.
    bands : sequence of str, optional
        Bands in red, green and blue, or one; by default those that `picture.rgb_bands` chooses.

    Raises
    ------
    InputError
        For a band that the field does not have.
    """
    for name in bands or ():
        if name not in field.bands:
            raise InputError(f"--bands: the field has no band {name!r}{nearest(name, field.bands)}")
    patches = [window_of(field, *where) for where in _patches(field.shape[1], field.shape[2])]
    light = np.concatenate([patch.reshape(patch.shape[0], -1) for patch in patches], axis=1)
    sky = [_clipped(values[np.isfinite(values)]) for values in light]
    if bands is None:
        chosen = dict.fromkeys(rgb_bands(len(field.bands), field.bands))
        shown = tuple(field.bands[i] for i in sorted(chosen))
    else:
        shown = tuple(bands)
    return Colours(
        tuple(field.bands), tuple(s[0] for s in sky), tuple(s[1] for s in sky), shown, bands is not None
    )


def window_of(field: Pixels, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    """Return a window of a field with NaN where pixels must not be used, (band, y, x) float32."""
    flux = np.array(field.read(y0, y1, x0, x1), dtype=np.float32)
    flux[~np.isfinite(flux)] = np.nan
    mask = field.mask(y0, y1, x0, x1)
    if mask is not None:
        flux[:, np.asarray(mask, dtype=bool)] = np.nan
    return flux


def _patches(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Windows spread evenly, those of a small field without overlap."""

    def starts(side: int) -> list[tuple[int, int]]:
        count = max(1, min(_PATCHES, side // _PATCH))
        size = min(side, _PATCH)
        return [(s, s + size) for s in np.linspace(0, side - size, count).astype(int).tolist()]

    return [(*rows, *columns) for rows in starts(height) for columns in starts(width)]


def _clipped(values: np.ndarray) -> tuple[float, float]:
    """Level and rms of the sky among pixels with objects: median and MAD, clipped at 3 sigma on both sides.

    In place of the rms of a sky without noise, a part of its brightest light: never 0.
    """
    if not len(values):
        return 0.0, 1.0
    light = float(np.percentile(np.abs(values), 99.5) or np.abs(values).max()) / 30
    for _ in range(8):
        middle = float(np.median(values))
        sigma = SIGMA_PER_MAD * float(np.median(np.abs(values - middle)))
        kept = values[np.abs(values - middle) <= 3 * sigma]
        if len(kept) == len(values) or not len(kept):
            break
        values = kept
    return middle, sigma or light or 1.0
