"""Moving a pixel image to another pixel scale, angular size and PSF in one Fourier step.

An image is taken as samples of a band-limited function, the sky seen through its effective PSF
(optics and pixel together). Its Fourier series is multiplied by the ratio of the wanted to the
present effective PSF and summed at the wanted pixel centres, wherever they fall: no kernel of
interpolation, no intermediate grid. Frequencies are in cycles per pixel of the input.
"""

from __future__ import annotations

import numpy as np

PSF_FLOOR = 0.01
"""Modulation below which the present PSF is taken to hold no information."""


def odd_size(least: int) -> int:
    """Return the smallest product of 3, 5 and 7 that is at least `least`.

    A quick length for a transform; odd, so that no frequency is its own negative.
    """
    powers = range(12)
    sizes = (3**a * 5**b * 7**c for a in powers for b in powers for c in range(4))
    return min(size for size in sizes if size >= least)


def padded_side(
    shape: tuple[int, int],
    out_shape: tuple[int, int],
    step: float,
    centre: tuple[float, float],
    out_centre: tuple[float, float],
    reach: float = 0.0,
) -> int:
    """Side of the periodic grid on which an image and its window do not meet their repetitions.

    `shape`, `out_shape` are (y, x); centres (x, y) in pixels of each; `step` input pixels to an
    output pixel; `reach` pixels (of the input) by which the change of PSF spreads light.
    """
    need = 1.0
    for n, m, c, o in zip(shape, out_shape, reversed(centre), reversed(out_centre), strict=True):
        low, high = c - step * o, c + step * (m - 1 - o)
        need = max(need, n, n - 1 - low + reach, high + reach)
    return odd_size(int(np.ceil(need)) + 1)


def fourier_frequencies(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (fy, fx) of `np.fft.rfft2` on a square of `side` pixels, cycles per pixel."""
    return np.fft.fftfreq(side), np.fft.rfftfreq(side)


def pixel_transfer(fy: np.ndarray, fx: np.ndarray, side: float = 1.0) -> np.ndarray:
    """Transfer function of a square pixel of `side`, in the pixels that `fy`, `fx` count: (fy, fx)."""
    return np.sinc(side * fy)[:, None] * np.sinc(side * fx)


def matching(wanted: np.ndarray, present: np.ndarray, floor: float = PSF_FLOOR) -> np.ndarray:
    """Return the ratio of two transfer functions, held down where the present one has faded.

    Exact where |present| >= `floor`; below, it is multiplied by (|present| / floor)^2, which
    joins continuously. Total flux is conserved: both are 1 at frequency 0.
    """
    return wanted * np.conj(present) / np.maximum(np.abs(present) ** 2, floor**2)


def transform(image: np.ndarray, side: int) -> np.ndarray:
    """Fourier coefficients (..., side, side // 2 + 1) of images (..., y, x) padded by zeros."""
    return np.fft.rfft2(image, s=(side, side), axes=(-2, -1))


def sampled(
    coefficients: np.ndarray,
    step: float,
    shape: tuple[int, int],
    centre: tuple[float, float],
    out_centre: tuple[float, float],
) -> np.ndarray:
    """Images (..., y, x) of `shape` from the Fourier coefficients of `transform`.

    `centre` (x, y) of the input falls on `out_centre` (x, y) of the output; an output pixel is
    `step` input pixels wide and holds `step`^2 times the flux density, so total flux is kept.
    Whatever blurs by the new pixel has to be in the coefficients; see `pixel_transfer`.
    """
    side = coefficients.shape[-2]
    fy, fx = fourier_frequencies(side)
    y = centre[1] + step * (np.arange(shape[0]) - out_centre[1])
    x = centre[0] + step * (np.arange(shape[1]) - out_centre[0])
    twice = np.where(fx > 0, 2.0, 1.0)[:, None]  # the negative frequencies of a real image
    along_x = twice * np.exp(2j * np.pi * np.outer(fx, x))
    along_y = np.exp(2j * np.pi * np.outer(y, fy))
    return np.real(along_y @ (coefficients @ along_x)) * (step / side) ** 2
