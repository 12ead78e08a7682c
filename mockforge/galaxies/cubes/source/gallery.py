"""The galaxies whose pictures turn: their ellipses, resolution and light, whatever they come from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from mockforge.errors import InputError, nearest
from mockforge.galaxies.real.clean import Clean, cut_out
from mockforge.galaxies.real.cutouts import Cutout, CutoutCatalogue
from mockforge.galaxies.real.library import Library, Look, measured
from mockforge.observe.psf.models import Rings
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Psf

_FAINTEST = 1e-5
"""Of the brightest pixel: rows and columns at a picture's edges without more are left out."""
_ELECTRONS_PER_NJY = 1e9
"""Of images on files, whose sources' own noise is not known: none."""
_SIGMA = 1 / (2 * math.sqrt(2 * math.log(2)))


@dataclass(frozen=True, eq=False)
class Shown:
    """One galaxy's picture, without sky."""

    light: np.ndarray
    """(y, x) float64 of sum 1."""
    x: float
    """Its centre of light, pixels of the picture."""
    y: float


class Gallery(Protocol):
    """Galaxies that can be shown; arrays are (G,)."""

    what: str
    """What they are, for a sentence."""
    pixel_scale_arcsec: float
    names: Sequence[str]
    r_half: np.ndarray
    """Half-light radius along the major axis, arcsec, without the PSF, as the next two."""
    axis_ratio: np.ndarray
    angle: np.ndarray
    """Of the major axis, degrees from +x towards +y."""
    fwhm: np.ndarray
    """Of each picture's PSF, arcsec."""

    def shown(self, i: int) -> Shown:
        """Return the i-th picture."""
        ...


class RealGallery:
    """The galaxies of a `Library`; a `Gallery`."""

    def __init__(self, library: Library, band: str | None) -> None:
        channel_of(band, library.catalogue.bands, library.rule.catalogue)
        self.library, self.what = library, library.rule.catalogue
        self.pixel_scale_arcsec = library.pixel_scale_arcsec
        self.names: Sequence[str] = library.names[:-1].tolist()
        self.r_half, self.axis_ratio, self.angle = library.r_e, library.axis_ratio, library.angle
        width = fwhm_of(library.clean(0).psf) * self.pixel_scale_arcsec  # of one survey: alike
        self.fwhm = np.full(len(self.r_half), width)

    def shown(self, i: int) -> Shown:
        """Return the i-th picture."""
        return _shown(self.library.clean(i).image, float(self.library.x[i]), float(self.library.y[i]))


class CutoutGallery:
    """The galaxies of a catalogue of cutouts; a `Gallery`.

    InputError where it lacks the band, or no galaxy is wider than its PSF.

    Parameters
    ----------
    catalogue
        The galaxies.
    what
        What they are, for a sentence.
    band
        Name of a band; None: the first.
    psf
        PSF of all bands; None where each cutout knows its own.
    clean
        Whether the cutouts are without noise.
    """

    def __init__(
        self, catalogue: CutoutCatalogue, what: str, band: str | None, psf: Psf | None, clean: bool
    ) -> None:
        self.what, self.pixel_scale_arcsec = what, catalogue.pixel_scale_arcsec
        self._catalogue, self._clean = catalogue, clean
        self._channel = channel_of(band, catalogue.bands, what)
        self._width = None
        if psf is not None:
            self._width = Rings.of(models(psf, catalogue.bands)[self._channel]).fwhm()
        found: list[tuple[int, str, Look, float]] = []
        for i in range(len(catalogue.redshifts)):
            cutout = catalogue.cutout(i)
            width = self._fwhm(cutout)
            picture = self._picture(cutout, width)
            look = None if picture is None else measured(picture)
            if look is not None:
                found.append((i, cutout.name, look, width))
        if not found:
            raise InputError(
                f"{what}: none of its {len(catalogue.redshifts)} galaxies stands out of the noise and is"
                " wider than its PSF; give larger or brighter ones"
            )
        self._row = [row for row, *_ in found]
        self.names: Sequence[str] = [name for _, name, _, _ in found]
        self._looks = [look for _, _, look, _ in found]
        self.r_half = np.array([look.r_e for look in self._looks]) * self.pixel_scale_arcsec
        self.axis_ratio = np.array([look.axis_ratio for look in self._looks])
        self.angle = np.array([look.angle for look in self._looks])
        self.fwhm = np.array([width for *_, width in found])

    def shown(self, i: int) -> Shown:
        """Return the i-th picture."""
        cutout = self._catalogue.cutout(self._row[i])
        picture = self._picture(cutout, float(self.fwhm[i]))
        assert picture is not None
        return _shown(picture.image, self._looks[i].x, self._looks[i].y)

    def _fwhm(self, cutout: Cutout) -> float:
        if self._width is not None:
            return self._width
        if cutout.psf_fwhm_arcsec is None:
            raise InputError(f"{cutout.name}: no PSF is known; give `psf` of the images")
        return float(cutout.psf_fwhm_arcsec[self._channel])

    def _picture(self, cutout: Cutout, fwhm: float) -> Clean | None:
        """Return a galaxy of one band without its sky; None where nothing stands out of it."""
        image, psf = cutout.image[self._channel], _gaussian(fwhm / self.pixel_scale_arcsec)
        if not self._clean:
            return cut_out(replace(cutout, image=image[None], psf=psf), _ELECTRONS_PER_NJY)
        light = np.maximum(image, 0.0)
        if not light.sum() > 0:
            return None
        middle = 0.5 * (len(psf) - 1)
        return Clean(light, psf, (middle, middle), light > 0, 0.0)


def fwhm_of(psf: np.ndarray) -> float:
    """Return the full width at half maximum of an image of a PSF in pixels: of the circle of that area."""
    from scipy.ndimage import zoom

    finer: Any = zoom(psf, 4, order=3)
    return 2 * math.sqrt((finer > 0.5 * finer.max()).sum() / math.pi) / 4


def channel_of(band: str | None, bands: Sequence[str], what: str) -> int:
    """Return which of the bands it is, the first for None. InputError where it is none of them."""
    if band is None:
        return 0
    if band not in bands:
        raise InputError(f"{what}: no band {band!r} (it has {', '.join(bands)}){nearest(band, bands)}")
    return list(bands).index(band)


def _gaussian(fwhm: float) -> np.ndarray:
    """Return an image of a Gaussian of a FWHM in pixels, of sum 1."""
    at = np.arange(-math.ceil(2 * fwhm) - 2, math.ceil(2 * fwhm) + 3)
    line = np.exp(-0.5 * (at / (_SIGMA * fwhm)) ** 2)
    out = np.outer(line, line)
    return out / out.sum()


def _shown(image: np.ndarray, x: float, y: float) -> Shown:
    """Return an image's light without its dark edges."""
    there = image > _FAINTEST * image.max()
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    light = np.maximum(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 0.0)
    return Shown(light / light.sum(), x - float(columns[0]), y - float(rows[0]))
