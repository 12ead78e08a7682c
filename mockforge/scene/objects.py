"""Objects of a scene: what is known of each galaxy and star, and where its stamp lies on the sky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

SIDES = (24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Sides of stamps, pixels; an object has the smallest that it fits in. The few that do not fit end
at the largest's edge: the de Vaucouleurs halo of a galaxy of magnitude 18 at 28.9 mag / arcsec^2."""
REACH = SIDES[-1] // 2
"""No object has light farther than this many pixels from its centre."""


@dataclass(frozen=True)
class Objects:
    """Galaxies and stars with a place; (N,) unless said, float64."""

    x: np.ndarray
    """Centre on the sky, pixels."""
    y: np.ndarray
    star: np.ndarray
    """bool"""
    magnitude: np.ndarray
    """AB in F160W."""
    z: np.ndarray
    """0 for stars."""
    r_e: np.ndarray
    """Of the whole galaxy, semi-major axis, arcsec; 0 for stars."""
    n: np.ndarray
    """Of the whole galaxy, as one Sersic profile; 0 for stars and pictures."""
    axis_ratio: np.ndarray
    position_angle: np.ndarray
    """Degrees from +x towards +y."""
    spectrum: np.ndarray
    """Row of the population's spectra; -1 for stars."""
    temperature: np.ndarray
    """Kelvin; 0 for galaxies."""
    bulge_fraction: np.ndarray
    """Share of the light in F160W."""
    knot_fraction: np.ndarray
    """Share of the disk's light."""
    flux: np.ndarray
    """(N, C) nJy, all of it."""
    sed: np.ndarray
    """(N, C, 3) nJy of disk or body (a picture's all), bulge, and knots or star."""
    size: np.ndarray
    """(N, 2) half-light radii of disk or body, and bulge, arcsec."""
    index: np.ndarray
    """(N, 2) Sersic indices of both."""
    knots: np.ndarray
    """(N, J, 4) x, y from the centre and sigma in arcsec, and weight."""
    picture: np.ndarray
    """Number of the real galaxy whose picture it has, in the library of `model.real`; -1 for none."""
    turned: np.ndarray
    """(N, 2, 2) where an offset (x, y) in arcsec on the picture comes to lie on the sky."""
    side: np.ndarray
    """Side of the stamp, pixels, int64."""

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, chosen: np.ndarray) -> Objects:
        """Those chosen, by number or by a mask."""
        return Objects(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    @staticmethod
    def together(parts: Sequence[Objects]) -> Objects:
        """Put lists of objects one behind the other; those with fewer knots get ones without light."""
        most = max(part.knots.shape[1] for part in parts)
        parts = [replace(part, knots=_with_knots(part.knots, most)) for part in parts]
        return Objects(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Objects)}
        )

    def corner(self) -> tuple[np.ndarray, np.ndarray]:
        """First row and column of each stamp on the sky, int64."""
        y, x = (np.rint(v).astype(np.int64) - self.side // 2 for v in (self.y, self.x))
        return y, x

    def touching(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Whether each stamp has a pixel in a window."""
        top, left = self.corner()
        return (top < y1) & (top + self.side > y0) & (left < x1) & (left + self.side > x0)


def _with_knots(knots: np.ndarray, count: int) -> np.ndarray:
    """Return knots (N, J, 4) with more, that have no weight, to (N, count, 4)."""
    if knots.shape[1] == count:
        return knots
    more = np.repeat(knots[:, :1], count - knots.shape[1], axis=1)
    more[..., 3] = 0.0
    return np.concatenate([knots, more], axis=1)
