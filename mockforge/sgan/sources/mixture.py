"""A Gaussian mixture, fitted to noisy points with each point's noise removed: Extreme Deconvolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mockforge.errors import InputError

_ROWS_AT_ONCE = 256
"""Rows completed at once: a mixture of a component a source has thousands of components."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """K Gaussians in D dimensions; one covariance for all where `covariances` has one row."""

    weights: np.ndarray
    """(K,) float64, sum 1."""
    means: np.ndarray
    """(K, D) float64."""
    covariances: np.ndarray
    """(K, D, D) or (1, D, D) float64."""

    def __post_init__(self) -> None:
        for name in ("weights", "means", "covariances"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        k, d = self.means.shape if self.means.ndim == 2 else (0, 0)
        if k < 1 or self.weights.shape != (k,) or self.covariances.shape not in ((k, d, d), (1, d, d)):
            raise InputError(
                f"a mixture of K Gaussians in D dimensions has weights (K,), means (K, D) and covariances "
                f"(K, D, D); found {self.weights.shape}, {self.means.shape}, {self.covariances.shape}"
            )
        arrays = (self.weights, self.means, self.covariances)
        if not all(np.isfinite(a).all() for a in arrays) or self.weights.min() < 0:
            raise InputError("a mixture's numbers should be finite and its weights not negative")
        if abs(self.weights.sum() - 1.0) > 1e-3:
            raise InputError(f"a mixture's weights should add up to 1, found {self.weights.sum():.6g}")
        least = np.linalg.eigvalsh(0.5 * (self.covariances + self.covariances.swapaxes(1, 2))).min()
        if least <= 0:
            raise InputError(f"a mixture's covariances should be positive, found an eigenvalue {least:.3g}")

    def __len__(self) -> int:
        return len(self.weights)

    def log_density(self, points: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
        """Return ln p (N,) of points (N, D), each seen through its own noise (N, D, D) or none."""
        return _log_sum(self.log_terms(points, noise))

    def log_terms(self, points: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
        """Return ln of each component's share of p, (N, K)."""
        return _terms(self, points, noise)[0]

    def completed(self, rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
        """Return points (N, D) whose NaN are drawn given the coordinates that are known.

        A component is drawn with the share w_k N(known | m_k, V_k), then its conditional. Rows may know
        different coordinates.
        """
        out = np.array(points, dtype=np.float64)
        unknown = np.isnan(out)
        if not len(out):
            return out
        patterns, which = unknown[:1], np.zeros(len(out), dtype=np.int64)
        if (unknown != unknown[0]).any():
            patterns, which = np.unique(unknown, axis=0, return_inverse=True)
        for p, pattern in enumerate(patterns):
            if pattern.any():
                rows = np.flatnonzero(which.reshape(-1) == p)
                for part in np.array_split(rows, -(-len(rows) // _ROWS_AT_ONCE)):
                    out[part] = self._completed(rng, out[part], pattern)
        return out

    def _completed(self, rng: np.random.Generator, points: np.ndarray, unknown: np.ndarray) -> np.ndarray:
        """Complete points (n, D) that all lack the same coordinates."""
        given = _given(self, tuple(unknown.tolist()))
        u, o = given.unknown, given.known
        log = np.broadcast_to(given.log_weight, (len(points), len(self)))
        away = points[:, None, o] - self.means[:, o]
        if len(o) == 1:
            log = log - 0.5 * away[:, :, 0] ** 2 * given.inverse[:, 0, 0]
        elif len(o):
            log = log - 0.5 * ((away[:, :, None, :] @ given.inverse)[:, :, 0] * away).sum(axis=2)
        cumulative = np.cumsum(np.exp(log - log.max(axis=1, keepdims=True)), axis=1)
        level = rng.random(len(points)) * cumulative[:, -1]
        k = np.minimum((cumulative < level[:, None]).sum(axis=1), len(self) - 1)
        c = k if len(self.covariances) > 1 else np.zeros(len(k), dtype=np.int64)
        mean = self.means[k][:, u] + np.einsum("nij,nj->ni", given.gain[c], away[np.arange(len(k)), k])
        out = points.copy()
        out[:, u] = mean + np.einsum("nij,nj->ni", given.root[c], rng.standard_normal((len(k), len(u))))
        return out

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model's file keeps, float32."""
        return {name: getattr(self, name).astype(np.float32) for name in ("weights", "means", "covariances")}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Mixture:
        """Return the inverse of `to_arrays`; InputError where an array is missing or absurd."""
        missing = [name for name in ("weights", "means", "covariances") if name not in arrays]
        if missing:
            raise InputError(f"a mixture needs the array {missing[0]}, found {', '.join(sorted(arrays))}")
        return cls(*(np.asarray(arrays[name]) for name in ("weights", "means", "covariances")))


@dataclass(frozen=True)
class _Given:
    """What a mixture is, some coordinates known: the same for all points that know the same ones."""

    unknown: np.ndarray
    known: np.ndarray
    log_weight: np.ndarray
    """(K,) ln of weight over the root of the determinant."""
    inverse: np.ndarray
    """(K or 1, O, O) of the known coordinates' covariance."""
    gain: np.ndarray
    """(K or 1, U, O): how the mean of the unknown ones follows the known."""
    root: np.ndarray
    """(K or 1, U, U) Cholesky factor of the conditional covariance."""


@lru_cache(maxsize=32)
def _given(mixture: Mixture, unknown: tuple[bool, ...]) -> _Given:
    u, o = np.flatnonzero(unknown), np.flatnonzero(~np.array(unknown))
    v, log = mixture.covariances, np.log(np.maximum(mixture.weights, 1e-300))
    inverse, gain = np.zeros((len(v), 0, 0)), np.zeros((len(v), len(u), 0))
    if len(o):
        inverse, log_det = _inverse(v[:, o[:, None], o])
        log = log - 0.5 * log_det
        gain = np.einsum("kij,kjl->kil", v[:, u[:, None], o], inverse)
    rest = _symmetric(v[:, u[:, None], u] - np.einsum("kij,klj->kil", gain, v[:, u[:, None], o]))
    return _Given(u, o, log, inverse, gain, np.linalg.cholesky(rest + 1e-12 * np.eye(len(u))))


@dataclass(frozen=True)
class Deconvolution:
    """How a mixture is fitted."""

    components: int = 4
    steps: int = 150
    tolerance: float = 3e-4
    """Of ln likelihood a point, below which EM has converged."""
    floor: float = 0.01
    """Least variance of a component in any direction, in units of the points' variance."""
    isotropic: tuple[int, int] | None = None
    """Two coordinates that are a vector of random direction: mean 0, equal variances, uncorrelated."""


def deconvolved(
    points: np.ndarray, noise: np.ndarray, rule: Deconvolution, rng: np.random.Generator
) -> Mixture:
    """Return the mixture whose Gaussians, each point's noise added, make the points most likely.

    Parameters
    ----------
    points : ndarray
        (N, D) float64, measured.
    noise : ndarray
        (N, D, D) covariance of each point's error.
    rule : Deconvolution
        Components, steps, what is isotropic.
    rng : Generator
        For the first means.

    References
    ----------
    Bovy, Hogg & Roweis 2011, Ann. Appl. Stat. 5, 1657, equations 7 to 9 and 16 (regularisation).
    """
    scale = np.sqrt(np.maximum(points.var(axis=0), 1e-12))
    least = rule.floor * scale**2
    spread = np.diag(np.maximum(points.var(axis=0) - np.median(_diagonal(noise), axis=0), 0.1 * scale**2))
    k = max(1, min(rule.components, len(points) // 10))
    chosen = np.sort(rng.choice(len(points), k, replace=False))
    mixture = Mixture(
        np.full(k, 1.0 / k), _isotropic_means(points[chosen], rule), np.repeat(spread[None], k, 0)
    )
    mixture = _bounded(mixture, least, rule)
    before = -np.inf
    for _ in range(rule.steps):
        mixture, log_likelihood = _step(mixture, points, noise, least, rule)
        if abs(log_likelihood - before) < rule.tolerance:
            break
        before = log_likelihood
    return mixture


def _step(
    mixture: Mixture, points: np.ndarray, noise: np.ndarray, least: np.ndarray, rule: Deconvolution
) -> tuple[Mixture, float]:
    """One step of EM: b_ik and B_ik, the moments of the true point i if it is of component k, then M."""
    terms, inverses = _terms(mixture, points, noise)
    log_density = _log_sum(terms)
    share = np.exp(terms - log_density[:, None])
    weights, means, covariances = [], [], []
    for k, inverse in enumerate(inverses):
        q, v, m = share[:, k], mixture.covariances[k], mixture.means[k]
        gain = v @ inverse
        b = m + (gain @ (points - m)[:, :, None])[:, :, 0]
        total = q.sum() + 1e-12
        mean = _isotropic_means((q @ b / total)[None], rule)[0]
        away = b - mean
        rest = v - np.tensordot(q, gain, 1) @ v / total
        second = (q[:, None] * away).T @ away / total + rest
        weights.append(total)
        means.append(mean)
        covariances.append((total * second + np.diag(least)) / (total + 1.0))
    new = Mixture(np.array(weights) / np.sum(weights), np.array(means), _symmetric(np.array(covariances)))
    return _bounded(new, least, rule), float(log_density.mean())


def _terms(
    mixture: Mixture, points: np.ndarray, noise: np.ndarray | None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """ln of each component's share of p (N, K), and the inverse of each one's covariance with the noise."""
    out, inverses = np.empty((len(points), len(mixture))), []
    for k in range(len(mixture)):
        spread = mixture.covariances[k if len(mixture.covariances) > 1 else 0][None]
        inverse, log_det = _inverse(spread if noise is None else spread + noise)
        away = points - mixture.means[k]
        chi2 = ((inverse @ away[:, :, None])[:, :, 0] * away).sum(axis=1)
        out[:, k] = -0.5 * (chi2 + log_det + points.shape[1] * math.log(2 * math.pi))
        inverses.append(inverse)
    return out + np.log(np.maximum(mixture.weights, 1e-300)), inverses


def _bounded(mixture: Mixture, least: np.ndarray, rule: Deconvolution) -> Mixture:
    """Covariances with the isotropic pair made so, and no direction narrower than the least variance."""
    v = mixture.covariances.copy()
    if rule.isotropic is not None:
        i, j = rule.isotropic
        mean = 0.5 * (v[:, i, i] + v[:, j, j])
        v[:, (i, j), :] = 0.0
        v[:, :, (i, j)] = 0.0
        v[:, i, i] = v[:, j, j] = mean
    unit = np.sqrt(least)
    values, vectors = np.linalg.eigh(_symmetric(v / np.outer(unit, unit)))
    v = np.einsum("kij,kj,klj->kil", vectors, np.maximum(values, 1.0), vectors) * np.outer(unit, unit)
    return Mixture(mixture.weights, mixture.means, _symmetric(v))


def _isotropic_means(means: np.ndarray, rule: Deconvolution) -> np.ndarray:
    out = means.copy()
    if rule.isotropic is not None:
        out[:, rule.isotropic] = 0.0
    return out


def _inverse(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse and ln determinant of (N, D, D)."""
    return np.linalg.inv(matrix), np.linalg.slogdet(matrix)[1]


def _diagonal(matrix: np.ndarray) -> np.ndarray:
    return np.diagonal(matrix, axis1=1, axis2=2)


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return 0.5 * (matrix + matrix.swapaxes(-1, -2))


def _log_sum(terms: np.ndarray) -> np.ndarray:
    most = terms.max(axis=1)
    return most + np.log(np.exp(terms - most[:, None]).sum(axis=1))
