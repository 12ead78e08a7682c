"""Noise of a degraded field, drawn by place: the same in any window and any order."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mockforge.mosaic.read import Mosaic
from mockforge.observe.degrade.noise import TOO_MUCH, TargetNoise
from mockforge.observe.degrade.optics import DegradationSetup, DrawnSettings, fwhm_of
from mockforge.observe.degrade.spec import Degradation
from mockforge.observe.noise.existing import OwnNoise, missing, own_noise
from mockforge.observe.noise.pixels import PixelNoise, add_noise
from mockforge.observe.noise.spec import Noise
from mockforge.rng import Stream
from mockforge.scene.noise import NoiseOfPlaces

_BLOCK = 256
"""Pixels on a side that share a stream."""
_TILE, _TILES = 512, 6
"""Fine pixels on a side, and how many on a side of the field, of tiles on which its noise is measured."""


@dataclass(frozen=True)
class BandNoise:
    """What is added to one band, and what is there."""

    model: PixelNoise | None
    """What is added; None: nothing."""
    there: float = 0.0
    """Variance of the noise that came through the optics."""
    counted: bool = False
    """The light is noiseless: few electrons are counted by Poisson's law, and all light has shot noise."""

    @property
    def rms(self) -> float:
        """Return that of empty sky in the end."""
        return float(np.sqrt(self.there + (0.0 if self.model is None else float(self.model.rms[0]) ** 2)))

    def added(self, seen: np.ndarray, y: int, x: int, stream: Stream) -> tuple[np.ndarray, np.ndarray]:
        """Return a band of a block (h, w) whose first pixel is (y, x) with its noise, and the variance.

        y and x are whole numbers of 256 pixels, as are h and w.
        """
        if self.model is None:
            return seen, np.full_like(seen, self.there)
        light = np.clip(seen, 0, None)
        if not self.counted:  # the image's own shot noise is taken to be part of its light
            light = np.where(seen > 2 * np.sqrt(self.there), light, np.float32(0))
        variance = np.full_like(seen, self.there + float(self.model.rms[0]) ** 2)
        if self.model.electrons is not None:
            variance += light / np.float32(self.model.electrons[0])
        if self.counted and self.model.autocorrelation is None:
            return self._counted(seen, y, x, stream), variance
        noisy = NoiseOfPlaces(self.model, stream, 1).observed(light[None], y, x)[0]
        if self.model.keeps_sky and self.model.sky is not None:
            noisy += np.float32(self.model.sky[0])
        return seen + (noisy - light), variance

    def _counted(self, clean: np.ndarray, y: int, x: int, stream: Stream) -> np.ndarray:
        """Return noiseless light with white noise, each 256 x 256 pixels from their own stream."""
        import torch

        assert self.model is not None
        out = np.empty_like(clean)
        for top in range(0, clean.shape[0], _BLOCK):
            for left in range(0, clean.shape[1], _BLOCK):
                part = np.s_[top : top + _BLOCK, left : left + _BLOCK]
                generator = stream.child("counted", (y + top) // _BLOCK, (x + left) // _BLOCK).torch()
                flux = torch.from_numpy(np.ascontiguousarray(clean[part]))[None, None]
                out[part] = add_noise(flux, self.model, [generator])[0, 0].numpy()
        return out


def noise_of(
    cfg: Degradation, about: DegradationSetup, drawn: DrawnSettings, stream: Stream, there: list[np.ndarray]
) -> tuple[BandNoise, ...]:
    """Return the noise of each band of the target.

    `there`: autocovariances of the noise that an observed image has, empty of a noiseless one. A warning
    where it exceeds the target's.
    """
    wanted = _wanted(cfg, about, drawn, stream)
    if cfg.input != "image":
        return tuple(BandNoise(model, counted=True) for model in wanted)
    out, worst = [], {}
    for band, model, have in zip(about.bands, wanted, there, strict=True):
        variance = float(have[have.shape[0] // 2, have.shape[1] // 2])
        if model is None:
            out.append(BandNoise(None, variance))
            continue
        tied = model.autocorrelation
        shape = np.ones((1, 1)) if tied is None else tied.reshape(tied.shape[-2:])
        lacks = missing(have, model.rms[0] ** 2 * shape, cfg.whiten)
        worst[band] = lacks.excess
        own = replace(
            model, rms=np.array([lacks.rms]), autocorrelation=lacks.autocorrelation, keeps_sky=False
        )
        out.append(BandNoise(own, variance))
    noisier = ", ".join(f"{band} by {100 * by:.0f}%" for band, by in worst.items() if by > TOO_MUCH)
    if noisier:
        warnings.warn(f"degrade: the image's own noise exceeds that of the target: {noisier}", stacklevel=2)
    return tuple(out)


def _wanted(
    cfg: Degradation, about: DegradationSetup, drawn: DrawnSettings, stream: Stream
) -> Sequence[PixelNoise | None]:
    """Return the noise of a band of the target each, its depth as it is drawn."""
    if not cfg.noisy:
        return [None] * len(about.bands)
    noise = cfg.noise or Noise(survey=cfg.to, survey_bands=about.bands)
    target = TargetNoise(noise, about.bands, [fwhm_of(model) for model in about.wanted])
    drawn_factor = noise.rms_factor.draw(stream.child("rms_factor").numpy(), 1)
    factor = float((10 ** (-0.4 * drawn.depth_offset_mag) * drawn_factor)[0])
    models = [target.pixel(c, about.scale) for c in range(len(about.bands))]
    return [replace(model, rms=model.rms * factor) for model in models]


def measured(mosaic: Mosaic, rms: Sequence[float] | np.ndarray | None) -> list[OwnNoise]:
    """Return the noise that a field on disk has in each band, measured on tiles spread over it.

    The median of their rms and the mean of their autocorrelations, as `own_noise` of a batch; the whole of
    a small field. Tiles of which a tenth is masked are left out where others are.
    """
    _, height, width = mosaic.shape
    tiles: list[tuple[float, list[OwnNoise]]] = []
    for y0, y1 in _tiles(height):
        for x0, x1 in _tiles(width):
            image, mask = mosaic.read(y0, y1, x0, x1), mosaic.mask(y0, y1, x0, x1)
            image[:, mask] = 0.0
            if not mask.all():
                tiles.append((float(mask.mean()), own_noise(image[None], rms)))
    least = min((part for part, _ in tiles), default=0.0)
    good = [noise for part, noise in tiles if part <= max(0.1, least)]
    return [_joined([noise[c] for noise in good]) for c in range(mosaic.shape[0])]


def _joined(parts: Sequence[OwnNoise]) -> OwnNoise:
    known = [part.autocorrelation for part in parts if part.autocorrelation is not None]
    tied = np.mean(known, axis=0) if known else None
    return OwnNoise(float(np.median([part.rms for part in parts])), tied)


def _tiles(length: int) -> list[tuple[int, int]]:
    """Return where tiles begin and end along a side: all of it where it is short."""
    if length <= _TILE * 2:
        return [(0, length)]
    starts = np.linspace(0, length - _TILE, min(_TILES, length // _TILE)).astype(int)
    return [(int(first), int(first) + _TILE) for first in starts]
