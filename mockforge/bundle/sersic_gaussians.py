"""Fits Sersic profiles by mixtures of Gaussians: the table of `mockforge.sgan.light.gaussians`.

Run: python -m mockforge.bundle.sersic_gaussians (half a minute of a core)

Lengths are in half-light radii and all fluxes are those to infinity. For each index on an even grid
in ln n the amplitudes are least squares on the growth of the flux with radius and on the profile
seen through five Gaussian PSFs, weighted alike in parts of the flux and of the peak. They may be
negative: below n = 0.5 a profile is flatter than any sum of Gaussians. A little ridge keeps them
smooth in n. What is stored is the cubic B-spline through them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.special import gammainc, gammaincinv, ive

from mockforge.sgan.light.gaussians import COUNT, INDEX_RANGE, TABLE, log_sigmas

NODES = 33
_SEEN_THROUGH = (0.1, 0.2, 0.4, 0.8, 1.6)
_APERTURES = np.geomspace(3e-3, 100, 120)
_EDGES = np.geomspace(1e-7, 2000, 4001)
_RIDGE = 1e-3
_WHOLE = 100.0


def growth(n: float, radius: np.ndarray) -> np.ndarray:
    """Flux inside a radius in half-light radii, of a total of 1 (Graham & Driver 2005, equation 2)."""
    return gammainc(2 * n, gammaincinv(2 * n, 0.5) * np.asarray(radius) ** (1 / n))


def through_gaussian(n: float, sigma: float, radius: np.ndarray) -> np.ndarray:
    """Surface brightness of a round profile of flux 1 through a Gaussian PSF, all in half-light radii."""
    light, ring = np.diff(growth(n, _EDGES)), np.sqrt(_EDGES[1:] * _EDGES[:-1])
    radius = np.asarray(radius)[:, None]
    bell = np.exp(-0.5 * ((radius - ring) / sigma) ** 2) / (2 * np.pi * sigma**2)
    return (ive(0, radius * ring / sigma**2) * bell) @ light


def amplitudes_of(n: float) -> np.ndarray:
    """Amplitudes (K,), of sum 1, of the Gaussians of an index."""
    sigma = np.exp(log_sigmas(torch.tensor([np.log(n)], dtype=torch.float64))[0].numpy())
    design = [1 - np.exp(-0.5 * (_APERTURES[:, None] / sigma) ** 2)]
    wanted = [growth(n, _APERTURES)]
    for width in _SEEN_THROUGH:
        radius = np.linspace(0, 6 * max(width, 0.5), 40)
        profile = through_gaussian(n, width, radius)
        variance = sigma**2 + width**2
        design.append(np.exp(-0.5 * radius[:, None] ** 2 / variance) / (2 * np.pi * variance) / profile[0])
        wanted.append(profile / profile[0])
    rows = [*design, np.full((1, COUNT), _WHOLE), _RIDGE * np.eye(COUNT)]
    target = np.concatenate([*wanted, [_WHOLE], np.zeros(COUNT)])
    fitted = np.linalg.lstsq(np.vstack(rows), target, rcond=None)[0]
    return fitted / fitted.sum()


def table() -> np.ndarray:
    """Coefficients (nodes + 2, K) of the cubic B-spline through the amplitudes (its ends: not a knot)."""
    indices = np.exp(np.linspace(*np.log(INDEX_RANGE), NODES))  # type: ignore
    values = np.stack([amplitudes_of(n) for n in indices])
    system = np.zeros((NODES + 2, NODES + 2))
    for i in range(NODES):
        system[i + 1, i : i + 3] = np.array([1, 4, 1]) / 6
    system[0, :5] = system[-1, -5:] = (1, -4, 6, -4, 1)
    return np.linalg.solve(system, np.vstack([np.zeros(COUNT), values, np.zeros(COUNT)]))


def main(path: Path = TABLE) -> None:
    """Write the table."""
    np.save(path, table().astype(np.float64))


if __name__ == "__main__":
    main()
