"""Real galaxies to paint with: each cut out of its stamp's noise, measured, and found by its look."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.files import Stamp, stamp
from mockforge.galaxies.real.catalogue import text
from mockforge.galaxies.real.clean import Clean, cut_out, ellipse
from mockforge.galaxies.real.realgalaxy import RealCatalogue
from mockforge.galaxies.real.rule import RealStamps
from mockforge.photometry.cache import cached_array
from mockforge.units import ZEROPOINT_NJY

_LOOK = (1.0, 0.3, 0.2)
"""Differences in magnitude, ln r_e and axis ratio that count the same."""
_VERSION = 6
"""Of what is measured; tables kept on disk by another are not used."""


@dataclass(frozen=True)
class Look:
    """What a galaxy's picture measures; `r_e`, `axis_ratio` corrected for its PSF."""

    x: float
    """Centre of light, pixels of the clean image."""
    y: float
    flux: float
    """nJy."""
    r_e: float
    """Half-light radius along the major axis, pixels."""
    axis_ratio: float
    angle: float
    """Of the major axis, degrees from +x towards +y."""
    extent: float
    """Pixels from the centre to the farthest that is not black (1e-4 of the brightest)."""
    snr: float
    """Flux over the noise of the outline's pixels (as if white)."""


class Library:
    """The galaxies of a `RealStamps` that can be painted with; arrays are (G,).

    InputError where files are missing or cannot be read, or no galaxy is good enough.
    """

    def __init__(self, rule: RealStamps) -> None:
        self.rule, self.catalogue = rule, RealCatalogue(rule)
        self.pixel_scale_arcsec, self.band = self.catalogue.pixel_scale_arcsec, self.catalogue.bands[0]
        table = cached_array(self._key(), self._measured)
        good = np.isfinite(table[:, 0]) & (table[:, 7] >= rule.least_snr)
        if not good.any():
            raise InputError(
                f"{rule.catalogue}: none of its {len(table)} galaxies is resolved and has a signal to noise"
                f" of {rule.least_snr:g}; lower `real.least_snr` or give brighter galaxies"
            )
        self.row = np.flatnonzero(good)
        self.x, self.y, flux, r_e, self.axis_ratio, self.angle, extent, self.snr = table[good].T
        self.magnitude = ZEROPOINT_NJY - 2.5 * np.log10(flux)
        self.r_e, self.extent = r_e * self.pixel_scale_arcsec, extent * self.pixel_scale_arcsec
        """Both in arcsec."""
        self.clean = lru_cache(maxsize=128)(self._clean)

    @cached_property
    def names(self) -> np.ndarray:
        """IDENT of each, and an empty name last."""
        return np.array([*(text(v) for v in self.catalogue.rows["IDENT"][self.row]), ""])

    def _clean(self, i: int) -> Clean:
        """Return the i-th galaxy."""
        galaxy = cut_out(self.catalogue.cutout(int(self.row[i])), self.rule.electrons_per_njy)
        assert galaxy is not None
        return galaxy

    def chosen(self, magnitude: np.ndarray, r_e: np.ndarray, q: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Return one of the `rule.nearest` pictures that look most alike, by u in [0, 1), for each galaxy.

        The galaxies are given by magnitude (in `band`), r_e (arcsec) and axis ratio, all (N,).
        """
        mine = np.stack([self.magnitude, np.log(self.r_e), self.axis_ratio], axis=1) / _LOOK
        targets = np.stack([magnitude, np.log(r_e), q], axis=1) / _LOOK
        distance = ((targets[:, None] - mine) ** 2).sum(axis=2)
        few = np.argsort(distance, axis=1, kind="stable")[:, : self.rule.nearest]
        return few[np.arange(len(u)), (u * few.shape[1]).astype(np.int64)]

    def _key(self) -> str:
        files = [f"{p.name} {stamp(p)}" for p in files_of(self.rule)]
        settings = repr(
            (
                _VERSION,
                self.rule.zeropoint,
                self.rule.clean,
                self.rule.max_magnitude,
                self.rule.electrons_per_njy,
            )
        )
        settings += repr((self.rule.redshifts, self.rule.redshift_column, str(self.catalogue.path.resolve())))
        return "real-stamps-" + hashlib.sha256("\n".join([settings, *files]).encode()).hexdigest()[:32]

    def _measured(self) -> np.ndarray:
        """(G, 8) of `Look`, NaN where there is no resolved galaxy."""
        out = np.full((len(self.catalogue.redshifts), 8), np.nan)
        for i in range(len(out)):
            galaxy = cut_out(self.catalogue.cutout(i), self.rule.electrons_per_njy)
            look = None if galaxy is None else measured(galaxy)
            if look is not None:
                out[i] = list(vars(look).values())
        return out


def library(rule: RealStamps) -> Library:
    """Return the library of a rule, kept as long as its files do not change."""
    return _library(rule, tuple(stamp(path) for path in files_of(rule)))


def files_of(rule: RealStamps) -> list[Path]:
    """Every file that a rule's galaxies come from. InputError where the catalogue is missing."""
    return list(rule.files_read().values())


@lru_cache(maxsize=4)
def _library(rule: RealStamps, stamps: tuple[Stamp, ...]) -> Library:
    return Library(rule)


def measured(found: Clean) -> Look | None:
    """Return what a galaxy's picture measures; None where it is not wider than its PSF."""
    flux = float(found.image.sum())
    x, y, axes, angle = ellipse(found.image)
    if not (axes > 0).all():
        return None
    q = float(np.sqrt(axes[1] / axes[0]))
    r_e = _half_light(found.image, x, y, q, angle)
    px, py, _, _ = ellipse(found.psf)
    blur = _half_light(found.psf, px, py, 1.0, 0.0)
    if r_e < 1.2 * blur:
        return None
    major = np.sqrt(r_e**2 - blur**2)
    minor = np.sqrt(max((q * r_e) ** 2 - blur**2, (0.1 * major) ** 2))
    rows, columns = np.nonzero(found.image > 1e-4 * found.image.max())
    extent = float(np.hypot(rows - y, columns - x).max()) + 2.0
    noise = found.rms * float(np.sqrt(found.outline.sum()))
    return Look(
        x, y, flux, float(major), float(min(minor / major, 1.0)), angle, extent, flux / max(noise, 1e-9)
    )


def _half_light(image: np.ndarray, x: float, y: float, q: float, angle: float) -> float:
    """Semi-major axis, in pixels, of the ellipse that holds half of the light."""
    t = np.deg2rad(angle)
    rows, columns = np.indices(image.shape)
    dx, dy = columns - x, rows - y
    along, across = dx * np.cos(t) + dy * np.sin(t), (dy * np.cos(t) - dx * np.sin(t)) / q
    r = np.hypot(along, across).ravel()
    order = np.argsort(r, kind="stable")
    inside = np.cumsum(image.ravel()[order])
    first = int(np.argmax(inside >= 0.5 * inside[-1]))
    return float(r[order][first])
