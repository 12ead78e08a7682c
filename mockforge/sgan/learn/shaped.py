"""Light of single sources through the PSF, differentiable in the learned morphology and in the marks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.frame import Shapes, frame_of, reach
from mockforge.sgan.light.modulation import Modulation, changes, marks_features
from mockforge.sgan.light.stamps import SMOOTHING, phases, profile_spectra, stamps
from mockforge.sgan.sources.marks import Marks

HALVES = (10, 16, 24, 36, 54, 80)
"""Pixels from the middle to the edge of what is modulated: the size classes of sources."""
MARGIN = 8
"""Pixels of a stamp around what is modulated, for the PSF."""


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

        dx, dy = (tensor(v - np.rint(v)) for v in (marks.x, marks.y))
        plain = (tensor(getattr(marks, k)) for k in ("log_radius", "e1", "e2", "log_n"))
        mirrored = torch.tensor(marks.mirrored, device=device)
        return cls(Shapes(dx, dy, *plain, mirrored), tensor(marks.flux), tensor(marks.z))

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
class Shaper:
    """Paints single sources: profile times modulation, through the PSF."""

    psf: PixelPsf

    def paint(self, bodies: Bodies, modulation: Modulation | None, half: int, side: int) -> Tensor:
        """Return stamps (N, C, side, side) nJy, noiseless; the source's pixel is `side // 2` in x and y.

        The profile is exact, by its Fourier transform; what the modulation changes of it, within `half`
        pixels, sums to 0 in every band, so that no flux does. Light beyond the stamp comes in again on
        its other side.
        """
        shapes, middle = bodies.shapes, side // 2
        if side < 2 * half + 1:
            raise InputError(f"stamps of side {side} cannot hold what is modulated within {half} pixels")
        plain = profile_spectra(shapes.log_radius, shapes.e1, shapes.e2, shapes.log_n, side)
        place = phases(shapes.dx + middle, shapes.dy + middle, side)
        transfer = torch.tensor(self.psf.transfer(side), device=place.device)
        spectrum = (plain * place)[:, None] * transfer
        if modulation is not None:
            change = self._changes(bodies, modulation, half)
            edge = middle - half
            wide = torch.nn.functional.pad(change, (edge, side - edge - 2 * half - 1) * 2)
            spectrum = spectrum + torch.fft.rfft2(wide) * (transfer / _smoothing(side).to(place.device))
        return torch.fft.irfft2(spectrum * bodies.flux[..., None, None], s=(side, side))

    def _changes(self, bodies: Bodies, modulation: Modulation, half: int) -> Tensor:
        """Return what is added to profiles of flux 1, smoothed, (N, C, 2 half + 1, 2 half + 1)."""
        profiles = stamps(*bodies.shapes.marks, half)
        frame = frame_of(bodies.shapes, half)
        factor = modulation(frame, bodies.marks, bodies.z)
        return changes(profiles, factor, frame.fade).view(len(bodies), -1, 2 * half + 1, 2 * half + 1)


def half_of(marks: Marks) -> np.ndarray:
    """Smallest of `HALVES` (N,) int64 that holds all that is modulated of each source, or the largest."""
    needed = reach(*(torch.from_numpy(v) for v in (marks.log_radius, marks.e1, marks.e2))).numpy()
    return np.array(HALVES)[np.searchsorted(HALVES, needed).clip(max=len(HALVES) - 1)]


def _smoothing(side: int) -> Tensor:
    """Transfer of the Gaussian by which stamps are smoothed, (side, side // 2 + 1)."""
    ky, kx = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]
    return torch.exp(-2 * (torch.pi * SMOOTHING) ** 2 * (ky**2 + kx**2))
