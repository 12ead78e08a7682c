"""The painter of a learned sky: from marks to noiseless stamps through the PSF."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.extent import Extent
from mockforge.sgan.light.frame import SOFTENING, Shapes, frame_of, narrowest, reach
from mockforge.sgan.light.kernels import Kernels
from mockforge.sgan.light.modulation import Modulation, changes, marks_features
from mockforge.sgan.light.stamps import phases, profile_spectra, stamps
from mockforge.sgan.sources.marks import Marks

_CHUNK = 1 << 17
"""Complex numbers of spectra worked on at a time: few enough for a core's cache."""
_SHAPED = 1 << 18
"""The same of shaped sources, each of which takes more steps."""
_STEP = 8
"""Half-widths of windows are multiples of so many points: sources of like sizes go together."""
_RESOLVED = 2.5
"""Points along the softened minor axis of a source that its modulation is sampled by, at least."""


class SourcePainter:
    """Paints the sources of a learned sky (sky.Painter).

    The image of a smooth profile or of a star is the PSF's transfer function times an analytic
    spectrum, so that flux and sub-pixel place are exact whatever the pixels. What is learned of a
    shaped source is a change of its light that sums to 0 and lies within six half-light radii: it is
    drawn on a grid as fine as the PSF asks for, and added.

    Parameters
    ----------
    psf : PixelPsf
        C bands.
    modulation : Modulation or None
        What is learned of shapes; None paints smooth profiles.
    edge_njy : float or sequence of float
        Light, nJy a pixel, that a source may have at the edge of its stamp, for all bands or for each.
    pixels_per_native : float
        Pixels of the sky along one native pixel: radii are multiplied by it; places are the sky's already.
    pixels_per_psf : float, optional
        Pixels of the sky along one pixel of the PSF; as `pixels_per_native` where the PSF is the field's
        own, 1 where it is of the sky's grid.

    Raises
    ------
    InputError
        For a modulation of other bands, or scales that are not above 0.
    """

    def __init__(
        self,
        psf: PixelPsf,
        modulation: Modulation | None,
        edge_njy: float | Sequence[float],
        pixels_per_native: float = 1.0,
        pixels_per_psf: float | None = None,
    ) -> None:
        scale = pixels_per_native if pixels_per_psf is None else pixels_per_psf
        for name, value in (("pixels_per_native", pixels_per_native), ("pixels_per_psf", scale)):
            if not 0.01 <= value <= 100:
                raise InputError(f"{name} should be between 0.01 and 100, found {value:g}")
        if modulation is not None and modulation.bands != psf.bands:
            raise InputError(
                f"the learned shapes are of {modulation.bands} bands and the PSF of {psf.bands}: give a PSF "
                "with one image for each band of the model"
            )
        self.bands = psf.bands
        self.modulation = modulation
        self.pixels_per_native = pixels_per_native
        self.extent = Extent(psf, edge_njy, pixels_per_native, scale)
        self._kernels = Kernels(psf, scale, pixels_per_native)

    def sides(self, sources: Marks) -> np.ndarray:
        """Return the side of each stamp, (N,) int64 px."""
        return self.extent.sides(sources)

    def footprints(self, sources: Marks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return first row, first column and side of each stamp, (N,) int64; the source is in its middle."""
        side = self.sides(sources)
        return _first(sources.y, side), _first(sources.x, side), side

    def capped(self, sources: Marks) -> np.ndarray:
        """Whether a source has light beyond the largest stamp that is above the edge's, (N,) bool."""
        return self.extent.capped(sources)

    def paint(self, sources: Marks) -> np.ndarray:
        """Return noiseless stamps through the PSF, (N, C, S, S) float32 nJy, each with all of its flux.

        InputError where sources want stamps of several sides.
        """
        sides = np.unique(self.sides(sources))
        if len(sides) > 1:
            raise InputError(
                f"sources painted together should have stamps of one side, found {sides.tolist()}"
            )
        if not len(sides):
            return np.zeros((0, self.bands, 0, 0), dtype=np.float32)
        return self.paint_on(sources, int(sides[0]))

    def paint_on(self, sources: Marks, side: int) -> np.ndarray:
        """Return `paint` on stamps of a given even side, whatever side the sources want."""
        out = np.empty((len(sources), self.bands, side, side), dtype=np.float32)
        flux = torch.from_numpy(sources.flux).float()
        with torch.no_grad():
            for rows in self._chunks(len(sources), side):
                image = self._plain(sources.rows(rows), side)
                torch.mul(image, flux[rows, :, None, None], out=torch.from_numpy(out[rows]))
            if self.modulation is not None:
                for rows, fine, half in self._windows(sources, side):
                    image = self._changes(sources.rows(rows), flux[rows], side, fine, half)
                    out[rows] += (image * flux[rows, :, None, None]).numpy()
        return out

    def _plain(self, sources: Marks, side: int) -> Tensor:
        """Smooth profiles and stars of flux 1 through the PSF, (n, C, S, S)."""
        fine = self._kernels.fine.image
        shapes = self._shapes(sources, side, fine)
        size = profile_spectra(*shapes.marks[2:], fine * side)
        if sources.star.any():
            size[torch.from_numpy(sources.star)] = 1.0
        middle = 0.5 * fine * side
        spectrum = size * phases(shapes.dx + middle, shapes.dy + middle, fine * side)
        return self._image(spectrum[:, None] * self._kernels.image(side), side)

    def _changes(self, sources: Marks, flux: Tensor, side: int, fine: int, half: int) -> Tensor:
        """Return learned changes of sources of flux 1 through the PSF, (n, C, S, S): each sums to 0."""
        assert self.modulation is not None
        grid = side * self._kernels.fine.image
        shapes = self._shapes(sources, side, fine)
        plain = stamps(*shapes.marks, half, self._kernels.fine.smoothing * fine)
        frame = frame_of(shapes, half, SOFTENING * self.pixels_per_native * fine)
        native = shapes.log_radius - math.log(self.pixels_per_native * fine)
        features = marks_features(flux, native, shapes.e1, shapes.e2, shapes.log_n)
        log_factor = self.modulation(frame, features, torch.from_numpy(sources.z))
        change = changes(plain, log_factor, frame.fade).view(len(plain), -1, 2 * half + 1, 2 * half + 1)
        spectrum = _low(torch.fft.rfft2(change, s=(fine * side, fine * side)), grid)
        corner = torch.tensor([(0.5 * fine * side - half) * grid / (fine * side)])
        return self._image(spectrum * (self._kernels.shape(side) * phases(corner, corner, grid)), side)

    def _image(self, spectrum: Tensor, side: int) -> Tensor:
        """(n, C, S, S) from spectra on the grid of images."""
        fine = self._kernels.fine.image
        image = torch.fft.irfft2(spectrum, s=(fine * side, fine * side))
        return image if fine == 1 else image[..., ::fine, ::fine] * fine**2

    def _shapes(self, sources: Marks, side: int, fine: int) -> Shapes:
        """Return shapes on a grid `fine` times finer than the sky's, places from the middle of a stamp.

        A star has the shape of a small galaxy, which is not used.
        """
        star = sources.star
        x, y = (fine * (v - np.floor(v + 0.5)) for v in (sources.x, sources.y))
        log_radius = np.where(star, 0.0, sources.log_radius) + math.log(self.pixels_per_native * fine)
        shape = (np.where(star, 0.0, v) for v in (sources.e1, sources.e2, sources.log_n))
        values = (torch.from_numpy(v).float() for v in (x, y, log_radius, *shape))
        return Shapes(*values, torch.from_numpy(sources.mirrored))

    def _chunks(self, count: int, side: int) -> Iterator[slice]:
        size = side * self._kernels.fine.image
        many = max(1, _CHUNK // (self.bands * size * (size // 2 + 1)))
        return (slice(i, i + many) for i in range(0, count, many))

    def _windows(self, sources: Marks, side: int) -> Iterator[tuple[np.ndarray, int, int]]:
        """Rows of shaped sources, points a pixel, and points from the middle that hold their change."""
        shaped = np.flatnonzero(sources.shaped & ~sources.star)
        marks = self._shapes(sources.rows(shaped), side, 1).marks[2:5]
        softening = SOFTENING * self.pixels_per_native
        width = narrowest(*marks, softening).numpy()
        least = self._kernels.fine.shape
        fine = np.where(width * least < _RESOLVED, 2 * least, least)
        half = np.ceil((reach(*marks, softening).numpy() + 1.0) * fine / _STEP).astype(np.int64) * _STEP
        half = np.minimum(half, fine * side // 2 - 1)
        order = np.lexsort((width, half, fine))  # those of like sizes and axis ratios have as many pixels
        starts = np.flatnonzero(np.diff(half[order] * 1024 + fine[order], prepend=-1))
        for group in np.split(order, starts[1:]) if len(order) else []:
            size = int(fine[group[0]]) * side
            many = max(1, _SHAPED // (self.bands * size * (size // 2 + 1)))
            for i in range(0, len(group), many):
                some = group[i : i + many]
                yield shaped[some], int(fine[some[0]]), int(half[some[0]])


def _first(place: np.ndarray, side: np.ndarray) -> np.ndarray:
    """First pixel of stamps whose pixel S / 2 is the one nearest to the place."""
    return np.floor(place + 0.5).astype(np.int64) - side // 2


def _low(spectrum: Tensor, size: int) -> Tensor:
    """Return the frequencies of a grid of `size` out of those of a finer one over the same stamp."""
    if spectrum.shape[-2] == size:
        return spectrum
    columns = spectrum[..., : size // 2 + 1]
    half = size // 2
    return torch.cat([columns[..., :half, :], columns[..., -half:, :]], dim=-2)
