"""Each source's light in a window of its own, through the PSF, and how it changes with its marks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.kernels import Kernels
from mockforge.sgan.light.stamps import SMOOTHING, phases, profile_spectra, stamps

SHAPES = 6
"""x, y, ln radius, e1, e2, ln n: what of a source is the same in every band."""
SIDES = (24, 32, 48, 64, 96, 160, 256)
"""Windows of sources, pixels."""
_STEP = 0.02
"""Of ln radius, e1, e2 and ln n, for derivatives by central differences."""
_WIDER = 1.0
"""Sigma in pixels of the Gaussian by which stamps are smoothed where pixels undersample the PSF."""
_CHUNK = 6_000_000
"""Numbers of derivatives held at a time."""


@dataclass(frozen=True)
class Window:
    """Some sources of one window side: rows of the scene's table, and where their windows begin."""

    rows: Tensor
    """(n,) int64."""
    top: Tensor
    """(n,) int64 first row of each window on the field; may lie outside."""
    left: Tensor
    side: int

    def places(self) -> tuple[Tensor, Tensor]:
        """(n, side, 1) rows and (n, 1, side) columns of the pixels on the field."""
        steps = torch.arange(self.side)
        return (self.top[:, None] + steps)[:, :, None], (self.left[:, None] + steps)[:, None, :]

    def of(self, image: Tensor) -> Tensor:
        """(n, C, side, side): the windows of an image (C, H, W), 0 outside of it."""
        y, x = self.places()
        height, width = image.shape[1:]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        found = image[:, y.clamp(0, height - 1), x.clamp(0, width - 1)]
        return (found * inside).transpose(0, 1)


