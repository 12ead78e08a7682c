"""The pairs of `redshift_images` painted, and their table."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from mockforge.batch import Batch
from mockforge.errors import InputError
from mockforge.galaxies.notices import age_columns
from mockforge.galaxies.real.cutouts import Cutout, CutoutCatalogue, on_wider_sky
from mockforge.galaxies.real.draw import DrawnPairs
from mockforge.galaxies.real.moved import (
    Effective,
    Moved,
    PixelFit,
    Sampling,
    StampGeometry,
    effective,
    factors,
    moved,
    one_psf,
)
from mockforge.galaxies.real.spec import ImagePairs
from mockforge.galaxies.real.spectra import Fitted, pivot
from mockforge.galaxies.table import scale_columns, spectrum_columns
from mockforge.observe.psf.image import psf_pixels
from mockforge.observe.psf.models import PsfModel, Rings, gaussian, image
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Psf
from mockforge.observe.psf.transfer import transfer
from mockforge.photometry.fluxes import spectrum_set
from mockforge.photometry.kcorrect import neighbours
from mockforge.rng import Stream
from mockforge.units import ZEROPOINT_NJY

_SHARP = 3.0
"""A frequency amplified by more than this tells that the target's PSF is the sharper one."""
_COARSE = 2.0
"""Most that a source's PSF may be broader than the one it is to have. Up to there its noise is amplified,
which is warned of."""


@dataclass(frozen=True)
class Optics:
    """The PSFs of a source's images and of both ends of the pairs."""

    bands: tuple[str, ...]
    """Of the images."""
    scale: float
    """Pixel of the images, arcsec."""
    own: Psf | None
    """PSF of all images; None where each has its own."""
    near: list[Effective] | None
    """Of the input, a band each; None: as the images have it."""
    far: list[Effective]
    """Of the target."""
    fwhm_in: tuple[float, ...]
    fwhm_out: tuple[float, ...]
    fwhm_own: tuple[float, ...]
    """Of the images that a wanted band is made of, arcsec, pixel not included."""

    @classmethod
    def of(cls, cfg: ImagePairs, galaxies: CutoutCatalogue, own: Psf | None) -> Optics:
        """Return the PSFs that a configuration asks for.

        InputError as `mockforge.observe.psf.transfer.transfer`.
        """
        near = None if cfg.psf_in is None else _ends(cfg, cfg.psf_in)
        nearest = [share.argmax() for share in _shares(cfg.bands, galaxies.bands)]
        widths = [_width(m) for m in _models(galaxies.cutout(0), galaxies, own)]
        own_fwhm = tuple(widths[b] for b in nearest)
        fwhm = own_fwhm if cfg.psf_in is None else _fwhm(cfg, cfg.psf_in)
        far = _ends(cfg, cfg.psf_out)
        scale = galaxies.pixel_scale_arcsec
        return cls(galaxies.bands, scale, own, near, far, fwhm, _fwhm(cfg, cfg.psf_out), own_fwhm)

    def check(self, cfg: ImagePairs, size: np.ndarray) -> None:
        """InputError where the images are too coarse for what is requested of them.

        `size` (N,) is the factor on angular sizes at the target. Images whose PSF, with their pixel, is
        more than `_COARSE` times as broad as the one that is wanted would be blobs: no filter
        gives back what they never resolved.
        """
        ends = (("psf_in", self.fwhm_in, 1.0), ("psf_out", self.fwhm_out, float(size.max())))
        for key, widths, factor in ends if cfg.psf_in is not None else ends[1:]:
            for band, own, other in zip(cfg.bands, self.fwhm_own, widths, strict=True):
                have = factor * float(np.hypot(own, self.scale))
                want = float(np.hypot(other, cfg.pixel_scale_arcsec))
                if have > _COARSE * want:
                    at_z = "" if factor == 1.0 else f" ({have:.2g} at the target's redshift)"
                    raise InputError(
                        f"redshift_images: the images for {band} have a PSF of {own:.2g} arcsec in pixels of"
                        f" {self.scale:.2g}{at_z}, and {key} is {other:.2g} arcsec in pixels of"
                        f" {cfg.pixel_scale_arcsec:.2g}: they are too coarse for it. Give sharper images, a"
                        f" {key} of {have / _COARSE:.2g} arcsec or more, or higher redshifts of the target"
                    )

    def present(self, cutout: Cutout, turn: int) -> list[Effective]:
        """PSF and pixel of a cutout's bands; `turn` is what was done to it."""
        psfs = _cutout_models(cutout, self.bands, self.scale, self.own)
        turned = 0 if cutout.psf is not None else turn  # a PSF of its own was turned with it
        unique = {id(m): effective(m, self.scale, turned) for m in psfs}
        return [unique[id(m)] for m in psfs]


