"""GalaxyModel: what single galaxies are like, how they look, and through what they were seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mockforge.rng import Stream
from mockforge.sgan.card import CardFacts
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.noise_sky import NoiseSky
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learned_model import LearnedModel, below, made, modulation_of, of
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.model_file import GalaxyFile
from mockforge.sgan.paint.marks_table import MarksTable
from mockforge.sgan.single.paint import SingleGalaxies
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.population import TRIES, Population
from mockforge.sgan.sources.table import Grid
from mockforge.train.model_files import load, training_notes
from mockforge.units import ZEROPOINT_NJY

_EDGE = 0.05
"""rms of a pixel below which a galaxy's light at the edge of what is painted lies."""


@dataclass(frozen=True)
class PopulationDraw:
    """Galaxies of a population, their flux too."""

    population: Population

    def __call__(self, rng: np.random.Generator, n: int) -> Marks:
        """Return `n` galaxies whose flux lies within what was measured."""
        low, high = self.population.log_flux
        none = np.full((n, self.population.coordinates.shape.stop), np.nan)
        log_flux = self.population.galaxies.completed(rng, none)[:, 0]
        for _ in range(TRIES):
            beyond = (log_flux < low) | (log_flux > high)
            if not beyond.any():
                break
            log_flux[beyond] = self.population.galaxies.completed(rng, none[beyond])[:, 0]
        flux = np.exp(np.clip(log_flux, low, high))
        return self.population.draw(rng, flux, np.zeros(n, dtype=bool))


@dataclass(frozen=True, eq=False)
class GalaxyModel(LearnedModel):
    """Single galaxies in C bands. Sizes are in pixels of the stamps it was trained on."""

    kind: ClassVar[str] = "galaxies"

    name: str
    bands: tuple[str, ...]
    psf: PixelPsf
    noise: NoiseField
    population: Population
    modulation: Modulation | None = None
    """Learned morphology; None: smooth profiles."""
    pixel_scale_arcsec: float | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    """Digest of the file of arrays."""

    def __post_init__(self) -> None:
        self.check(self.population)

    def galaxies(self, seed: int = 1, least_snr: float = 0.0) -> SingleGalaxies:
        """Return its galaxies of a seed, those of at least this signal to noise."""
        painter = SourcePainter(self.psf, self.modulation, (_EDGE * self.noise.rms_njy).tolist())
        noise = NoiseSky(self.noise, Stream(seed, ("galaxies", "noise")))
        how = MarksTable(Grid(self.bands, 1.0, self.pixel_scale_arcsec))
        return SingleGalaxies(
            PopulationDraw(self.population), painter, noise, how, np.asarray(self.psf.fwhm_pix), self.name,
            self.sha256, seed, least_snr,
        )  # fmt: skip

    def learned(self) -> dict[str, np.ndarray]:
        """Return what was learned of the galaxies, by the names in the file."""
        return below("population", self.population.to_arrays())

    def describe(self) -> dict[str, str]:
        """Return what `mockforge info` prints of a model."""
        low, high = (ZEROPOINT_NJY - 2.5 * f / np.log(10.0) for f in self.population.log_flux)
        rows = {
            "model": self.name,
            "network": self.what_it_learned(),
            "bands": ", ".join(self.bands),
            "paints": "single galaxies on stamps: `mockforge generate --galaxies N`",
            "magnitudes": f"{high:.1f} to {low:.1f} AB",
            "sky rms": self.sky_rms(),
            "pixel scale": f"{self.pixel_scale_arcsec:g} arcsec" if self.pixel_scale_arcsec else "not known",
        }
        return rows | training_notes(self.training) | {"sha256": self.sha256}

    def card_facts(self) -> CardFacts:
        """Return what its card says of it."""
        scale = self.pixel_scale_arcsec
        unit = "arcsec" if scale else "pixels"
        rows = [
            (band, f"{rms:.4g}", f"{float(fwhm) * (scale or 1.0):.3f}")
            for band, rms, fwhm in zip(self.bands, self.noise.rms_njy, self.psf.fwhm_pix, strict=True)
        ]
        at = f" at {scale:g} arcsec per pixel" if scale else ""
        return CardFacts(
            what=(
                f"Single galaxies in {', '.join(self.bands)}{at}, in nJy: each has its own flux, size, shape "
                "and learned morphology, and is seen through the PSF and noise of the stamps. Every one "
                "comes with its noiseless image and its parameters."
            ),
            titles=("band", "sky rms (nJy)", f"PSF FWHM ({unit})"),
            rows=rows,
            sections={
                "Use": (
                    f"    mockforge generate --model {self.name} --galaxies 100 --out stamps.fits",
                    "",
                    f'In Python: `mockforge.open_galaxies("{self.name}", seed=7).stamps(100)`.',
                )
            },
            limits=(
                "Its galaxies resemble those it was trained on; none is a real object.",
                "It is no more varied than the galaxies it learned from, near whose marks it draws: of few "
                "hundred, rare kinds are missing, and small differences from real ones are not measured.",
                "Its measures are those of models that left out a part of the galaxies each; it learned from "
                "all.",
                "One PSF and one noise for all: means over the stamps.",
                "Fine structure (knots, dust, narrow arms) is smoother than in the stamps.",
                "Galaxies larger than the stamps, or fainter than their limit, were left out.",
            ),
        )


def load_galaxies(name: str | Path) -> GalaxyModel:
    """Return a model of single galaxies by name or path; every field and number is checked.

    Raises InputError where a file is missing, unreadable or damaged, or is another network's.
    """
    return load(name, GalaxyFile, made(_make))


def _make(found: GalaxyFile, arrays: dict[str, np.ndarray]) -> GalaxyModel:
    count, network = len(found.bands), found.network.galaxies
    return GalaxyModel(
        name=found.name,
        bands=found.bands,
        psf=PixelPsf.from_arrays(arrays, count, found.pixel_scale_arcsec),
        noise=NoiseField.from_arrays(arrays, count),
        population=Population.from_arrays(of("population", arrays)),
        modulation=modulation_of("galaxies", network.latent, network.width, arrays, count),
        pixel_scale_arcsec=found.pixel_scale_arcsec,
        training=found.training,
        sha256=found.sha256,
    )
