"""Coordinates in which marks are a smooth cloud, so that Gaussians describe them; and their noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.sgan.sources.marks import Marks


@dataclass(frozen=True, eq=False)
class Coordinates:
    """From marks to points and back.

    A galaxy is (ln f, one colour a band, ln radius, e1, e2, ln n), a star (ln f, colours), with f the
    mean flux. The colour of band b is arsinh(F_b / f / (2 s_b)): logarithmic where the band has light,
    linear where its flux is noise and may be negative (Lupton, Gunn & Szalay 1999, AJ 118, 1406). A
    field of one band has no colours.
    """

    softening: np.ndarray
    """(C,) s_b: share of the mean flux below which a colour is linear."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "softening", np.asarray(self.softening, dtype=np.float64))

    @property
    def bands(self) -> int:
        """Number of bands C."""
        return len(self.softening)

    @property
    def colours(self) -> slice:
        """Where a point's colours are."""
        return slice(1, 1 + self.bands if self.bands > 1 else 1)

    @property
    def shape(self) -> slice:
        """Where a galaxy's ln radius, e1, e2 and ln n are."""
        return slice(self.colours.stop, self.colours.stop + 4)

    @property
    def ellipticity(self) -> tuple[int, int]:
        """Where e1 and e2 are: a vector of random direction."""
        return self.colours.stop + 1, self.colours.stop + 2

    def names(self, bands: tuple[str, ...]) -> tuple[str, ...]:
        """Names of a galaxy's coordinates."""
        colours = tuple(f"colour {band}" for band in bands) if self.bands > 1 else ()
        return ("ln flux", *colours, "ln radius", "e1", "e2", "ln n")

    def colour(self, ratio: np.ndarray) -> np.ndarray:
        """Return colours (N, C) of flux ratios F_b / f (N, C)."""
        return np.arcsinh(ratio / (2.0 * self.softening))

    def ratio(self, points: np.ndarray) -> np.ndarray:
        """Return flux ratios (N, C) of points, of mean 1 over the bands."""
        if self.bands == 1:
            return np.ones((len(points), 1))
        ratio = 2.0 * self.softening * np.sinh(points[:, self.colours])
        return ratio / np.maximum(ratio.mean(axis=1, keepdims=True), 1e-6)

    def points(self, marks: Marks, stars: bool = False) -> np.ndarray:
        """Return the points (N, D) of marks whose mean flux is positive."""
        f = marks.mean_flux
        colour = self.colour(marks.flux / f[:, None]) if self.bands > 1 else np.zeros((len(f), 0))
        flux = np.concatenate([np.log(f)[:, None], colour], axis=1)
        if stars:
            return flux
        shape = np.stack([marks.log_radius, marks.e1, marks.e2, marks.log_n], axis=1)
        return np.concatenate([flux, shape], axis=1)

    def noise(self, marks: Marks, flux_err: np.ndarray, shape_err: np.ndarray | None = None) -> np.ndarray:
        """Return the covariances (N, D, D) of the points' errors.

        `flux_err` (N, C) nJy, independent from band to band; `shape_err` (N, 3) of ln radius, each
        component of e and ln n, for galaxies. The errors of colours that share f are correlated.
        """
        f = marks.mean_flux
        ratio = marks.flux / f[:, None]
        c = self.bands
        jacobian = np.full((len(f), 1, c), 1.0 / c) / f[:, None, None]
        if c > 1:
            slope = 1.0 / np.sqrt(ratio**2 + 4.0 * self.softening**2)
            share = (np.eye(c) - ratio[:, :, None] / c) / f[:, None, None]
            jacobian = np.concatenate([jacobian, slope[:, :, None] * share], axis=1)
        flux = np.einsum("nic,nc,njc->nij", jacobian, flux_err**2, jacobian)
        if shape_err is None:
            return flux
        d = flux.shape[1]
        out = np.zeros((len(f), d + 4, d + 4))
        out[:, :d, :d] = flux
        for place, column in zip(range(d, d + 4), (0, 1, 1, 2), strict=True):
            out[:, place, place] = shape_err[:, column] ** 2
        return out


def softening_of(flux: np.ndarray) -> np.ndarray:
    """Return s_b (C,): three tenths of a typical source's share of light in the band, 0.003 at least."""
    return np.maximum(0.3 * np.median(flux / flux.mean(axis=1, keepdims=True), axis=0), 0.003)
