"""Bands seen from the rest frame: weights that turn a spectrum on its nodes into fluxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError
from mockforge.photometry.bands import curve
from mockforge.photometry.igm import breaks, transmission

_JUMP = 1e-7
"""Half the relative width of the step by which a node pair stands for a jump."""

_CHUNK = 16
"""Redshifts at once: their nodes then stay in a core's cache."""

_APART = 1e8
"""Angstrom between the bands where one search serves all; beyond any wavelength."""


@dataclass(frozen=True)
class BandWeights:
    """One redshift's sum over nodes: flux of band c = sum of luminosity[index] * weight from starts[c] on."""

    index: np.ndarray
    weight: np.ndarray
    starts: np.ndarray

    def of(self, luminosity: np.ndarray) -> np.ndarray:
        """Mean f_nu (..., C) of spectra (..., W) on the nodes, in their unit times Angstrom^2."""
        return np.add.reduceat(luminosity[..., self.index] * self.weight, self.starts, axis=-1)


class Throughputs:
    """Cumulative integrals of the throughputs S of bands, each linear between its points.

    `photons` is the integral of S lambda, `moment` that of S lambda (lambda - centre), from the blue
    end of the band up to a wavelength; `norm` (C,) that of S / lambda over the whole band. The
    segments of all bands lie one after another.
    """

    def __init__(self, curves: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self.low = np.array([wave[0] for wave, _ in curves])
        self.high = np.array([wave[-1] for wave, _ in curves])
        self.centre = 0.5 * (self.low + self.high)
        self._band = np.repeat(np.arange(len(curves)), [len(wave) - 1 for wave, _ in curves])
        self._wave = np.concatenate([wave[:-1] for wave, _ in curves])
        self._value = np.concatenate([s[:-1] for _, s in curves])
        step = np.concatenate([np.diff(wave) for wave, _ in curves])
        rise = np.concatenate([np.diff(s) for _, s in curves])
        self._slope = rise / step
        self._keys = self._band * _APART + self._wave
        self._powers = self._polynomials()
        for k, part in enumerate(self._sums(np.arange(len(step)), step)):
            before = np.cumsum(part) - part
            self._powers[5 * k] = before - before[np.searchsorted(self._band, self._band)]
        log = (self._value - self._slope * self._wave) * np.log1p(step / self._wave)
        self.norm = np.bincount(self._band, rise + log)

    def _polynomials(self) -> np.ndarray:
        """Coefficients (10, segments) of both integrals in the step from a segment's start."""
        s, m, low = self._value, self._slope, self._wave
        d, none = low - self.centre[self._band], np.zeros(len(low))
        photons = none, s * low, 0.5 * (s + m * low), m / 3.0, none
        square = 0.5 * (s * (low + d) + m * low * d)
        return np.stack([*photons, none, s * low * d, square, (s + m * (low + d)) / 3.0, 0.25 * m])

    def _sums(self, segment: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Photons and moment up to `step` behind the start of a segment."""
        a = self._powers
        photons = a[3][segment] * step
        for k in (2, 1):
            photons = (photons + a[k][segment]) * step
        moment = a[9][segment] * step
        for k in (8, 7, 6):
            moment = (moment + a[k][segment]) * step
        return photons + a[0][segment], moment + a[5][segment]

    def up_to(self, wave: np.ndarray, band: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Photons and moment of `band` (index) up to `wave`, Angstrom; constant outside the band."""
        wave = np.minimum(np.maximum(wave, self.low[band]), self.high[band])
        segment = np.searchsorted(self._keys, band * _APART + wave, side="right") - 1
        return self._sums(segment, wave - self._wave[segment])


def nodes(wave: np.ndarray) -> np.ndarray:
    """`wave` with a pair of nodes about every jump that a transmission can have, Angstrom."""
    jumps = np.concatenate([breaks("inoue2014"), breaks("madau1995")])
    jumps = jumps[(jumps > wave[0] * (1.0 + _JUMP)) & (jumps < wave[-1] * (1.0 - _JUMP))]
    return np.unique(np.concatenate([wave, jumps * (1.0 - _JUMP), jumps * (1.0 + _JUMP)]))


class Projection:
    """Bands over one set of nodes (W,), rest-frame Angstrom."""

    def __init__(self, wave: np.ndarray, bands: tuple[str, ...], igm: str) -> None:
        self.wave, self.bands, self.igm = wave, bands, igm
        self._through = Throughputs([curve(band) for band in bands])

    def at(self, z: np.ndarray) -> list[BandWeights]:
        """Return the sums of each redshift (Z,).

        InputError where a redshifted spectrum does not cover a band.

        Photon counting: integral of f_lambda lambda S over integral of S / lambda, with f_lambda of
        the redshifted spectrum L(lambda / (1 + z)) / (1 + z), less what hydrogen absorbs; over the
        speed of light it is f_nu. Hogg et al. 2002, astro-ph/0210394, eq. 5 and 6. Exact for
        spectra and throughputs that are linear between their points.
        """
        one_z = 1.0 + np.asarray(z, dtype=np.float64)[:, None]
        self._check_cover(one_z)
        return [weights for i in range(0, len(one_z), _CHUNK) for weights in self._at(one_z[i : i + _CHUNK])]

    def _at(self, one_z: np.ndarray) -> list[BandWeights]:
        first = np.searchsorted(self.wave, self._through.low / one_z, side="right") - 1
        last = np.searchsorted(self.wave, self._through.high / one_z, side="left")
        count = (last - first + 1).ravel()
        ends = np.cumsum(count)
        index = np.arange(ends[-1]) + np.repeat(first.ravel() - (ends - count), count)
        band = np.repeat(np.tile(np.arange(len(self.bands)), len(one_z)), count)
        stretch = np.repeat(one_z[:, 0], count.reshape(first.shape).sum(axis=1))
        weight = self._hats(self.wave[index] * stretch, band, ends[:-1])
        weight *= transmission(self.wave[index], stretch - 1.0, self.igm) / (
            stretch * self._through.norm[band]
        )

        starts = np.cumsum(count.reshape(first.shape), axis=1) - count.reshape(first.shape)
        cuts = ends.reshape(first.shape)[:-1, -1]
        return [
            BandWeights(*parts)
            for parts in zip(np.split(index, cuts), np.split(weight, cuts), starts, strict=True)
        ]

    def _hats(self, seen: np.ndarray, band: np.ndarray, cuts: np.ndarray) -> np.ndarray:
        """Integral of S lambda times the hat of each node; a run of nodes ends before each of `cuts`."""
        photons, moment = (np.diff(sums) for sums in self._through.up_to(seen, band))
        step = np.diff(seen)
        step[cuts - 1] = 1.0  # from one run to the next, where nothing is integrated
        right = (moment - (seen[:-1] - self._through.centre[band[:-1]]) * photons) / step
        left = photons - right
        left[cuts - 1] = 0.0
        right[cuts - 1] = 0.0
        weight = np.zeros(len(seen))
        weight[:-1] = left
        weight[1:] += right
        return weight

    def _check_cover(self, one_z: np.ndarray) -> None:
        low, high = self._through.low / one_z, self._through.high / one_z
        outside = (low < self.wave[0]) | (high > self.wave[-1])
        if outside.any():
            c = int(np.flatnonzero(outside.any(axis=0))[0])
            bad = outside[:, c]
            z = one_z[bad, 0] - 1.0
            ends = f"{self._through.low[c]:.0f} to {self._through.high[c]:.0f} Angstrom"
            raise InputError(
                f"band {self.bands[c]} ({ends}) at z = {z.min():g} to {z.max():g} sees "
                f"{low[bad, c].min():.0f} to {high[bad, c].max():.0f} Angstrom of the rest frame, and the "
                f"spectrum covers {self.wave[0]:.0f} to {self.wave[-1]:.0f}; leave the band or these "
                "redshifts out"
            )
