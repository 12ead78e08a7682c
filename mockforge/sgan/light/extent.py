"""How large the stamp of a source has to be: to where its light through the PSF is too faint to matter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from mockforge.errors import InputError
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.gaussians import mixture
from mockforge.sgan.sources.marks import Marks

SIDES = (16, 32, 64, 128, 256, 512)
"""Sides of stamps, pixels."""
_NEAREST = 1.5
"""Pixels by which the last pixel is nearer to the source than half the side."""
_FWHM = 2.3548
_ROWS = 1 << 14


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
        number = np.full(len(sources), len(SIDES) - 1)
        left = np.arange(len(sources))
        for i, side in enumerate(SIDES[:-1]):
            beyond = self._beyond(sources.rows(left), 0.5 * side - _NEAREST)
            number[left[~beyond]] = i
            left = left[beyond]
        return np.array(SIDES, dtype=np.int64)[number]

    def capped(self, sources: Marks) -> np.ndarray:
        """Whether the largest stamp is too small for a source, (N,) bool.

        Its light that lies beyond comes in again on the other side, so that its flux is still exact.
        """
        return self._beyond(sources, 0.5 * SIDES[-1] - _NEAREST)

    def _beyond(self, sources: Marks, half: float) -> np.ndarray:
        """Whether light at a distance along x or y is above the limit, (N,) bool."""
        parts = [sources.rows(slice(i, i + _ROWS)) for i in range(0, len(sources), _ROWS)]
        return np.concatenate([self._some(part, half) for part in parts]) if parts else np.zeros(0, bool)

    def _some(self, sources: Marks, half: float) -> np.ndarray:
        """Of one part: a source's profile through the PSF's core, and the PSF's wings about it."""
        galaxy = ~sources.star
        radius = np.where(galaxy, np.exp(np.where(galaxy, sources.log_radius, 0.0)) * self.native, 0.0)
        e = np.where(galaxy, np.minimum(sources.ellipticity, 0.95), 0.0)
        major, minor = radius / np.sqrt((1 - e) / (1 + e)), radius * np.sqrt((1 - e) / (1 + e))
        log_n = torch.from_numpy(np.where(galaxy, sources.log_n, 0.0))
        amplitude, sigma = (value.numpy() for value in mixture(log_n))
        square = sigma**2
        # The broadest band's core for all: a Gaussian's wings grow with its width.
        core = self._core
        along = np.where(
            galaxy, np.maximum(np.abs(np.cos(sources.angle)), np.abs(np.sin(sources.angle))), 1.0
        )
        wide = (major * along) ** 2 + minor**2 * (1 - along**2)
        area = np.sqrt((square * major[:, None] ** 2 + core) * (square * minor[:, None] ** 2 + core))
        bells = amplitude * np.exp(-0.5 * half**2 / (square * wide[:, None] + core)) / (2 * np.pi * area)
        profile = np.where(galaxy, np.maximum(bells.sum(axis=1), 0.0), 0.0)
        wings = self._wings(half - np.minimum(major, half / 3))
        light = np.abs(sources.flux) * (profile[:, None] + wings)
        return (light > self.edge).any(axis=1)

    @cached_property
    def _core(self) -> float:
        """Variance of the widest band's core, px^2 of the sky."""
        return float((self.psf.fwhm_pix.max() * self.scale / _FWHM) ** 2)

    def _wings(self, distance: np.ndarray) -> np.ndarray:
        """Most light a pixel of a point source of flux 1 as far away or farther, (N, C)."""
        at = np.clip(distance / self.scale, 0, self._envelope.shape[1] - 1).astype(np.int64)
        return self._envelope[:, at].T / self.scale**2

    @cached_property
    def _envelope(self) -> np.ndarray:
        """(C, R) the brightest pixel of the PSF at R pixels of its own or farther; 0 beyond its corners."""
        y, x = np.indices(self.psf.image.shape[1:]) - self.psf.side // 2
        ring = np.hypot(y, x).astype(np.int64)
        out = np.zeros((self.psf.bands, int(ring.max()) + 2))
        for band, image in zip(out, self.psf.image, strict=True):
            np.maximum.at(band, ring, np.abs(image))
        return np.maximum.accumulate(out[:, ::-1], axis=1)[:, ::-1]
