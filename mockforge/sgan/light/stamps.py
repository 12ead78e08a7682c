"""Stamps of unit flux of elliptical Sersic profiles, and their Fourier transforms, from Gaussians.

The exponent of every Gaussian is a sum of six monomials of the pixel's place, so one product of
matrices makes them all; the exponentials are taken in place, a megabyte at a time, and once more for
the derivatives, which are moments of the gradient about the same monomials. Nothing of the size
(sources x Gaussians x pixels) is ever kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mockforge.sgan.light.gaussians import mixture, mixture_of

SMOOTHING = 0.7
"""Pixels: sigma of the Gaussian by which sampled stamps are smoothed; the rest of the PSF comes after."""
MOST_ELLIPTICAL = 0.95
"""Shapes with a larger |e| are drawn with this one."""
_CHUNK = 1 << 18
"""Numbers worked on at a time: they stay in a core's cache."""
_VECTOR = 16
"""Numbers of the widest vectors of a processor."""
_DARK = -80.0
"""Least exponent: beyond it numbers are so small that processors slow down."""


def stamps(
    dx: Tensor,
    dy: Tensor,
    log_radius: Tensor,
    e1: Tensor,
    e2: Tensor,
    log_n: Tensor,
    half: int,
    smooth_pix: float = SMOOTHING,
) -> Tensor:
    """Return sampled stamps of Sersic profiles of flux 1, differentiable in all marks.

    Parameters
    ----------
    dx, dy : Tensor
        (N,) places, pixels from the centre of the stamp's middle pixel.
    log_radius : Tensor
        (N,) ln of the half-light radius in pixels, the geometric mean of the semi-axes.
    e1, e2 : Tensor
        (N,) |e| = (a - b) / (a + b) along twice the angle from +x towards +y.
    log_n : Tensor
        (N,) ln of the Sersic index.
    half : int
        Pixels from the middle to the edge.
    smooth_pix : float
        Sigma in pixels of the Gaussian through which the profile is seen, so that samples at pixel
        centres hold it; a PSF that comes after is to be divided by this Gaussian.

    Returns
    -------
    Tensor
        (N, 2 half + 1, 2 half + 1): surface brightness per pixel. The sum is 1 less what lies outside.
    """
    return stamps_of(gaussians(log_radius, e1, e2, log_n), dx, dy, half, smooth_pix)


def spectra(
    dx: Tensor, dy: Tensor, log_radius: Tensor, e1: Tensor, e2: Tensor, log_n: Tensor, side: int
) -> Tensor:
    """Return Fourier transforms of Sersic profiles of flux 1 on the grid of `torch.fft.rfft2`.

    They are those of the continuous profile, not of its samples, real but for the phase of the place.

    Parameters
    ----------
    dx, dy : Tensor
        (N,) places, pixels from the centre of the stamp's first pixel; they come in again at the edges.
    log_radius, e1, e2, log_n : Tensor
        (N,) marks, as for `stamps`.
    side : int
        Pixels S along the stamp.

    Returns
    -------
    Tensor
        (N, S, S // 2 + 1) complex, 1 at frequency 0.
    """
    size = profile_spectra(log_radius, e1, e2, log_n, side)
    return size * phases(dx, dy, side)


def profile_spectra(log_radius: Tensor, e1: Tensor, e2: Tensor, log_n: Tensor, side: int) -> Tensor:
    """Return `spectra` of profiles centred on the first pixel: real, (N, S, S // 2 + 1)."""
    return spectra_of(gaussians(log_radius, e1, e2, log_n), side)


def phases(dx: Tensor, dy: Tensor, side: int) -> Tensor:
    """Return exp(-2 pi i (x kx + y ky)), (N, S, S // 2 + 1), of places from the first pixel."""
    along_y, along_x = waves(dx, dy, side)
    return along_y[:, :, None] * along_x[:, None, :]


