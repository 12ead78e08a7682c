"""Noise: what the source-free sky is like, pixel by pixel, lag by lag and frequency by frequency.

All is summed block by block once, so that a set of blocks costs no more than a sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from mockforge.evaluate.report.report import Section
from mockforge.evaluate.sky.floor import Measure, Pick, Settings, Splits, compare
from mockforge.evaluate.sky.sample import Sample
from mockforge.field.robust import sigma_about, sigma_mad

NOISE = ("rms ratio, |ln|", "pixel histogram", "autocorrelation", "radial power, |ln ratio|")
SPIKE, IN_PHASE = "lattice spike over neighbours", "lattice, in phase"
LAGS = 8
"""Pixels to which the autocorrelation is compared."""
BINS = np.linspace(-4.0, 8.0, 121)
"""Edges of the pixel histogram in asinh(flux / rms)."""
_RMS_ALLOWANCE = 0.01
"""A difference of the sky rms by this fraction passes: no one would notice."""
RINGS = 16
"""Rings of frequency between 0 and 1/2 cycles per pixel; the innermost holds the background's mesh."""
_LATTICE = (2, 4, 8, 16)
"""Periods in pixels."""
_SPIKE_ALLOWANCE = 1.5
"""A power up to this many times its neighbours is no spike."""


@dataclass(frozen=True)
class NoiseBlocks:
    """Sums over each block of a sample, block axis first."""

    sample: Sample
    variance: np.ndarray
    """(n, band) robust variance of the free sky; NaN in a block without any."""
    histogram: np.ndarray
    """(n, band, bin) unmasked pixels."""
    product: np.ndarray
    """(n, band, LAGS + 1, 2 LAGS + 1) sums of products at lags (dy, dx), dx from -LAGS."""
    pairs: np.ndarray
    """(n, LAGS + 1, 2 LAGS + 1) how many pairs of free pixels those sums hold."""
    power: np.ndarray
    """(n, band, side, side // 2 + 1) power of the free sky over its sum of weights; 0 elsewhere."""
    rings: np.ndarray
    """(n, band, RINGS) its mean in rings of frequency."""
    near: np.ndarray
    """(n, band, 8, 7, 7) the power about the lattice's frequencies."""
    phased: np.ndarray
    """(n, band, 2, 4) complex amplitude at 1/2, 1/4, 1/8, 1/16 along y and along x."""

    @classmethod
    def of(cls, sample: Sample, rms: np.ndarray) -> NoiseBlocks:
        """Return the sums of a sample; `rms` (band,) is the unit of its histogram."""
        return cls(sample, *(np.stack(column) for column in zip(*_each(sample, rms), strict=True)))


def _each(sample: Sample, rms: np.ndarray) -> Iterator[tuple[Any, ...]]:
    """Of each block what NoiseBlocks holds, in the order of its fields."""
    side, reach = sample.side, sample.side + 2 * LAGS  # room for the lags: none wraps around
    for block in range(len(sample.blocks)):
        flux, free = sample.cut(sample.images, block), sample.cut(sample.free, block)
        clear = ~sample.cut(sample.masks, block)
        histogram = [np.histogram(np.arcsinh(f[clear] / r), BINS)[0] for f, r in zip(flux, rms, strict=True)]
        sky = _centred(flux, free)
        product = _lags(np.fft.irfft2(np.abs(np.fft.rfft2(sky, (reach, reach))) ** 2))
        window = np.fft.rfft2(free.astype(np.float32), (reach, reach))
        pairs = _lags(np.fft.irfft2(np.abs(window) ** 2)).round()
        yield _variance(flux, free), histogram, product, pairs, *_frequencies(sky, free, side)


