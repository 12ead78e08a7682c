"""The stage `degrade`: fine images as another telescope would have taken them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from mockforge.batch import Batch
from mockforge.config import Count, Limit, Positive, Varying, config, fixed
from mockforge.observe.degrade.labels import coarse_labels, coarse_mask, coarse_table
from mockforge.observe.degrade.optics import (
    About,
    Drawn,
    Seen,
    about_of,
    drawn_of,
    fwhm_of,
    optics,
    psf_stamps,
    psfs_out,
)
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.transfer import Psf
from mockforge.photometry.colours import Colours
from mockforge.rng import Stream

if TYPE_CHECKING:
    from mockforge.observe.degrade.degrader import Grid

_MOVED = ("catalogue", "objects", "galaxy")
"""Tables whose places follow onto the coarse grid."""


@config
class Sweep:
    """What differs from sample to sample."""

    fwhm_factor: Annotated[Varying, Limit(gt=0)] = fixed(1.0)
    """Times the width of the target's PSF, in all bands."""
    depth_offset_mag: Varying = fixed(0.0)
    """Magnitudes by which the image is deeper than the survey; negative: shallower."""
    pixel_scale_arcsec: Annotated[Varying, Limit(gt=0)] | None = None
    """Size of a coarse pixel; null: the target's own. The number of pixels stays."""


@config
class Degrade:
    """Degrade a fine image to what another telescope observes: its PSF, pixels, bands and noise.

    Optics first: the image is freed of its own PSF and pixel and given the target's, in one
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

    to: str
    """A survey by name, or the path of a YAML file of one; `mockforge surveys` lists them."""
    input: Literal["truth", "light", "image"] = "truth"
    """`truth`, noiseless; `light`, noiseless in bands like the target's; `image`, with noise."""
    bands: tuple[str, ...] | None = None
    """The target's bands that stand for the input's, in order; null: those of the same names, else the
    nearest in wavelength."""
    colours: Colours | None = None
    """Makes the target's bands of the input's, as many as `bands` names, by a matrix fitted to
    spectra; null: each band stands for one, its flux as it is."""
    psf: Psf | None = None
    """PSF of the input; null: what the source says."""
    psf_out: Psf | None = None
    """PSF of the target before its pixel; null: the survey's."""
    pixel_scale_arcsec: Positive | None = None
    """Size of a coarse pixel; null: the survey's."""
    shape: Count | None = None
    """Height and width of the coarse image; null: as many pixels as fit."""
    phase: Annotated[Varying, Limit(ge=-1, le=1)] = fixed(0.0)
    """By how many coarse pixels the sky is moved on the coarse grid, in x and in y, each drawn; at
    0 the middles of both images fall together."""
    noise: Noise | None = None
    """Noise of the target; null: the survey's depth and gain."""
    noisy: bool = True
    """Whether to add noise at all."""
    own_rms_njy: Positive | tuple[Positive, ...] | None = None
    """Rms of the noise that an input `image` has, per band; null: measured on it,
    with its correlation on all samples of a shard together, so that what is added depends on which these
    are. Samples without noise (input: truth) do not depend on each other, to the last bit."""
    whiten: bool = False
    """Make the noise of an input `image` white: what is added fills its power spectrum up."""
    sweep: Sweep | None = None
    """Width of the PSF, depth and pixel scale that differ from sample to sample."""
    labels: tuple[str, ...] = ("instances",)
    """Label maps that follow onto the coarse grid."""
    edge: Literal["mirror", "empty"] = "mirror"
    """What lies beyond the image: its reflection, or nothing."""

    def __post_init__(self) -> None:
        from mockforge.observe.surveys import survey

        chosen = survey(self.to)
        for band in self.bands or ():
            chosen.band(band)
        if self.colours is not None and self.bands is None:
            raise ValueError("colours needs `bands`, the target's bands to make")
        if self.bands is not None and len(set(self.bands)) < len(self.bands):
            raise ValueError(f"bands should be different names, found {list(self.bands)}")
        if self.input != "image" and (self.own_rms_njy is not None or self.whiten):
            raise ValueError(f"own_rms_njy and whiten are for input: image; {self.input} has no noise")

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

    def files_read(self) -> dict[str, Path]:
        """Return the file of a survey that is the user's own."""
        from mockforge.observe.surveys import own_file

        return own_file(self.to)

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
        seen = optics(self, batch, about, drawn)
        fine = batch.trimmed()
        arrays: dict[str, np.ndarray] = dict(noisy(self, batch, about, drawn, seen, stream))
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
                for mask, grid in zip(fine.arrays["mask"], seen.grids, strict=True)
            ]
            arrays |= {"mask": np.stack(masks), "mask_fine": fine.arrays["mask"]}
        out = _with_labels(self, fine.with_arrays(**arrays), fine, seen.grids)
        return out.with_attributes(
            bands=about.bands,
            truth_bands=about.fine_bands,
            pixel_scale_arcsec=about.scale,
            truth_pixel_scale_arcsec=about.fine,
            psf_fwhm_arcsec=tuple(fwhm_of(m) for m in about.wanted),
            truth_psf_fwhm_arcsec=tuple(fwhm_of(m) for m in about.present),
            survey=self.to,
        )


