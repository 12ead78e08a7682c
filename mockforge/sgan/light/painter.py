"""The painter of a learned sky: from marks to noiseless stamps through the PSF."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.extent import Extent
from mockforge.sgan.light.frame import FADED, SOFTENING, Shapes, frame_of
from mockforge.sgan.light.kernels import Kernels
from mockforge.sgan.light.modulation import Modulation, changes, marks_features
from mockforge.sgan.light.stamps import (
    MOST_ELLIPTICAL,
    Gaussians,
    gaussians_of,
    phases,
    spectra_of,
    stamps_of,
)
from mockforge.sgan.sources.marks import Marks

_CHUNK = 1 << 17
"""Complex numbers of spectra worked on at a time: few enough for a core's cache."""
_SHAPED = 1 << 18
"""The same of shaped sources, each of which takes more steps."""
_LIKE = 1.4
"""Sources whose windows differ by no more than this factor are shaped together, on the largest of them."""
_RESOLVED = 2.5
"""Points along the softened minor axis of a source that its modulation is sampled by, at least."""
_UNSEEN = 0.6
"""Sources of a softened minor axis of fewer points are painted smooth: the pixels are too coarse for more."""


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

    one_by_one = False
    """The last bits of a source depend on what it is painted with."""

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

    def paint(self, sources: Marks, side: int | None = None) -> np.ndarray:
        """Return noiseless stamps through the PSF, (N, C, S, S) float32 nJy, each with all of its flux.

        `side` is that of their footprints, where it is known already; else InputError where sources want
        stamps of several sides.
        """
        if side is not None:
            return self.paint_on(sources, side)
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
        batch = _Batch.of(sources, self.pixels_per_native)
        with torch.no_grad():
            for rows in self._chunks(len(sources), side):
                image = self._plain(batch.rows(rows), side)
                torch.mul(image, batch.flux[rows, :, None, None], out=torch.from_numpy(out[rows]))
            if self.modulation is not None:
                for rows, fine, half in self._windows(sources, side):
                    few = batch.rows(torch.from_numpy(rows))
                    image = self._changes(few, sources.rows(rows), side, fine, half)
                    out[rows] += (image * few.flux[:, :, None, None]).numpy()
        return out

    def _plain(self, batch: _Batch, side: int) -> Tensor:
        """Smooth profiles and stars of flux 1 through the PSF, (n, C, S, S)."""
        fine = self._kernels.fine.image
        size = spectra_of(batch.profiles.on_grid(fine), fine * side)
        size.masked_fill_(batch.star[:, None, None], 1.0)
        x, y = (fine * (place + 0.5 * side) for place in (batch.dx, batch.dy))
        spectrum = size * phases(x, y, fine * side)
        return self._image(spectrum[:, None] * self._kernels.image(side), side)

    def _changes(self, batch: _Batch, sources: Marks, side: int, fine: int, half: int) -> Tensor:
        """Return learned changes of sources of flux 1 through the PSF, (n, C, S, S): each sums to 0."""
        assert self.modulation is not None
        grid, scale = side * self._kernels.fine.image, self.pixels_per_native * fine
        radius, e1, e2, n = (torch.from_numpy(v).float() for v in _shape(sources))
        x, y = fine * batch.dx, fine * batch.dy
        shapes = Shapes(x, y, radius + math.log(scale), e1, e2, n, torch.from_numpy(sources.mirrored))
        plain = stamps_of(batch.profiles.on_grid(fine), x, y, half, self._kernels.fine.smoothing * fine)
        frame = frame_of(shapes, half, SOFTENING * scale)
        features = marks_features(batch.flux, radius, e1, e2, n)
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

    def _chunks(self, count: int, side: int) -> Iterator[slice]:
        size = side * self._kernels.fine.image
        many = max(1, _CHUNK // (self.bands * size * (size // 2 + 1)))
        return (slice(i, i + many) for i in range(0, count, many))

    def _windows(self, sources: Marks, side: int) -> Iterator[tuple[np.ndarray, int, int]]:
        """Rows of shaped sources, points a pixel, and points from the middle that hold their change."""
        shaped = np.flatnonzero(sources.shaped & ~sources.star)
        log_radius, e1, e2, _ = _shape(sources.rows(shaped))
        e = np.minimum(np.hypot(e1, e2), MOST_ELLIPTICAL)
        square, ratio = np.exp(2 * log_radius), (1 - e) / (1 + e)
        minor, major = (
            np.sqrt(square * s + SOFTENING**2) * self.pixels_per_native for s in (ratio, 1 / ratio)
        )
        least = self._kernels.fine.shape
        fine = np.where(minor * least < _RESOLVED, 2 * least, least)
        half = np.ceil((FADED * major + 1.0) * fine).astype(np.int64)
        half = np.minimum(half, fine * side // 2 - 1)
        seen = minor * fine > _UNSEEN
        shaped, minor, fine, half = shaped[seen], minor[seen], fine[seen], half[seen]
        for points in np.unique(fine).tolist():
            alike = np.flatnonzero(fine == points)
            alike = alike[np.lexsort((minor[alike], half[alike]))]
            many = max(1, _SHAPED // (self.bands * (points * side) ** 2 // 2))
            while len(alike):
                like = half[alike[:many]] <= _LIKE * half[alike[0]]
                group, alike = alike[: int(like.sum())], alike[int(like.sum()) :]
                yield shaped[group], points, int(half[group].max())


@dataclass(frozen=True)
class _Batch:
    """N sources as what their images are computed from, in pixels of the sky."""

    dx: Tensor
    """(N,) px from the middle of the pixel that is nearest."""
    dy: Tensor
    profiles: Gaussians
    star: Tensor
    flux: Tensor
    """(N, C) nJy."""

    @classmethod
    def of(cls, sources: Marks, pixels_per_native: float) -> _Batch:
        x, y = (torch.from_numpy(v - np.floor(v + 0.5)).float() for v in (sources.x, sources.y))
        log_radius, *shape = _shape(sources)
        profiles = gaussians_of(log_radius + math.log(pixels_per_native), *shape)
        return cls(x, y, profiles, torch.from_numpy(sources.star), torch.from_numpy(sources.flux).float())

    def rows(self, i: slice | Tensor) -> _Batch:
        return _Batch(self.dx[i], self.dy[i], self.profiles.rows(i), self.star[i], self.flux[i])


def _shape(sources: Marks) -> tuple[np.ndarray, ...]:
    """log_radius (native px), e1, e2, log_n (N,); a star has those of a small galaxy, which are not used."""
    names = ("log_radius", "e1", "e2", "log_n")
    return tuple(np.where(sources.star, 0.0, getattr(sources, name)) for name in names)


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
