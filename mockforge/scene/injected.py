"""Objects to inject: how many, where, how bright, which of the population's, and their pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Literal

import numpy as np

from mockforge.config import Varying
from mockforge.galaxies.population import Galaxies, Population, hst_population
from mockforge.rng import Stream
from mockforge.scene.light import galaxy_fluxes, star_fluxes
from mockforge.scene.model import SceneModel, Stars
from mockforge.scene.objects import Objects
from mockforge.scene.paint import paint
from mockforge.scene.populate import galaxies, stars
from mockforge.sky.layers import Layer, layer_of
from mockforge.units import ZEROPOINT_NJY

_POOL = 30_000
"""Galaxies that the injected ones are taken from."""
_NEAR = 200
"""Galaxies of nearly the same magnitude, some 0.05 mag around, one of which is taken."""
_BYTES = 2**25
"""Stamps painted at a time."""


@dataclass(frozen=True)
class Injection:
    """Which objects are injected: how many, where and how bright."""

    galaxies_per_arcmin2: Varying
    stars_per_arcmin2: Varying
    magnitude: Varying
    """AB magnitude of the galaxies in `band`."""
    star_magnitude: Varying
    band: str | None
    """Band of the images that the magnitudes are in; None: the mean flux of all."""
    places: Literal["random", "grid"]
    temperature_k: tuple[float, float]
    """Coolest and hottest star."""


def draw_objects(
    rule: Injection,
    model: SceneModel,
    bands: Sequence[str],
    shape: tuple[int, ...],
    seed: int,
    stream: Stream,
) -> tuple[Objects, np.ndarray]:
    """Galaxies, then stars, on a window of `shape` (y, x); and the magnitudes (N,) that were drawn.

    Places are in pixels of the window.
    """
    column = None if rule.band is None else tuple(bands).index(rule.band)
    rng = stream.child("places").numpy()
    area = math.prod(shape) * (model.pixel_scale_arcsec / 60.0) ** 2
    per_area = [float(v.draw(rng, 1)[0]) for v in (rule.galaxies_per_arcmin2, rule.stars_per_arcmin2)]
    if rule.places == "random":
        number = [int(rng.poisson(n * area)) for n in per_area]
        y, x = (rng.uniform(-0.5, n - 0.5, sum(number)) for n in shape)
    else:
        y, x = lattice(sum(per_area) * area, shape, rng)
        star = int(rng.binomial(len(x), per_area[1] / max(sum(per_area), 1e-30)))
        order = rng.permutation(len(x))
        y, x, number = y[order], x[order], [len(x) - star, star]
    first = number[0]
    rng = stream.child("magnitudes").numpy()
    magnitude, bright = rule.magnitude.draw(rng, first), rule.star_magnitude.draw(rng, number[1])
    drawn = _pool(model.bands, column, seed).like(magnitude, stream.child("galaxies").numpy())
    galaxy_objects = galaxies(model, drawn, x[:first], y[:first], stream.child("galaxy"))
    points = _stars(model, rule, column, bright, x[first:], y[first:], stream.child("star"))
    return Objects.together([galaxy_objects, points]), np.concatenate([magnitude, bright])


def lattice(
    expected: float, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Places (y, x) of a hexagonal lattice of random phase, `expected` on average in `shape` pixels.

    Each is moved by up to half a pixel, so that objects lie on pixels in every way.
    """
    if expected <= 0:
        return np.zeros(0), np.zeros(0)
    height, width = shape
    step = math.sqrt(2.0 / math.sqrt(3.0) * height * width / expected)
    rise = step * math.sqrt(3.0) / 2.0
    phase = rng.uniform(0.0, 1.0, 2)
    row, column = np.meshgrid(
        np.arange(-2, height / rise + 2), np.arange(-2, width / step + 2), indexing="ij"
    )
    places = (row + 2 * phase[0]) * rise, (column + 0.5 * (row % 2) + phase[1]) * step
    y, x = (p.ravel() - 0.5 + rng.uniform(-0.5, 0.5, p.size) for p in places)
    inside = (y >= -0.5) & (y < height - 0.5) & (x >= -0.5) & (x < width - 0.5)
    return y[inside], x[inside]


