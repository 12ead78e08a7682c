"""The noise of an endless sky, drawn in blocks: the same bits in any window, by any number of threads.

A block has the side of the map's mesh and lies between the centres of four places, so that it meets four
kernels. White noise comes from an endless plane; its Fourier transform times each of the four kernels'
is transformed back along y, blended along y, then along x. Every block is transformed with one shape.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mockforge.observe.fourier import fast_size
from mockforge.rng import Stream
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sky.plane import NoisePlane

PATCH = 8
"""Pixels of a patch of one local rms."""
_WHITE = 64
"""Pixels; side of the blocks in which white noise is drawn: small, since a window needs the rim about it."""
_PHOTONS = 64
_NEGLIGIBLE = 1e-3
"""Photon noise of a smaller share of the sky's variance is left out."""
_ON_CPU: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
_CACHED = 96_000_000
"""Bytes of kernels' transforms kept."""


class NoiseSky:
    """The noise of one seed over an endless sky."""

    def __init__(self, field: NoiseField, stream: Stream, place: tuple[int, int] | None = None) -> None:
        """Bind the noise to a seed.

        Parameters
        ----------
        field : NoiseField
            What the noise is like.
        stream : Stream
            Where its numbers come from.
        place : (int, int), optional
            Place (y, x) of the map whose centre is pixel (0, 0) of the sky; drawn from the stream by default.
        """
        self.field = field
        ny, nx = field.kernels.shape[:2]
        drawn = stream.child("place").numpy().integers(0, (2 * ny, 2 * nx))
        self.place = (int(drawn[0]), int(drawn[1])) if place is None else place
        self._white = NoisePlane(stream.child("white"), field.bands, _WHITE, kept=256)
        self._rough = NoisePlane(stream.child("rough"), field.bands, 32)
        self._shot = NoisePlane(stream.child("photons"), field.bands, _PHOTONS, kept=64)
        self._side = fast_size(field.mesh + 2 * field.reach)
        self._spectra: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()
        self._own = threading.local()
        self._kept = max(8, _CACHED // (field.bands * self._side * (self._side // 2 + 1) * 8))
        self._blend = _halves(field.mesh)

    def __getstate__(self) -> dict[str, Any]:
        state = {**vars(self), "_spectra": OrderedDict()}
        return {name: value for name, value in state.items() if name not in ("_lock", "_own")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _own=threading.local())

    def window(self, y0: int, y1: int, x0: int, x1: int, threads: int = 1) -> np.ndarray:
        """Return the noise of pixels [y0:y1, x0:x1], (C, y1 - y0, x1 - x0) float32 nJy."""
        out = np.empty((self.field.bands, y1 - y0, x1 - x0), dtype=np.float32)
        self._each(self._noise, out, (y0, y1, x0, x1), threads)
        return out

    def rms_at(self, y0: int, y1: int, x0: int, x1: int, threads: int = 1) -> np.ndarray:
        """Return the rms of that noise at each pixel, (C, y1 - y0, x1 - x0) float32 nJy."""
        out = np.empty((self.field.bands, y1 - y0, x1 - x0), dtype=np.float32)
        self._each(self._rms, out, (y0, y1, x0, x1), threads)
        return out

    def observed(self, flux: np.ndarray, y0: int, x0: int, threads: int = 1) -> np.ndarray:
        """Return what the instrument records of a noiseless image whose first pixel is (y0, x0).

        Sky noise, the sources' photon noise where the gain is known (Gaussian, of variance flux / gain, where
        that is above a thousandth of the sky's), and saturation. (C, h, w) float32 nJy.
        """
        _, height, width = flux.shape
        out = self.window(y0, y0 + height, x0, x0 + width, threads)
        if (self.field.electrons_per_njy > 0).any():
            self._add_photons(out, flux, y0, x0)
        out += flux
        if np.isfinite(self.field.saturation_njy).any():
            np.minimum(out, self.field.saturation_njy[:, None, None].astype(np.float32), out=out)
        return out

    def _each(
        self,
        make: Callable[[int, int], np.ndarray],
        out: np.ndarray,
        window: tuple[int, int, int, int],
        threads: int,
    ) -> None:
        """Fill `out` from the blocks that a window meets; rows of blocks in order, columns at once."""
        y0, y1, x0, x1 = window
        b = self.field.mesh
        places = [
            (by, bx) for by in range(y0 // b, (y1 - 1) // b + 1) for bx in range(x0 // b, (x1 - 1) // b + 1)
        ]

        def put(place: tuple[int, int]) -> None:
            by, bx = place
            top, bottom = max(y0, by * b), min(y1, (by + 1) * b)
            left, right = max(x0, bx * b), min(x1, (bx + 1) * b)
            block = make(by, bx)
            out[:, top - y0 : bottom - y0, left - x0 : right - x0] = block[
                :, top - by * b : bottom - by * b, left - bx * b : right - bx * b
            ]

        if threads == 1 or len(places) == 1:
            for place in places:
                put(place)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(put, places))

    def _noise(self, by: int, bx: int) -> np.ndarray:
        """One block, (C, mesh, mesh), in this thread's arrays until its next."""
        b, reach, side = self.field.mesh, self.field.reach, self._side
        y, x = by * b, bx * b
        work = self._work()
        whole = b + 2 * reach
        white = self._white.window(y - reach, y + b + reach, x - reach, x + b + reach)
        work.white.numpy()[:, :whole, :whole] = white
        spectrum = torch.fft.rfft2(work.white).numpy()
        inside = slice(reach, reach + b)
        if self.field.kernels.shape[:2] == (1, 1):  # the same everywhere: nothing to blend
            np.multiply(spectrum, self._spectrum(by, bx), out=work.each[0].numpy())
            noise = torch.fft.irfft2(work.each[0], s=(side, side)).numpy()[:, inside, inside]
            return noise * self._roughness(by, bx) if self.field.tail.any() else noise
        for i, (dy, dx) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            np.multiply(spectrum, self._spectrum(by + dy, bx + dx), out=work.each[i].numpy())
        along_y = torch.fft.ifft(work.each, dim=2).numpy()
        top, bottom = along_y.reshape(2, 2, *along_y.shape[1:])[:, :, :, inside]
        _blended(top, bottom, self._blend[:, None], work.rows.numpy())
        left, right = torch.fft.irfft(work.rows, n=side, dim=3).numpy()[..., inside]
        noise = _blended(left, right, self._blend, work.noise)
        if self.field.tail.any():
            noise *= self._roughness(by, bx)
        return noise

    def _work(self) -> _Workspace:
        """Return this thread's own arrays, of which memory is asked once."""
        if not hasattr(self._own, "work"):
            self._own.work = _Workspace.of(self.field.bands, self._side, self.field.mesh)
        return self._own.work

    def _spectrum(self, by: int, bx: int) -> np.ndarray:
        """Transform of the kernels of the place at a block's corner, (C, side, side // 2 + 1) complex64."""
        ny, nx = self.field.kernels.shape[:2]
        place = _mirrored(by + self.place[0], ny), _mirrored(bx + self.place[1], nx)
        found = self._spectra.get(place)
        if found is None:
            kernels = self.field.kernels[place]
            padded = torch.zeros((self.field.bands, self._side, self._side), **_ON_CPU)
            k = kernels.shape[-1]
            padded.numpy()[:, :k, :k] = kernels
            found = torch.fft.rfft2(torch.roll(padded, (-(k // 2), -(k // 2)), (1, 2))).numpy()
            with self._lock:
                self._spectra[place] = found
                while len(self._spectra) > self._kept:
                    self._spectra.popitem(last=False)
        return found

    def _rms(self, by: int, bx: int) -> np.ndarray:
        """Rms of one block: of the kernels' bilinear mix, (C, mesh, mesh)."""
        ny, nx = self.field.kernels.shape[:2]
        corners = [
            self.field.kernels[_mirrored(by + dy + self.place[0], ny), _mirrored(bx + dx + self.place[1], nx)]
            for dy in (0, 1)
            for dx in (0, 1)
        ]
        kernels = np.stack(corners).reshape(4, self.field.bands, -1)
        gram = np.einsum("ick,jck->cij", kernels, kernels)
        t = self._blend
        along = np.stack([1.0 - t, t])  # (2, mesh)
        weight = (along[:, None, :, None] * along[None, :, None, :]).reshape(4, len(t), len(t))
        return np.sqrt(np.einsum("iyx,cij,jyx->cyx", weight, gram, weight, optimize=True)).astype(np.float32)

    def _roughness(self, by: int, bx: int) -> np.ndarray:
        """Factor of the local rms, log-normal on patches, of mean square 1, (C, mesh, mesh)."""
        b = self.field.mesh
        weights = _patch_weights(b)
        first_y, first_x = (place * b // PATCH - 1 for place in (by, bx))
        # Where the mesh is no multiple of a patch, a block's patches begin at its own first pixel.
        count = weights.shape[1]
        normal = self._rough.window(first_y, first_y + count, first_x, first_x + count)
        smooth = weights @ normal @ weights.T
        tail = self.field.tail[:, None, None].astype(np.float32)
        return np.exp(tail * smooth - tail**2)

    def _add_photons(self, out: np.ndarray, flux: np.ndarray, y0: int, x0: int) -> None:
        """Add sqrt(flux / gain) N(0,1), cell by cell, where it is not negligible."""
        gains = self.field.electrons_per_njy[:, None, None]
        variance = np.where(gains > 0, 1.0 / np.maximum(gains, 1e-30), 0.0).astype(np.float32)
        least = (_NEGLIGIBLE * self.field.rms_njy**2).astype(np.float32)[:, None, None]
        height, width = flux.shape[1:]
        for top in range(-(y0 % _PHOTONS), height, _PHOTONS):
            for left in range(-(x0 % _PHOTONS), width, _PHOTONS):
                y, x = max(top, 0), max(left, 0)
                bottom, right = min(top + _PHOTONS, height), min(left + _PHOTONS, width)
                own = flux[:, y:bottom, x:right] * variance
                bright = own > least
                if bright.any():
                    normal = self._shot.window(y0 + y, y0 + bottom, x0 + x, x0 + right)
                    out[:, y:bottom, x:right] += np.sqrt(np.where(bright, own, 0.0)) * normal


@dataclass(frozen=True)
class _Workspace:
    """Arrays in which a block is made; torch begins each at a whole vector: transforms are the same."""

    white: Tensor
    each: Tensor
    rows: Tensor
    noise: np.ndarray

    @classmethod
    def of(cls, bands: int, side: int, block: int) -> _Workspace:
        half, numbers = side // 2 + 1, {**_ON_CPU, "dtype": torch.complex64}
        return cls(
            white=torch.zeros((bands, side, side), **_ON_CPU),
            each=torch.empty((4, bands, side, half), **numbers),
            rows=torch.empty((2, bands, block, half), **numbers),
            noise=np.empty((bands, block, block), dtype=np.float32),
        )


def _blended(first: np.ndarray, last: np.ndarray, share: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return first + (last - first) share, in `out`."""
    np.subtract(last, first, out=out)
    np.multiply(out, share, out=out)
    return np.add(out, first, out=out)


def _mirrored(index: int, count: int) -> int:
    """0 1 .. n-1 n-1 .. 1 0 0 1 .."""
    turned = index % (2 * count)
    return turned if turned < count else 2 * count - 1 - turned


def _halves(mesh: int) -> np.ndarray:
    """(mesh,) share of the farther place at each pixel of a block."""
    return ((np.arange(mesh) + 0.5) / mesh).astype(np.float32)


@lru_cache(maxsize=4)
def _patch_weights(mesh: int) -> Any:
    """(mesh, patches) weights of patches at pixels, of squares that sum to 1: bilinear, unit variance."""
    place = (np.arange(mesh) + 0.5) / PATCH + 0.5  # in patches, from the one before the block's first
    count = int(np.ceil(mesh / PATCH)) + 2
    weights = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(count)))
    return (weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))).astype(np.float32)
