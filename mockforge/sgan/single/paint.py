"""Galaxies of a learned model, each alone and centred on a stamp, without noise and as observed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.instrument.noise_sky import NoiseSky
from mockforge.sgan.light.extent import SIDES
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.paint.marks_table import MarksTable, columns_of
from mockforge.sgan.sources.marks import Marks
from mockforge.torch_state import steady

STAMP_SIDES = (16, SIDES[-1])
"""Pixels: the smallest and the largest stamp."""
_BATCH = 64
"""Galaxies drawn and painted together: a number of its own, so that the first N do not depend on N."""
_MOST_EMPTY = 400
"""Batches in a row without a galaxy after which there are none."""


class GalaxyDraw(Protocol):
    """What draws galaxies."""

    def __call__(self, rng: np.random.Generator, n: int) -> Marks:
        """Return up to `n` galaxies, radii in native px, wherever they lie."""
        ...


@dataclass(frozen=True, eq=False)
class Stamps:
    """N galaxies of C bands, each in the middle of S x S pixels, at x = y = (S - 1) / 2."""

    truth: np.ndarray
    """(N, C, S, S) float32 nJy: the light through the PSF, without noise."""
    image: np.ndarray
    """(N, C, S, S) float32 nJy: as observed."""
    marks: Marks
    """What each is; places in pixels of its stamp."""
    snr: np.ndarray
    """(N,) signal over noise of the light known, (sum of truth^2 / rms^2)^1/2; infinite without noise."""

    def __len__(self) -> int:
        return len(self.marks)


@dataclass(frozen=True, eq=False)
class SingleGalaxies:
    """Endless galaxies of one seed: galaxy i is the same however many are painted."""

    draw: GalaxyDraw
    painter: SourcePainter
    noise: NoiseSky
    how: MarksTable
    """What the columns of a galaxy are."""
    fwhm_pix: np.ndarray
    """(C,) FWHM of stars in pixels of the stamps."""
    name: str
    """What files are called after: the model's name."""
    sha256: str
    """Digest of the model's arrays."""
    seed: int
    least_snr: float = 0.0
    """Galaxies of less signal over noise are left out."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the names of the bands."""
        return self.how.grid.bands

    @property
    def pixel_scale_arcsec(self) -> float | None:
        """Return the side of a pixel, None where it is not known."""
        return self.how.grid.pixel_scale_arcsec

    def stamps(self, n: int, side: int = 64) -> Stamps:
        """Return the first `n` galaxies on stamps of `side` pixels.

        Raises
        ------
        InputError
            For a number or a side out of range, and where the model has no galaxy so bright.
        """
        if n < 1:
            raise InputError(f"galaxies: their number should be at least 1, found {n}")
        low, high = STAMP_SIDES
        if not low <= side <= high:
            raise InputError(f"stamps: a side of {low} to {high} pixels is expected, found {side}")
        parts: list[Stamps] = []
        with steady():
            for part in self._batches(side):
                parts.append(part)
                if sum(len(p) for p in parts) >= n:
                    break
        marks = Marks.together([p.marks for p in parts]).rows(slice(0, n))
        truth, snr = (np.concatenate([getattr(p, k) for p in parts])[:n] for k in ("truth", "snr"))
        return Stamps(truth, self._observed(truth), marks, snr)

    @property
    def psf_fwhm_arcsec(self) -> tuple[float, ...] | None:
        """Return the FWHM of stars in each band, None where the pixel scale is not known."""
        scale = self.pixel_scale_arcsec
        return tuple(float(f) * scale for f in self.fwhm_pix) if scale else None

    def columns(self, stamps: Stamps) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, str]]]:
        """Return what galaxies are: columns (N, ...) by name, and the unit and the meaning of each."""
        marks, bands = stamps.marks, self.bands
        values = {**self.how.table(marks), **self.how.derived(marks), "snr": stamps.snr}
        about = {**columns_of(bands), "snr": ("", "signal over noise of its light, the light known")}
        about |= {f"mag_{band}": ("mag", f"AB magnitude of all of its light in {band}") for band in bands}
        about |= {"r_e_arcsec": ("arcsec", "half-light radius along the major axis")}
        about |= {axis: ("pix", "centre on its stamp, the first pixel is 0") for axis in ("x", "y")}
        left_out = ("star", "ra", "dec")  # places on its stamp are none on the sky
        return {k: v for k, v in values.items() if k not in left_out}, about

    def cards(self) -> dict[str, tuple[str | int | float, str]]:
        """Return what a file of its stamps says in its header."""
        out: dict[str, tuple[str | int | float, str]] = {
            "MFMODEL": (self.name, "mockforge model that painted the galaxies"),
            "MFSHA256": (self.sha256, "sha256 of its weights"),
            "MFSEED": (self.seed, "seed of the galaxies"),
            "MFSNR": (self.least_snr, "least signal to noise of a galaxy"),
        }
        for i, rms in enumerate(self.noise.field.rms_njy, 1):
            out[f"MFRMS{i}"] = (float(rms), f"[nJy] rms of the sky in band {i}")
        return out

    def _batches(self, side: int) -> Iterator[Stamps]:
        """Yield galaxies that are bright enough, in their order, without an end."""
        rms = self.noise.field.rms_njy[:, None, None]
        empty, stream, batch = 0, Stream(self.seed, ("galaxies",)), 0
        while True:
            marks = self.draw(stream.child("marks", batch).numpy(), _BATCH)
            middle = np.full(len(marks), 0.5 * (side - 1))
            marks = marks.replace(x=middle, y=middle)
            truth = self._painted(marks, side)
            with np.errstate(divide="ignore", invalid="ignore"):
                snr = np.sqrt(((truth.astype(np.float64) / rms) ** 2).sum(axis=(1, 2, 3)))
            snr = np.nan_to_num(snr, nan=np.inf, posinf=np.inf)
            kept = snr >= self.least_snr
            empty, batch = 0 if kept.any() else empty + 1, batch + 1
            if empty > _MOST_EMPTY:
                raise InputError(
                    f"the model has no galaxy of signal to noise {self.least_snr:g} among "
                    f"{_MOST_EMPTY * _BATCH:,}: ask for fainter ones, or for a deeper sky"
                )
            yield Stamps(truth[kept], truth[kept], marks.rows(kept), snr[kept])

    def _painted(self, marks: Marks, side: int) -> np.ndarray:
        """Return noiseless stamps (n, C, S, S), cut out of ones that hold all of each galaxy's light."""
        out = np.empty((len(marks), self.painter.bands, side, side), dtype=np.float32)
        sides = np.maximum(self.painter.sides(marks), min(s for s in SIDES if s >= side))
        for wide in np.unique(sides).tolist():
            rows = np.flatnonzero(sides == wide)
            first = wide // 2 - side // 2
            light = self.painter.paint_on(marks.rows(rows), wide)
            out[rows] = light[..., first : first + side, first : first + side]
        return out

    def _observed(self, truth: np.ndarray) -> np.ndarray:
        """Return stamps as observed, each at a place of its own on the sky of noise."""
        pitch = truth.shape[-1] + 2 * self.noise.field.reach
        return np.stack([self.noise.observed(light, 0, i * pitch) for i, light in enumerate(truth)])