def painted(
    cfg: ImagePairs,
    optics: Optics,
    drawn: DrawnPairs,
    cutouts: list[Cutout],
    light: Fitted,
    streams: list[Stream],
) -> tuple[list[Moved], list[Moved]]:
    """Input and target of every pair; `streams` (N,) draw the sky beside the cutouts."""
    pixel = (
        PixelFit(cfg.fit.pixel_snr, cfg.fit.floor) if cfg.fit.by == "pixel" and cfg.spectrum is None else None
    )
    near, far = [], []
    for i, cutout in enumerate(cutouts):
        present = optics.present(cutout, int(drawn.turn[i]))
        margin = _margin(cutout, cfg, optics.scale, min(1.0, light.size[i])) if cfg.extend_sky else 0
        within = np.pad(np.ones(cutout.mask.shape), max(margin, 0))
        cutout = on_wider_sky(cutout, margin, streams[i])
        if pixel is not None and len(present) > 1:
            cutout, broad = one_psf(cutout, optics.scale, present, cfg.psf_floor)
            present = [present[broad]] * len(present)
        centre = (drawn.x[i], drawn.y[i])
        stamp = StampGeometry((cfg.stamp, cfg.stamp), cfg.pixel_scale_arcsec, centre, cfg.psf_floor)
        factor_in, factor_out = factors(cutout, light.weights[i], light.spectrum[i], pixel)
        own = Sampling(optics.scale, present, within)
        near.append(moved(cutout, own, factor_in, optics.near, 1.0, stamp))
        far.append(moved(cutout, own, factor_out, optics.far, float(light.size[i]), stamp))
    return near, far


def _margin(cutout: Cutout, cfg: ImagePairs, scale: float, size: float) -> int:
    """Pixels of sky that a cutout lacks on a side, at the smaller angular size, for its stamp to be full."""
    half = (cfg.stamp / 2 + 2 + cfg.jitter) * cfg.pixel_scale_arcsec / (size * scale)
    (x, y), (h, w) = cutout.centre, cutout.mask.shape
    return math.ceil(half - min(x, y, w - 1 - x, h - 1 - y)) if len(cutout.rms) else 0


def galaxy_table(
    cfg: ImagePairs, batch: Batch, drawn: DrawnPairs, cutouts: list[Cutout], light: Fitted,
    near: list[Moved], far: list[Moved],
) -> dict[str, Any]:  # fmt: skip
    """Return the table `galaxy`: a row a pair."""
    main = light.share.argmax(axis=1)
    table: dict[str, Any] = {
        "sample": batch.sample,
        "galaxy": drawn.galaxy.astype(np.int32),
        "name": np.char.encode(np.array([c.name for c in cutouts]), "utf-8"),
        "z_in": drawn.z_in,
        "z_out": drawn.z_out,
        "x": drawn.x,
        "y": drawn.y,
        "turn": drawn.turn.astype(np.int32),
        "size_factor": light.size,
        **scale_columns(drawn.z_in, drawn.z_out, cfg.cosmology),
        **spectrum_columns("", cfg.spectra, main, cfg.cosmology),
        "sed_share": light.share.max(axis=1),
        "sed_chi2": light.chi2,
        **age_columns(
            cfg.spectra, main, drawn.z_in if cfg.population == "constant" else drawn.z_out,
            drawn.z_out, cfg.cosmology,
        ),
    }  # fmt: skip
    seds = spectrum_set(cfg.spectra, cfg.cosmology)
    for key, values in seds.parameters.items():  # of the light, not of the main spectrum alone
        table[key] = (light.share * np.asarray(values, dtype=np.float64)).sum(axis=1)
    table |= {"absolute_magnitude_in": light.absolute[:, 0], "absolute_magnitude_out": light.absolute[:, 1]}
    total = np.stack([m.total for m in near]), np.stack([m.total for m in far])
    for c, band in enumerate(cfg.bands):
        table |= {f"flux_in_{band}": total[0][:, c], f"flux_out_{band}": total[1][:, c]}
        table |= {f"k_correction_in_{band}": light.k[:, 0, c], f"k_correction_out_{band}": light.k[:, 1, c]}
        table[f"psf_sharpened_out_{band}"] = np.array([m.sharpened[c] for m in far])
    return table


