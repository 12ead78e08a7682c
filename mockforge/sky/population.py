"""The population of a blank field: magnitudes, sizes, shapes, redshifts and spectra, drawn together.

Counts in F160W are a table; everything else follows from a mixture of Gaussians in (magnitude,
ln r_e, ln n, logit of the axis ratio, ln(1 + z)), each of whose components has its own shares of
the spectra, so that size, shape, redshift and colour hang together as they do in the catalogues.
Fitted by `python -m mockforge.sky.population --catalogues FOLDER`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.sky.spectra import Burst, Constant, Delayed, DoublePowerLaw, Populations, Sfh, Spectra

REFERENCE_BAND = "candels_F160W"
"""Band of the magnitudes and of the sizes."""

SPECTRA = Spectra(
    populations=Populations(
        sfh=(
            Sfh(burst=Burst()),
            Sfh(delayed=Delayed(tau_gyr=0.5)),
            Sfh(delayed=Delayed(tau_gyr=2.0)),
            Sfh(constant=Constant()),
            Sfh(double_power_law=DoublePowerLaw(alpha=1.0, beta=2.0, tau_gyr=20.0)),
            Sfh(double_power_law=DoublePowerLaw(alpha=1.0, beta=5.0, tau_gyr=20.0)),
        ),
        metallicity=(0.2, 1.0),
        a_v=(0.0, 0.3, 0.8, 1.6),
    )
)
"""The spectra that the population chooses from: passive to rising, with little and much dust."""

R_E_ARCSEC, INDEX, AXIS_RATIO, REDSHIFT = (0.02, 4.0), (0.3, 6.0), (0.08, 1.0), (0.03, 6.0)
"""Least and greatest values; a draw outside is put on the edge."""

TABLE = Path(__file__).with_name("data") / "hst_population.npz"


@dataclass(frozen=True)
class Galaxies:
    """Galaxies without a place, (N,) each."""

    magnitude: np.ndarray
    """AB, total, in F160W."""
    r_e: np.ndarray
    """Semi-major axis of the ellipse that holds half the light, arcsec."""
    n: np.ndarray
    """Sersic index."""
    axis_ratio: np.ndarray
    """Minor over major axis."""
    z: np.ndarray
    """Redshift."""
    spectrum: np.ndarray
    """Row of the set of SPECTRA, int64."""


@dataclass(frozen=True, eq=False)
class Population:
    """Counts and the mixture; `edges` (B+1,) magnitudes, `counts` (B,) galaxies per square arcmin.

    `weight` (K,), `mean` (K, 5) and `covariance` (K, 5, 5) of the mixture, `shares` (K, M) of the
    spectra in each component; `stars` (B,) stars per square arcmin in the same bins.
    """

    edges: np.ndarray
    counts: np.ndarray
    stars: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    shares: np.ndarray

    def density(self, faintest: float, brightest: float = 0.0, kind: str = "galaxies") -> float:
        """Galaxies, or `stars`, per square arcmin between two magnitudes.

        InputError where `faintest` is beyond the table.
        """
        return float(self._within(faintest, brightest, kind)[0].sum())

    def magnitudes(
        self, rng: np.random.Generator, count: int, faintest: float, brightest: float = 0.0,
        kind: str = "galaxies",
    ) -> np.ndarray:  # fmt: skip
        """`count` magnitudes between two, as the counts have it; smooth inside a bin."""
        counts, low, high = self._within(faintest, brightest, kind)
        below = np.cumsum(counts) / counts.sum()
        chosen = np.minimum(np.searchsorted(below, rng.random(count)), len(counts) - 1)
        every = np.maximum(self.counts if kind == "galaxies" else self.stars, 1e-12)
        middle = 0.5 * (self.edges[1:] + self.edges[:-1])
        slope = np.interp(0.5 * (low + high), middle, np.gradient(np.log(every), middle))[chosen]
        # an exponential within the bin, inverted
        u, k = rng.random(count), np.clip(slope * (high - low)[chosen], -5, 5)
        part = np.where(np.abs(k) < 1e-6, u, np.log1p(u * np.expm1(k)) / np.where(k == 0, 1, k))
        return low[chosen] + part * (high - low)[chosen]

    def draw(self, rng: np.random.Generator, count: int, faintest: float, brightest: float = 0.0) -> Galaxies:
        """`count` galaxies between two magnitudes."""
        return self.given(rng, self.magnitudes(rng, count, faintest, brightest))

    def given(self, rng: np.random.Generator, magnitude: np.ndarray) -> Galaxies:
        """A galaxy of each magnitude (N,): the mixture, conditioned on it."""
        m = np.asarray(magnitude, dtype=np.float64)
        inside = np.clip(m, self.edges[0], self.edges[-1])
        variance = self.covariance[:, 0, 0]
        log = (
            np.log(self.weight / np.sqrt(variance))
            - 0.5 * (inside[:, None] - self.mean[:, 0]) ** 2 / variance
        )
        share = np.exp(log - log.max(axis=1, keepdims=True))
        below = np.cumsum(share, axis=1) / share.sum(axis=1, keepdims=True)
        k = np.minimum((rng.random(len(m))[:, None] > below).sum(axis=1), len(self.weight) - 1)
        slope = self.covariance[:, 1:, 0] / variance[:, None]
        rest = self.covariance[:, 1:, 1:] - slope[:, :, None] * self.covariance[:, None, 0, 1:]
        root = np.linalg.cholesky(rest)
        value = self.mean[k, 1:] + slope[k] * (inside - self.mean[k, 0])[:, None]
        value = value + np.einsum("nij,nj->ni", root[k], rng.standard_normal((len(m), 4)))
        chosen = (rng.random(len(m))[:, None] > np.cumsum(self.shares, axis=1)[k]).sum(axis=1)
        return Galaxies(
            magnitude=m,
            r_e=np.clip(np.exp(value[:, 0]), *R_E_ARCSEC),
            n=np.clip(np.exp(value[:, 1]), *INDEX),
            axis_ratio=np.clip(1.0 / (1.0 + np.exp(-value[:, 2])), *AXIS_RATIO),
            z=np.clip(np.expm1(value[:, 3]), *REDSHIFT),
            spectrum=np.minimum(chosen, self.shares.shape[1] - 1).astype(np.int64),
        )

    def _within(
        self, faintest: float, brightest: float, kind: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Counts in the bins cut to a range, and their edges."""
        if faintest > self.edges[-1] or faintest <= max(brightest, self.edges[0]):
            raise InputError(
                f"magnitudes {brightest:g} to {faintest:g}: the counts reach from {self.edges[0]:g} to"
                f" {self.edges[-1]:g} in F160W"
            )
        counts = self.counts if kind == "galaxies" else self.stars
        low, high = np.maximum(self.edges[:-1], brightest), np.minimum(self.edges[1:], faintest)
        part = np.clip(high - low, 0, None) / np.diff(self.edges)
        used = part > 0
        return (counts * part)[used], low[used], high[used]


@cache
def hst_population() -> Population:
    """The bundled population of a deep Hubble field.

    3D-HST COSMOS (Skelton et al. 2014, ApJS 214, 24; van der Wel et al. 2012, ApJS 203, 24),
    deepened with the HDF-North (Fernandez-Soto, Lanzetta & Yahil 1999, ApJ 513, 34).
    """
    with np.load(TABLE, allow_pickle=False) as found:
        a = {key: found[key].astype(np.float64) for key in found.files}
    covariance = np.einsum("kij,klj->kil", a["root"], a["root"])
    return Population(
        edges=a["edges"],
        counts=a["counts"],
        stars=a["stars"],
        weight=a["weight"],
        mean=a["mean"],
        covariance=covariance,
        shares=a["shares"] / a["shares"].sum(axis=1, keepdims=True),
    )


if __name__ == "__main__":
    from mockforge.sky.population_fit import main

    main()
