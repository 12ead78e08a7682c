"""Clumps of galaxies: where they are on a cell of the sky, and the redshift that their members share."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np

from mockforge.galaxies.population import Galaxies, Population
from mockforge.scene.model import Clustering

CELL = 256
"""Side in pixels of the cells that own the objects."""
SPREAD_KM_S = 250.0
"""Velocity dispersion of a clump's members: that of groups (Eke et al. 2004, MNRAS 348, 866)."""
_ALIKE = 0.05
"""A galaxy may be put at a redshift whose ln(1 + z) is at most so far from its own."""
_POOL = 30
"""Galaxies drawn for each member, of which it is the one nearest in redshift to its clump."""
_LIGHT_KM_S = 299792.458


def in_clumps(
    table: Population, rng: np.random.Generator, drawn: Galaxies, clump: np.ndarray,
    limits: tuple[float, float],
) -> Galaxies:  # fmt: skip
    """`drawn` (N,), the members of each clump (N,) replaced by galaxies of one redshift.

    A clump's redshift is that of a galaxy of the population, and its members are galaxies of the
    population near it, so that n(z) and what galaxies of a redshift look like stay as they are. Members
    are then moved to the clump's redshift, with the velocities of a group. The few for which none is
    near stay where they are. `limits` are the faintest and the brightest magnitude.
    """
    members = np.flatnonzero(clump >= 0)
    if not len(members):
        return drawn
    pool = table.draw(rng, _POOL * len(members) + 200, *limits)
    place = np.log1p(pool.z)
    free = np.ones(len(place), dtype=bool)
    columns = {f.name: getattr(drawn, f.name).copy() for f in fields(Galaxies)}
    for c in np.unique(clump[members]).tolist():
        own_members = members[clump[members] == c]
        middle = place[int(rng.integers(len(place)))]
        away = np.where(free, np.abs(place - middle), np.inf)
        near = np.argsort(away, kind="stable")[: len(own_members)]
        near = near[away[near] <= _ALIKE]
        free[near] = False
        for name, values in columns.items():
            values[own_members[: len(near)]] = getattr(pool, name)[near]
        speed = SPREAD_KM_S / _LIGHT_KM_S * rng.standard_normal(len(near))
        columns["z"][own_members[: len(near)]] = np.exp(middle) * (1.0 + speed) - 1.0
    return Galaxies(**columns)


def clumped(
    rule: Clustering | None, rng: np.random.Generator, expected: float, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return places y, x in pixels of the galaxies that a cell owns, and the number of the clump of each.

    -1 for those in none. `expected` of them on average; `scale` in arcsec per pixel.
    """
    single = expected * (1.0 if rule is None else 1.0 - rule.share)
    y, x = rng.uniform(-0.5, CELL - 0.5, (2, rng.poisson(single)))
    if rule is None:
        return y, x, np.full(len(y), -1)
    clumps = clump_density(rule) * (CELL * scale) ** 2
    number = rng.poisson(clumps)
    members = rng.poisson(rule.share * expected / clumps, number)
    centre = rng.uniform(-0.5, CELL - 0.5, (2, number)).repeat(members, axis=1)
    # a density r^-a within the reach: r^(2 - a) is even
    radius = rule.reach_arcsec / scale * rng.random(members.sum()) ** (1.0 / (1.0 - rule.slope / 2))
    azimuth = rng.uniform(0.0, 2 * np.pi, members.sum())
    return (
        np.concatenate([y, centre[0] + radius * np.sin(azimuth)]),
        np.concatenate([x, centre[1] + radius * np.cos(azimuth)]),
        np.concatenate([np.full(len(y), -1), np.arange(number).repeat(members)]),
    )


def clump_density(rule: Clustering) -> float:
    """Clumps per square arcsec that give the amplitude: w = share^2 (rho * rho) / density.

    With rho = C r^-a, a = 1 + slope / 2, the convolution at small separations is
    C^2 I theta^(2 - 2a), I = pi (Gamma(1 - a/2) / Gamma(a/2))^2 Gamma(a - 1) / Gamma(2 - a)
    (M. Riesz' composition formula in two dimensions).
    """
    a = 1.0 + rule.slope / 2.0
    c = (2.0 - a) / (2.0 * math.pi * rule.reach_arcsec ** (2.0 - a))
    ratio = math.gamma(1.0 - a / 2.0) / math.gamma(a / 2.0)
    integral = math.pi * ratio**2 * math.gamma(a - 1.0) / math.gamma(2.0 - a)
    return rule.share**2 * c**2 * integral / rule.amplitude