def noisy(
    cfg: Degrade, batch: Batch, about: About, drawn: Drawn, seen: Seen, stream: Stream
) -> dict[str, np.ndarray]:
    """`image` and `variance` (N,C,h,w), and `image_noiseless` where the input has no noise."""
    from mockforge.observe.degrade.noise import Target, filled_up, full

    noise = cfg.noise or Noise(survey=cfg.to, survey_bands=about.bands)
    widths = [fwhm_of(m) for m in about.wanted]
    target = Target(noise, about.bands, widths) if cfg.noisy else None
    factor = 10 ** (-0.4 * drawn.depth_offset_mag) * noise.rms_factor.draw(
        stream.child("rms_factor").numpy(), len(batch)
    )
    streams = [stream.child(int(draw)) for draw in batch.draw]
    if cfg.input == "image":
        image, variance = filled_up(seen.image, seen.noise, target, drawn.scale, factor, streams, cfg.whiten)
        return {"image": image, "variance": variance}
    image, variance = full(seen.image, target, drawn.scale, factor, streams)
    return {"image": image, "variance": variance, "image_noiseless": seen.image}


def _with_labels(cfg: Degrade, out: Batch, fine: Batch, grids: list[Grid]) -> Batch:
    """Label maps and tables on the coarse grids; `out` has the fine ones."""
    for name in cfg.labels:
        maps = fine.arrays[name]
        coarse = np.stack([coarse_labels(maps[i], grid) for i, grid in enumerate(grids)])
        out = out.with_arrays(**{name: coarse, f"{name}_fine": maps})
    measured = dict(zip(out.sample.tolist(), out.arrays[cfg.labels[0]], strict=True)) if cfg.labels else None
    for name in _MOVED:
        if name in fine.tables:
            out = out.with_table(name, _moved_rows(fine, name, grids, measured, coarse_table))
    return out


def _moved_rows(
    fine: Batch, name: str, grids: list[Grid], measured: Any, coarse_table: Any
) -> dict[str, np.ndarray]:
    """Return a table in coarse pixels, sample by sample where the grids differ."""
    table, parts, order = fine.tables[name], [], []
    for grid in dict.fromkeys(grids):
        samples = [s for s, g in zip(fine.sample.tolist(), grids, strict=True) if g == grid]
        rows = np.flatnonzero(np.isin(table["sample"], samples))
        parts.append(coarse_table({k: v[rows] for k, v in table.items()}, grid, measured))
        order.append(rows)
    back = np.argsort(np.concatenate(order), kind="stable")
    return {key: np.concatenate([part[key] for part in parts])[back] for key in parts[0]}