@dataclass(frozen=True)
class Pool:
    """Galaxies of the population over all magnitudes evenly, sorted by that in the images' band."""

    galaxies: Galaxies
    magnitude: np.ndarray
    """(M,) in the band, rising."""
    below: np.ndarray
    """(M + 1,) galaxies of the population up to each, a running sum."""

    def like(self, magnitude: np.ndarray, rng: np.random.Generator) -> Galaxies:
        """Galaxies of exactly these magnitudes (N,) in the band.

        One of the 200 nearest in the pool, by their numbers in the population, made brighter or
        fainter by what is left.
        """
        first = np.searchsorted(self.magnitude, magnitude) - _NEAR // 2
        first = np.clip(first, 0, len(self.magnitude) - _NEAR)
        low, high = self.below[first], self.below[first + _NEAR]
        chosen = np.searchsorted(self.below, low + rng.random(len(magnitude)) * (high - low), "right") - 1
        chosen = np.clip(chosen, first, first + _NEAR - 1)
        columns = {f.name: getattr(self.galaxies, f.name)[chosen] for f in fields(Galaxies)}
        return Galaxies(**columns | {"magnitude": columns["magnitude"] + magnitude - self.magnitude[chosen]})


@lru_cache(maxsize=4)
def _pool(bands: tuple[str, ...], column: int | None, seed: int) -> Pool:
    """Return the pool of a build, the same for all of its samples."""
    table, rng = hst_population(), Stream(seed, ("injected", "pool")).numpy()
    reference = rng.uniform(table.edges[0], table.edges[-1], _POOL)
    drawn = table.given(rng, reference)
    magnitude = _magnitudes(galaxy_fluxes(bands, drawn.magnitude, drawn.z, drawn.spectrum), column)
    order = np.argsort(magnitude, kind="stable")
    share = np.concatenate([[0.0], np.cumsum(_counts(table, reference)[order])])
    picked = Galaxies(**{f.name: getattr(drawn, f.name)[order] for f in fields(Galaxies)})
    return Pool(picked, magnitude[order], share)


def _counts(table: Population, magnitude: np.ndarray) -> np.ndarray:
    """Galaxies of a magnitude in F160W, per magnitude; in empty bins as in the emptiest other."""
    counts = table.counts / np.diff(table.edges)
    middle = 0.5 * (table.edges[1:] + table.edges[:-1])
    return np.exp(np.interp(magnitude, middle, np.log(np.maximum(counts, counts[counts > 0].min()))))


def _magnitudes(flux: np.ndarray, column: int | None) -> np.ndarray:
    """AB magnitude (N,) of fluxes (N, C) in nJy: in one band, or of their mean."""
    band_flux = flux.mean(axis=1) if column is None else flux[:, column]
    return ZEROPOINT_NJY - 2.5 * np.log10(np.maximum(band_flux, 1e-30))


def _stars(
    model: SceneModel, rule: Injection, column: int | None, magnitude: np.ndarray, x: np.ndarray,
    y: np.ndarray, stream: Stream,
) -> Objects:  # fmt: skip
    """Stars of these magnitudes in the band; their temperatures are the stream's, whatever they have."""
    low = Stars(temperature_k=rule.temperature_k)
    kelvin = stars(model, low, np.zeros(len(x)), x, y, stream).temperature
    zero = _magnitudes(star_fluxes(model.bands, np.zeros(len(x)), kelvin), column)
    return stars(model, low, magnitude - zero, x, y, stream)


def paint_layers(model: SceneModel, made: Objects, shape: tuple[int, ...]) -> list[Layer]:
    """Return the pixels of each object inside a window of `shape` (y, x), in the objects' order."""
    window, out = (0, shape[0], 0, shape[1]), {}
    top, left = made.corner()
    inside = made.touching(*window)
    for side in np.unique(made.side[inside]).tolist():
        alike = np.flatnonzero(inside & (made.side == side))
        most = max(1, _BYTES // (4 * len(model.bands) * side**2))
        for chunk in (alike[k : k + most] for k in range(0, len(alike), most)):
            stamps = paint(model, made.rows(chunk))
            for i, stamp in zip(chunk.tolist(), stamps, strict=True):
                layer = layer_of(i, stamp, int(top[i]), int(left[i]), window)
                out[i] = Layer(i, layer.image.copy(), layer.y, layer.x)
    return [out[i] for i in sorted(out)]