def windows(shape: Tensor, sides: np.ndarray, bands: int) -> list[Window]:
    """Return the sources in groups of one window side, small enough to be worked on at a time.

    `shape` (N, 6) marks, `sides` (N,) pixels, of `SIDES`; sources with another are left out.
    """
    out = []
    for side in SIDES:
        rows = torch.from_numpy(np.flatnonzero(sides == side))
        for part in rows.split(max(4, _CHUNK // (side * side * (SHAPES + 1) * bands))):
            corner = torch.round(shape[part, :2]).long() - side // 2
            out.append(Window(part, corner[:, 1], corner[:, 0], side))
    return [window for window in out if len(window.rows)]


def derivatives(shape: Tensor, window: Window, psf: PixelPsf) -> Tensor:
    """Return the light of flux 1 through each band's PSF, and its derivatives.

    `shape` (N, 6) float64. Returns (n, C, 7, side, side) float32: the light, then its derivatives with
    respect to x, y, ln radius, e1, e2 and ln n. Wings of the PSF beyond the window come in again on its
    other side, so that no light is lost.
    """
    own = shape[window.rows].float()
    kernels = kernels_of(psf)
    fine = kernels.fine.image  # more than one point a pixel where the PSF passes what pixels fold back
    side = window.side * fine
    centre = shape[window.rows, :2] - torch.stack([window.left, window.top], 1)
    turn = phases(fine * centre[:, 0].float(), fine * centre[:, 1].float(), side)
    marks = own[:, 2:] + torch.tensor([math.log(fine), 0.0, 0.0, 0.0])
    spectra = [profile_spectra(*marks.T, side)]  # type: ignore
    for i in range(4):
        up, down = marks.clone(), marks.clone()
        up[:, i] += _STEP
        down[:, i] -= _STEP
        spectra.append((profile_spectra(*up.T, side) - profile_spectra(*down.T, side)) / (2 * _STEP))  # type: ignore
    ky, kx = (-2j * np.pi * fine * f(side) for f in (torch.fft.fftfreq, torch.fft.rfftfreq))
    light = spectra[0] * turn
    parts = torch.stack([light, light * kx, light * ky[:, None], *(s * turn for s in spectra[1:])], dim=1)
    return torch.stack([_at_pixels(parts * t, side, fine) for t in kernels.image(window.side)], dim=1)


@lru_cache(maxsize=2)
def kernels_of(psf: PixelPsf) -> Kernels:
    """Return the PSF's transfer functions on the field's own pixels."""
    return Kernels(psf, 1.0, 1.0)


def light_of(shape: Tensor, window: Window, psf: PixelPsf, passed: Tensor | None = None) -> Tensor:
    """Return the light of flux 1 through each band's PSF alone, (n, C, side, side) float32.

    `passed`: factor (F side, F side / 2 + 1) on its frequencies.
    """
    own, kernels = shape[window.rows].float(), kernels_of(psf)
    fine = kernels.fine.image
    side = window.side * fine
    x, y = (shape[window.rows, i] - corner for i, corner in ((0, window.left), (1, window.top)))
    marks = own[:, 2:] + torch.tensor([math.log(fine), 0.0, 0.0, 0.0])
    light = profile_spectra(*marks.T, side) * phases(fine * x.float(), fine * y.float(), side)  # type: ignore
    light = light if passed is None else light * passed
    return torch.stack([_at_pixels(light * t, side, fine) for t in kernels.image(window.side)], dim=1)


def _at_pixels(spectra: Tensor, side: int, fine: int) -> Tensor:
    """Return images at pixels' centres from spectra on a grid `fine` times finer."""
    image = torch.fft.irfft2(spectra, s=(side, side))
    return image if fine == 1 else image[..., ::fine, ::fine] * fine**2


class SceneImage:
    """Paints all sources of a scene on the field: stamps, their sum through each band's PSF.

    Where pixels undersample the PSF, what a wider Gaussian passes of the light is painted so, wings and
    all, and the rest, which is compact, in windows that are sampled as finely as the PSF asks for.
    """

    def __init__(self, psf: PixelPsf, height: int, width: int) -> None:
        from scipy.fft import next_fast_len

        self.height, self.width, self.margin = height, width, psf.side_pix // 2
        rows, columns = (next_fast_len(n + psf.side_pix, True) for n in (height, width))
        self.padded = (rows, columns)
        self.psf, self.sharp = psf, psf.samples > 1
        self.smooth = [
            np.exp(-2 * (np.pi * SMOOTHING * k) ** 2)
            for k in (np.fft.fftfreq(rows), np.fft.rfftfreq(columns))  # type: ignore
        ]
        self.transfers = [self._transfer(i) for i in range(psf.bands)]

    def _transfer(self, band: int) -> Tensor:
        """Transform of the PSF less the Gaussian by which stamps are smoothed."""
        if self.sharp:
            k = (np.fft.fftfreq(self.padded[0]), np.fft.rfftfreq(self.padded[1]))  # type: ignore
            return torch.from_numpy(self.psf.band(band).spectrum(*k)[0].astype(np.complex64))
        side, middle = self.psf.side, self.psf.side // 2
        kernel = torch.zeros(self.padded)  # type: ignore
        kernel[:side, :side] = torch.from_numpy(self.psf.image[band])
        found = torch.fft.rfft2(torch.roll(kernel, (-middle, -middle), (0, 1)))
        smooth = torch.from_numpy(np.outer(*self.smooth)).float()
        return found / smooth.clamp_min(1e-3)  # beyond, the PSF passes nothing either

    def paint(self, shape: Tensor, flux: Tensor, groups: list[Window]) -> Tensor:
        """Return (C, H, W) float32 nJy of the sources, `shape` (N, 6), `flux` (N, C)."""
        edge = SIDES[-1]  # windows may reach over the field's edge
        rows, columns = self.height + 2 * edge, self.width + 2 * edge
        canvas = torch.zeros(flux.shape[1], rows * columns)
        for window in groups:
            y, x = window.places()
            own, light = shape[window.rows], flux[window.rows].float()
            half = window.side // 2 - 1
            dx, dy = (
                (own[:, i] - corner - window.side // 2).float()
                for i, corner in ((0, window.left), (1, window.top))
            )
            stamp = stamps(dx, dy, *own[:, 2:].float().T, half, _WIDER if self.sharp else SMOOTHING).flatten(  # type: ignore
                1
            )
            at = (y[:, 1:] + edge).clamp(0, rows - 1) * columns + (x[..., 1:] + edge).clamp(0, columns - 1)
            canvas.index_add_(1, at.reshape(-1), (light.T[:, :, None] * stamp).flatten(1))
        canvas = canvas.view(-1, rows, columns)
        seen = torch.stack([self._seen(b, t, edge) for b, t in zip(canvas, self.transfers, strict=True)])
        return seen + self._compact(shape, flux, groups) if self.sharp else seen

    def _compact(self, shape: Tensor, flux: Tensor, groups: list[Window]) -> Tensor:
        """(C, H, W) nJy: what the wider Gaussian does not pass of the light."""
        edge = SIDES[-1]
        rows, columns = self.height + 2 * edge, self.width + 2 * edge
        canvas = torch.zeros(flux.shape[1], rows * columns)
        fine = kernels_of(self.psf).fine.image
        for window in groups:
            y, x = window.places()
            size = window.side * fine
            k = (fine * torch.fft.fftfreq(size)[:, None], fine * torch.fft.rfftfreq(size))
            rest = 1.0 - torch.exp(-2 * (np.pi * _WIDER) ** 2 * (k[0] ** 2 + k[1] ** 2))
            light = light_of(shape, window, self.psf, rest) * flux[window.rows].float()[:, :, None, None]
            at = (y + edge).clamp(0, rows - 1) * columns + (x + edge).clamp(0, columns - 1)
            canvas.index_add_(1, at.reshape(-1), light.transpose(0, 1).flatten(1))
        canvas = canvas.view(-1, rows, columns)
        return canvas[:, edge : edge + self.height, edge : edge + self.width]

    def _seen(self, band: Tensor, transfer: Tensor, edge: int) -> Tensor:
        """Return the field's pixels of one band's canvas, through its PSF."""
        m = self.margin
        near = band[edge - m : edge + self.height + m, edge - m : edge + self.width + m]
        whole = torch.fft.irfft2(torch.fft.rfft2(near, s=self.padded) * transfer, s=self.padded)
        return whole[m : m + self.height, m : m + self.width]
