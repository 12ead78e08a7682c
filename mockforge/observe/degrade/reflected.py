"""The change of PSF and pixels of an image that goes on as its own reflections, without end.

They repeat after twice the image's n pixels and are even about its edges: all that is in them are the
cosines of k / 2n cycles per pixel, a real transform of n points (Makhoul 1980, IEEE Trans. ASSP 28, 27).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


class Reflected:
    """A change of PSF and pixels, prepared for reflected images of one shape.

    `kernel` (C, Y, X) is what it does to the frequencies `fy` (Y,) of either sign and `fx` (X,) from 0 on
    without a gap, in cycles per pixel; `shape` is (height, width) of the images, `places` (y, x) are the
    centres of the coarse pixels, `step` fine ones on a side.
    """

    def __init__(
        self,
        kernel: np.ndarray,
        fy: np.ndarray,
        shape: tuple[int, int],
        places: Sequence[np.ndarray],
        step: float,
        precise: bool,
    ) -> None:
        import torch

        self._type = torch.float64 if precise else torch.float32
        row = np.rint(2 * shape[0] * fy).astype(int)
        up, down = np.zeros((2, len(kernel), abs(row).max() + 1, kernel.shape[2]), kernel.dtype)
        up[:, row[row >= 0]], down[:, -row[row <= 0]] = kernel[:, row >= 0], kernel[:, row <= 0]
        even, odd = 0.5 * (up + down), 0.5 * (up - down)
        parts = {(0, 0): even.real, (0, 1): -even.imag, (1, 0): -odd.imag, (1, 1): -odd.real}
        self._parts = {
            waves: torch.from_numpy(part).to(self._type)
            for waves, part in parts.items()
            if waves == (0, 0) or abs(part).max() > 1e-12  # a symmetric PSF has the first alone
        }
        """By the kind of wave along y and x, 0 for cosines: of each band, the frequencies."""
        self._y, self._x = (
            [
                torch.from_numpy(step * _waves(wave, n, count, place)).to(self._type)
                for wave in (np.cos, np.sin)[: len(self._parts)]
            ]
            for n, count, place in zip(shape, even.shape[1:], places, strict=True)
        )

    def plane(self, image: np.ndarray, band: int, strip: int) -> torch.Tensor:
        """(H, W) of a band as (h, w); `strip` rows at once in the type of the transform."""
        import torch

        rows, columns = self._y[0].shape[0], self._x[0].shape[0]
        strips = [
            _cosines(torch.tensor(image[i : i + strip], dtype=self._type), columns)
            for i in range(0, len(image), strip)
        ]
        spectrum = _cosines(torch.cat(strips).T.contiguous(), rows).T
        out = torch.zeros(self._y[0].shape[1], self._x[0].shape[1], dtype=self._type)
        for (y, x), part in self._parts.items():
            out += self._y[y].T @ ((spectrum * part[band]) @ self._x[x])
        return out


def _waves(wave: Callable[[np.ndarray], np.ndarray], n: int, count: int, place: np.ndarray) -> np.ndarray:
    """(count, places): what the frequencies of both signs add up to."""
    k = np.arange(count)[:, None]
    return np.where(k > 0, 2.0, 1.0) / (2 * n) * wave(math.pi * k / n * (place + 0.5))


def _cosines(values: torch.Tensor, count: int) -> torch.Tensor:
    """Return the sums of 2 `values` cos(pi k (j + 1/2) / n) along the last axis, for k < count."""
    import torch

    n = values.shape[-1]
    mixed = torch.cat([values[..., ::2], values[..., 1::2].flip(-1)], dim=-1)
    half = torch.fft.rfft(mixed, dim=-1)[..., : count if count <= n // 2 else None]
    turn = np.exp(-0.5j * math.pi / n * np.arange(half.shape[-1]))
    half = 2 * half * torch.from_numpy(turn).to(half.dtype)
    if count <= n // 2:
        return half.real.contiguous()
    return torch.cat([half.real, -half.imag[..., 1 : (n + 1) // 2].flip(-1)], dim=-1)[..., :count]
