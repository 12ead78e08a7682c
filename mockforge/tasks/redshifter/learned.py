"""What the pairs cover that a redshifter learned from, and where an image departs from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from mockforge.config import Limit
from mockforge.data.torch.dataset import Dataset
from mockforge.data.torch.pairs import PAIR
from mockforge.field.robust import SIGMA_PER_MAD
from mockforge.train.fields import psf_departures
from mockforge.train.model_file import one_each

_READ = 2000
"""Pairs that are looked at, at most, evenly over the split."""
_ENDS = 0.02
"""Part of a range by which it may be left: its ends are those of the pairs that were looked at."""
_NOISE = 1.5
"""Times the noisiest that was learned, which an image may have."""

Range = tuple[Annotated[float, Limit(ge=0, le=31)], Annotated[float, Limit(ge=0, le=31)]]
Width = Annotated[float, Limit(ge=0, le=60)]


@dataclass(frozen=True)
class Learned:
    """Ranges of a training set; None where they were not recorded."""

    z_in: Range | None = None
    z_out: Range | None = None
    stretch: Range | None = None
    """Of (1 + z_out) / (1 + z_in): above 1 where galaxies were moved away only."""
    psf_fwhm_in_arcsec: tuple[Width, ...] | None = None
    """FWHM of the input's PSF per band, 0 where there was none."""
    psf_fwhm_out_arcsec: tuple[Width, ...] | None = None
    noise_njy: tuple[Annotated[float, Limit(ge=0, le=1e15)], ...] | None = None
    """The noisiest inputs: largest `pixel_noise` per band."""

    @classmethod
    def of(cls, data: Dataset) -> Learned:
        """Of the split of a dataset of pairs."""
        rows = np.unique(np.linspace(0, len(data) - 1, min(len(data), _READ)).astype(int))
        samples = [data.sample(int(row), *PAIR) for row in rows]
        z_in, z_out = (np.array([float(s[name]) for s in samples]) for name in ("z_in", "z_out"))
        noise = np.array([pixel_noise(s["input"].numpy()) for s in samples])
        widths = [
            data.attributes.get(f"psf_fwhm_{end}_arcsec", data.attributes.get("psf_fwhm_arcsec"))
            for end in ("in", "out")
        ]
        of_in, of_out = (
            None if w is None else tuple(round(float(f), 4) for f in np.atleast_1d(w)) for w in widths
        )
        return cls(
            z_in=_ends(z_in),
            z_out=_ends(z_out),
            stretch=_ends((1 + z_out) / (1 + z_in)),
            psf_fwhm_in_arcsec=of_in,
            psf_fwhm_out_arcsec=of_out,
            noise_njy=tuple(float(f"{v:.4g}") for v in noise.max(axis=0)),
        )

    @property
    def reach(self) -> Range:
        """Lowest and highest redshift, of either end; zeros where they were not recorded."""
        ends = [z for redshifts in (self.z_in, self.z_out) if redshifts is not None for z in redshifts]
        return (min(ends), max(ends)) if ends else (0.0, 0.0)

    def departures(
        self,
        bands: Sequence[str],
        image: np.ndarray,
        psf_fwhm_arcsec: Sequence[float] | None,
        z_in: float,
        z_out: float,
    ) -> Iterator[str]:
        """Where an input (C,H,W) in nJy and its redshifts lie outside the training set, in words."""
        stretch = (1 + z_out) / (1 + z_in)
        for quantity, value, learned in (
            ("z_in", z_in, self.z_in),
            ("z_out", z_out, self.z_out),
            ("(1 + z_out) / (1 + z_in)", stretch, self.stretch),
        ):
            slack = 0.0 if learned is None else 5e-4 + _ENDS * (learned[1] - learned[0])
            if learned is not None and not learned[0] - slack <= value <= learned[1] + slack:
                yield f"{quantity} is {value:.4g}, it was trained on {learned[0]:.4g} to {learned[1]:.4g}"
        yield from psf_departures(bands, psf_fwhm_arcsec, self.psf_fwhm_in_arcsec)
        for band, rms, learned in zip(bands, pixel_noise(image), self.noise_njy or (), strict=False):
            if rms > _NOISE * learned:
                yield f"the noise in {band} is {rms:.3g} nJy per pixel, it was trained on up to {learned:.3g}"


def check_learned(learned: Learned, bands: Sequence[str]) -> None:
    """ValueError where a range has its ends exchanged, or there is not one number per band."""
    for name in ("z_in", "z_out", "stretch"):
        ends = getattr(learned, name)
        if ends is not None and ends[0] > ends[1]:
            raise ValueError(f"learned.{name}: should be the lowest and the highest, found {list(ends)}")
    names = ("psf_fwhm_in_arcsec", "psf_fwhm_out_arcsec", "noise_njy")
    one_each(bands=tuple(bands), **{f"learned.{name}": getattr(learned, name) for name in names})


def pixel_noise(image: np.ndarray) -> np.ndarray:
    """(C,) noise of an image (C,H,W): from second differences along rows, in the quietest corner.

    Light that is straight over three pixels leaves these alone. Where noise is correlated they are
    too small, by as much on any image of that kind.
    """
    steps = np.abs(np.diff(image, n=2, axis=2))
    rows, columns = (
        (slice(n), slice(-n, None)) for n in (max(1, image.shape[1] // 4), max(1, image.shape[2] // 4))
    )
    corners = [np.median(steps[:, y, x], axis=(1, 2)) for y in rows for x in columns]
    return SIGMA_PER_MAD / np.sqrt(6) * np.min(corners, axis=0)


def _ends(values: np.ndarray) -> Range:
    return round(float(values.min()), 3), round(float(values.max()), 3)
