"""ForgeModel: a learned sky, sources at places and the instrument they were seen with, as two small files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.sgan.card import CardFacts, model_card
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.model_file import ForgeFile
from mockforge.sgan.sources.model import SourceModel
from mockforge.train.model_files import load, training_notes, write_model
from mockforge.units import ZEROPOINT_NJY

MOST_BYTES = 8_000_000
"""Of a model's file of arrays."""


@dataclass(frozen=True, eq=False)
class ForgeModel:
    """A learned sky in C bands: what its sources are, how they look, and through what they are seen.

    Places and sizes are in pixels of the training field (native), whose `pixel_scale_arcsec` may not be
    known.
    """

    name: str
    bands: tuple[str, ...]
    psf: PixelPsf
    noise: NoiseField
    sources: SourceModel
    """Population, counts and clustering."""
    modulation: Modulation | None = None
    """Learned morphology; None: smooth profiles."""
    pixel_scale_arcsec: float | None = None
    limit_mag: tuple[float | None, ...] = ()
    """AB magnitude to which the training field's sources were complete, per band, where known."""
    training: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    """Digest of the file of arrays."""

    def __post_init__(self) -> None:
        population = self.sources.population
        counts = {"psf": self.psf.bands, "noise": self.noise.bands, "population": population.bands}
        for what, number in counts.items():
            if number != len(self.bands):
                raise InputError(f"{what}: is of {number} bands, the model has {', '.join(self.bands)}")
        if self.modulation is not None and self.modulation.latent != population.latent:
            raise InputError(
                f"modulation: takes a latent of {self.modulation.latent} numbers, the population draws "
                f"{population.latent}"
            )

    def __repr__(self) -> str:
        scale = f', {self.pixel_scale_arcsec:g}" per pixel' if self.pixel_scale_arcsec else ""
        weights = f"sha256 {self.sha256[:12]}" if self.sha256 else "not saved"
        return (
            f"<SGAN {self.name!r} (forge) in {', '.join(self.bands)}{scale}, {weights}; "
            "paint it with mockforge.Sky>"
        )

    @property
    def clean(self) -> bool:
        """Whether its skies have a noiseless truth: every pixel of theirs has owners."""
        return True

    @property
    def latent(self) -> int:
        """Numbers of a source's latent z; 0: smooth profiles alone."""
        return 0 if self.modulation is None else self.modulation.latent

    @property
    def psf_fwhm_arcsec(self) -> tuple[float, ...] | None:
        """FWHM of stars per band, pixel included; None where the pixel scale is not known."""
        if not self.pixel_scale_arcsec:
            return None
        return tuple(float(f) * self.pixel_scale_arcsec for f in self.psf.fwhm_pix)

    @property
    def rms_njy(self) -> tuple[float, ...]:
        """Rms of a pixel of empty sky per band, nJy: the median over the field."""
        return tuple(float(v) for v in self.noise.rms_njy)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that was learned, float32, by the names in the file."""
        out = {
            **self.psf.to_arrays(),
            **self.noise.to_arrays(),
            **_below("sources", self.sources.to_arrays()),
        }
        if self.modulation is not None:
            out |= self.modulation.to_arrays()
        return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in out.items()}

    def to_json(self) -> dict[str, Any]:
        """Return what the model's JSON says of it, beside its name and digests."""
        width = 0 if self.modulation is None else self.modulation.width
        return {
            "network": {"forge": {"latent": self.latent, "width": width}},
            "bands": list(self.bands),
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
            "pixel_scale_arcsec": self.pixel_scale_arcsec,
            "limit_mag": list(self.limit_mag),
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
        widths = self.psf_fwhm_arcsec or ()
        rows = {
            "model": self.name,
            "network": self._what_it_learned(),
            "bands": ", ".join(self.bands),
            "paints": "sources at places, then PSF and noise: every pixel has owners",
            "sources": self._how_many(),
            "sky rms": ", ".join(f"{b} {r:.4g} nJy" for b, r in zip(self.bands, self.rms_njy, strict=True)),
            "pixel scale": f"{self.pixel_scale_arcsec:g} arcsec" if self.pixel_scale_arcsec else "not known",
            "PSF FWHM": ", ".join(f"{b} {f:.2f} arcsec" for b, f in zip(self.bands, widths, strict=False))
            or ", ".join(f"{b} {f:.2f} pixels" for b, f in zip(self.bands, self.psf.fwhm_pix, strict=True)),
        }
        return rows | training_notes(self.training) | {"sha256": self.sha256}

    def card_facts(self) -> CardFacts:
        """Return what its card says of it."""
        scale = f" at {self.pixel_scale_arcsec:g} arcsec per pixel" if self.pixel_scale_arcsec else ""
        widths = self.psf_fwhm_arcsec or self.psf.fwhm_pix
        unit = "arcsec" if self.psf_fwhm_arcsec else "pixels"
        limits = self.limit_mag or (None,) * len(self.bands)
        rows = [
            (band, f"{rms:.4g}", f"{fwhm:.2f}", f"{gain:.3g}" if gain else "not known", _mag(limit))
            for band, rms, fwhm, gain, limit in zip(
                self.bands, self.rms_njy, widths, self.noise.electrons_per_njy, limits, strict=True
            )
        ]
        return CardFacts(
            what=(
                f"A `forge` SGAN: an endless sky of sources in {', '.join(self.bands)}{scale}, in nJy. Every "
                "source is painted at its place, with its own flux, size, shape and learned morphology, "
                "then seen through the field's PSF and noise. So every pixel has owners, and every sample "
                f"an exact truth. {self._how_many().capitalize()}."
            ),
            titles=("band", "sky rms (nJy)", f"PSF FWHM ({unit})", "electrons per nJy", "complete to (AB)"),
            rows=rows,
            limits=(
                "Its galaxies resemble those of the training field; none is a real object.",
                "Sources below the field's limit follow a law that continues the counts, not measurements.",
                "The noise is that of the training field, place by place, unless another is requested.",
                "One PSF a band for the whole sky; a real field's differs from place to place.",
                "Fine structure of the largest galaxies (arms, dust, knots) is smoother than in the field.",
                "What the training field's mask hid (saturated stars, for example) it was not trained on.",
            ),
        )

    def _what_it_learned(self) -> str:
        numbers = sum(values.size for values in self.arrays().values())
        shapes = f"learned morphology, latent of {self.latent}" if self.latent else "smooth profiles"
        return f"forge, {numbers:,} numbers, {shapes}"

    def _how_many(self) -> str:
        stars = self.sources.stars.number() if self.sources.stars else 0.0
        galaxies, stars = (1e6 * number for number in (self.sources.galaxies.number(), stars))
        return f"{galaxies:,.0f} galaxies and {stars:,.0f} stars a million pixels"


def load_forge(name: str | Path) -> ForgeModel:
    """Return a learned sky by name or path; every field and number is checked.

    Raises InputError where a file is missing, unreadable or damaged, or is not a learned sky's.
    """
    return load(name, ForgeFile, _make)


def _make(found: ForgeFile, weights: dict[str, Tensor]) -> ForgeModel:
    arrays = {name: tensor.float().numpy() for name, tensor in weights.items()}
    try:
        return _made(found, arrays)
    except InputError as error:
        raise InputError(
            f"model {found.name}: {error}; the file is damaged: fetch or train it again"
        ) from error


def _made(found: ForgeFile, arrays: Mapping[str, np.ndarray]) -> ForgeModel:
    count = len(found.bands)
    network = found.network.forge
    modulation = Modulation.from_arrays(arrays, count) if network.latent > 0 else None
    if modulation is not None and (modulation.latent, modulation.width) != (network.latent, network.width):
        raise InputError(
            f"network.forge: latent {network.latent} and width {network.width} are described, the weights "
            f"are of latent {modulation.latent} and width {modulation.width}"
        )
    return ForgeModel(
        name=found.name,
        bands=found.bands,
        psf=PixelPsf.from_arrays(arrays, count, found.pixel_scale_arcsec),
        noise=NoiseField.from_arrays(arrays, count),
        sources=SourceModel.from_arrays(_of("sources", arrays)),
        modulation=modulation,
        pixel_scale_arcsec=found.pixel_scale_arcsec,
        limit_mag=found.limit_mag,
        training=found.training,
        sha256=found.sha256,
    )


def _below(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}.{key}": values for key, values in arrays.items()}


def _of(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    head = f"{name}."
    return {key.removeprefix(head): values for key, values in arrays.items() if key.startswith(head)}


def _mag(limit: float | None) -> str:
    return "not known" if limit is None else f"{limit:.2f}"
