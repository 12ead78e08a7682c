"""A learned sky that nobody trained: a smooth population, a PSF with wings, noise by place, any shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mockforge.rng import Stream
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.sources.coordinates import Coordinates
from mockforge.sgan.sources.counts import Counts
from mockforge.sgan.sources.density import DensityField
from mockforge.sgan.sources.mixture import Mixture
from mockforge.sgan.sources.model import SourceModel
from mockforge.sgan.sources.population import Population
from mockforge.train.first_weights import first_weights

LATENT = 3


def tiny_forge(
    bands: tuple[str, ...] = ("g", "r"),
    name: str = "tiny",
    *,
    pixel_scale_arcsec: float | None = 0.2,
    rms_njy: float = 10.0,
    shaped: bool = True,
    gain: float = 0.0,
) -> ForgeModel:
    """Return a model of about 6,000 sources a million pixels, of which those above 5 sigma are few.

    Parameters
    ----------
    bands
        Names of the bands, any number of them.
    pixel_scale_arcsec
        None: not known.
    rms_njy
        Median noise of a pixel in the first band; the others have a tenth more each.
    shaped
        Whether it has learned (that is, random) morphology.
    gain
        Electrons per nJy, 0 for none.
    """
    count = len(bands)
    sources, modulation = _sources(count, shaped), None
    if shaped:
        with first_weights(Stream(3, ("tiny",))):
            modulation = Modulation(count, LATENT, width=8)
            torch.nn.init.normal_(modulation.last.weight, std=0.3)
        modulation = modulation.eval().requires_grad_(False)
    level = rms_njy * (1.0 + 0.1 * np.arange(count))
    kernel = np.array([[0.0, 0.1, 0.0], [0.1, 0.98, 0.1], [0.0, 0.1, 0.0]])
    places = 1.0 + 0.1 * np.cos(np.arange(12.0)).reshape(3, 4)
    kernels = places[:, :, None, None, None] * level[:, None, None] * kernel
    noise = NoiseField(kernels, 64, np.zeros(count), np.full(count, gain), np.full(count, np.inf))
    fwhm = [3.0 + 0.3 * i % 1.0 for i in range(count)]
    psf = PixelPsf.from_moffat(fwhm, 3.5, side=65, pixel_scale_arcsec=pixel_scale_arcsec)
    return ForgeModel(
        name=name, bands=bands, psf=psf, noise=noise, sources=sources, modulation=modulation,
        pixel_scale_arcsec=pixel_scale_arcsec, training={"source": "nothing: nobody trained it"},
    )  # fmt: skip


def saved_forge(folder: Path, *args: object, **how: object) -> Path:
    """Return the JSON of `tiny_forge`, written to a folder."""
    return tiny_forge(*args, **how).save(folder)  # type: ignore[arg-type]


def _sources(count: int, shaped: bool) -> SourceModel:
    coordinates = Coordinates(np.full(count, 0.3))
    colours = count if count > 1 else 0
    spread = np.diag([1.5, *[0.02] * colours, 0.1, 0.04, 0.04, 0.1])
    spread[0, 1 + colours] = spread[1 + colours, 0] = 0.2
    colour = float(np.arcsinh(1.0 / 0.6))
    galaxies = Mixture(np.ones(1), [[7.0, *[colour] * colours, 0.6, 0.0, 0.0, 0.2]], spread[None])
    stars = Mixture(np.ones(1), [[7.0, *[colour] * colours]], np.diag([2.0, *[0.01] * colours])[None])
    population = Population(galaxies, stars, coordinates, (5.0, 10.0), (-1.0, 2.5))
    if shaped:
        rng = np.random.default_rng(0)
        bright = population.draw(rng, np.exp(rng.uniform(7, 9, 40)), np.zeros(40, bool))
        population = population.with_latents(bright, rng.normal(size=(40, LATENT)))
    counts = Counts([5.0, 7.0, 9.0, 10.0], [-6.0, -7.0, -9.0, -10.5], 0.7, 60.0, 30000.0)
    return SourceModel(population, counts, counts.times(0.1), DensityField([32.0, 128.0], (0.4, 0.2)))
