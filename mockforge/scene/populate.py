"""Galaxies and stars of a scene from rows of the population: their parts, fluxes and stamps."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mockforge.galaxies.population import Galaxies
from mockforge.rng import Stream
from mockforge.scene.light import OLD, galaxy_fluxes, star_fluxes
from mockforge.scene.model import SceneModel, Stars, Structure
from mockforge.scene.objects import Objects
from mockforge.scene.pictures import with_pictures
from mockforge.scene.reach import with_sides
from mockforge.scene.shear import lensed_knots, sheared

_BULGE_SIZE = 0.25
"""Half-light radius of a bulge over that of its disk."""
_POINT = 0.02
"""Sigma of a star before the PSF, pixels."""


def galaxies(model: SceneModel, drawn: Galaxies, x: np.ndarray, y: np.ndarray, stream: Stream) -> Objects:
    """Galaxies of a population at places in pixels; parts as `model.structure` says."""
    count, rng = len(x), stream.child("structure").numpy()
    angle = own_angle = rng.uniform(0.0, 180.0, count)
    bulge, size, index = _bulges(model.structure, drawn)
    knots, knot_fraction = _knots(model.structure, drawn, size[:, 0], angle, rng)
    stretch, q, angle = sheared(drawn.axis_ratio, angle, *model.shear)
    size = size * stretch[:, None]
    knots = lensed_knots(knots, *model.shear)
    flux = galaxy_fluxes(model.bands, drawn.magnitude, drawn.z, drawn.spectrum)
    old = galaxy_fluxes(model.bands, drawn.magnitude, drawn.z, np.full(count, OLD)) * bulge[:, None]
    old = np.minimum(old, 0.95 * flux)
    disk = flux - old
    sed = np.stack([disk * (1 - knot_fraction[:, None]), old, disk * knot_fraction[:, None]], axis=2)
    objects = Objects(
        x=x, y=y, star=np.zeros(count, dtype=bool), magnitude=drawn.magnitude, z=drawn.z,
        r_e=drawn.r_e * stretch, n=drawn.n, axis_ratio=q, position_angle=angle, spectrum=drawn.spectrum,
        temperature=np.zeros(count), bulge_fraction=bulge, knot_fraction=knot_fraction, flux=flux,
        sed=sed, size=size, index=index, knots=knots, **_no_pictures(count),
        side=np.zeros(count, dtype=np.int64),
    )  # fmt: skip
    if model.real is not None:
        objects = with_pictures(model, drawn, own_angle, objects, stream.child("real"))
    return with_sides(model, objects)


def stars(
    model: SceneModel, rule: Stars, magnitude: np.ndarray, x: np.ndarray, y: np.ndarray, stream: Stream
) -> Objects:
    """Stars of magnitudes at places in pixels."""
    count, most = len(x), max(1, model.structure.knots) * (2 if any(model.shear) else 1)
    low, high = np.log(rule.temperature_k)
    kelvin = np.exp(stream.child("temperature").numpy().uniform(low, high, count))
    flux = star_fluxes(model.bands, magnitude, kelvin)
    zero, one = np.zeros(count), np.ones(count)
    knots = np.zeros((count, most, 4))
    knots[:, :, 2], knots[:, 0, 3] = _POINT * model.pixel_scale_arcsec, 1.0
    objects = Objects(
        x=x, y=y, star=np.ones(count, dtype=bool), magnitude=magnitude, z=zero, r_e=zero, n=zero,
        axis_ratio=one, position_angle=zero, spectrum=np.full(count, -1), temperature=kelvin,
        bulge_fraction=zero, knot_fraction=zero, flux=flux,
        sed=np.stack([0 * flux, 0 * flux, flux], axis=2), size=np.full((count, 2), model.pixel_scale_arcsec),
        index=np.ones((count, 2)), knots=knots, **_no_pictures(count), side=np.zeros(count, dtype=np.int64),
    )  # fmt: skip
    return with_sides(model, objects)


def _no_pictures(count: int) -> dict[str, np.ndarray]:
    return {"picture": np.full(count, -1, dtype=np.int64), "turned": np.tile(np.eye(2), (count, 1, 1))}


def _bulges(structure: Structure, drawn: Galaxies) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bulge over total, half-light radii (N, 2) and indices (N, 2) that keep the whole's radius."""
    count = len(drawn.n)
    if not structure.bulges:
        return (
            np.zeros(count),
            np.stack([drawn.r_e, drawn.r_e], axis=1),
            np.stack([drawn.n, np.ones(count)], axis=1),
        )
    fraction = np.clip((drawn.n - 1.0) / 3.0, 0.0, 0.9)
    parts, half = _half_light()
    disk = drawn.r_e / np.interp(fraction, parts, half)
    index = np.stack([np.minimum(drawn.n, 1.0), np.full(count, 4.0)], axis=1)
    return fraction, np.stack([disk, _BULGE_SIZE * disk], axis=1), index


@lru_cache(maxsize=1)
def _half_light() -> tuple[np.ndarray, np.ndarray]:
    """Half-light radius of disk and bulge together over the disk's, against the bulge's share."""
    from scipy.special import gammainc, gammaincinv

    r = np.geomspace(0.01, 10.0, 4000)

    def inside(radius: np.ndarray, n: float) -> np.ndarray:
        return gammainc(2 * n, gammaincinv(2 * n, 0.5) * radius ** (1 / n))

    parts = np.linspace(0.0, 0.9, 46)
    disk, bulge = inside(r, 1.0), inside(r / _BULGE_SIZE, 4.0)
    return parts, np.array([np.interp(0.5, (1 - f) * disk + f * bulge, r) for f in parts])


def _knots(
    structure: Structure, drawn: Galaxies, size: np.ndarray, angle: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Knots (N, J, 4) on the disks of late types, and their share of the disk's light."""
    count, most = len(size), max(1, structure.knots)
    number = rng.integers(0, structure.knots + 1, count)
    share = rng.uniform(0.0, structure.knot_fraction, count)
    radius = size[:, None] * np.sqrt(-2.0 * np.log1p(-rng.uniform(0, 0.9, (count, most)))) * 0.6
    azimuth = rng.uniform(0.0, 2.0 * np.pi, (count, most))
    weight = rng.uniform(0.3, 1.0, (count, most)) * (np.arange(most) < number[:, None])
    late = (drawn.n < 2.0) & (number > 0) & (share > 0)
    weight[~late] = 0.0
    total = weight.sum(axis=1, keepdims=True)
    weight[:, 0] = np.where(late, weight[:, 0], 1.0)  # a set of knots without light still adds up to 1
    weight = np.where(late[:, None], weight / np.where(total > 0, total, 1.0), weight)
    turn = np.deg2rad(angle)[:, None]
    u, v = radius * np.cos(azimuth), radius * np.sin(azimuth) * drawn.axis_ratio[:, None]
    out = np.stack(
        [
            u * np.cos(turn) - v * np.sin(turn),
            u * np.sin(turn) + v * np.cos(turn),
            np.broadcast_to(0.12 * size[:, None], u.shape),
            weight,
        ],
        axis=2,
    )
    return out, np.where(late, share, 0.0)
