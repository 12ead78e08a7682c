"""PSF images: reading them, where their middle is, and what cannot be a PSF.

A PSF that is not in the middle of its image is centred on its windowed centroid, that of Bertin & Arnouts'
SExtractor (XWIN_IMAGE): the mean place of its light under a round Gaussian as wide as the PSF, moved until
it is its own middle. Stars drawn with it are then found where they were put, whatever the number of pixels
of the image, wherever in it the peak lies, and whatever noise is in its wings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.bands import Plane, find_planes
from mockforge.field.fits.check import cards_of, opened, quiet, walk
from mockforge.field.fits.scale_cards import scale_cards
from mockforge.field.fits.wcs import LARGEST_SCALE, SMALLEST_SCALE, has_scale

_SCALES_AGREE = 0.01
"""A scale card and the WCS may differ by this part."""
_SQUARE = 0.01
"""The sides of a pixel may differ by this part."""
_LARGEST_CORE = 0.25
"""Part of an image that may be brighter than half its peak; a PSF's middle is far smaller."""
_LARGEST_SKY = 0.3
"""Part of the light that may be a level which the edge of the image has too."""
_DEEPEST = 0.1
"""Depth below zero over the height of the peak; noise and resampling make shallower ones."""
CENTRED = 0.05
"""Pixels: a PSF whose centroid is as near to the middle of its image is centred there already; those of
drizzled HST images are, to 0.03. Any other is moved, and it is said."""


@dataclass(frozen=True, eq=False)
class PsfPixels:
    """A PSF image that can be one."""

    pixels: np.ndarray
    """(y, x) float64 of sum 1."""
    centre: tuple[float, float]
    """x, y of its middle, pixels from 0."""
    pixel_scale_arcsec: float | None
    """As given, or what its header says."""
    note: str
    """What was done to it beyond bringing it to a sum of 1, and what of its header was overruled."""


def read_psf_image(path: Path, extension: int | str | None, given: float | None = None) -> PsfPixels:
    """Return a PSF from a FITS image; `given` is the pixel scale in arcsec where the user says it.

    What the user says wins over the header, and `note` says so where they differ by more than 1%.
    InputError where it cannot be read, is no single image, two statements of the header disagree on the
    pixel scale or its pixels are not square (without `given`), or `psf_pixels` refuses it.
    """
    planes = find_planes([path], extension, None)
    where = f"PSF image {path}" + ("" if extension is None else f"[{extension}]")
    if len(planes) != 1:
        raise InputError(f"{where}: {len(planes)} images, one is expected; {_likely(path)}")
    plane = planes[0]
    with opened(plane.path) as units:
        data = np.array(units[plane.hdu.index].data, dtype=np.float64)
        scale, note = _scale(plane, units, where, given)
    psf = psf_pixels(data.reshape(-1, *data.shape[-2:])[plane.plane or 0], where, scale)
    return replace(psf, note="; ".join(filter(None, (psf.note, note))))


def _likely(path: Path) -> str:
    """Return what to type: the extension that is called a PSF, else the first image."""
    images = [unit for unit in walk(path) if unit.shape]
    if len(images) == 1:
        return "cut out the plane that is"
    named = [unit.name for unit in images if "PSF" in unit.name.upper()]
    return f"name it, as {path.name}[{named[0] if named else images[0].index}] (`extensions` in a recipe)"


def psf_pixels(data: np.ndarray, where: str, scale: float | None = None) -> PsfPixels:
    """Return a PSF from pixels (y, x), centred; `where` begins the message where it cannot be one.

    InputError where pixels are not finite, their sum is not above 0, one is far below zero, there is a sky
    that was not subtracted, there is no peak that falls to half within the image, or it is cut at an edge.
    """
    data = np.asarray(data, dtype=np.float64)
    bad = int((~np.isfinite(data)).sum())
    if bad:
        raise InputError(
            f"{where}: {bad} of {data.size} pixels are not finite; correct them first, e.g. with 0"
        )
    total = float(data.sum())
    if not total > 0:
        raise InputError(f"{where}: the pixels add up to {total:g}, a sum above 0 is expected")
    dip = float(-data.min() / data.max())
    if dip > _DEEPEST:
        raise InputError(
            f"{where}: a pixel of {data.min():.4g} lies below zero by {100 * dip:.0f}% of the peak; a PSF"
            " has no such dips: is it an image of differences, or is too much sky subtracted?"
        )
    shifted = _origin_in_the_corner(data)
    if shifted:
        data = np.fft.fftshift(data)
    _check_peak(data, where)
    x, y = centroid(data)
    _check_centre(data, (x, y), where)
    middle = (data.shape[1] - 1) / 2, (data.shape[0] - 1) / 2
    note = ""
    if max(abs(x - middle[0]), abs(y - middle[1])) <= CENTRED:
        x, y = middle
    if shifted:
        note = f"{where}: its origin is in the corner, as of Fourier transforms; it was moved to the middle"
    elif (x, y) != middle:
        note = (
            f"{where}: centred on its windowed centroid, x = {x:.2f}, y = {y:.2f} (from 0);"
            f" the middle of its {data.shape[1]} x {data.shape[0]} pixels is {middle[0]:g}, {middle[1]:g}"
        )
    return PsfPixels(data / total, (x, y), scale, note)


