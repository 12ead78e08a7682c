"""The painter of a learned sky: from marks to noiseless stamps through the PSF."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.profiles.lanes import spared
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.extent import Extent
from mockforge.sgan.light.frame import FADED, SOFTENING, Shapes, frame_of
from mockforge.sgan.light.kernels import Kernels
from mockforge.sgan.light.modulation import Modulation, changes, marks_features
from mockforge.sgan.light.stamps import (
    MOST_ELLIPTICAL,
    Gaussians,
    each_spectrum,
    gaussians_of,
    phases,
    stamps_of,
    waves,
)
from mockforge.sgan.sources.marks import Marks

_RESOLVED = 2.5
"""Points along the softened minor axis of a source that its modulation is sampled by, at least."""
_UNSEEN = 0.6
"""Sources of a softened minor axis of fewer points are painted smooth: the pixels are too coarse for more."""


class SourcePainter:
    """Paints the sources of a learned sky (sky.Painter).

    The image of a smooth profile or of a star is the PSF's transfer function times an analytic
    spectrum, so that flux and sub-pixel place are exact whatever the pixels. What is learned of a
    shaped source is a change of its light that sums to 0 and lies within six half-light radii: it is
    drawn on a grid as fine as the PSF asks for, and added. Each source is computed by itself, so that it
    has the same bits whatever it is painted with.

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

    one_by_one = True
    """A source is the same to the last bit whatever it is painted with."""

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
        bodies = _Bodies.of(sources, self.pixels_per_native)
        shaped = {} if self.modulation is None else self._shaped(sources, side)
        with torch.no_grad():
            spectra = self._plain(bodies, side)
            for row, (image, spectrum) in enumerate(zip(torch.from_numpy(out), spectra, strict=True)):
                if row in shaped:
                    spectrum += self._change(bodies.only(row), side, *shaped[row])
                torch.mul(self._image(spectrum, side), bodies.flux[row, :, None, None], out=image)
        return out

    def _plain(self, bodies: _Bodies, side: int) -> Iterator[Tensor]:
        """Yield the spectrum of each smooth source of flux 1 through the PSF, (C, F S, F S / 2 + 1)."""
        fine = self._kernels.fine.image
        kernel, size = self._kernels.image(side), fine * side
        x, y = (fine * (spared(place) + 0.5 * side) for place in (bodies.dx, bodies.dy))
        light = each_spectrum(bodies.profiles.on_grid(fine), size)
        for along_y, along_x, own, star in zip(*waves(x, y, size), light, bodies.star.tolist(), strict=False):
            phase = along_y[:, None] * along_x
            yield (phase if star else phase.mul_(own)) * kernel

    def _change(self, body: _Bodies, side: int, fine: int, half: int) -> Tensor:
        """Return the spectrum, as of `_plain`, of what is learned of a source of flux 1: it sums to 0."""
        assert self.modulation is not None
        grid, scale = side * self._kernels.fine.image, self.pixels_per_native * fine
        x, y = fine * body.dx, fine * body.dy
        plain = stamps_of(body.profiles.on_grid(fine), x, y, half, self._kernels.fine.smoothing * fine)
        log_radius, e1, e2, log_n = body.shape
        shapes = Shapes(x, y, log_radius + math.log(scale), e1, e2, log_n, body.mirrored)
        frame = frame_of(shapes, half, SOFTENING * scale)
        log_factor = self.modulation(frame, marks_features(body.flux, log_radius, e1, e2, log_n), body.z)
        change = changes(plain, log_factor, frame.fade).view(-1, 2 * half + 1, 2 * half + 1)
        spectrum = _low(torch.fft.rfft2(change, s=(fine * side, fine * side)), grid)
        corner = torch.tensor([(0.5 * fine * side - half) * grid / (fine * side)])
        return spectrum * (self._kernels.shape(side) * phases(corner, corner, grid))

    def _image(self, spectrum: Tensor, side: int) -> Tensor:
        """(C, S, S) from a spectrum on the grid of images."""
        fine = self._kernels.fine.image
        image = torch.fft.irfft2(spectrum, s=(fine * side, fine * side))
        return image if fine == 1 else image[..., ::fine, ::fine] * fine**2

    def _shaped(self, sources: Marks, side: int) -> dict[int, tuple[int, int]]:
        """Rows of shaped sources: their points a pixel, and those from the middle that hold the change."""
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
        grids = zip(fine[seen].tolist(), half[seen].tolist(), strict=True)
        return dict(zip(shaped[seen].tolist(), grids, strict=True))


@dataclass(frozen=True)
class _Bodies:
    """N sources as what their images are computed from, in pixels of the sky."""

    dx: Tensor
    """(N,) px from the middle of the pixel that is nearest."""
    dy: Tensor
    profiles: Gaussians
    star: Tensor
    flux: Tensor
    """(N, C) nJy."""
    shape: tuple[Tensor, ...]
    """ln of the radius in native pixels, e1, e2, ln n."""
    mirrored: Tensor
    z: Tensor

    @classmethod
    def of(cls, sources: Marks, pixels_per_native: float) -> _Bodies:
        x, y = (torch.from_numpy(v - np.floor(v + 0.5)).float() for v in (sources.x, sources.y))
        log_radius, *shape = _shape(sources)
        return cls(
            dx=x,
            dy=y,
            profiles=gaussians_of(log_radius + math.log(pixels_per_native), *shape),
            star=torch.from_numpy(sources.star),
            flux=torch.from_numpy(sources.flux).float(),
            shape=tuple(torch.from_numpy(v).float() for v in (log_radius, *shape)),
            mirrored=torch.from_numpy(sources.mirrored),
            z=torch.from_numpy(sources.z),
        )

    def only(self, row: int) -> _Bodies:
        """Return one of them."""
        i = slice(row, row + 1)
        return _Bodies(
            self.dx[i], self.dy[i], self.profiles.rows(i), self.star[i], self.flux[i],
            tuple(value[i] for value in self.shape), self.mirrored[i], self.z[i],
        )  # fmt: skip


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