def _frequencies(sky: np.ndarray, free: np.ndarray, side: int) -> tuple[np.ndarray, ...]:
    """Power, its rings, its surroundings of the lattice's frequencies, and the amplitudes there."""
    hann = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
    weight = np.outer(hann, hann).astype(np.float32) * free
    amplitude = np.fft.rfft2(sky * weight) / np.sqrt(max(float((weight**2).sum()), 1e-9))
    power = np.abs(amplitude) ** 2
    at = [side // p for p in _LATTICE]
    # Along y the column 0 of the transform, along x its row 0.
    phased = np.stack([amplitude[:, at, 0], amplitude[:, 0, at]], axis=1)
    rings, near = (np.stack([f(band) for band in power]) for f in (lambda p: radial(p)[1], surroundings))
    return power, rings, near, phased


def _centred(flux: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Free sky less its mean, outliers held to 4 sigma; zero elsewhere."""
    if not free.any():
        return np.zeros_like(flux)
    sky = flux[:, free]
    middle = np.median(sky, axis=1)[:, None, None]
    reach = 4 * sigma_about(sky, middle[..., 0], axis=1)[:, None, None]
    clipped = np.clip(flux - middle, -reach, reach)
    clipped -= clipped[:, free].mean(axis=1)[:, None, None]
    return np.where(free, clipped, np.float32(0))


def _variance(flux: np.ndarray, free: np.ndarray) -> np.ndarray:
    if not free.any():
        return np.full(len(flux), np.nan)
    sky = flux[:, free]
    return sigma_mad(sky, axis=1) ** 2


def _lags(whole: np.ndarray) -> np.ndarray:
    """dy 0..LAGS and dx -LAGS..LAGS of a circular correlation."""
    rolled = np.roll(whole[..., : LAGS + 1, :], LAGS, axis=-1)
    return rolled[..., : 2 * LAGS + 1]


@dataclass(frozen=True)
class NoiseOfBlocks:
    """The sums of both samples."""

    blocks: dict[int, NoiseBlocks]

    def at(self, pick: Pick) -> NoiseBlocks:
        """Those of the pick's sample."""
        return self.blocks[id(pick.sample)]

    def rms(self, pick: Pick, band: int) -> float:
        """rms of the free sky."""
        return float(np.sqrt(np.nanmean(self.at(pick).variance[pick.blocks, band])))

    def histogram(self, pick: Pick, band: int) -> np.ndarray:
        """Share of the unmasked pixels per bin."""
        counts = self.at(pick).histogram[pick.blocks, band].sum(axis=0).astype(float)
        return counts / max(counts.sum(), 1.0)

    def autocorrelation(self, pick: Pick, band: int) -> np.ndarray:
        """(LAGS + 1, 2 LAGS + 1), 1 at lag 0."""
        b = self.at(pick)
        correlation = b.product[pick.blocks, band].sum(axis=0) / np.maximum(
            b.pairs[pick.blocks].sum(axis=0), 1.0
        )
        return correlation / max(correlation[0, LAGS], 1e-30)

    def spectrum(self, pick: Pick, band: int) -> np.ndarray:
        """Mean power (side, side // 2 + 1) over the variance."""
        power = self.at(pick).power[pick.blocks, band].mean(axis=0)
        return power / max(float(power.mean()), 1e-30)

    def rings(self, pick: Pick, band: int) -> np.ndarray:
        """Mean power in rings of frequency, over the variance."""
        power = self.at(pick).rings[pick.blocks, band].mean(axis=0)
        weight = np.arange(RINGS) + 0.5  # a ring has as many frequencies as its radius is wide
        return power / max(float((power * weight).sum() / weight.sum()), 1e-30)

    def spike(self, pick: Pick, band: int) -> float:
        """Largest power at 1/2, 1/4, 1/8, 1/16 on the axes over its neighbours' median."""
        return float(spikes(self.at(pick).near[pick.blocks, band].mean(axis=0)).max())

    def in_phase(self, pick: Pick, band: int) -> float:
        """Return the same of the mean pattern: power that keeps its phase from block to block, over chance.

        1 on average for noise, distributed as an exponential; n times the share of the power
        that is in phase for n blocks.
        """
        amplitude = self.at(pick).phased[pick.blocks, band]
        chance = np.maximum((np.abs(amplitude) ** 2).mean(axis=0), 1e-30) / len(pick.blocks)
        return float((np.abs(amplitude.mean(axis=0)) ** 2 / chance).max())


def radial(spectrum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequency (cycles per pixel, to 0.5) and mean power in rings of a half-plane spectrum."""
    f, ring, count = _ring_of(spectrum.shape[0])
    inside = ring < RINGS
    frequency = np.bincount(ring[inside], f[inside], RINGS) / count
    return frequency, np.bincount(ring[inside], spectrum[inside], RINGS) / count


@lru_cache(maxsize=2)
def _ring_of(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequency and ring of each element of a half plane (RINGS: none), and the elements of each ring."""
    f = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    ring = np.minimum((f / 0.5 * RINGS).astype(int), RINGS)
    ring[0, 0] = RINGS
    return f, ring, np.maximum(np.bincount(ring.ravel(), minlength=RINGS + 1)[:RINGS], 1)


def surroundings(spectrum: np.ndarray) -> np.ndarray:
    """Return the 7 x 7 elements about 1/2, 1/4, 1/8, 1/16 cycles per pixel along y, then along x: (8, 7, 7).

    `spectrum` (side, side // 2 + 1) as `rfft2` orders it; a real image's power is the same at -f.
    """
    side = spectrum.shape[0]
    centres = [(side // p, 0) for p in _LATTICE] + [(0, side // p) for p in _LATTICE]
    step = np.arange(-3, 4)
    out = np.empty((len(centres), 7, 7), dtype=spectrum.dtype)
    for i, (y, x) in enumerate(centres):
        rows, columns = np.meshgrid((y + step) % side, (x + step) % side, indexing="ij")
        beyond = columns > side // 2
        out[i] = spectrum[np.where(beyond, -rows % side, rows), np.where(beyond, side - columns, columns)]
    return out


def spikes(near: np.ndarray) -> np.ndarray:
    """Of `surroundings` (..., 7, 7) the middle over the median of the elements 2 or 3 away.

    The taper leaks into the nearest ones.
    """
    around = np.ones((7, 7), dtype=bool)
    around[2:5, 2:5] = False
    return near[..., 3, 3] / np.maximum(np.median(near[..., around], axis=-1), 1e-30)


def noise_section(
    noise: NoiseOfBlocks, splits: Splits, settings: Settings, rng: np.random.Generator
) -> Section:
    """rms, pixel histogram, autocorrelation, radial power and lattice spikes per band."""
    section = Section(
        "Noise",
        "Of the pixels that no source above 1.5 sigma reaches. The rms ratio is |ln(generated / real)|; the "
        "histogram, of all pixels, in asinh(flux / real rms), is compared by its total variation; of the "
        f"autocorrelation the largest difference at lags to {LAGS} pixels in both directions; of the "
        "radial power, each side over its own variance, the largest |ln ratio| between 1/32 and 1/2 cycles "
        "per pixel.\n\nA lattice is a spike of power at 1/2, 1/4, 1/8 or 1/16 cycles per pixel on an axis "
        "over its neighbours, which a network's strides leave; 'in phase' asks the same of the power that "
        "keeps its phase over the whole field.",
    )
    for i, band in enumerate(splits.floor[0][0].sample.bands):
        rows: list[tuple[str, Measure, float]] = [
            (NOISE[0], lambda a, b, i=i: _ratio(noise.rms(a, i), noise.rms(b, i)), _RMS_ALLOWANCE),
            (NOISE[1], lambda a, b, i=i: _variation(noise, a, b, i), 0.01),
            (NOISE[2], lambda a, b, i=i: _correlation(noise, a, b, i), 0.01),
            (NOISE[3], lambda a, b, i=i: _radial(noise, a, b, i), 0.03),
            (SPIKE, lambda a, b, i=i: noise.spike(b, i), _SPIKE_ALLOWANCE),
            (IN_PHASE, lambda a, b, i=i: noise.in_phase(b, i), 0.0),
        ]
        for title, measure, allowance in rows:
            comparison = compare(measure, splits, settings, rng)
            section.rows.append(comparison.row(title, band))
            section.verdicts.append(comparison.verdict(f"{title}, {band}", settings.margin, allowance))
    return section


def noise_of(real: Sample, made: Sample) -> NoiseOfBlocks:
    """Return the sums of both samples, in units of the real one's rms."""
    return NoiseOfBlocks({id(s): NoiseBlocks.of(s, real.rms) for s in (real, made)})


def _ratio(one: float, two: float) -> float:
    return abs(float(np.log(two / one))) if one > 0 and two > 0 else float("inf")


def _variation(noise: NoiseOfBlocks, a: Pick, b: Pick, band: int) -> float:
    return 0.5 * float(np.abs(noise.histogram(a, band) - noise.histogram(b, band)).sum())


def _correlation(noise: NoiseOfBlocks, a: Pick, b: Pick, band: int) -> float:
    return float(np.abs(noise.autocorrelation(a, band) - noise.autocorrelation(b, band)).max())


def _radial(noise: NoiseOfBlocks, a: Pick, b: Pick, band: int) -> float:
    power_a, power_b = (noise.rings(p, band)[1:] for p in (a, b))
    if not (power_a > 0).all() or not (power_b > 0).all():
        return float("inf")
    return float(np.abs(np.log(power_b / power_a)).max())