def _check_centre(data: np.ndarray, centre: tuple[float, float], where: str) -> None:
    """InputError where a PSF is not brightest about its centre, or is cut at an edge."""
    x, y = centre
    wide = _width(data)
    part = float(data[round(y), round(x)] / data.max())
    if part < 0.5:
        raise InputError(
            f"{where}: its middle (x = {x:.2f}, y = {y:.2f}) is {part:.2g} of its"
            " brightest pixel; a PSF that is brightest in the middle is expected: is it out of focus?"
        )
    room = min(x, y, data.shape[1] - 1 - x, data.shape[0] - 1 - y)
    if room < max(1.0, 0.75 * wide):
        raise InputError(
            f"{where}: its centroid is at x = {x:.2f}, y = {y:.2f} (from 0) of {data.shape[1]} x"
            f" {data.shape[0]} pixels, at the edge, and half of it is missing; give an image with the PSF"
            " near the middle (numpy.fft.fftshift where the origin is in a corner)"
        )


def centroid(data: np.ndarray) -> tuple[float, float]:
    """x, y of the windowed centroid of a peak, pixels from 0 (SExtractor's XWIN_IMAGE, YWIN_IMAGE)."""
    row, column = (float(v) for v in np.unravel_index(int(data.argmax()), data.shape))
    sigma = max(_width(data), 2.0) / 2.3548
    y, x = np.arange(data.shape[0], dtype=float)[:, None], np.arange(data.shape[1], dtype=float)
    for _ in range(200):
        weight = data * np.exp(-0.5 * ((x - column) ** 2 + (y - row) ** 2) / sigma**2)
        total = weight.sum()
        step = 2 * (weight * (x - column)).sum() / total, 2 * (weight * (y - row)).sum() / total
        column = float(np.clip(column + step[0], 0, data.shape[1] - 1))
        row = float(np.clip(row + step[1], 0, data.shape[0] - 1))
        if max(abs(step[0]), abs(step[1])) < 1e-7:
            break
    return column, row


def _width(data: np.ndarray) -> float:
    """Diameter in pixels of a circle as large as what is brighter than half the peak."""
    return float(np.sqrt(4 / np.pi * (data > 0.5 * data.max()).sum()))


def _check_peak(data: np.ndarray, where: str) -> None:
    from scipy.ndimage import label

    labelled: Any = label(data >= 0.5 * data.max(), structure=np.ones((3, 3)))
    peaks = labelled[1]
    if peaks > 1:
        raise InputError(
            f"{where}: {peaks} places apart are brighter than half the peak; an image of one star is expected"
        )
    edge = np.concatenate([data[0], data[-1], data[1:-1, 0], data[1:-1, -1]])
    part = float((data >= 0.5 * data.max()).mean())
    if part > _LARGEST_CORE:
        raise InputError(
            f"{where}: {100 * part:.0f}% of its pixels are brighter than half the peak: it is flat, or cut "
            "so close that it has no full width at half maximum; an image that holds the PSF's wings is "
            "expected"
        )
    sky = float(np.median(edge)) * data.size / float(data.sum())
    if sky > _LARGEST_SKY:
        raise InputError(
            f"{where}: its edge is as bright as {np.median(edge):.4g} a pixel, {100 * sky:.0f}% of its light"
            " if that is a sky; subtract it"
        )


def _origin_in_the_corner(data: np.ndarray) -> bool:
    """Whether the peak is pixel (0, 0), and goes on at the opposite edges."""
    if data.argmax() != 0 or min(data.shape) < 4:
        return False
    beside = (data[0, 1], data[0, -1]), (data[1, 0], data[-1, 0])
    return all(min(pair) > 0.5 * max(pair) and min(pair) > 0.01 * data[0, 0] for pair in beside)


def _scale(plane: Plane, units: list, where: str, given: float | None) -> tuple[float | None, str]:
    """Return the pixel scale in arcsec, and a sentence where the header contradicts the one that was given.

    It is as given, or from the cards and the WCS, which have to agree.
    """
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_scales

    card = cards_of(units, plane.hdu.index)
    scales = scale_cards(card)
    header = units[plane.hdu.index].header
    with quiet():
        wcs = WCS(header).celestial if has_scale(header) else None
        if wcs is not None and wcs.naxis == 2 and wcs.has_celestial:
            sides = proj_plane_pixel_scales(wcs) * 3600
            if abs(sides[0] / sides[1] - 1) > _SQUARE and given is None:
                raise InputError(
                    f"{where}: pixels are not square ({sides[0]:.4g} x {sides[1]:.4g} arcsec); resample it"
                )
            scales.append(("the WCS", float(np.sqrt(sides[0] * sides[1]))))
    if given is not None:
        other = [f"{key} says {value:g}" for key, value in scales if abs(value / given - 1) > _SCALES_AGREE]
        return given, f"{where}: pixels of {given:g} arcsec, as given; {' and '.join(other)}" if other else ""
    for key, value in scales[1:]:
        if abs(value / scales[0][1] - 1) > _SCALES_AGREE:
            raise InputError(
                f"{where}: {scales[0][0]} is {scales[0][1]:g} arcsec and {key} says {value:g}; type the right"
                f" one, as `pixel_scale_arcsec: {value:g}`, or correct the header"
            )
    if not scales:
        return None, ""
    key, scale = scales[0]
    if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
        raise InputError(
            f"{where}: {key} says {scale:g} arcsec per pixel, {SMALLEST_SCALE:g} to {LARGEST_SCALE:g} are"
            f" expected; type `pixel_scale_arcsec: {scale:g}` if it is right"
        )
    return scale, ""
