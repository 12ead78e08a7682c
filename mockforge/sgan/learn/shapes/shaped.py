"""Light of single sources through the PSF, differentiable in the learned morphology and in the marks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.frame import FADED, SOFTENING, Frame, Shapes, frame_of
from mockforge.sgan.light.kernels import Kernels
from mockforge.sgan.light.modulation import Modulation, changes, marks_features
from mockforge.sgan.light.stamps import MOST_ELLIPTICAL, phases, profile_spectra, stamps
from mockforge.sgan.sources.marks import Marks

Factor = Callable[[Frame, Tensor, Tensor], Tensor]
"""ln of the factor on light by the frame, what is told of the sources, and z: a `Modulation`."""
HALVES = (10, 16, 24, 36, 54, 80)
"""Pixels from the middle to the edge of what is modulated: the size classes of sources."""
MARGIN = 8
"""Pixels of a stamp around what is modulated, for the PSF."""
_RESOLVED = 1.25
"""Points along the softened minor axis of a source that its modulation is sampled by, at least.

A painter takes twice as many; what is learned is a smooth function of the place, the same for both.
"""
_POINT = -6.0
"""ln of the radius, px, that stars are painted with."""


@dataclass(frozen=True)
class Bodies:
    """N sources as tensors: what stamps are made of, on the native grid."""

    shapes: Shapes
    flux: Tensor
    """(N, C) nJy."""
    z: Tensor
    """(N, Z)."""

    @classmethod
    def of(cls, marks: Marks, device: torch.device | str = "cpu") -> Bodies:
        """Return the sources of a table, each by its place within its pixel."""

        def tensor(values: np.ndarray) -> Tensor:
            return torch.tensor(np.asarray(values), dtype=torch.float32, device=device)

        dx, dy = (tensor(v - np.floor(v + 0.5)) for v in (marks.x, marks.y))
        points = {"log_radius": _POINT, "e1": 0.0, "e2": 0.0, "log_n": 0.0}
        plain = [tensor(np.where(marks.star, v, getattr(marks, k))) for k, v in points.items()]
        mirrored = torch.tensor(marks.mirrored, device=device)
        shapes = Shapes(dx, dy, plain[0], plain[1], plain[2], plain[3], mirrored)
        return cls(shapes, tensor(marks.flux), tensor(marks.z))

    def __len__(self) -> int:
        return len(self.flux)

    def rows(self, i: slice | Tensor) -> Bodies:
        """Return some of the sources."""
        return Bodies(self.shapes.rows(i), self.flux[i], self.z[i])

    def corrected(self, log_flux: Tensor, log_radius: Tensor, log_n: Tensor) -> Bodies:
        """Return them with fluxes (N, C), radii and indices (N,) changed by so much in ln."""
        shapes = self.shapes
        shapes = replace(shapes, log_radius=shapes.log_radius + log_radius, log_n=shapes.log_n + log_n)
        return Bodies(shapes, self.flux * torch.exp(log_flux), self.z)

    @cached_property
    def marks(self) -> Tensor:
        """What the modulation is told of them."""
        s = self.shapes
        return marks_features(self.flux, s.log_radius, s.e1, s.e2, s.log_n)


@dataclass(frozen=True)
class Extent:
    """Where sources are modulated: pixels from the middle, and points a pixel that they are sampled by."""

    half: int
    fine: int = 1

    @property
    def points(self) -> int:
        """Points of the window."""
        return (2 * self.half * self.fine + 1) ** 2


class Shaper:
    """Paints single sources of the native grid as `light.painter.SourcePainter` does, with a gradient.

    `psf` is the field's.
    """

    def __init__(self, psf: PixelPsf) -> None:
        self.kernels = Kernels(psf, 1.0, 1.0)

    def paint(self, bodies: Bodies, modulation: Factor | None, extent: Extent, side: int) -> Tensor:
        """Return stamps (N, C, side, side) nJy, noiseless; the source's pixel is `side // 2` in x and y.

        The profile is exact, by its Fourier transform; what the modulation changes of it sums to 0 in
        every band, so that no flux does. Light beyond the stamp, `side` even, comes in again on its other
        side.
        """
        if side < 2 * extent.half + 2 or side % 2:
            raise InputError(f"stamps of side {side} cannot hold what is modulated within {extent.half} px")
        image, flux = self.kernels.fine.image, bodies.flux
        shapes, middle = _finer(bodies.shapes, image), 0.5 * image * side
        plain = profile_spectra(*shapes.marks[2:], image * side)
        place = phases(shapes.dx + middle, shapes.dy + middle, image * side)
        spectrum = (plain * place)[:, None] * self.kernels.image(side).to(flux.device)
        if modulation is not None:
            spectrum = spectrum + self._changes(bodies, modulation, extent, side)
        light = torch.fft.irfft2(spectrum * flux[..., None, None], s=(image * side, image * side))
        return light if image == 1 else light[..., ::image, ::image] * image**2

    def _changes(self, bodies: Bodies, modulation: Factor, extent: Extent, side: int) -> Tensor:
        """Return spectra (N, C, ...) through the PSF of what is added to profiles of flux 1."""
        fine, half = max(extent.fine, self.kernels.fine.image), extent.half
        shapes = _finer(bodies.shapes, fine)
        profiles = stamps(*shapes.marks, half * fine, self.kernels.fine.smoothing * fine)
        frame = frame_of(shapes, half * fine, SOFTENING * fine)
        factor = modulation(frame, bodies.marks, bodies.z)
        width = 2 * half * fine + 1
        change = changes(profiles, factor, frame.fade).view(len(bodies), -1, width, width)
        grid = side * self.kernels.fine.image
        spectrum = _low(torch.fft.rfft2(change, s=(fine * side, fine * side)), grid)
        corner = torch.tensor([(0.5 * side - half) * self.kernels.fine.image], device=change.device)
        kernel = self.kernels.shape(side).to(change.device)
        return spectrum * (kernel * phases(corner, corner, grid))

    def stamps(
        self, marks: Marks, modulation: Modulation | None, side: int,
        warped: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:  # fmt: skip
        """Return stamps (N, C, side, side) nJy of any sources, `side` odd, each in the middle.

        Stars, and what is not shaped, are painted without the modulation; `warped` gives latents from
        what the modulation is told of sources (N, M) and their z (N, Z).
        """
        bodies = Bodies.of(marks)
        shaped = marks.shaped & ~marks.star & (modulation is not None)
        out = bodies.flux.new_zeros((len(bodies), bodies.flux.shape[1], side, side))
        groups = [(Extent(0), np.flatnonzero(~shaped))]
        groups += [(e, np.flatnonzero(shaped)[r]) for e, r in by_extent(marks.rows(shaped))]
        for extent, chosen in groups:
            if not len(chosen):
                continue
            rows = torch.from_numpy(chosen)
            some = bodies.rows(rows)
            if extent.half and warped is not None:
                some = Bodies(some.shapes, some.flux, warped(some.marks, some.z))
            wide = 2 * (max(extent.half, side // 2) + MARGIN)
            light = self.paint(some, modulation if extent.half else None, extent, wide)
            edge = wide // 2 - side // 2
            out = out.index_copy(0, rows, light[..., edge : edge + side, edge : edge + side])
        return out


def by_extent(marks: Marks) -> list[tuple[Extent, np.ndarray]]:
    """Return rows of sources by the window that holds all that is modulated of them, or the largest."""
    ratio = np.maximum(marks.axis_ratio, (1 - MOST_ELLIPTICAL) / (1 + MOST_ELLIPTICAL))
    square = np.exp(2.0 * marks.log_radius)
    major, minor = (np.sqrt(square * s + SOFTENING**2) for s in (1 / ratio, ratio))
    half = np.array(HALVES)[np.searchsorted(HALVES, FADED * major).clip(max=len(HALVES) - 1)]
    fine = np.where(minor < _RESOLVED, 2, 1)
    keys = half * 2 + fine - 1
    return [(Extent(int(k) // 2, int(k) % 2 + 1), np.flatnonzero(keys == k)) for k in np.unique(keys)]


def _finer(shapes: Shapes, fine: int) -> Shapes:
    """Return shapes on a grid with `fine` points a pixel."""
    if fine == 1:
        return shapes
    log_radius = shapes.log_radius + math.log(fine)
    return replace(shapes, dx=shapes.dx * fine, dy=shapes.dy * fine, log_radius=log_radius)


def _low(spectrum: Tensor, size: int) -> Tensor:
    """Return the frequencies of a grid of `size` points out of those of a finer one over the same stamp."""
    if spectrum.shape[-2] == size:
        return spectrum
    columns = spectrum[..., : size // 2 + 1]
    half = size // 2
    return torch.cat([columns[..., :half, :], columns[..., -half:, :]], dim=-2)
