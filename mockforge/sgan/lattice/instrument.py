"""The instrument between the clean sky and what is observed: PSF, noise, saturation.

A fixed, differentiable forward model (AmbientGAN: Bora et al. 2018): observed = clip(psf * sky + noise).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mockforge.config import Limit
from mockforge.train.described import NullIs, described

_Flux = Annotated[float, Limit(ge=0, le=1e15)]
FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


@dataclass(frozen=True)
class Instrument:
    """Numbers that describe an instrument, per band; nJy and pixels.

    `noise_kernel` turns white noise of rms 1 into noise of rms 1 with the measured
    autocorrelation. `rms_map` (band, y, x) is the local sky rms over the training field relative
    to `rms_njy`, a number per mesh of `rms_mesh` pixels: depth drifts across a real field.
    `saturation_njy` is the most a pixel holds above the sky, infinite in a band that never saturates.
    """

    rms_njy: tuple[_Flux, ...]
    psf_fwhm_pix: tuple[Annotated[float, Limit(ge=0, le=200)], ...]
    noise_kernel: tuple[tuple[tuple[float, ...], ...], ...]
    rms_map: tuple[tuple[tuple[Annotated[float, Limit(gt=0, le=1e6)], ...], ...], ...] = ()
    rms_mesh: Annotated[int, Limit(ge=1, le=65536)] = 128
    electrons_per_njy: tuple[_Flux, ...] = ()
    saturation_njy: tuple[Annotated[float, Limit(ge=0), NullIs(math.inf)], ...] = ()

    @property
    def psf_radius(self) -> int:
        """Pixels the PSF reaches: 4 sigma of the broadest band."""
        widest = max(self.psf_fwhm_pix, default=0.0)
        return max(1, math.ceil(4.0 * widest / FWHM_PER_SIGMA)) if widest > 0 else 0

    @property
    def noise_radius(self) -> int:
        """Pixels the noise kernel reaches."""
        return len(self.noise_kernel[0]) // 2

    def rms_at(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Relative sky rms at pixels [y0:y1, x0:x1] of an endless field, (band, y, x) float32.

        Bilinear between the meshes' centres; the map is mirrored at its edges, again and again.
        """
        if not self.rms_map:
            return np.ones((len(self.rms_njy), y1 - y0, x1 - x0), dtype=np.float32)
        relative = self._relative
        rows, columns = (
            torch.from_numpy(_mirrored(first, last, n, self.rms_mesh))
            for first, last, n in ((y0, y1, relative.shape[1]), (x0, x1, relative.shape[2]))
        )
        return (rows @ relative @ columns.T.contiguous()).numpy()

    @cached_property
    def _relative(self) -> Tensor:
        """`rms_map` as a tensor: a sky asks for it at every tile."""
        return torch.tensor(self.rms_map, dtype=torch.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON takes them."""
        most = [v if math.isfinite(v) else None for v in self.saturation_njy]  # JSON has no infinity
        return {**asdict(self), "saturation_njy": most}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Instrument:
        """Return the inverse of `to_json`; ValueError where a number is missing or beyond its limits."""
        return described(cls, found)

    def tensors(self, device: torch.device | str = "cpu") -> ForwardModel:
        """Return the same numbers as tensors, ready to be applied."""
        return ForwardModel(self, device)


class ForwardModel:
    """An Instrument on a device: `blur` and `observe` on batches of flux (B, bands, y, x)."""

    def __init__(self, instrument: Instrument, device: torch.device | str = "cpu") -> None:
        def column(values: tuple[float, ...], empty: float) -> Tensor:
            filled = values or (empty,) * len(instrument.rms_njy)
            return torch.tensor(filled, dtype=torch.float32, device=device)[None, :, None, None]

        self.instrument = instrument
        self.bands = len(instrument.rms_njy)
        self.rms = column(instrument.rms_njy, 0.0)
        electrons = column(instrument.electrons_per_njy, 0.0)
        self.spread = torch.where(electrons > 0, electrons.clamp_min(1e-30).rsqrt(), 0.0)
        """Rms of the photon noise of a flux of 1 nJy; 0 in bands of unknown gain."""
        self.saturation = column(instrument.saturation_njy, math.inf)
        self.psf = _gaussians(instrument.psf_fwhm_pix, instrument.psf_radius).to(device)
        self.kernel = torch.tensor(instrument.noise_kernel, dtype=torch.float32, device=device)[:, None]

    def blur(self, flux: Tensor) -> Tensor:
        """Convolve with the PSF; the result is `psf_radius` pixels smaller on each side."""
        if self.instrument.psf_radius == 0:
            return flux
        with full_precision(flux):
            across = F.conv2d(flux, self.psf[:, None, None, :], groups=self.bands)
            return F.conv2d(across, self.psf[:, None, :, None], groups=self.bands)

    def correlate(self, white: Tensor) -> Tensor:
        """White noise of rms 1 to noise of rms 1 with the measured autocorrelation.

        `noise_radius` pixels smaller on each side.
        """
        with full_precision(white):
            if white.device.type != "cpu":
                return F.conv2d(white, self.kernel, groups=self.bands)
            # Channels last: oneDNN convolves bands one by one in less time, the two copies included.
            white = white.contiguous(memory_format=torch.channels_last)
            return F.conv2d(white, self.kernel, groups=self.bands).contiguous()

    def observe(
        self, truth: Tensor, white: Tensor, shot: Tensor | None = None, level: Tensor | None = None
    ) -> Tensor:
        """Return what the instrument records of the blurred, noiseless `truth` (B, bands, y, x) in nJy.

        `white` N(0,1), larger by `noise_radius` on each side; `shot` N(0,1) of truth's shape for
        the sources' photon noise (used where the gain is known); `level` (B, bands, 1, 1)
        multiplies the sky rms.
        """
        rms = self.rms if level is None else self.rms * level
        observed = truth + rms * self.correlate(white)
        if shot is not None and self.instrument.electrons_per_njy:
            observed = observed + shot * (self.spread * truth.clamp_min(0.0).sqrt())
        return torch.minimum(observed, self.saturation) if self.instrument.saturation_njy else observed


@contextmanager
def full_precision(flux: Tensor) -> Iterator[None]:
    """Convolutions of `flux` in float32, whatever autocast and torch.backends say outside.

    bfloat16 would round every flux to 1 part in 256, and TF32, in which cuDNN convolves float32
    by default, to 1 part in 2048. The flags are the process's: they are as they were
    when the context ends, and a gradient computed after that follows them.
    """
    with ExitStack() as after:
        for backend in (torch.backends.cudnn.conv, torch.backends.mkldnn.conv):  # type: ignore[attr-defined]
            after.callback(setattr, backend, "fp32_precision", backend.fp32_precision)
            backend.fp32_precision = "ieee"
        after.enter_context(torch.autocast(flux.device.type, enabled=False))
        yield


def _gaussians(fwhm_pix: tuple[float, ...], radius: int) -> Tensor:
    """One normalised Gaussian per band (bands, 2 radius + 1), as the pixels hold it.

    The generator paints 2 x 2 pixels at once and prints a faint pattern of that period. So the
    Gaussian is 1 2 1 / 4, of variance 1/2 and nothing at the Nyquist frequency, convolved with the
    discrete Gaussian of the rest (Lindeberg 1990). No star gets sharper than 1.67 pixels so.
    """
    rows = []
    for fwhm in fwhm_pix:
        if fwhm <= 0:
            row = np.zeros(2 * radius + 1)
            row[radius] = 1.0
        else:
            row = _binomial(max((fwhm / FWHM_PER_SIGMA) ** 2 - 0.5, 0.0), radius)
        rows.append(row / row.sum())
    return torch.from_numpy(np.stack(rows)).float()


def _binomial(variance: float, radius: int) -> np.ndarray:
    """1 2 1 / 4 on the discrete Gaussian of `variance`, (2 radius + 1,) float64."""
    size = 64 * (radius + 1)
    wave = np.exp(variance * (np.cos(2.0 * np.pi * np.fft.rfftfreq(size)) - 1.0))
    row = np.fft.fftshift(np.fft.irfft(wave, size))[size // 2 - radius + 1 : size // 2 + radius]
    return np.convolve(row, (0.25, 0.5, 0.25))


def _mirrored(first: int, last: int, meshes: int, mesh: int) -> np.ndarray:
    """Bilinear weights of the meshes at each pixel, (pixels, meshes) float32."""
    place = (np.arange(first, last) + 0.5) / mesh - 0.5
    below = np.floor(place).astype(np.int64)
    part = (place - below).astype(np.float32)
    weights = np.zeros((last - first, meshes), dtype=np.float32)
    pixels = np.arange(last - first)
    for index, weight in ((below, 1.0 - part), (below + 1, part)):
        turned = index % (2 * meshes)
        np.add.at(weights, (pixels, np.where(turned < meshes, turned, 2 * meshes - 1 - turned)), weight)
    return weights
