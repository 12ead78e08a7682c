"""ForgeModel: a learned sky, sources at places and the instrument they were seen with, as two small files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mockforge.sgan.card import CardFacts
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learned_model import LearnedModel, below, made, modulation_of, of
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.model_file import ForgeFile
from mockforge.sgan.sources.model import SourceModel
from mockforge.train.model_files import load, training_notes


@dataclass(frozen=True, eq=False)
class ForgeModel(LearnedModel):
    """A learned sky in C bands: what its sources are, how they look, and through what they are seen.

    Places and sizes are in pixels of the training field (native), whose `pixel_scale_arcsec` may not be
    known.
    """

    kind: ClassVar[str] = "forge"

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
        self.check(self.sources.population)

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
    def psf_fwhm_arcsec(self) -> tuple[float, ...] | None:
        """FWHM of stars per band, pixel included; None where the pixel scale is not known."""
        if not self.pixel_scale_arcsec:
            return None
        return tuple(float(f) * self.pixel_scale_arcsec for f in self.psf.fwhm_pix)

    @property
    def rms_njy(self) -> tuple[float, ...]:
        """Rms of a pixel of empty sky per band, nJy: the median over the field."""
        return tuple(float(v) for v in self.noise.rms_njy)

    def learned(self) -> dict[str, np.ndarray]:
        """Return what was learned of the sources, by the names in the file."""
        return below("sources", self.sources.to_arrays())

    def to_json(self) -> dict[str, Any]:
        """Return what the model's JSON says of it, beside its name and digests."""
        return super().to_json() | {"limit_mag": list(self.limit_mag)}

    def describe(self) -> dict[str, str]:
        """Return what `mockforge info` prints of a model."""
        widths = self.psf_fwhm_arcsec or ()
        rows = {
            "model": self.name,
            "network": self.what_it_learned(),
            "bands": ", ".join(self.bands),
            "paints": "sources at places, then PSF and noise: every pixel has owners",
            "sources": self._how_many(),
            "sky rms": self.sky_rms(),
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

    def _how_many(self) -> str:
        stars = self.sources.stars.number() if self.sources.stars else 0.0
        galaxies, stars = (1e6 * number for number in (self.sources.galaxies.number(), stars))
        return f"{galaxies:,.0f} galaxies and {stars:,.0f} stars a million pixels"


def load_forge(name: str | Path) -> ForgeModel:
    """Return a learned sky by name or path; every field and number is checked.

    Raises InputError where a file is missing, unreadable or damaged, or is not a learned sky's.
    """
    return load(name, ForgeFile, made(_make))


def _make(found: ForgeFile, arrays: dict[str, np.ndarray]) -> ForgeModel:
    count, network = len(found.bands), found.network.forge
    return ForgeModel(
        name=found.name,
        bands=found.bands,
        psf=PixelPsf.from_arrays(arrays, count, found.pixel_scale_arcsec),
        noise=NoiseField.from_arrays(arrays, count),
        sources=SourceModel.from_arrays(of("sources", arrays)),
        modulation=modulation_of("forge", network.latent, network.width, arrays, count),
        pixel_scale_arcsec=found.pixel_scale_arcsec,
        limit_mag=found.limit_mag,
        training=found.training,
        sha256=found.sha256,
    )


def _mag(limit: float | None) -> str:
    return "not known" if limit is None else f"{limit:.2f}"
