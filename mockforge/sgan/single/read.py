"""Stamps of single galaxies as arrays of one size, with their noise and one PSF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.robust import sigma_mad
from mockforge.galaxies.real.cutouts import Cutout
from mockforge.galaxies.real.realgalaxy import RealCatalogue, RealGalaxies
from mockforge.sgan.instrument.given import from_files, from_spec, from_widths
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.single.spec import GalaxyStamps, StampFolder

FEWEST = 40
"""Galaxies below which there is no population to learn."""
_PSF_SIDE = 129
_SMOOTH = 0.2
"""Scatter of neighbours' differences over that of pixels, below which a rim is light and not noise."""
_RIM = 3
"""Pixels of a stamp's edge by which its noise is measured where nothing says it."""


@dataclass(frozen=True, eq=False)
class StampSet:
    """N galaxies of C bands on S x S pixels, each within a pixel of (S - 1) / 2."""

    image: np.ndarray
    """(N, C, S, S) float32 nJy, 0 where a pixel is not known."""
    mask: np.ndarray
    """(N, S, S) bool: not to be used."""
    rms: np.ndarray
    """(N, C) nJy: of a pixel of the sky."""
    names: tuple[str, ...]
    bands: tuple[str, ...]
    psf: PixelPsf
    pixel_scale_arcsec: float | None
    psf_scatter: float = 0.0
    """Relative scatter of the width of the galaxies' own PSFs, whose mean `psf` is."""

    def __len__(self) -> int:
        return len(self.image)

    def rows(self, i: np.ndarray) -> StampSet:
        """Return some of them."""
        names = tuple(np.asarray(self.names)[i].tolist())
        return StampSet(self.image[i], self.mask[i], self.rms[i], names, self.bands, self.psf,
                        self.pixel_scale_arcsec, self.psf_scatter)  # fmt: skip


