"""Marks: what a learned sky knows of each source before any light is painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mockforge.errors import InputError, nearest

MOST_ELLIPTICAL = 0.85
"""|e| = (a-b)/(a+b) below which every drawn galaxy lies: axis ratios down to 0.08, an edge-on disk."""
LOG_N = (float(np.log(0.4)), float(np.log(8.0)))
"""ln of the least and the largest Sersic index that is painted."""


@dataclass(frozen=True, eq=False)
class Marks:
    """N sources in C bands, places and sizes in pixels of the model's own (native) grid.

    Row i of every array is one source. Angles are 0.5 atan2(e2, e1), from +x towards +y; the axis
    ratio is q = (1 - |e|) / (1 + |e|). The reference flux of a source, by which it is counted, is
    `mean_flux`.
    """

    x: np.ndarray
    """(N,) float64 px; pixel centres are integers."""
    y: np.ndarray
    """(N,) float64 px."""
    flux: np.ndarray
    """(N, C) float64 nJy: all of the source's light."""
    log_radius: np.ndarray
    """(N,) float64: ln of the half-light radius in px, the geometric mean of the semi-axes."""
    e1: np.ndarray
    """(N,) float64: |e| cos(2 angle), |e| = (a - b) / (a + b)."""
    e2: np.ndarray
    """(N,) float64: |e| sin(2 angle)."""
    log_n: np.ndarray
    """(N,) float64: ln of the Sersic index."""
    star: np.ndarray
    """(N,) bool: a point source, whose radius, ellipticity and index are not used."""
    shaped: np.ndarray
    """(N,) bool: whether the learned morphology applies."""
    z: np.ndarray
    """(N, Z) float32: the morphology's latent, about N(0, 1)."""
    mirrored: np.ndarray
    """(N,) bool: parity of the morphology."""

    def __post_init__(self) -> None:
        n = len(self.x)
        for name, (kind, axes) in _KINDS.items():
            values = np.asarray(getattr(self, name), dtype=kind)
            if values.ndim != axes or len(values) != n:
                raise InputError(
                    f"marks of {n} sources: {name} should have {axes} axes and {n} rows, found the shape "
                    f"{values.shape}"
                )
            object.__setattr__(self, name, values)

    @classmethod
    def make(cls, x: Any, y: Any, flux: Any, **given: Any) -> Marks:
        """Return marks of sources at `x`, `y` with `flux` (N, C); what is not given is round and plain.

        Without more, a source is an exponential disk of 1 px, neither star nor shaped, z empty.
        """
        unknown = [name for name in given if name not in _KINDS]
        if unknown:
            raise InputError(f"marks have no {unknown[0]!r}{nearest(unknown[0], _KINDS)}")
        n = len(x)
        plain = {name: np.zeros(n, dtype=kind) for name, (kind, axes) in _KINDS.items() if axes == 1}
        plain |= {"z": np.zeros((n, 0), dtype=np.float32)}
        return cls(**plain | {"x": x, "y": y, "flux": flux} | given)

    @classmethod
    def empty(cls, bands: int, latent: int = 0) -> Marks:
        """Return the marks of no source in so many bands, with so many numbers in z."""
        none = np.zeros(0)
        return cls.make(none, none, np.zeros((0, bands)), z=np.zeros((0, latent), dtype=np.float32))

    @classmethod
    def together(cls, parts: Sequence[Marks]) -> Marks:
        """Return the sources of all parts, one after the other.

        Raises InputError where parts differ in their bands or in the length of z, or there are none.
        """
        if not parts:
            raise InputError("no marks to put together: give at least one table, empty ones included")
        for name in ("flux", "z"):
            widths = {getattr(part, name).shape[1] for part in parts}
            if len(widths) > 1:
                raise InputError(f"marks put together should have equally many columns in {name}; found "
                                 f"{sorted(widths)}")  # fmt: skip
        if len(parts) == 1:
            return parts[0]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _KINDS})

    def __len__(self) -> int:
        return len(self.x)

    @property
    def bands(self) -> int:
        """Number of bands C."""
        return self.flux.shape[1]

    @property
    def mean_flux(self) -> np.ndarray:
        """Reference flux (N,) nJy: the mean of the flux over the bands."""
        return self.flux.mean(axis=1)

    @property
    def ellipticity(self) -> np.ndarray:
        """|e| (N,)."""
        return np.hypot(self.e1, self.e2)

    @property
    def axis_ratio(self) -> np.ndarray:
        """Axis ratio b / a (N,)."""
        e = self.ellipticity
        return (1.0 - e) / (1.0 + e)

    @property
    def angle(self) -> np.ndarray:
        """Position angle of the major axis (N,), radians from +x towards +y, in (-pi/2, pi/2]."""
        return 0.5 * np.arctan2(self.e2, self.e1)

    def rows(self, i: Any) -> Marks:
        """Return the sources of a mask (N,) bool, an index (n,) or a slice."""
        return type(self)(**{name: getattr(self, name)[i] for name in _KINDS})

    def replace(self, **columns: Any) -> Marks:
        """Return the same sources with other columns; InputError where one is unknown or of wrong length."""
        unknown = [name for name in columns if name not in _KINDS]
        if unknown:
            raise InputError(f"marks have no {unknown[0]!r}{nearest(unknown[0], _KINDS)}")
        return type(self)(**{name: columns.get(name, getattr(self, name)) for name in _KINDS})

    def check(self, what: str = "the marks") -> Marks:
        """Return the marks; InputError names the first number that no sky could be painted with.

        Places, fluxes and sizes have to be finite, |e| below 1 and n between 0.4 and 8. Fluxes may
        be negative: a faint source fitted in noise is.
        """
        galaxy = ~self.star
        faults = {
            "x, y": ~(np.isfinite(self.x) & np.isfinite(self.y)),
            "flux": ~np.isfinite(self.flux).all(axis=1),
            "log_radius": galaxy & ~(np.abs(self.log_radius) < 12.0),
            "e1, e2": galaxy & ~(self.ellipticity < 1.0),
            "log_n": galaxy & ~((self.log_n > LOG_N[0] - 1e-6) & (self.log_n < LOG_N[1] + 1e-6)),
            "z": ~np.isfinite(self.z).all(axis=1),
        }
        for name, bad in faults.items():
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                values = ", ".join(str(getattr(self, part)[row]) for part in name.split(", "))
                raise InputError(f"{what}: row {row} has {name} = {values}; {_WANTED[name]}")
        return self


_KINDS: dict[str, tuple[type, int]] = {
    **{f.name: (np.float64, 1) for f in fields(Marks)},
    "flux": (np.float64, 2),
    "z": (np.float32, 2),
    **{name: (np.bool_, 1) for name in ("star", "shaped", "mirrored")},
}
"""Type and number of axes of each column."""

_WANTED = {
    "x, y": "places should be finite pixels",
    "flux": "fluxes should be finite nJy",
    "log_radius": "it is the natural logarithm of a radius in pixels",
    "e1, e2": "|e| = (a-b)/(a+b) should be below 1",
    "log_n": "Sersic indices lie between 0.4 and 8",
    "z": "latents should be finite",
}
