"""What is measured on a tile of sky: its noise, seeing, sources and their colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mockforge.errors import InputError
from mockforge.label.detect import detect
from mockforge.label.rule import DetectionRule

_RULE = DetectionRule(background_mesh=64)
_SIZED_SNR, _COMPACT_SNR, _HIGH_SNR = 10.0, 20.0, 60.0
_FEWEST = 4
"""Objects that a size or a colour of a tile is taken from, at least."""


@dataclass(frozen=True)
class Measure:
    """One number of a tile, and how far it may be off."""

    name: str
    kind: Literal["ratio", "difference"]
    tolerance: float
    """Beyond the training set's own tiles: a part of the value, or a difference."""
    more: str
    """What an image with a larger value is: noisier, ..."""
    less: str


def measures_of(bands: Sequence[str]) -> list[Measure]:
    """Return the measures of a tile in some bands, in the order of `measured`."""
    noise = [Measure(f"sky rms {b}, nJy", "ratio", 0.15, f"noisier in {b}", f"deeper in {b}") for b in bands]
    correlation = [
        Measure(
            f"correlation of neighbouring pixels {b}", "difference", 0.1, f"noise in {b} more correlated",
            f"noise in {b} less correlated",
        )
        for b in bands
    ]  # fmt: skip
    colours = [
        Measure(f"colour {a} - {b}, mag", "difference", 0.15, f"redder in {a} - {b}", f"bluer in {a} - {b}")
        for a, b in zip(bands[:-1], bands[1:], strict=True)
    ]
    return [
        *noise,
        *correlation,
        Measure("size of compact sources, arcsec", "ratio", 0.1, "blurrier", "sharper"),
        Measure("size of sources, arcsec", "ratio", 0.15, "of larger sources", "of smaller sources"),
        Measure("detections per arcmin2", "ratio", 0.25, "more crowded", "emptier"),
        Measure(
            f"detections above S/N {_HIGH_SNR:.0f} per arcmin2",
            "ratio",
            0.4,
            "richer in sources of high S/N",
            "poorer in sources of high S/N",
        ),
        *colours,
    ]


def measured(image: np.ndarray, pixel_scale_arcsec: float, mask: np.ndarray | None = None) -> np.ndarray:
    """Measure a tile.

    Parameters
    ----------
    image : ndarray
        (band, y, x), nJy.
    pixel_scale_arcsec : float
        Side of a pixel.
    mask : ndarray, optional
        (y, x), true where a pixel must not be used.

    Returns
    -------
    ndarray
        As `measures_of` lists them; NaN where a tile has too few sources for one. All NaN where nothing can
        be detected, for lack of noise.
    """
    bands = [f"b{i}" for i in range(len(image))]
    try:
        found = detect(image, _RULE, bands=bands, mask=mask, pixel_scale_arcsec=pixel_scale_arcsec)
    except InputError:
        return np.full(len(measures_of(bands)), np.nan)
    table = found.table
    sky = found.instances == 0
    if mask is not None:
        sky &= ~mask
    correlations = [
        _neighbours(band - level, sky & (abs(band - level) < 3 * rms))
        for band, level, rms in zip(image, found.levels, found.sky_rms, strict=True)
    ]
    clean = (table["flags"] == 0) & np.isfinite(table["flux_radius"]) & (table["flux_radius"] > 0)
    snr = table["snr"]
    radius = table["flux_radius"] * pixel_scale_arcsec
    area = (image.shape[1] * image.shape[2] if mask is None else (~mask).sum()) * (
        pixel_scale_arcsec / 60
    ) ** 2
    fluxes = np.stack([table[f"flux_{band}"] for band in bands])
    return np.array([
        *found.sky_rms,
        *correlations,
        _of(radius[clean & (snr > _COMPACT_SNR)], 20),
        _of(radius[clean & (snr > _SIZED_SNR)], 50),
        len(snr) / area,
        np.count_nonzero(snr > _HIGH_SNR) / area,
        *(
            _of(_colour(a, b), 50)
            for a, b in zip(fluxes[:-1, snr > _SIZED_SNR], fluxes[1:, snr > _SIZED_SNR], strict=True)
        ),
    ])  # fmt: skip


def _of(values: np.ndarray, percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) >= _FEWEST else np.nan


def _colour(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return AB colours where both fluxes are positive."""
    both = (one > 0) & (other > 0)
    return -2.5 * np.log10(one[both] / other[both])


def _neighbours(flat: np.ndarray, free: np.ndarray) -> float:
    """Return the correlation of free pixels with those beside and above them."""
    variance, pairs = float(np.mean(flat[free] ** 2)) if free.any() else 0.0, []
    if variance == 0:
        return np.nan
    for one, other in (
        ((slice(1, None),), (slice(None, -1),)),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        both = free[one] & free[other]
        pairs.append(float(np.mean(flat[one][both] * flat[other][both])) if both.any() else np.nan)
    return float(np.mean(pairs)) / variance
