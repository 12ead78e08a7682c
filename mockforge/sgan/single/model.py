"""GalaxyModel: what single galaxies are like, how they look, and through what they were seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.card import CardFacts, model_card
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.noise_sky import NoiseSky
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.model_file import GalaxyFile
from mockforge.sgan.paint.marks_table import MarksTable
from mockforge.sgan.single.paint import SingleGalaxies
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.population import TRIES, Population
from mockforge.sgan.sources.table import Grid
from mockforge.train.model_files import load, training_notes, write_model
from mockforge.units import ZEROPOINT_NJY

MOST_BYTES = 8_000_000
"""Of a model's file of arrays."""
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
class GalaxyModel:
    """Single galaxies in C bands. Sizes are in pixels of the stamps it was trained on."""

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
        counts = {"psf": self.psf.bands, "noise": self.noise.bands, "population": self.population.bands}
        for what, number in counts.items():
            if number != len(self.bands):
                raise InputError(f"{what}: is of {number} bands, the model has {', '.join(self.bands)}")
        if self.modulation is not None and self.modulation.latent != self.population.latent:
            raise InputError(
                f"modulation: takes a latent of {self.modulation.latent} numbers, the population draws "
                f"{self.population.latent}"
            )

    def galaxies(self, seed: int = 1, least_snr: float = 0.0) -> SingleGalaxies:
        """Return its galaxies of a seed, those of at least this signal to noise."""
        painter = SourcePainter(self.psf, self.modulation, (_EDGE * self.noise.rms_njy).tolist())
        noise = NoiseSky(self.noise, Stream(seed, ("galaxies", "noise")))
        how = MarksTable(Grid(self.bands, 1.0, self.pixel_scale_arcsec))
        return SingleGalaxies(
            PopulationDraw(self.population), painter, noise, how, np.asarray(self.psf.fwhm_pix), self.name,
            self.sha256, seed, least_snr,
        )  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that was learned, float32, by the names in the file."""
        own = {f"population.{key}": values for key, values in self.population.to_arrays().items()}
        out = {**self.psf.to_arrays(), **self.noise.to_arrays(), **own}
        if self.modulation is not None:
            out |= self.modulation.to_arrays()
        return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in out.items()}

    def to_json(self) -> dict[str, Any]:
        """Return what the model's JSON says of it, beside its name and digests."""
        latent, width = (0, 0) if self.modulation is None else (self.modulation.latent, self.modulation.width)
        return {
            "network": {"galaxies": {"latent": latent, "width": width}},
            "bands": list(self.bands),
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
            "pixel_scale_arcsec": self.pixel_scale_arcsec,
            "arrays": {name: list(values.shape) for name, values in self.arrays().items()},
            "training": dict(self.training),
        }

    def save(self, folder: Path) -> Path:
        """Write NAME.safetensors, NAME.json and the card NAME.md; returns the JSON's path.

        InputError where the arrays have more bytes than a model may.
        """
        arrays = {name: torch.from_numpy(values) for name, values in self.arrays().items()}
        size = sum(values.numel() * 4 for values in arrays.values())
        if size > MOST_BYTES:
            raise InputError(f"model {self.name}: its arrays have {size:,} bytes, at most {MOST_BYTES:,}")
        return write_model(folder, self.name, arrays, self.to_json(), model_card(self))

    def describe(self) -> dict[str, str]:
        """Return what `mockforge info` prints of a model."""
        low, high = (ZEROPOINT_NJY - 2.5 * f / np.log(10.0) for f in self.population.log_flux)
        rows = {
            "model": self.name,
            "network": self._what_it_learned(),
            "bands": ", ".join(self.bands),
            "paints": "single galaxies on stamps: `mockforge generate --galaxies N`",
            "magnitudes": f"{high:.1f} to {low:.1f} AB",
            "sky rms": ", ".join(
                f"{b} {r:.4g} nJy" for b, r in zip(self.bands, self.noise.rms_njy, strict=True)
            ),
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
            limits=(
                "Its galaxies resemble those it was trained on; none is a real object.",
                "Shapes are learned by reconstruction: no critic improves them, as stamps this tight show no "
                "sky to add painted galaxies to.",
                "One PSF and one noise for all: means over the stamps.",
                "Feature AUCs are of the very galaxies it learned from: they say how like them its galaxies "
                "look, and nothing of other real ones.",
                "Fine structure (knots, dust, narrow arms) is smoother than in the stamps.",
                "Galaxies larger than the stamps, or fainter than their limit, were left out.",
            ),
        )

    def _what_it_learned(self) -> str:
        numbers = sum(values.size for values in self.arrays().values())
        latent = self.population.latent
        shapes = f"learned morphology, latent of {latent}" if latent else "smooth profiles"
        return f"galaxies, {numbers:,} numbers, {shapes}"


def load_galaxies(name: str | Path) -> GalaxyModel:
    """Return a model of single galaxies by name or path; every field and number is checked.

    Raises InputError where a file is missing, unreadable or damaged, or is another network's.
    """
    return load(name, GalaxyFile, _make)


def _make(found: GalaxyFile, weights: dict[str, Tensor]) -> GalaxyModel:
    arrays = {name: tensor.float().numpy() for name, tensor in weights.items()}
    count, network = len(found.bands), found.network.galaxies
    own = {k.removeprefix("population."): v for k, v in arrays.items() if k.startswith("population.")}
    try:
        return GalaxyModel(
            name=found.name,
            bands=found.bands,
            psf=PixelPsf.from_arrays(arrays, count, found.pixel_scale_arcsec),
            noise=NoiseField.from_arrays(arrays, count),
            population=Population.from_arrays(own),
            modulation=Modulation.from_arrays(arrays, count) if network.latent > 0 else None,
            pixel_scale_arcsec=found.pixel_scale_arcsec,
            training=found.training,
            sha256=found.sha256,
        )
    except InputError as error:
        raise InputError(
            f"model {found.name}: {error}; the file is damaged: fetch or train it again"
        ) from error
