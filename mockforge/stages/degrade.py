"""The stage `degrade`: fine images as another telescope would have taken them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mockforge.batch import Bands, Batch, Stage
from mockforge.config import config
from mockforge.errors import InputError
from mockforge.observe.degrade.labels import coarse_mask, with_labels
from mockforge.observe.degrade.noise import noisy
from mockforge.observe.degrade.optics import (
    about_of,
    drawn_of,
    fwhm_of,
    optics,
    psf_stamps,
    psfs_out,
    target_bands,
)
from mockforge.observe.degrade.spec import Degradation
from mockforge.observe.problems import instrument_problems
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Psf
from mockforge.observe.surveys.read import survey
from mockforge.rng import Stream


@config
class Degrade(Degradation, Stage):
    """Degrade a fine image to what another telescope observes: its PSF, pixels, bands and noise.

    Optics first: the image's own PSF and pixel are replaced by the target's, in one
    Fourier step, at the exact pixel scale and phase; total flux is kept. Then the noise of the
    target: sky and shot noise, read noise, and the correlation of the sky noise. Where the
    image has noise of its own, only what is missing is added.

    Writes `image` (N,C,h,w), coarse and noisy, `image_noiseless` where the input has no noise,
    `variance` (N,C,h,w) of its noise in nJy^2, `psf_in` and `psf_out` (N,C,s,s), the PSFs with
    their pixels, and of every map in `labels` the coarse one under its name and the fine one as
    `<name>_fine`, and so of a `mask`. `truth` stays the fine image; an input `image` becomes
    `image_fine`. Places and lengths in the tables `catalogue`, `objects` and `galaxy` are in
    coarse pixels afterwards.
    With a sweep also `fwhm_factor`, `depth_offset_mag` and `pixel_scale` (N,), as drawn.
    """

    def reads(self) -> frozenset[str]:
        """Return the input and the label maps."""
        return frozenset({self.input, *self.labels})

    def writes(self) -> frozenset[str]:
        """Return what is coarse, and the fine maps."""
        names = {"image", "variance", "psf_in", "psf_out", *self.labels, *(f"{n}_fine" for n in self.labels)}
        names |= {"image_fine"} if self.input == "image" else {"image_noiseless"}
        return frozenset(
            names | ({"fwhm_factor", "depth_offset_mag", "pixel_scale"} if self.sweep else set())
        )

    def bands_after(self, bands: Bands) -> Bands:
        """Return the target's bands that stand for the images'. InputError where it lacks one."""
        if bands is None:
            return None
        bands_out, _ = target_bands(survey(self.to), bands, self.bands, self.colours is not None)
        if self.psf_out is None:
            models(Psf(survey=self.to), bands_out)
        return bands_out

    def problems(self, bands: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
        """Return the bands that the target lacks, and PSFs and noises that do not fit."""
        yield from instrument_problems(self, bands, ("psf",))
        try:
            bands_out = self.bands_after(bands)
        except InputError as error:
            yield ("to" if self.bands is None else "bands",), str(error)
            return
        if bands_out is not None:
            yield from instrument_problems(self, bands_out, ("psf_out", "noise"))

    def pixels_kept(self, pixels: int) -> int:
        """Return 0: coarse images have fewer pixels, and how many depends on the survey."""
        return 0

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        where = "the same everywhere in a sample" if self.sweep is not None else "the same everywhere"
        return (
            f"Coarse images are those of the preset `{self.to}`, {where}: no gaps, artefacts or saturation."
        )

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Return the batch seen by the other telescope. InputError where bands, PSFs or sizes do not fit."""
        about = about_of(self, batch)
        drawn = drawn_of(self, about, len(batch), stream)
        through_optics = optics(self, batch, about, drawn)
        fine = batch.trimmed()
        arrays: dict[str, np.ndarray] = dict(noisy(self, batch, about, drawn, through_optics, stream))
        arrays["psf_in"] = psf_stamps([(m, 1.0) for m in about.present], about.fine, len(batch))
        arrays |= psfs_out(about, drawn, len(batch))
        if self.input == "image":
            arrays["image_fine"] = fine.arrays["image"]
        if self.sweep is not None:
            names = ("fwhm_factor", "depth_offset_mag")
            arrays |= {name: getattr(drawn, name).astype(np.float32) for name in names}
            arrays["pixel_scale"] = drawn.scale.astype(np.float32)
        if "mask" in fine.arrays:
            width = max(map(fwhm_of, about.wanted))
            masks = [
                coarse_mask(mask, grid, about.fine, width, self.edge == "mirror")
                for mask, grid in zip(fine.arrays["mask"], through_optics.grids, strict=True)
            ]
            arrays |= {"mask": np.stack(masks), "mask_fine": fine.arrays["mask"]}
        out = with_labels(self.labels, fine.with_arrays(**arrays), fine, through_optics.grids)
        return out.with_attributes(
            bands=about.bands,
            truth_bands=about.fine_bands,
            pixel_scale_arcsec=about.scale,
            truth_pixel_scale_arcsec=about.fine,
            psf_fwhm_arcsec=tuple(fwhm_of(m) for m in about.wanted),
            truth_psf_fwhm_arcsec=tuple(fwhm_of(m) for m in about.present),
            survey=self.to,
        )
