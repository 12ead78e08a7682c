"""Blends: a galaxy in the middle of a stamp, and neighbours at chosen distances and magnitudes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np

from mockforge.config import Count, Fraction, Limit, Varying, config, uniform
from mockforge.galaxies.population import hst_population
from mockforge.rng import Stream
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import SIDES, Objects
from mockforge.scene.paint import paint
from mockforge.scene.populate import galaxies
from mockforge.sky.blocks import together_at_most
from mockforge.sky.layers import Layer, layer_of

_BEYOND = 2e-3
"""Share of a galaxy's light, in any band, that may lie beyond a stamp that is smaller than it is wide."""


@config
class Blend:
    """One galaxy near the stamp's centre and up to `most` neighbours; nothing else is there."""

    magnitude: Annotated[Varying, Limit(ge=16, le=30.5)] = uniform(21.0, 25.5)
    """Of the first galaxy, AB in F160W."""
    most: Count = 3
    """Most neighbours; their number is even from 1 to this."""
    singles: Fraction = 0.2
    """Share of the samples without a neighbour: controls."""
    centred: bool = True
    """The first galaxy is at the centre, within half a pixel; if not, anywhere in the inner half."""
    distance_arcsec: Annotated[Varying, Limit(ge=0)] = uniform(0.2, 2.0)
    """From the first galaxy to each neighbour."""
    magnitude_difference: Varying = uniform(-1.0, 3.0)
    """Of each neighbour from the first galaxy; above 0 is fainter."""


def blend_objects(model: SceneModel, rule: Blend, side: int, stream: Stream) -> Objects:
    """Return the galaxies of one sample, first the one in the middle; places in pixels of the stamp."""
    rng, table = stream.child("blend").numpy(), hst_population()
    number = 0 if rng.random() < rule.singles else int(rng.integers(1, rule.most + 1))
    first = float(rule.magnitude.draw(rng, 1)[0])
    fainter = rule.magnitude_difference.draw(rng, number)
    magnitude = np.concatenate([[first], first + fainter])
    spread = 0.5 if rule.centred else side / 4.0
    y, x = (side - 1) / 2.0 + rng.uniform(-spread, spread, 2)
    distance = rule.distance_arcsec.draw(rng, number) / model.pixel_scale_arcsec
    azimuth = rng.uniform(0.0, 2.0 * np.pi, number)
    ys = np.concatenate([[y], y + distance * np.sin(azimuth)])
    xs = np.concatenate([[x], x + distance * np.cos(azimuth)])
    drawn = table.given(stream.child("galaxies").numpy(), magnitude)
    return galaxies(model, drawn, xs, ys, stream.child("galaxy"))


def blends(model: SceneModel, rule: Blend, side: int, streams: Iterable[Stream]) -> list[Objects]:
    """Return the galaxies of several samples, each with a stamp that is no larger than need be."""
    samples = [blend_objects(model, rule, side, stream) for stream in streams]
    tight = _tighter(model, Objects.together(samples), side)
    ends = np.cumsum([len(own) for own in samples])[:-1]
    return [replace(own, side=sides) for own, sides in zip(samples, np.split(tight, ends), strict=True)]


def _tighter(model: SceneModel, objects: Objects, side: int) -> np.ndarray:
    """Return sides of stamps, (N,), that hold what is seen of galaxies and nearly all of their light."""
    from scipy.special import gammainc, gammaincinv

    edges = [np.abs(v - end) for v in (objects.y, objects.x) for end in (-0.5, side - 0.5)]
    share = (objects.sed / objects.sed.sum(axis=2, keepdims=True)).max(axis=1)[:, :2]
    tight = objects.side
    for larger in SIDES[::-1]:
        radius = 0.5 * larger * model.pixel_scale_arcsec / objects.size
        scaled = gammaincinv(2 * objects.index, 0.5) * radius ** (1 / objects.index)
        beyond = ((1 - gammainc(2 * objects.index, scaled)) * share).sum(axis=1)
        enough = (np.max(edges, axis=0) + 1.0 <= larger / 2) & (beyond < _BEYOND)
        tight = np.where(enough, np.minimum(tight, larger), tight)
    return tight


def blend_layers(model: SceneModel, samples: Sequence[Objects], side: int) -> list[list[Layer]]:
    """Return the galaxies' pixels inside the stamp, for each sample.

    All samples' galaxies are painted together: each is the same in any company.
    """
    made = Objects.together(samples)
    sample = np.repeat(np.arange(len(samples)), [len(own) for own in samples])
    row = np.concatenate([np.arange(len(own)) for own in samples])
    top, left = made.corner()
    seen = made.touching(0, side, 0, side)
    layers: dict[int, Layer] = {}
    for larger in np.unique(made.side[seen]).tolist():
        alike = np.flatnonzero(seen & (made.side == larger))
        most = together_at_most(larger, len(model.bands))
        for some in (alike[i : i + most] for i in range(0, len(alike), most)):
            for i, image in zip(some.tolist(), paint(model, made.rows(some)), strict=True):
                layer = layer_of(int(row[i]), image, int(top[i]), int(left[i]), (0, side, 0, side))
                layers[i] = layer._replace(image=layer.image.copy())
    out: list[list[Layer]] = [[] for _ in samples]
    for i in sorted(layers):
        out[sample[i]].append(layers[i])
    return out


def only(model: SceneModel) -> SceneModel:
    """Return the model without its sky: noise alone, for blends."""
    return replace(model, density_factor=0.0, stars=None, clustering=None)
