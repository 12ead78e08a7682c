"""Blends: a galaxy in the middle of a stamp, and neighbours at chosen distances and magnitudes."""

from __future__ import annotations

from collections.abc import Iterator
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
from mockforge.sky.layers import Layer, layer_of


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
    objects = galaxies(model, drawn, xs, ys, stream.child("galaxy"))
    most = next((s for s in SIDES if s >= 3 * side), SIDES[-1])  # what lies beyond is not seen
    return replace(objects, side=np.minimum(objects.side, most))


def blend_layers(model: SceneModel, made: Objects, side: int) -> list[Layer]:
    """Yield the galaxies' pixels inside the stamp; each is painted alone, whatever its company."""

    def each() -> Iterator[Layer]:
        top, left = made.corner()
        for i in range(len(made)):
            galaxy = made.rows(np.array([i]))
            if galaxy.touching(0, side, 0, side)[0]:
                yield layer_of(i, paint(model, galaxy)[0], int(top[i]), int(left[i]), (0, side, 0, side))

    return list(each())


def only(model: SceneModel) -> SceneModel:
    """Return the model without its sky: noise alone, for blends."""
    return replace(model, density_factor=0.0, stars=None, clustering=None)
