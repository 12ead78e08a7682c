"""A dataset of degraded images, in batches on the training device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from mockforge.config import Bands, Limit, Size
from mockforge.data.torch.dataset import Dataset
from mockforge.errors import InputError
from mockforge.tasks.recover.grid import upsampled
from mockforge.tasks.splits import Split

_Pixel = Annotated[float, Limit(ge=0.001, le=60)]
_Side = Annotated[int, Limit(ge=1, le=65536)]
_Fwhm = Annotated[float, Limit(gt=0, le=600)]
NEEDED = ("image", "truth", "variance")


@dataclass(frozen=True)
class Scales:
    """What holds for a whole set: bands and pixels of both telescopes."""

    bands: Bands
    """Of the coarse image."""
    fine_bands: Bands
    coarse_arcsec: _Pixel
    fine_arcsec: _Pixel
    shape: tuple[_Side, _Side]
    """Coarse (height, width) of a sample."""
    fine: tuple[_Side, _Side]
    """Fine (height, width)."""
    psf_fwhm_arcsec: Annotated[tuple[_Fwhm, ...], Size(1, 64)] | None
    fine_psf_fwhm_arcsec: Annotated[tuple[_Fwhm, ...], Size(1, 64)] | None

    @property
    def step(self) -> float:
        """Fine pixels to a coarse one."""
        return self.coarse_arcsec / self.fine_arcsec

    @classmethod
    def of(cls, data: Dataset) -> Scales:
        """Of a dataset; InputError where it is none of degraded images of one pixel scale."""
        data.needs(NEEDED, "recovering")
        attributes = data.attributes
        scales = (attributes.get("pixel_scale_arcsec"), attributes.get("truth_pixel_scale_arcsec"))
        if None in scales or "truth_bands" not in attributes:
            raise InputError(
                f"{data.path}: says nothing of a fine truth (truth_pixel_scale_arcsec, truth_bands); "
                "recovering needs a dataset with the stage `degrade`, as recipes/hst_to_hsc.yaml makes it"
            )
        if "pixel_scale" in data.arrays:
            raise InputError(f"{data.path}: its pixel scale varies; recovering needs one for all samples")
        (_, h, w), (_, height, width) = data.arrays["image"], data.arrays["truth"]
        coarse, fine = (float(s) for s in scales)  # type: ignore[arg-type]
        return cls(
            tuple(str(b) for b in attributes["bands"]),
            tuple(str(b) for b in attributes["truth_bands"]),
            *(coarse, fine, (h, w), (height, width)),
            *(_fwhm(attributes.get(key)) for key in ("psf_fwhm_arcsec", "truth_psf_fwhm_arcsec")),
        )


def _fwhm(found: object) -> tuple[float, ...] | None:
    return None if found is None else tuple(round(float(f), 4) for f in np.asarray(found))


@dataclass(frozen=True)
class Examples:
    """Samples as the network takes them."""

    base: Tensor
    """(N,C,H,W) nJy: the coarse image interpolated."""
    truth: Tensor
    """(N,C,H,W) nJy."""
    unit: Tensor
    """(N,C,1,1) nJy: noise of a coarse pixel, spread over its fine pixels."""


class DegradedSplit(Split):
    """One split of a dataset of degraded images.

    Its batches are coarse images (N,C,h,w), truths (N,C,H,W) and the rms of the sky (N,C).
    """

    def __init__(self, data: Dataset) -> None:
        self.scales = Scales.of(data)
        super().__init__(
            data, NEEDED, "recovering", lambda s: (s["image"], s["truth"], sky_level(s["variance"]))
        )

    def examples(self, image: Tensor, truth: Tensor, rms: Tensor) -> Examples:
        """Coarse images with their truths as the network takes them."""
        step = self.scales.step
        return Examples(upsampled(image, self.scales.fine, step), truth, fine_unit(rms, step))

    def rms(self) -> tuple[float, ...]:
        """Median rms of the sky in each band, nJy in a coarse pixel."""
        rows = np.arange(min(len(self), 256))
        return tuple(float(f"{v:.5g}") for v in self.batch(rows)[2].median(dim=0).values)


def sky_level(variance: Tensor) -> Tensor:
    """Rms of the sky (C,) from the variance (C,h,w): where least of it comes from sources."""
    return variance.flatten(1).amin(dim=1).clamp_min(1e-20).sqrt()


def fine_unit(rms: Tensor, step: float) -> Tensor:
    """Noise of a coarse pixel (N,C) spread over its fine pixels, (N,C,1,1)."""
    return rms[:, :, None, None] / step**2


def depth_of(unit: Tensor, reference: tuple[float, ...], step: float) -> Tensor:
    """Log of the noise over that of the training set, (N,C)."""
    usual = torch.tensor(reference, dtype=unit.dtype, device=unit.device) / step**2
    return torch.log(unit[:, :, 0, 0] / usual)
