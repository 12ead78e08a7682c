"""Noise on pixels: from rms, gain and correlation to noisy images, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mockforge.observe.fourier import fast_size

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PixelNoise:
    """What a `Noise` comes to for images of given bands and pixels; arrays are (C,) float64."""

    rms: np.ndarray
    """Rms of a pixel of empty sky, nJy."""
    electrons: np.ndarray | None = None
    """Electrons counted for one nJy; infinite in a band, or None: sources have no shot noise there."""
    sky: np.ndarray | None = None
    """nJy of sky in a pixel, counted with the sources; the rest of rms^2 is Gaussian."""
    keeps_sky: bool = False
    """Whether the sky's mean stays in the pixels."""
    autocorrelation: np.ndarray | None = None
    """(2L+1, 2L+1) of all bands or (C, 2L+1, 2L+1), 1 at the centre: of the sky's noise; None: white."""
    poisson_below: float = 100.0
    """Electrons of variance below which Poisson's law is exact."""


def add_noise(
    flux: torch.Tensor,
    model: PixelNoise,
    generators: torch.Generator | Sequence[torch.Generator],
    factor: torch.Tensor | None = None,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Add noise to noiseless images: variance = rms^2 + flux / electrons.

    It is Gaussian, and where the variance is fewer than `poisson_below` electrons, Poisson counts of source
    and sky plus the Gaussian rest. Where the sky's noise is correlated, that of the sources' photons is drawn
    apart and is white. torch draws normal numbers of at most 5.77 sigma on a CPU: one in 10^8 pixels should
    be beyond.

    Parameters
    ----------
    flux : Tensor, (N, C, H, W) float32
        Noiseless images, nJy, on any device.
    model : PixelNoise
        The noise of each band, from `mockforge.observe.noise.spec.pixel_noise`.
    generators : Generator or sequence of Generator
        Of that device: one for the batch, or one for each image, which is then worked on alone, so that its
        pixels do not depend on its company to the last bit.
    factor : Tensor, (N,), or None
        Multiplies the rms of the sky.
    out : Tensor or None
        Where to put the result.

    Returns
    -------
    Tensor, (N, C, H, W) float32
        The images with noise, nJy.
    """
    import torch

    if isinstance(generators, torch.Generator):
        return _noisy(flux, model, generators, factor, out)
    out = torch.empty_like(flux) if out is None else out
    for i, generator in enumerate(generators):
        own = slice(i, i + 1)
        _noisy(flux[own], model, generator, None if factor is None else factor[own], out[own])
    return out


def _noisy(
    flux: torch.Tensor,
    model: PixelNoise,
    generator: torch.Generator,
    factor: torch.Tensor | None,
    out: torch.Tensor | None,
) -> torch.Tensor:
    """Images with noise from one generator."""
    import torch

    def column(values: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(values, dtype=flux.dtype, device=flux.device).reshape(-1, 1, 1)

    rms = column(model.rms)[None]
    if factor is not None:
        rms = rms * factor.to(flux).reshape(-1, 1, 1, 1)
    noise = unit_noise(flux.shape, model.autocorrelation, generator, flux.device)
    if model.electrons is None:
        out = torch.addcmul(flux, noise, rms, out=out)
    elif model.autocorrelation is not None:
        shot = unit_noise(flux.shape, None, generator, flux.device)
        spread = flux.clamp(min=0.0).div_(column(model.electrons)).sqrt_()
        out = torch.add(flux, noise.mul_(rms).addcmul_(shot, spread), out=out)
    else:
        gain = column(model.electrons)
        variance = flux.clamp(min=0.0).mul_(1.0 / gain).add_(rms**2)  # three times addcmul's speed
        few = _few(variance, gain, model, factor)
        out = torch.add(flux, variance.sqrt_().mul_(noise), out=out)
        if few is not None:
            out[few] = _counted(flux, noise, rms, model, gain, few, generator)
    if model.keeps_sky and model.sky is not None:
        out += column(model.sky)
    return out


def unit_noise(
    shape: Sequence[int],
    autocorrelation: np.ndarray | None,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Draw noise of mean 0 and variance 1, float32 (N,C,H,W): white, or with this autocorrelation.

    The autocorrelation is (2L+1, 2L+1) or one for each band (C, 2L+1, 2L+1).
    Correlated noise is white noise times the root of the power spectrum, made periodic on a
    frame wider by L pixels and cut: no lag in the image then reaches across the edge, and the
    autocorrelation is exact (circulant embedding; Dietrich & Newsam 1997, SIAM J. Sci. Comput.
    18, 1088).
    """
    import torch

    *first, height, width = shape
    reach = 0 if autocorrelation is None else autocorrelation.shape[-1] // 2
    size = (height, width)
    if reach:
        size = fast_size(height + reach, even=False), fast_size(width + reach, even=False)
    out = torch.empty((*first, *size), device=device)
    out.normal_(generator=generator)
    if autocorrelation is None or reach == 0:
        return out
    root = _root(autocorrelation.astype(np.float64).tobytes(), autocorrelation.shape, size)
    product = torch.fft.rfft2(out).mul_(torch.as_tensor(root, device=device))
    return torch.fft.irfft2(product, s=size)[..., :height, :width].contiguous()


@lru_cache(maxsize=16)
def _root(autocorrelation: bytes, shape: tuple[int, ...], size: tuple[int, int]) -> np.ndarray:
    """Return the root of the power spectrum on a periodic frame, float32; of unit variance."""
    correlation, reach = np.frombuffer(autocorrelation).reshape(shape), shape[-1] // 2
    ring = np.zeros((*shape[:-2], *size))
    lags = np.arange(-reach, reach + 1)
    places: Any = (..., *np.ix_(lags % size[0], lags % size[1]))
    np.add.at(ring, places, correlation)
    power = np.fft.rfft2(ring).real.clip(0.0)
    return np.sqrt(power / np.fft.irfft2(power, s=size)[..., :1, :1]).astype(np.float32)


def _few(
    variance: torch.Tensor, gain: torch.Tensor, model: PixelNoise, factor: torch.Tensor | None
) -> torch.Tensor | None:
    """Where the variance is fewer than `poisson_below` electrons; None where it nowhere is."""
    assert model.electrons is not None
    limit, least = model.poisson_below, 1.0 if factor is None else float(factor.min())
    if ((model.rms * model.electrons).min() * least) ** 2 > limit:
        return None
    few = variance * gain**2 < limit
    return few if bool(few.any()) else None


def _counted(
    flux: torch.Tensor,
    noise: torch.Tensor,
    rms: torch.Tensor,
    model: PixelNoise,
    gain: torch.Tensor,
    few: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return the values of the `few` pixels, in order: Poisson counts of source and sky, and the rest."""
    import torch

    sky = (
        torch.zeros_like(gain)
        if model.sky is None
        else torch.as_tensor(model.sky).to(gain).reshape(gain.shape)
    )
    mean = ((flux + sky).clamp(min=0.0) * gain)[few]
    counts = torch.poisson(mean, generator=generator)
    other_rms = (rms**2 - sky / gain).clamp(min=0.0).sqrt().expand_as(flux)[few]
    wide = (gain.expand_as(flux)[few], sky.expand_as(flux)[few])
    return counts / wide[0] - wide[1] + other_rms * noise[few]
