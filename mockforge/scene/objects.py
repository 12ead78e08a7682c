"""Objects of a scene: what each is made of, how far it reaches, and its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from mockforge.galaxies.population import Galaxies
from mockforge.observe.psf.transfer import Psf
from mockforge.rng import Stream
from mockforge.scene.light import OLD, galaxy_fluxes, star_fluxes
from mockforge.scene.model import SceneModel, Stars, Structure

SIDES = (32, 64, 128, 256, 512)
"""Sides of stamps, pixels; an object has the smallest that it fits in. The few that do not fit end
at the largest's edge: the de Vaucouleurs halo of a galaxy of magnitude 18 at 28.9 mag / arcsec^2."""
REACH = SIDES[-1] // 2
"""No object has light farther than this many pixels from its centre."""
_BULGE_SIZE = 0.25
"""Half-light radius of a bulge over that of its disk."""
_POINT = 0.02
"""Sigma of a star before the PSF, pixels."""


@dataclass(frozen=True)
class Objects:
    """Galaxies and stars with a place; (N,) unless said, float64."""

    x: np.ndarray
    """Centre on the sky, pixels."""
    y: np.ndarray
    star: np.ndarray
    """bool"""
    magnitude: np.ndarray
    """AB in F160W."""
    z: np.ndarray
    """0 for stars."""
    r_e: np.ndarray
    """Of the whole galaxy, semi-major axis, arcsec; 0 for stars."""
    n: np.ndarray
    """Of the whole galaxy, as one Sersic profile; 0 for stars and pictures."""
    axis_ratio: np.ndarray
    position_angle: np.ndarray
    """Degrees from +x towards +y."""
    spectrum: np.ndarray
    """Row of the population's spectra; -1 for stars."""
    temperature: np.ndarray
    """Kelvin; 0 for galaxies."""
    bulge_fraction: np.ndarray
    """Share of the light in F160W."""
    knot_fraction: np.ndarray
    """Share of the disk's light."""
    flux: np.ndarray
    """(N, C) nJy, all of it."""
    sed: np.ndarray
    """(N, C, 3) nJy of disk or body (a picture's all), bulge, and knots or star."""
    size: np.ndarray
    """(N, 2) half-light radii of disk or body, and bulge, arcsec."""
    index: np.ndarray
    """(N, 2) Sersic indices of both."""
    knots: np.ndarray
    """(N, J, 4) x, y from the centre and sigma in arcsec, and weight."""
    picture: np.ndarray
    """Number of the real galaxy whose picture it has, in the library of `model.real`; -1 for none."""
    turned: np.ndarray
    """(N, 2, 2) where an offset (x, y) in arcsec on the picture comes to lie on the sky."""
    side: np.ndarray
    """Side of the stamp, pixels, int64."""

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, chosen: np.ndarray) -> Objects:
        """Those chosen, by number or by a mask."""
        return Objects(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    def corner(self) -> tuple[np.ndarray, np.ndarray]:
        """First row and column of each stamp on the sky, int64."""
        y, x = (np.rint(v).astype(np.int64) - self.side // 2 for v in (self.y, self.x))
        return y, x

    def touching(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Whether each stamp has a pixel in a window."""
        top, left = self.corner()
        return (top < y1) & (top + self.side > y0) & (left < x1) & (left + self.side > x0)


def together(parts: list[Objects]) -> Objects:
    """Lists of objects, one behind the other."""
    return Objects(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Objects)})


def galaxies(model: SceneModel, drawn: Galaxies, x: np.ndarray, y: np.ndarray, stream: Stream) -> Objects:
    """Galaxies of a population at places in pixels; parts as `model.structure` says."""
    count, rng = len(x), stream.child("structure").numpy()
    angle = own_angle = rng.uniform(0.0, 180.0, count)
    bulge, size, index = _bulges(model.structure, drawn)
    knots, knot_fraction = _knots(model.structure, drawn, size[:, 0], angle, rng)
    stretch, q, angle = sheared(drawn.axis_ratio, angle, *model.shear)
    size = size * stretch[:, None]
    knots = _lensed_knots(knots, *model.shear)
    flux = galaxy_fluxes(model.bands, drawn.magnitude, drawn.z, drawn.spectrum)
    old = galaxy_fluxes(model.bands, drawn.magnitude, drawn.z, np.full(count, OLD)) * bulge[:, None]
    old = np.minimum(old, 0.95 * flux)
    disk = flux - old
    sed = np.stack([disk * (1 - knot_fraction[:, None]), old, disk * knot_fraction[:, None]], axis=2)
    made = Objects(
        x=x, y=y, star=np.zeros(count, dtype=bool), magnitude=drawn.magnitude, z=drawn.z,
        r_e=drawn.r_e * stretch, n=drawn.n, axis_ratio=q, position_angle=angle, spectrum=drawn.spectrum,
        temperature=np.zeros(count), bulge_fraction=bulge, knot_fraction=knot_fraction, flux=flux,
        sed=sed, size=size, index=index, knots=knots, **_no_pictures(count),
        side=np.zeros(count, dtype=np.int64),
    )  # fmt: skip
    if model.real is not None:
        from mockforge.scene.pictures import with_pictures

        made = with_pictures(model, drawn, own_angle, made, stream.child("real"))
    return _with_sides(model, made)


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
    made = Objects(
        x=x, y=y, star=np.ones(count, dtype=bool), magnitude=magnitude, z=zero, r_e=zero, n=zero,
        axis_ratio=one, position_angle=zero, spectrum=np.full(count, -1), temperature=kelvin,
        bulge_fraction=zero, knot_fraction=zero, flux=flux,
        sed=np.stack([0 * flux, 0 * flux, flux], axis=2), size=np.full((count, 2), model.pixel_scale_arcsec),
        index=np.ones((count, 2)), knots=knots, **_no_pictures(count), side=np.zeros(count, dtype=np.int64),
    )  # fmt: skip
    return _with_sides(model, made)


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


def _lensed_knots(knots: np.ndarray, g1: float, g2: float) -> np.ndarray:
    """Knots (N, J, 4) of a lensed galaxy, (N, 2 J, 4): a Gaussian drawn out by the shear is two round
    ones as narrow as its minor axis, so far apart that all second moments are those of the ellipse.
    """
    g = math.hypot(g1, g2)
    if g == 0.0:
        return knots
    x, y, (to_x, to_y) = knots[..., 0], knots[..., 1], lens(g1, g2)
    middle = np.stack([x * to_x[0] + y * to_x[1], x * to_y[0] + y * to_y[1]], axis=-1)
    turn = 0.5 * math.atan2(g2, g1)
    apart = knots[..., 2:3] * math.sqrt(4.0 * g / (1.0 - g**2)) * np.array([math.cos(turn), math.sin(turn)])
    narrow, half = knots[..., 2:3] * math.sqrt((1.0 - g) / (1.0 + g)), knots[..., 3:] / 2.0
    both = [np.concatenate([middle + sign * apart, narrow, half], axis=2) for sign in (1, -1)]
    return np.concatenate(both, axis=1)


def sheared(
    q: np.ndarray, angle: np.ndarray, g1: float, g2: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stretch of the major axis, axis ratio and position angle (degrees) after a reduced shear.

    The ellipse is mapped by `lens`: ((1 + g1, g2), (g2, 1 - g1)) / sqrt(1 - g^2), which keeps its area
    (Bartelmann & Schneider 2001, Phys. Rep. 340, 291, section 4.2).
    """
    if g1 == 0.0 and g2 == 0.0:
        return np.ones_like(q), q, angle
    t = np.deg2rad(angle)
    axes = np.stack([np.stack([np.cos(t), -q * np.sin(t)], -1), np.stack([np.sin(t), q * np.cos(t)], -1)], -2)
    u, s, _ = np.linalg.svd(lens(g1, g2) @ axes)
    return s[:, 0], s[:, 1] / s[:, 0], np.degrees(np.arctan2(u[:, 1, 0], u[:, 0, 0])) % 180.0


def lens(g1: float, g2: float) -> np.ndarray:
    """(2, 2): where a reduced shear moves a point (x, y) of a galaxy, from its centre; keeps areas."""
    return np.array([[1 + g1, g2], [g2, 1 - g1]]) / math.sqrt(1 - g1**2 - g2**2)


def _with_sides(model: SceneModel, made: Objects) -> Objects:
    """The objects with stamps that reach as far as they are brighter than the edge."""
    from dataclasses import replace

    scale = model.pixel_scale_arcsec
    edge = 10 ** (-0.4 * (model.edge_mag_arcsec2 - 31.4))  # nJy / arcsec^2
    reach = _point_reach(model, made.flux.max(axis=1), edge)
    real = made.picture >= 0
    if real.any():
        from mockforge.scene.pictures import picture_reach

        reach = np.maximum(reach, picture_reach(model, made))
    for k in (0, 1):
        light = np.where(real, 0.0, made.sed[:, :, k].max(axis=1))
        reach = np.maximum(
            reach, sersic_reach(light, made.size[:, k], made.index[:, k], made.axis_ratio, edge)
        )
    spread = np.abs(made.knots[..., :2]).max(axis=(1, 2)) * (made.knot_fraction > 0)
    half = np.maximum(reach, spread) / scale + 3.0
    place = np.minimum(np.searchsorted(np.array(SIDES) / 2.0, half), len(SIDES) - 1)
    return replace(made, side=np.array(SIDES)[place])


def sersic_reach(flux: np.ndarray, r_e: np.ndarray, n: np.ndarray, q: np.ndarray, edge: float) -> np.ndarray:
    """Semi-major axis of the isophote of `edge` (flux per area) of Sersic profiles; 0 where fainter."""
    from scipy.special import gammaincinv, gammaln

    b = gammaincinv(2 * n, 0.5)
    log = np.log(np.maximum(flux, 1e-30)) + 2 * n * np.log(b) - gammaln(2 * n)
    log -= np.log(2 * np.pi * n * q * r_e**2) + math.log(edge)
    return r_e * (np.maximum(log, 0.0) / b) ** n


def _point_reach(model: SceneModel, flux: np.ndarray, edge: float) -> np.ndarray:
    """Radius in arcsec where a point source's PSF falls to `edge`."""
    if model.psf is None:
        return np.zeros(len(flux))
    radius, brightness = _wings(model.psf, model.bands)
    log = np.log(edge / np.maximum(flux, 1e-30))
    return np.exp(np.interp(-log, -np.log(brightness), np.log(radius)))


@lru_cache(maxsize=8)
def _wings(psf: Psf, bands: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Radius (arcsec) and the greatest brightness at or beyond it in any band, falling; to 60 arcsec.

    Measured to 3 arcsec; beyond as the power law of the last third of a decade, or r^-3.
    """
    from mockforge.observe.psf.models import Rings
    from mockforge.observe.psf.transfer import models

    near = np.geomspace(0.01, 3.0, 120)
    found = np.max([np.abs(Rings.of(m).brightness(near)) for m in models(psf, bands)], axis=0)
    found = np.maximum.accumulate(np.maximum(found, 1e-12)[::-1])[::-1]
    far = np.geomspace(3.2, 60.0, 40)
    slope = min(-3.0, float(np.polyfit(np.log(near[-20:]), np.log(found[-20:]), 1)[0]))
    brightness = np.concatenate([found, found[-1] * (far / near[-1]) ** slope])
    return np.concatenate([near, far]), brightness * np.geomspace(1.0, 0.999, len(brightness))
