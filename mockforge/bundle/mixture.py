"""A mixture of Gaussians whose components also have shares of classes, fitted by EM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mixture:
    """`weight` (K,), `mean` (K, D), `covariance` (K, D, D), `shares` (K, M) of the classes."""

    weight: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    shares: np.ndarray


def fit_mixture(
    values: np.ndarray, weight: np.ndarray, classes: np.ndarray, count: int, components: int,
    rng: np.random.Generator, rounds: int = 80,
) -> Mixture:  # fmt: skip
    """Fit to points (N, D) with weights (N,) and classes (N,) below `count`.

    Within a component point and class are independent (Dempster, Laird & Rubin 1977, JRSSB 39, 1).
    A covariance is at least 0.3% of the whole's along every axis, and a class has at least the
    share of a hundredth of a point, so that no component closes on a few points.
    """
    weight = weight / weight.sum()
    scale = np.cov(values.T, aweights=weight)
    floor = 0.003 * np.diag(np.diag(scale))
    mean = values[rng.choice(len(values), components, replace=False, p=weight)]
    covariance = np.repeat(scale[None] / components, components, axis=0) + floor
    portion = np.full(components, 1.0 / components)
    shares = np.full((components, count), 1.0 / count)
    onehot = np.eye(count)[classes]
    for _ in range(rounds):
        log = np.log(portion) + np.log(shares)[:, classes].T
        for k in range(components):
            root = np.linalg.cholesky(covariance[k])
            away = np.linalg.solve(root, (values - mean[k]).T)
            log[:, k] -= 0.5 * (away**2).sum(axis=0) + np.log(np.diag(root)).sum()
        log -= log.max(axis=1, keepdims=True)
        r = np.exp(log)
        r *= (weight / r.sum(axis=1))[:, None]
        portion = r.sum(axis=0) + 1e-12
        mean = (r.T @ values) / portion[:, None]
        for k in range(components):
            away = values - mean[k]
            covariance[k] = (r[:, k, None] * away).T @ away / portion[k] + floor
        shares = r.T @ onehot + 0.01 * weight.mean() / count
        shares /= shares.sum(axis=1, keepdims=True)
        portion /= portion.sum()
    return Mixture(portion, mean, covariance, shares)
