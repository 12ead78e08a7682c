"""A band seen from the rest frame: weights that turn a spectrum on its nodes into a band's flux."""

from __future__ import annotations

from functools import cache

import numpy as np

from mockforge.errors import InputError
from mockforge.sky.bandpass import band_curve
from mockforge.sky.igm import breaks, transmission

_JUMP = 1e-7
"""Half the relative width of the step by which a node pair stands for a jump."""


class BandIntegrals:
    """Cumulative integrals of a band's throughput S, linear between its points.

    `photons` is the integral of S lambda, `moment` that of S lambda (lambda - centre), from the blue
    end up to a wavelength; `norm` that of S / lambda over the whole band.
    """

    def __init__(self, wave: np.ndarray, throughput: np.ndarray) -> None:
        self.wave, self.centre = wave, 0.5 * (wave[0] + wave[-1])
        self.value = throughput[:-1]
        self.slope = np.diff(throughput) / np.diff(wave)
        self._photons = np.zeros(len(wave) - 1)
        self._moment = np.zeros(len(wave) - 1)
        photons, moment = self._within(np.arange(len(wave) - 1), np.diff(wave))
        self._photons[1:] = np.cumsum(photons)[:-1]
        self._moment[1:] = np.cumsum(moment)[:-1]
        low, high = wave[:-1], wave[1:]
        log = (self.value - self.slope * low) * np.log(high / low)
        self.norm = float((np.diff(throughput) + log).sum())

    def _within(self, segment: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both integrals over the first `step` of a segment, plus those up to its start."""
        s, m, low = self.value[segment], self.slope[segment], self.wave[segment]
        d = low - self.centre
        photons = step * (s * low + step * (0.5 * (s + m * low) + step * (m / 3.0)))
        second = 0.5 * (s * (low + d) + m * low * d)
        third = (s + m * (low + d)) / 3.0
        moment = step * (s * low * d + step * (second + step * (third + step * (0.25 * m))))
        return photons + self._photons[segment], moment + self._moment[segment]

    def up_to(self, wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Photons and moment up to `wave`, Angstrom; constant outside the band."""
        wave = np.clip(wave, self.wave[0], self.wave[-1])
        segment = np.clip(np.searchsorted(self.wave, wave, side="right") - 1, 0, len(self.value) - 1)
        return self._within(segment, wave - self.wave[segment])


@cache
def band_integrals(band: str) -> BandIntegrals:
    """Those of a band by name, made once."""
    return BandIntegrals(*band_curve(band))


def nodes(wave: np.ndarray, igm: str) -> np.ndarray:
    """`wave` with a pair of nodes about every jump of the transmission, Angstrom."""
    jumps = breaks(igm)
    jumps = jumps[(jumps > wave[0]) & (jumps < wave[-1])]
    return np.unique(np.concatenate([wave, jumps * (1.0 - _JUMP), jumps * (1.0 + _JUMP)]))


class Projection:
    """The bands of a recipe over one set of nodes.

    `weights(z)` gives, for each redshift, the first node that each band sees (Z, C) and the weights
    (Z, K) of the nodes from there on, all bands one after another, `starts` being where each begins.
    """

    def __init__(self, wave: np.ndarray, bands: tuple[str, ...], igm: str) -> None:
        self.wave, self.bands, self.igm = wave, bands, igm
        self._bands = [band_integrals(band) for band in bands]
        self._sizes = [_most_nodes(wave, band.wave) for band in self._bands]
        self.starts = np.cumsum([0, *self._sizes[:-1]])
        self._offsets = np.concatenate([np.arange(n) for n in self._sizes])
        self._band_of = np.repeat(np.arange(len(bands)), self._sizes)

    def weights(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First nodes (Z, C) int and weights (Z, K) float64; InputError where a band is not covered.

        A band's mean f_nu is the sum of weight times luminosity per Angstrom, in that unit times
        Angstrom^2 (over the speed of light): photon counting, integral of f_lambda lambda S over
        integral of S / lambda, with f_lambda of the redshifted spectrum L(lambda / (1 + z)) / (1 + z).
        Hogg et al. 2002, astro-ph/0210394, eq. 5 and 6. Exact for spectra and throughputs that
        are linear between their points.
        """
        one_z = 1.0 + np.asarray(z, dtype=np.float64)[:, None]
        first = np.empty((len(one_z), len(self.bands)), dtype=np.int64)
        parts = []
        for c, (band, size) in enumerate(zip(self._bands, self._sizes, strict=True)):
            self._check_cover(c, one_z[:, 0] - 1.0)
            first[:, c] = np.searchsorted(self.wave, band.wave[0] / one_z[:, 0], side="right") - 1
            index = np.minimum(first[:, c, None] + np.arange(size), len(self.wave) - 1)
            parts.append(_hat_weights(self.wave[index] * one_z, band))
        weight = np.concatenate(parts, axis=1)
        weight *= transmission(self.wave[self.index(first)], one_z - 1.0, self.igm) / one_z
        return first, weight

    def index(self, first: np.ndarray) -> np.ndarray:
        """Nodes (P, K) that the weights of `first` (P, C) belong to."""
        return np.minimum(first[:, self._band_of] + self._offsets, len(self.wave) - 1)

    def _check_cover(self, c: int, z: np.ndarray) -> None:
        seen, wave = self._bands[c].wave, self.wave
        low, high = seen[0] / (1.0 + z), seen[-1] / (1.0 + z)
        outside = (low < wave[0]) | (high > wave[-1])
        if outside.any():
            bad = z[outside]
            raise InputError(
                f"band {self.bands[c]} ({seen[0]:.0f} to {seen[-1]:.0f} Angstrom) at z = {bad.min():g} to "
                f"{bad.max():g} sees {low[outside].min():.0f} to {high[outside].max():.0f} Angstrom of the "
                f"rest frame, and the spectrum covers {wave[0]:.0f} to {wave[-1]:.0f}; leave the band or "
                "these redshifts out"
            )


def _hat_weights(seen: np.ndarray, band: BandIntegrals) -> np.ndarray:
    """Integral of S lambda times the hat of each node, over the band's norm; `seen` (Z, n) Angstrom."""
    photons, moment = band.up_to(seen)
    photons, moment = np.diff(photons, axis=1), np.diff(moment, axis=1)
    step = np.diff(seen, axis=1)
    right = (moment - (seen[:, :-1] - band.centre) * photons) / np.where(step > 0, step, 1.0)
    weight = np.zeros(seen.shape)
    weight[:, :-1] = photons - right
    weight[:, 1:] += right
    return weight / band.norm


def _most_nodes(wave: np.ndarray, band: np.ndarray) -> int:
    """Most nodes, with one beyond either end, that a band can see at any redshift."""
    ends = np.searchsorted(wave, wave * (band[-1] / band[0]), side="right")
    return int((ends - np.arange(len(wave))).max()) + 2