def filled(
    cfg: ImagePairs, batch: Batch, optics: Optics, drawn: DrawnPairs, near: list[Moved], far: list[Moved]
) -> Batch:
    """Return the batch with its images and what is true of all of them."""
    sharpened = np.array([m.sharpened for m in far])
    if (sharpened > _SHARP).any():
        warnings.warn(
            "redshift_images: psf_out is sharper than the PSF of some galaxies at their new angular size;"
            " their noise is amplified (columns psf_sharpened_out_<band> of the galaxy table): choose a"
            " broader psf_out",
            stacklevel=2,
        )
    image_in, moved = (np.stack([m.image for m in stamps]).astype(np.float32) for stamps in (near, far))
    return batch.with_arrays(
        input=image_in,
        target=moved,
        input_psf=image_in,
        target_psf=moved,
        z_in=drawn.z_in.astype(np.float32),
        z_out=drawn.z_out.astype(np.float32),
    ).with_attributes(
        bands=cfg.bands,
        pixel_scale_arcsec=cfg.pixel_scale_arcsec,
        unit="nJy",
        zeropoint_ab=ZEROPOINT_NJY,
        psf_fwhm_in_arcsec=optics.fwhm_in,
        psf_fwhm_out_arcsec=optics.fwhm_out,
    )


def _ends(cfg: ImagePairs, psf: Psf) -> list[Effective]:
    return [effective(m, cfg.pixel_scale_arcsec) for m in models(psf, cfg.bands)]


def _fwhm(cfg: ImagePairs, psf: Psf) -> tuple[float, ...]:
    shape = (cfg.stamp, cfg.stamp)
    return tuple(float(f) for f in transfer(psf, cfg.bands, cfg.pixel_scale_arcsec, shape).fwhm_arcsec)


def _width(model: PsfModel) -> float:
    return Rings.of(model).fwhm()


def _models(cutout: Cutout, galaxies: CutoutCatalogue, own: Psf | None) -> list[PsfModel]:
    return _cutout_models(cutout, galaxies.bands, galaxies.pixel_scale_arcsec, own)


def _cutout_models(cutout: Cutout, bands: tuple[str, ...], scale: float, own: Psf | None) -> list[PsfModel]:
    """Return the PSF of each band of a cutout, without its pixel."""
    if cutout.psf is not None:
        own_psf = psf_pixels(cutout.psf, "PSF of a galaxy's cutout")
        return [image(own_psf.pixels, scale, True, own_psf.centre)] * len(bands)
    if own is not None:
        return _shared(own, bands)
    assert cutout.psf_fwhm_arcsec is not None
    return [gaussian(width) for width in cutout.psf_fwhm_arcsec]


@lru_cache(maxsize=8)
def _shared(psf: Psf, bands: tuple[str, ...]) -> list[PsfModel]:
    return models(psf, bands)


def _shares(wanted: tuple[str, ...], present: tuple[str, ...]) -> np.ndarray:
    return neighbours(np.array([pivot(b) for b in wanted]), np.array([pivot(b) for b in present]))
