"""How large the stamp of a source has to be: to where its light through the PSF is too faint to matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mockforge.errors import InputError
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.gaussians import mixture_of
from mockforge.sgan.light.stamps import MOST_ELLIPTICAL
from mockforge.sgan.sources.marks import Marks

SIDES = (24, 32, 48, 64, 96, 128, 192, 256, 512)
"""Sides of stamps, pixels."""
_NEAREST = 1.5
"""Pixels by which the last pixel is nearer to the source than half the side."""
_FWHM = 2.3548
_ROWS = 1 << 14


@dataclass(frozen=True)
class _Light:
    """How bright sources are at a distance: their profiles through the PSF's core as Gaussians."""

    flux: np.ndarray
    """(N, C)."""
    amplitude: np.ndarray
    """(N, K), 0 for stars."""
    exponent: np.ndarray
    """(N, K) of the distance squared."""
    major: np.ndarray
    """(N,) semi-major half-light axis, px of the sky."""


class Extent:
    """The rule for sides: the light at the edge is below a limit in every band.

    Parameters
    ----------
    psf
        C bands.
    edge_njy : float or sequence of float
        nJy a pixel, for all bands or for each.
    pixels_per_native, pixels_per_psf : float
        Pixels of the sky along one of the marks' and along one of the PSF's.
    """

    def __init__(
        self,
        psf: PixelPsf,
        edge_njy: float | Sequence[float],
        pixels_per_native: float,
        pixels_per_psf: float,
    ) -> None:
        self.edge = np.broadcast_to(np.asarray(edge_njy, dtype=np.float64), (psf.bands,))
        if not (np.isfinite(self.edge).all() and (self.edge > 0).all()):
            raise InputError(
                f"edge_njy: light at the edge of a stamp should be above 0 nJy, found {edge_njy}"
            )
        self.psf, self.native, self.scale = psf, pixels_per_native, pixels_per_psf

    def sides(self, sources: Marks) -> np.ndarray:
        """Return the least of `SIDES` that holds each source's light down to the limit, (N,) int64."""
        number = np.zeros(len(sources), dtype=np.int64)
        for first in range(0, len(sources), _ROWS):
            light = self._light(sources.rows(slice(first, first + _ROWS)))
            left = np.arange(len(light.flux))
            for side in SIDES[:-1]:
                left = left[self._beyond(light, left, 0.5 * side - _NEAREST)]
                if not len(left):
                    break
                number[first + left] += 1
        return np.array(SIDES, dtype=np.int64)[number]

    def capped(self, sources: Marks) -> np.ndarray:
        """Whether the largest stamp is too small for a source, (N,) bool.

        Its light that lies beyond comes in again on the other side, so that its flux is still exact.
        """
        return self._beyond(self._light(sources), np.arange(len(sources)), 0.5 * SIDES[-1] - _NEAREST)

    def _light(self, sources: Marks) -> _Light:
        """Return what decides how far the light of sources reaches."""
        galaxy = ~sources.star
        log_radius, e1, e2, log_n = (
            np.where(galaxy, v, 0.0) for v in (sources.log_radius, sources.e1, sources.e2, sources.log_n)
        )
        e = np.minimum(np.hypot(e1, e2), MOST_ELLIPTICAL)
        radius = np.where(galaxy, np.exp(log_radius) * self.native, 0.0)
        major, minor = radius * np.sqrt((1 + e) / (1 - e)), radius * np.sqrt((1 - e) / (1 + e))
        amplitude, sigma = mixture_of(log_n)
        square = sigma * sigma
        # The widest band's core for all: a Gaussian's wings grow with its width.
        across, along = (square * axis[:, None] ** 2 + self._core for axis in (minor, major))
        lean = np.abs(e1) / np.maximum(np.hypot(e1, e2), 1e-12)  # |cos| of twice the angle
        reach = 0.5 * (along * (1 + lean)[:, None] + across * (1 - lean)[:, None])  # along x or y, the longer
        amplitude = amplitude * galaxy[:, None] / (2 * np.pi * np.sqrt(along * across))
        return _Light(np.abs(sources.flux), amplitude, -0.5 / reach, major)

    def _beyond(self, light: _Light, rows: np.ndarray, half: float) -> np.ndarray:
        """Whether light at a distance along x or y is above the limit, (n,) bool.

        That of the profile through the PSF's core, and that of the PSF's wings about it.
        """
        bells = light.amplitude[rows] * np.exp(half**2 * light.exponent[rows])
        profile = np.maximum(bells.sum(axis=1), 0.0)
        wings = self._wings(half - np.minimum(light.major[rows], half / 3))
        return (light.flux[rows] * (profile[:, None] + wings) > self.edge).any(axis=1)

    @cached_property
    def _core(self) -> float:
        """Variance of the widest band's core, px^2 of the sky."""
        return float((self.psf.fwhm_pix.max() * self.scale / _FWHM) ** 2)

    def _wings(self, distance: np.ndarray) -> np.ndarray:
        """Most light a pixel of a point source of flux 1 as far away or farther, (N, C)."""
        scale = self.scale / self.psf.samples
        at = np.clip(distance / scale, 0, self._envelope.shape[1] - 1).astype(np.int64)
        return self._envelope[:, at].T / scale**2

    @cached_property
    def _envelope(self) -> np.ndarray:
        """(C, R) the brightest pixel of the PSF at R of its samples or farther; 0 beyond its corners."""
        y, x = np.indices(self.psf.image.shape[1:]) - self.psf.side // 2
        ring = np.hypot(y, x).astype(np.int64)
        out = np.zeros((self.psf.bands, int(ring.max()) + 2))
        for band, image in zip(out, self.psf.image, strict=True):
            np.maximum.at(band, ring, np.abs(image))
        return np.maximum.accumulate(out[:, ::-1], axis=1)[:, ::-1]
