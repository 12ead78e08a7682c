"""The population of a blank field: magnitudes, sizes, shapes, redshifts and spectra, drawn together.

Counts in F160W are a table; everything else follows from a mixture of Gaussians in (magnitude,
ln r_e, ln n, logit of the axis ratio, ln(1 + z)), each of whose components has its own shares of
the spectra, so that size, shape, redshift and colour are correlated as in the catalogues.
The mixture is used down to FAINTEST_KNOWN; fainter galaxies have its shapes and redshifts there, and
sizes that keep falling as they do above. Galaxies at high redshift are those of
`mockforge.galaxies.distant`. Fitted by `python -m mockforge.bundle.population_fit --catalogues FOLDER`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.galaxies.distant import FARTHEST, Distant, share
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.populations.sfh import Burst, Constant, Delayed, DoublePowerLaw, Sfh
from mockforge.photometry.spectra.spec import Spectra

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

R_E_ARCSEC, INDEX, AXIS_RATIO, REDSHIFT = (0.02, 4.0), (0.3, 6.0), (0.08, 1.0), (0.03, FARTHEST)
"""Least and greatest values; a galaxy outside is drawn again."""

FAINTEST_KNOWN = 27.0
"""F160W to which the HDF-North holds galaxies of every colour."""

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
    spectra in each component; `stars` (B,) stars per square arcmin in the same bins; `size_slope`, change
    of lg r_e per magnitude beyond FAINTEST_KNOWN; `distant`, the galaxies at high redshift, or None.
    """

    edges: np.ndarray
    counts: np.ndarray
    stars: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    shares: np.ndarray
    size_slope: float = 0.0
    distant: Distant | None = None

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
        """Return a galaxy of each magnitude (N,): the mixture, conditioned on it, and the distant ones.

        Beyond the counts' ends galaxies are like those at the end.
        """
        m = np.asarray(magnitude, dtype=np.float64)
        value, spectrum = self._near(rng, m)
        r_e, n, q, z = _natural(value)
        far = rng.random(len(m)) < self._far_share(m)
        if self.distant is not None and far.any():
            z[far], spectrum[far], r_e[far] = self._far(rng, m[far], q[far])
        return Galaxies(magnitude=m, r_e=r_e, n=n, axis_ratio=q, z=z, spectrum=spectrum)

    def _near(self, rng: np.random.Generator, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mixture's values (N, 4) and spectra (N,).

        What is out of range is drawn again as a whole.
        """
        in_range = np.clip(m, self.edges[0], FAINTEST_KNOWN)
        fainter = np.clip(m, FAINTEST_KNOWN, self.edges[-1]) - FAINTEST_KNOWN
        shrunk = np.log(10.0) * self.size_slope * fainter
        value, spectrum = np.empty((len(m), 4)), np.empty(len(m), dtype=np.int64)
        missing = np.arange(len(m))
        while len(missing):
            drawn, chosen = self._mixture(rng, in_range[missing])
            drawn[:, 0] += shrunk[missing]
            r_e, n, q, z = _natural(drawn)
            good = rng.random(len(missing)) >= share(z)
            for quantity, (low, high) in ((r_e, R_E_ARCSEC), (n, INDEX), (q, AXIS_RATIO), (z, REDSHIFT)):
                good &= (quantity > low) & (quantity < high)
            value[missing[good]], spectrum[missing[good]] = drawn[good], chosen[good]
            missing = missing[~good]
        return value, spectrum

    def _mixture(self, rng: np.random.Generator, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ln r_e, ln n, logit q, ln(1 + z) (N, 4) and spectra (N,) given magnitudes within its reach."""
        variance = self.covariance[:, 0, 0]
        log = np.log(self.weight / np.sqrt(variance)) - 0.5 * (m[:, None] - self.mean[:, 0]) ** 2 / variance
        part = np.exp(log - log.max(axis=1, keepdims=True))
        below = np.cumsum(part, axis=1) / part.sum(axis=1, keepdims=True)
        k = np.minimum((rng.random(len(m))[:, None] > below).sum(axis=1), len(self.weight) - 1)
        slope, root = self._given_magnitude
        value = self.mean[k, 1:] + slope[k] * (m - self.mean[k, 0])[:, None]
        value = value + np.einsum("nij,nj->ni", root[k], rng.standard_normal((len(m), 4)))
        chosen = (rng.random(len(m))[:, None] > np.cumsum(self.shares, axis=1)[k]).sum(axis=1)
        return value, np.minimum(chosen, self.shares.shape[1] - 1).astype(np.int64)

    @cached_property
    def _given_magnitude(self) -> tuple[np.ndarray, np.ndarray]:
        """Change of each mean (K, 4) with magnitude, and root (K, 4, 4) of the covariance at one."""
        slope = self.covariance[:, 1:, 0] / self.covariance[:, 0, :1]
        rest = self.covariance[:, 1:, 1:] - slope[:, :, None] * self.covariance[:, None, 0, 1:]
        return slope, np.linalg.cholesky(rest)

    def _far_share(self, m: np.ndarray) -> np.ndarray:
        """Share of the galaxies of magnitudes (N,) that the luminosity function has."""
        if self.distant is None:
            return np.zeros(len(m))
        middle = 0.5 * (self.edges[1:] + self.edges[:-1])
        every = np.interp(m, middle, np.log(np.maximum(self.counts / np.diff(self.edges), 1e-12)))
        return self.distant.density(np.clip(m, middle[0], middle[-1])) / np.exp(every)

    def _far(
        self, rng: np.random.Generator, m: np.ndarray, q: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Redshifts, spectra and sizes of distant galaxies; sizes out of range are drawn again."""
        assert self.distant is not None
        z, spectrum, r_e = np.empty(len(m)), np.empty(len(m), dtype=np.int64), np.empty(len(m))
        missing = np.arange(len(m))
        while len(missing):
            draws = self.distant.draw(rng, m[missing], q[missing])
            good = (draws[2] > R_E_ARCSEC[0]) & (draws[2] < R_E_ARCSEC[1])
            for out, values in zip((z, spectrum, r_e), draws, strict=True):
                out[missing[good]] = values[good]
            missing = missing[~good]
        return z, spectrum, r_e

    def _within(
        self, faintest: float, brightest: float, kind: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return counts in the bins cut to a range, and their edges."""
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
    """Return the bundled population of a deep Hubble field.

    3D-HST COSMOS (Skelton et al. 2014, ApJS 214, 24; van der Wel et al. 2012, ApJS 203, 24),
    deepened with the HDF-North (Fernandez-Soto, Lanzetta & Yahil 1999, ApJ 513, 34); above z = 4 the
    luminosity function of Bouwens et al. 2021, AJ 162, 47.
    """
    with np.load(TABLE, allow_pickle=False) as file:
        return population_of({key: file[key].astype(np.float64) for key in file.files})


def population_of(arrays: Mapping[str, np.ndarray]) -> Population:
    """Return the population of the arrays of a table, as `mockforge.bundle.population_fit` makes them."""
    a = arrays
    return Population(
        edges=a["edges"],
        counts=a["counts"],
        stars=a["stars"],
        weight=a["weight"],
        mean=a["mean"],
        covariance=np.einsum("kij,klj->kil", a["root"], a["root"]),
        shares=a["shares"] / a["shares"].sum(axis=1, keepdims=True),
        size_slope=float(a["size_slope"]),
        distant=Distant(
            **{key: a[f"distant_{key}"] for key in ("modulus", "volume", "kpc", "colour", "slope")},
            used=a["distant_used"] > 0,
        ),
    )


def _natural(value: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """r_e in arcsec, n, axis ratio and redshift of the mixture's values (N, 4)."""
    q = 1.0 / (1.0 + np.exp(-value[:, 2]))
    return np.exp(value[:, 0]), np.exp(value[:, 1]), q, np.expm1(value[:, 3])
