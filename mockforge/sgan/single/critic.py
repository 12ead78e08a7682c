"""What a critic of single galaxies compares: real stamps, and painted galaxies with the noise of real ones.

Its features are the same for a stamp and its turned or mirrored twin; where there are stamps enough for a
critic of pixels, these are turned at random.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from mockforge.field.symmetries import each_turned
from mockforge.rng import Stream
from mockforge.sgan.instrument.noise_sky import NoiseSky
from mockforge.sgan.learn.shapes.adversarial import Sides
from mockforge.sgan.learn.shapes.cutouts import MARGIN, CutoutRule, Cutouts
from mockforge.sgan.single.compare import Shown, looks_of
from mockforge.sgan.single.model import GalaxyModel, PopulationDraw
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.population import Population

_PATCHES = 512
"""Patches of noise that are drawn from."""


@dataclass(frozen=True, eq=False)
class StampSides(Sides):
    """Real stamps, and painted galaxies as they would be seen on such stamps."""

    shown: Shown
    """The real ones."""
    noise: Tensor
    """(M, C, S, S) in units of its rms."""
    least_snr: float
    """Of pixels, against the rule's noise: fainter painted galaxies are left out."""

    def painted(self, light: Tensor, marks: Marks, stream: Stream) -> Cutouts:
        """Return painted galaxies with the mask and the noise level of the real one of like flux and size."""
        inner = light[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
        like = self.shown.like(looks_of(marks))
        rng = stream.child("noise").numpy()
        patches = self.noise[torch.from_numpy(rng.integers(0, len(self.noise), len(light)))]
        patches = each_turned(patches, torch.from_numpy(rng.integers(0, 8, len(light))))
        rms = torch.from_numpy(self.shown.rms[like].astype(np.float32))[..., None, None]
        hidden = torch.from_numpy(self.shown.mask[like])[:, None]
        pixels = torch.where(hidden, 0.0, inner + rms * patches)
        usual = torch.tensor(self.rule.noise_njy)[:, None, None]
        snr = (inner.detach() / usual).square().sum((1, 2, 3)).sqrt().numpy()
        place = np.zeros(len(light))
        return Cutouts(pixels, place, place, np.arange(len(light))).at(snr >= self.least_snr)


@dataclass(frozen=True)
class StampDraw:
    """Galaxies of a population, as `adversarial.BrightDraw` asks for them."""

    population: Population
    rows: Marks = field(repr=False)
    """Whose latents the population draws from."""

    def __call__(self, n: int, stream: Stream, z: np.ndarray | None = None) -> Marks:
        """Return `n` of them, near the origin; `z` (N, Z) in place of the rows' own latents."""
        rng = stream.numpy()
        population = self.population if z is None else with_shapes(self.population, self.rows, z)
        marks = PopulationDraw(population)(rng, n)
        x, y = rng.uniform(-0.5, 0.5, (2, n))
        return marks.replace(x=x, y=y)


def with_shapes(population: Population, rows: Marks, z: np.ndarray) -> Population:
    """Return a population whose galaxies, however faint, have latents drawn from those of `rows`."""
    return population.with_latents(rows, z, above=1e-6)


def stamp_sides(shown: Shown, model: GalaxyModel, least_snr: float, stream: Stream) -> StampSides:
    """Return both sides of the comparison for a critic: these real galaxies, and this model's noise."""
    side, rms = shown.side, model.noise.rms_njy
    rule = CutoutRule(
        float(np.median(model.psf.fwhm_pix)), tuple(float(v) for v in rms), side=side, least_snr=least_snr
    )
    across = int(np.ceil(_PATCHES**0.5))
    sky = NoiseSky(model.noise, stream.child("patches")).window(0, across * side, 0, across * side)
    sky = (sky / rms[:, None, None]).reshape(-1, across, side, across, side).transpose(1, 3, 0, 2, 4)
    patches = torch.from_numpy(np.ascontiguousarray(sky.reshape(-1, len(rms), side, side)[:_PATCHES]))
    pixels = torch.from_numpy(shown.image.astype(np.float32))
    place = np.zeros(len(pixels))
    real = Cutouts(pixels, place, place, np.arange(len(pixels)))
    return StampSides(rule, real, shown, patches, least_snr)
