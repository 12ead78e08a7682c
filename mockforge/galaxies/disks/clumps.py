"""Star-forming clumps: where they lie in a disk, and where that is on the sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.galaxies.disks.model import LENGTHS_IN_R_HALF
from mockforge.galaxies.disks.spec import Clumps
from mockforge.galaxies.disks.structure import Structure, modulation
from mockforge.galaxies.shapes import radius_of_light
from mockforge.rng import Stream

_INNER = 0.95
"""Clumps follow the disk's light up to the radius that holds so much of it."""
_GAUSSIAN = 1.1774100225154747
"""Half-light radius of a round Gaussian over its sigma."""
_CANDIDATES = 24
"""Places tried for each clump where arms or a bar move the light."""


@dataclass(frozen=True)
class PlacedClumps:
    """Up to J clumps of each of N galaxies, in the galaxy's own axes, in half-light radii of the disk."""

    u: np.ndarray
    """(N, J) along the major axis."""
    v: np.ndarray
    """(N, J) across it in the disk's plane."""
    w: np.ndarray
    """(N, J) along the disk's axis."""
    weight: np.ndarray
    """(N, J) share of the clumps' light, 0 for one that is not there; a galaxy's add up to 1."""
    size: np.ndarray
    """(N,) sigma."""

    def number(self) -> np.ndarray:
        """Return how many clumps each galaxy has, (N,)."""
        return (self.weight > 0).sum(axis=1)

    def on_sky(self, matrix: np.ndarray, r_half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y from the galaxy's centre, (N, J), by matrices (N, 2, 3) of `plane.to_sky`."""
        places = np.stack([self.u, self.v, self.w], axis=1)
        seen = np.einsum("nij,njk->nik", matrix, places) * r_half[:, None, None]
        return seen[:, 0], seen[:, 1]


def place_clumps(
    clumps: Clumps, n: np.ndarray, thickness: np.ndarray, structure: Structure, stream: Stream
) -> PlacedClumps:
    """Draw the clumps of disks of index `n` and this thickness, (N,)."""
    count = len(n)
    size = clumps.size.draw(stream.child("size").numpy(), count)
    if clumps.places is not None:
        u, v, share = np.asarray(clumps.places, dtype=np.float64).T
        weight = np.tile(share / share.sum(), (count, 1))
        return PlacedClumps(
            np.tile(u, (count, 1)), np.tile(v, (count, 1)), np.zeros_like(weight), weight, size
        )
    shape = (count, clumps.most)
    number = stream.child("number").numpy().integers(clumps.fewest, clumps.most + 1, count)
    present = np.arange(clumps.most) < number[:, None]
    light = np.ones(shape)
    if clumps.brightness == "exponential":
        light = stream.child("brightness").numpy().exponential(size=shape)
    light = np.where(present, light, 0.0)
    weight = light / np.maximum(light.sum(axis=1, keepdims=True), 1e-300)
    rng = stream.child("place").numpy()
    if clumps.along == "random_walk":
        u, v = rng.normal(0.0, 1 / _GAUSSIAN, (2, *shape))
    else:
        radius, azimuth = _along_disk(n, structure, shape, rng)
        u, v = radius * np.cos(azimuth), radius * np.sin(azimuth)
    level = stream.child("height").numpy().uniform(-1.0, 1.0, shape)
    w = np.arctanh(0.999 * level) * thickness[:, None] / LENGTHS_IN_R_HALF
    return PlacedClumps(u, v, w, weight, size)


def _along_disk(
    n: np.ndarray, structure: Structure, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw radii and azimuths (N, J) as the disk's light is: the first of some places that is accepted."""
    tried = (shape[0], shape[1] * _CANDIDATES)
    radius = radius_of_light(rng.uniform(0.0, _INNER, tried), n[:, None])
    azimuth = rng.uniform(0.0, 2 * np.pi, tried)
    factor = modulation(structure, radius, azimuth)
    limit = np.maximum(factor.max(axis=1, keepdims=True), 1.0)
    accepted = (rng.uniform(0.0, 1.0, tried) * limit < factor).reshape(*shape, _CANDIDATES)
    first = accepted.argmax(axis=2)[..., None]
    chosen = [np.take_along_axis(a.reshape(accepted.shape), first, axis=2)[..., 0] for a in (radius, azimuth)]
    return chosen[0], chosen[1]
