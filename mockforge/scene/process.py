"""The sources of a parametric sky, block by block, and how they are painted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mockforge.galaxies.population import hst_population
from mockforge.rng import Stream
from mockforge.scene.clustering import CELL, clumped, in_clumps
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import REACH, Objects
from mockforge.scene.paint import paint
from mockforge.scene.populate import galaxies, stars
from mockforge.sky.process import Level
from mockforge.torch_state import numpy_default


@dataclass(frozen=True)
class SceneProcess:
    """Galaxies and stars of the population, on one level of canonical cells."""

    model: SceneModel
    stream: Stream

    @property
    def levels(self) -> tuple[Level, ...]:
        """One level: objects in clumps may lie a clump's radius outside their cell."""
        far = REACH + 1
        if self.model.clustering is not None:
            far += math.ceil(self.model.clustering.reach_arcsec / self.model.pixel_scale_arcsec)
        return (Level(CELL, far),)

    @numpy_default()
    def block(self, level: int, by: int, bx: int) -> Objects:
        """Return the objects of a cell."""
        model, stream = self.model, self.stream.child(by, bx)
        table, rng = hst_population(), stream.child("places").numpy()
        area = (CELL * model.pixel_scale_arcsec / 60.0) ** 2
        expected = table.density(model.faintest, model.brightest) * area * model.density_factor
        y, x, clump = clumped(model.clustering, rng, expected, model.pixel_scale_arcsec)
        limits = model.faintest, model.brightest
        drawn = table.draw(stream.child("galaxies").numpy(), len(x), *limits)
        drawn = in_clumps(table, stream.child("clumps").numpy(), drawn, clump, limits)
        galaxy_objects = galaxies(model, drawn, x + bx * CELL, y + by * CELL, stream.child("galaxy"))
        rule = model.stars
        if rule is None or rule.faintest <= model.brightest:
            return galaxy_objects
        rng = stream.child("stars").numpy()
        number = rng.poisson(table.density(rule.faintest, model.brightest, "stars") * area * rule.factor)
        magnitude = table.magnitudes(rng, number, rule.faintest, model.brightest, "stars")
        sy, sx = rng.uniform(-0.5, CELL - 0.5, (2, number))
        points = stars(model, rule, magnitude, sx + bx * CELL, sy + by * CELL, stream.child("star"))
        return Objects.together([galaxy_objects, points])


@dataclass(frozen=True)
class ScenePainter:
    """Stamps of a scene's objects, through the PSF of its model."""

    model: SceneModel

    @property
    def bands(self) -> int:
        """How many bands a stamp has."""
        return len(self.model.bands)

    @property
    def one_by_one(self) -> bool:
        """Objects have the same bits in any company (`mockforge.profiles.lanes`)."""
        return True

    def footprints(self, sources: Objects) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return first row, first column and side of each stamp, (N,) int64."""
        return *sources.corner(), sources.side

    def paint(self, sources: Objects, side: int | None = None) -> np.ndarray:
        """Return stamps (N, C, S, S) float32 nJy of objects of one side."""
        return paint(self.model, sources)