def read_stamps(spec: GalaxyStamps) -> StampSet:
    """Return the stamps that a recipe names.

    Raises
    ------
    InputError
        Where files are missing or unlike each other, a PSF is not given, or fewer than 40 can be used.
    """
    if spec.real is not None:
        found = _of_catalogue(spec.real, spec)
    else:
        assert spec.files is not None
        found = _of_folder(spec.files, spec)
    good = np.isfinite(found.rms).all(axis=1) & (found.rms > 0).all(axis=1)
    good &= ~found.mask[:, spec.side // 2 - 1 : spec.side // 2 + 1].all(axis=(1, 2))
    if good.sum() < FEWEST:
        raise InputError(
            f"stamps: {int(good.sum())} galaxies can be used, at least {FEWEST} are required"
            + (
                ""
                if good.all()
                else f"; {int((~good).sum())} show no noise at their rim, or nothing in their middle"
            )
        )
    return found.rows(np.flatnonzero(good))


def _of_catalogue(rule: RealGalaxies, spec: GalaxyStamps) -> StampSet:
    catalogue = RealCatalogue(rule)
    cutouts = [catalogue.cutout(i) for i in range(len(catalogue.redshifts))]
    placed = [_placed(c.image, c.mask, c.centre, spec) for c in cutouts]
    image, mask = (np.stack(planes) for planes in zip(*placed, strict=True))
    psf, scatter = _mean_psf(cutouts, catalogue.pixel_scale_arcsec, spec.bin)
    return StampSet(
        image, mask, _noise_of(cutouts, image, mask, spec.bin), tuple(c.name for c in cutouts),
        catalogue.bands, psf, catalogue.pixel_scale_arcsec * spec.bin, scatter,
    )  # fmt: skip


def _noise_of(cutouts: list[Cutout], image: np.ndarray, mask: np.ndarray, bin: int) -> np.ndarray:
    """(N, C) rms of binned pixels: what the catalogue says of each, times what the stamps' rims say of all.

    Drizzled pixels are correlated, so that binned ones scatter by more than their number says.
    """
    rims = np.stack([_rim_rms(i, m) for i, m in zip(image, mask, strict=True)])
    said = np.stack([c.noise if len(c.rms) else np.full(image.shape[1], np.nan) for c in cutouts]) * bin
    known = np.isfinite(said) & (said > 0) & np.isfinite(rims)
    if known.sum() < 10:
        return rims
    factor = float(np.median(rims[known] / said[known]))
    return np.where(np.isfinite(said) & (said > 0), said * factor, rims)


def _rim_rms(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(C,) scatter of the outermost known pixels; NaN where there are few, or they show no noise."""
    y, x = np.nonzero(~mask)
    if not len(y):
        return np.full(len(image), np.nan)
    rows, columns = (np.arange(n) for n in mask.shape)
    edge = (rows < y.min() + _RIM) | (rows > y.max() - _RIM)
    side = (columns < x.min() + _RIM) | (columns > x.max() - _RIM)
    rim = (edge[:, None] | side) & ~mask
    if rim.sum() < 50:
        return np.full(len(image), np.nan)
    pairs = rim[:, 1:] & rim[:, :-1]
    out = np.array([float(sigma_mad(band[rim])) for band in image])
    steps = np.array([float(sigma_mad((band[:, 1:] - band[:, :-1])[pairs])) for band in image])
    return np.where(steps > _SMOOTH * out, out, np.nan)


def _mean_psf(cutouts: list[Cutout], scale: float, samples: int) -> tuple[PixelPsf, float]:
    """Return the mean of the galaxies' PSFs, with `samples` to a pixel, and the scatter of their widths."""
    images, widths = [], []
    for cutout in cutouts:
        assert cutout.psf is not None
        own = PixelPsf.from_image(cutout.psf, scale)
        middle = min(own.side, _PSF_SIDE) // 2
        part = own.image[0][own.side // 2 - middle :, own.side // 2 - middle :][: 2 * middle + 1]
        padded = np.pad(part[:, : 2 * middle + 1], _PSF_SIDE // 2 - middle)
        images.append(padded / padded.sum())
        widths.append(float(own.fwhm_pix[0]))
    mean = np.mean(images, axis=0)
    psf = PixelPsf((mean / mean.sum()).astype(np.float32)[None], scale * samples, samples)
    return psf, float(sigma_mad(np.array(widths)) / np.median(widths))


def _placed(
    image: np.ndarray, mask: np.ndarray, centre: tuple[float, float], spec: GalaxyStamps
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (C, h, w) and its mask on S x S pixels, its centre in the middle, binned.

    By whole pixels: the fit finds where in its pixel a galaxy lies.
    """
    side = spec.side * spec.bin
    first = [round(c - (side - 1) / 2) for c in centre[::-1]]
    out = np.zeros((len(image), side, side))
    known = np.zeros((side, side), dtype=bool)
    to, at = [], []
    for start, size in zip(first, mask.shape, strict=True):
        low, high = max(start, 0), min(start + side, size)
        if high <= low:
            return _binned(out, ~known, spec.bin)
        at.append(slice(low, high))
        to.append(slice(low - start, high - start))
    good = ~mask[tuple(at)] & np.isfinite(image[(slice(None), *at)]).all(axis=0)
    out[(slice(None), *to)] = np.where(good, image[(slice(None), *at)], 0.0)
    known[tuple(to)] = good
    return _binned(out, ~known, spec.bin)


def _binned(image: np.ndarray, mask: np.ndarray, bin: int) -> tuple[np.ndarray, np.ndarray]:
    side = mask.shape[0] // bin
    blocks = image.reshape(len(image), side, bin, side, bin).sum(axis=(2, 4))
    hidden = np.asarray(mask.reshape(side, bin, side, bin).any(axis=(1, 3)))
    return np.where(hidden, 0.0, blocks).astype(np.float32), hidden


def _of_folder(rule: StampFolder, spec: GalaxyStamps) -> StampSet:
    paths = rule.paths()
    fields = [_field(path, rule) for path in paths]
    first = fields[0]
    for path, other in zip(paths, fields, strict=True):
        for what in ("bands", "pixel_scale_arcsec"):
            if getattr(other, what) != getattr(first, what):
                own, theirs = getattr(other, what), getattr(first, what)
                raise InputError(
                    f"{path}: {what} is {own}, that of {paths[0].name} {theirs}; stamps of one folder should "
                    "be alike"
                )
    placed, rms = [], []
    for other in fields:
        mask = np.zeros(other.shape[1:], dtype=bool) if other.mask is None else other.mask
        middle = (0.5 * (other.shape[2] - 1), 0.5 * (other.shape[1] - 1))
        placed.append(_placed(other.image, mask, middle, spec))
        rms.append(_rim_rms(other.image, mask))
    image, mask = (np.stack(planes) for planes in zip(*placed, strict=True))
    return StampSet(image, mask, np.stack(rms), tuple(p.name for p in paths), first.bands,
                    _given_psf(rule, first), first.pixel_scale_arcsec)  # fmt: skip


def _field(path: Path, rule: StampFolder) -> Field:
    zeropoint = list(rule.zeropoint) if isinstance(rule.zeropoint, tuple) else rule.zeropoint
    return Field.read(
        [path], bands=rule.bands, extensions=rule.extensions, zeropoint=zeropoint,
        pixel_scale_arcsec=rule.pixel_scale_arcsec, require_njy=True,
    )  # fmt: skip


def _given_psf(rule: StampFolder, field: Field) -> PixelPsf:
    choice, scale, bands = rule.psf, field.pixel_scale_arcsec, field.bands
    if choice.image is not None:
        return from_files(choice.image, bands, scale)
    if choice.spec is not None:
        return from_spec(choice.spec, bands, scale)
    if choice.fwhm_pix is not None:
        return from_widths(choice.fwhm_pix, choice.beta, len(bands), scale)
    raise InputError(
        "stamps.files.psf: single galaxies show no stars to measure the PSF on; give `image`, `spec` or "
        "`fwhm_pix`"
    )
