"""The noise of a degraded image: all of it, or what the image does not have yet."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mockforge.batch import Batch
from mockforge.observe.degrade.optics import DegradationSetup, DrawnSettings, ThroughOptics, fwhm_of
from mockforge.observe.degrade.spec import Degradation
from mockforge.observe.noise.existing import missing
from mockforge.observe.noise.pixels import PixelNoise, add_noise, unit_noise
from mockforge.observe.noise.spec import Noise, pixel_noise
from mockforge.rng import Stream

TOO_MUCH = 0.05
"""Noise that exceeds the survey's by more of its rms is worth a warning."""


@dataclass(frozen=True)
class TargetNoise:
    """The noise that a survey's images have."""

    noise: Noise
    bands: tuple[str, ...]
    """The survey's bands."""
    fwhm_arcsec: Sequence[float]
    """PSF of each band, without pixel."""

    def pixel(self, c: int, scale: float) -> PixelNoise:
        """Return that of band `c` in pixels of `scale` arcsec."""
        alone = _of_band(self.noise, c, len(self.bands))
        return pixel_noise(alone, self.bands[c : c + 1], scale, self.fwhm_arcsec[c : c + 1])


def _of_band(noise: Noise, c: int, count: int) -> Noise:
    """Return the configuration of one band of several."""
    parts = {}
    for key, value in vars(noise).items():
        if isinstance(value, tuple) and len(value) == count and key != "correlation":
            parts[key] = (value[c],)
    for key in ("depth", "ccd"):
        part = getattr(noise, key)
        if part is not None:
            own = {k: v[c] for k, v in vars(part).items() if isinstance(v, tuple) and len(v) == count}
            parts[key] = replace(part, **own)
    return replace(noise, **parts)


def noisy(
    cfg: Degradation,
    batch: Batch,
    about: DegradationSetup,
    drawn: DrawnSettings,
    seen: ThroughOptics,
    stream: Stream,
) -> dict[str, np.ndarray]:
    """`image` and `variance` (N,C,h,w), and `image_noiseless` where the input has no noise."""
    noise = cfg.noise or Noise(survey=cfg.to, survey_bands=about.bands)
    widths = [fwhm_of(m) for m in about.wanted]
    target = TargetNoise(noise, about.bands, widths) if cfg.noisy else None
    factor = 10 ** (-0.4 * drawn.depth_offset_mag) * noise.rms_factor.draw(
        stream.child("rms_factor").numpy(), len(batch)
    )
    streams = [stream.child(int(draw)) for draw in batch.draw]
    if cfg.input == "image":
        image, variance = filled_up(seen.image, seen.noise, target, drawn.scale, factor, streams, cfg.whiten)
        return {"image": image, "variance": variance}
    image, variance = full(seen.image, target, drawn.scale, factor, streams)
    return {"image": image, "variance": variance, "image_noiseless": seen.image}


def full(
    clean: np.ndarray,
    target: TargetNoise | None,
    scale: np.ndarray,
    factor: np.ndarray,
    streams: Sequence[Stream],
) -> tuple[np.ndarray, np.ndarray]:
    """Noiseless images (N,C,h,w) in nJy with all of the target's noise, and its variance.

    `scale` (N,) arcsec of a pixel, `factor` (N,) times the rms of the sky, a stream a sample.
    """
    import torch

    image, variance = clean.copy(), np.zeros_like(clean)
    if target is None:
        return image, variance
    for size in np.unique(scale):
        rows = np.flatnonzero(scale == size)
        times = torch.from_numpy(factor[rows])
        for c in range(clean.shape[1]):
            model = target.pixel(c, float(size))
            generators = [streams[int(i)].child("full", c).torch() for i in rows]
            flux = torch.from_numpy(np.ascontiguousarray(clean[rows, c : c + 1]))
            image[rows, c] = add_noise(flux, model, generators, times)[:, 0].numpy()
            variance[rows, c] = ((factor[rows] * model.rms[0]) ** 2)[:, None, None]
            variance[rows, c] += _shot(clean[rows, c], model)
    return image, variance


def filled_up(
    seen: np.ndarray,
    there: Sequence[Sequence[np.ndarray]],
    target: TargetNoise | None,
    scale: np.ndarray,
    factor: np.ndarray,
    streams: Sequence[Stream],
    whiten: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Images (N,C,h,w) that have noise of autocovariance `there` (N, C, each square), filled up.

    What is missing to the target's sky noise is added, and the shot noise of what stands out by
    more than 2 sigma (the image's own shot noise is taken to be part of its light). Where the
    result is noisier than the target, for noise is never taken away, a warning says so.
    """
    image, variance = seen.copy(), np.zeros_like(seen)
    worst: dict[str, float] = {}
    for i, stream in enumerate(streams):
        for c in range(seen.shape[1]):
            have = there[i][c]
            middle = have.shape[0] // 2
            variance[i, c] = have[middle, middle]
            if target is None:
                continue
            model = target.pixel(c, float(scale[i]))
            tied = model.autocorrelation
            shape = np.ones((1, 1)) if tied is None else tied.reshape(tied.shape[-2:])
            lacks = missing(have, (factor[i] * model.rms[0]) ** 2 * shape, whiten)
            worst[target.bands[c]] = max(worst.get(target.bands[c], 0.0), lacks.excess)
            sky = _drawn(seen.shape[2:], lacks.autocorrelation, stream.child("missing", c))
            shot = _drawn(seen.shape[2:], None, stream.child("shot", c))
            bright = np.where(seen[i, c] > 2 * np.sqrt(variance[i, c]), seen[i, c], 0.0)
            extra = _shot(bright, model)
            image[i, c] += lacks.rms * sky + np.sqrt(extra) * shot
            variance[i, c] += lacks.rms**2 + extra
    noisier = {band: by for band, by in worst.items() if by > TOO_MUCH}
    if noisier:
        listed = ", ".join(f"{band} by {100 * by:.0f}%" for band, by in noisier.items())
        warnings.warn(f"degrade: the image's own noise exceeds that of the target: {listed}", stacklevel=2)
    return image, variance


def _drawn(shape: tuple[int, ...], autocorrelation: np.ndarray | None, stream: Stream) -> np.ndarray:
    """Draw unit noise of one plane."""
    return unit_noise((1, 1, *shape), autocorrelation, stream.torch())[0, 0].numpy()


def _shot(flux: np.ndarray, model: PixelNoise) -> np.ndarray:
    """Variance of the Poisson noise of light."""
    return np.zeros_like(flux) if model.electrons is None else np.clip(flux, 0, None) / model.electrons[0]