def waves(dx: Tensor, dy: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Return the factors of `phases`: (N, S) along y and (N, S // 2 + 1) along x."""
    along_y, along_x = (
        _wave(place, k) for place, k in zip((dy, dx), _axes(side, dx.device, dx.dtype), strict=True)
    )
    return along_y, along_x


def _wave(place: Tensor, k: Tensor) -> Tensor:
    turns = place[:, None] * k
    angle = (turns - turns.round()) * (-2 * math.pi)  # small before the sine, for float32's sake
    return torch.polar(torch.ones_like(angle), angle)


@dataclass(frozen=True)
class Gaussians:
    """The Gaussians of N elliptical profiles of flux 1, each (N, K): amplitudes and moments, px^2."""

    amplitude: Tensor
    area: Tensor
    """The square root of the determinant of the covariance."""
    mean: Tensor
    """(xx + yy) / 2."""
    along: Tensor
    """(xx - yy) / 2."""
    across: Tensor
    """xy."""

    def rows(self, i: slice | Tensor) -> Gaussians:
        """Return those of some sources."""
        return Gaussians(*(value[i] for value in vars(self).values()))

    def on_grid(self, fine: int) -> Gaussians:
        """Return them in units of a grid so many times finer."""
        if fine == 1:
            return self
        amplitude, *moments = vars(self).values()
        return Gaussians(amplitude, *(value * fine**2 for value in moments))


def gaussians(log_radius: Tensor, e1: Tensor, e2: Tensor, log_n: Tensor) -> Gaussians:
    """Return the Gaussians of profiles, whose marks (N,) are as for `stamps`.

    With e = (1 - q) / (1 + q) the half difference of a^2 / ab and b^2 / ab is 2 e / (1 - e^2) and
    the half sum (1 + e^2) / (1 - e^2): no angle, and so no kink at e = 0.
    """
    amplitude, sigma = mixture(log_n)
    square = e1 * e1 + e2 * e2
    shrink = torch.where(square > MOST_ELLIPTICAL**2, MOST_ELLIPTICAL / square.clamp_min(1e-12).sqrt(), 1.0)
    e1, e2, square = e1 * shrink, e2 * shrink, square * shrink * shrink
    t = (torch.exp(log_radius)[:, None] * sigma) ** 2
    return Gaussians(amplitude, t, *_moments(t, e1, e2, square))


def gaussians_of(log_radius: np.ndarray, e1: np.ndarray, e2: np.ndarray, log_n: np.ndarray) -> Gaussians:
    """Return `gaussians` as float32, computed in NumPy: for a few sources much faster."""
    amplitude, sigma = mixture_of(log_n)
    e = np.hypot(e1, e2)
    shrink = np.minimum(MOST_ELLIPTICAL / np.maximum(e, 1e-12), 1.0)
    t = (np.exp(log_radius)[:, None] * sigma) ** 2
    values = (amplitude, t, *_moments(t, e1 * shrink, e2 * shrink, (e * shrink) ** 2))
    return Gaussians(*(torch.from_numpy(value.astype(np.float32)) for value in values))


def _moments(t: Any, e1: Any, e2: Any, square: Any) -> tuple[Any, Any, Any]:
    """Return mean, along and across of Gaussians of area t (N, K), tensors or arrays; square is e^2."""
    inverse = 1 / (1 - square)
    return (
        t * ((1 + square) * inverse)[:, None],
        t * (2 * e1 * inverse)[:, None],
        t * (2 * e2 * inverse)[:, None],
    )


def stamps_of(found: Gaussians, dx: Tensor, dy: Tensor, half: int, smooth_pix: float = SMOOTHING) -> Tensor:
    """Return `stamps` of Gaussians."""
    s = smooth_pix * smooth_pix
    det = found.area * found.area + 2 * s * found.mean + s * s
    wide = (found.mean + s) / det
    thin = found.along / det
    a, b, c = wide - thin, -found.across / det, wide + thin
    x, y = dx[:, None], dy[:, None]
    ax, cy = a * x + b * y, b * x + c * y
    exponent = torch.stack([-0.5 * (ax * x + cy * y), ax, cy, -0.5 * a, -b, -0.5 * c], dim=-1)
    amplitude = found.amplitude / (2 * math.pi * det.sqrt())
    return _Sum.apply(amplitude, exponent, _pixels(half, dx.device, dx.dtype)).view(
        -1, 2 * half + 1, 2 * half + 1
    )


def spectra_of(found: Gaussians, side: int) -> Tensor:
    """Return `profile_spectra` of Gaussians."""
    like = found.amplitude
    exponent = torch.stack([torch.zeros_like(like), *_exponents(found)], dim=-1)
    light = _Sum.apply(like, exponent, _frequencies(side, like.device, like.dtype))
    return light.view(-1, side, side // 2 + 1)


def each_spectrum(found: Gaussians, side: int) -> Iterator[Tensor]:
    """Yield `profile_spectra` of Gaussians, (S, S // 2 + 1), one by one: the same bits in any company.

    Without derivatives. Each has its numbers at the same places of a processor's vectors.
    """
    count, gaussians = found.amplitude.shape
    held = found.amplitude.new_zeros((count, 4, -(-gaussians // _VECTOR) * _VECTOR))
    for row, values in enumerate((found.amplitude, *_exponents(found))):
        held[:, row, :gaussians] = values
    monomials = _frequencies(side, held.device, held.dtype)[1:]
    for own in held[:, :, :gaussians]:
        bells = (own[1:].T @ monomials).clamp_min_(_DARK).exp_()
        yield (own[:1] @ bells).view(side, side // 2 + 1)


def _exponents(found: Gaussians) -> tuple[Tensor, Tensor, Tensor]:
    """Factors of the squares of frequencies xx, xy, yy in the exponent of a spectrum, each (N, K)."""
    turn = -2 * math.pi**2
    return turn * (found.mean + found.along), 2 * turn * found.across, turn * (found.mean - found.along)


class _Sum(torch.autograd.Function):
    """sum_k amplitude_k exp(sum_j exponent_kj monomial_j), (N, P); monomial_0 is 1."""

    @staticmethod
    def forward(ctx: Any, amplitude: Tensor, exponent: Tensor, monomials: Tensor) -> Tensor:
        ctx.save_for_backward(amplitude, exponent, monomials)
        out = amplitude.new_empty((len(amplitude), monomials.shape[1]))
        for rows, pixels in _chunks(amplitude, monomials):
            bells = _bells(exponent[rows], monomials[:, pixels])
            out[rows, pixels] = torch.bmm(amplitude[rows, None], bells)[:, 0]
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        amplitude, exponent, monomials = ctx.saved_tensors
        moments = torch.zeros_like(exponent)
        for rows, pixels in _chunks(amplitude, monomials):
            part = monomials[:, pixels]
            bells = _bells(exponent[rows], part).mul_(gradients[0][rows, None, pixels])
            moments[rows] += (bells.flatten(0, 1) @ part.T).view_as(exponent[rows])
        return moments[..., 0], amplitude[..., None] * moments, None


def _bells(exponent: Tensor, monomials: Tensor) -> Tensor:
    """(n, K, P) exponentials."""
    z = exponent.flatten(0, 1) @ monomials
    return z.clamp_min_(_DARK).exp_().view(*exponent.shape[:2], -1)


def _chunks(amplitude: Tensor, monomials: Tensor) -> list[tuple[slice, slice]]:
    """Slices of sources and of pixels; where they are cut depends on the sizes alone."""
    sources, gaussians = amplitude.shape
    pixels = monomials.shape[1]
    wide = min(pixels, max(_CHUNK // gaussians, 1))
    many = max(_CHUNK // (gaussians * wide), 1)
    return [
        (slice(i, i + many), slice(j, j + wide))
        for i in range(0, sources, many)
        for j in range(0, pixels, wide)
    ]


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # what is kept may be asked for by those who want derivatives
def _pixels(half: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(6, P) monomials 1, x, y, xx, xy, yy of the pixels about the middle."""
    g = torch.arange(-half, half + 1, device=device, dtype=dtype)
    y, x = (v.flatten() for v in torch.meshgrid(g, g, indexing="ij"))
    return torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y])


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # what is kept may be asked for by those who want derivatives
def _frequencies(side: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(4, P) monomials 1, xx, xy, yy of the frequencies, cycles per pixel."""
    y, x = (v.flatten() for v in torch.meshgrid(*_axes(side, device, dtype), indexing="ij"))
    return torch.stack([torch.ones_like(x), x * x, x * y, y * y])


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # as above
def _axes(side: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Frequencies along y and x, cycles per pixel."""
    return (
        torch.fft.fftfreq(side, device=device, dtype=dtype),
        torch.fft.rfftfreq(side, device=device, dtype=dtype),
    )
