"""The `image` source: tiles cut from a user's own FITS field."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from mockforge.batch import Bands, Batch, Stage
from mockforge.config import Count, Fraction, Index, Positive, config
from mockforge.errors import InputError, MockforgeError
from mockforge.field.field import Field
from mockforge.field.fits.read import check_njy
from mockforge.field.fits.wcs import written
from mockforge.field.split_rows import row_bands
from mockforge.files import Stamp, named, stamp
from mockforge.label.leave_out import LeftOut, prepared
from mockforge.names import check_bands
from mockforge.rng import Stream

_TRIES = 1000


@config
class ImageTiles(Stage):
    """Cut tiles at random places from aligned FITS bands.

    The field is divided into bands of rows, one per split and as high as its share of the
    samples; a tile and its margin lie inside the band of its split, so that no pixel is ever in
    two splits. Tiles of one split may overlap.
    """

    files: str | tuple[str, ...]
    """One file per band, or one file whose extensions or planes are the bands."""
    bands: tuple[str, ...] | None = None
    """Names of the bands, in order; by default from the headers, else the file names."""
    extensions: tuple[int | str, ...] | None = None
    """Extensions: one for all files, one per file, or the bands of one file."""
    zeropoint: float | tuple[float, ...] | None = None
    """AB magnitude of pixel value 1, one or per band; before units and zeropoints of the headers."""
    pixel_scale_arcsec: Positive | None = None
    """Side of a pixel, where the headers do not give it."""
    psf_fwhm_arcsec: tuple[float, ...] | None = None
    """FWHM of the PSF per band, where the headers do not give it."""
    mask_bits: tuple[int | str, ...] | None = None
    """Bits of a mask beside the bands that make a pixel unusable: numbers from 0, or the names its
    header gives them; all, or none. By default the planes that are known as defects."""
    mask: str | tuple[str, ...] | None = None
    """Files of further masks on the same grid: what is not 0 there is not used; bits as `mask_bits`."""
    rms: str | tuple[str, ...] | None = None
    """Files of the noise's rms in the bands' own units, one for all or one per band: gives `variance`."""
    weight: str | tuple[str, ...] | None = None
    """The same as inverse variances; 0 = nothing was observed there."""
    masked_columns: tuple[tuple[Index, Index], ...] = ()
    """Ranges of columns (first, last plus one) to leave out: a seam, a bad amplifier."""
    mask_peaks_above: Positive | None = None
    """Objects whose peak exceeds this in any band (nJy per pixel) are masked: saturated stars."""
    mask_grow: Index = 12
    """Pixels by which those masks are grown."""
    tile: Count = 256
    """Side of a tile in pixels."""
    margin: Index = 32
    """Pixels beyond the tile on each side that detection sees and the dataset does not hold."""
    max_masked_fraction: Fraction = 0.1
    """Largest share of masked or missing pixels in a tile."""

    def __post_init__(self) -> None:
        check_bands(self.bands or ())
        if self.rms is not None and self.weight is not None:
            raise InputError("rms and weight say the same twice; give one of them")

    def writes(self) -> frozenset[str]:
        """Arrays and tables this source gives."""
        noise = {"variance"} if self.rms is not None or self.weight is not None else set()
        return frozenset({"image", "mask", "tile"} | noise)

    def files_read(self) -> dict[str, Path]:
        """Return the field's files: a changed field makes another dataset."""
        return named(name for group in self._groups() for name in group)

    def _groups(self) -> list[tuple[str, ...]]:
        """Files of the bands, of masks, of rms and of weights."""
        file_groups = (self.files, self.mask or (), self.rms or (), self.weight or ())
        return [(g,) if isinstance(g, str) else tuple(g) for g in file_groups]

    def origins(self) -> dict[str, str]:
        """Where zeropoint, pixel scale, PSF, mask and variance come from, for the build's log."""
        return dict(self._field().origin)

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"tile"})

    def bands_after(self, bands: Bands) -> Bands:
        """Return the bands of its images."""
        return self.bands

    def pixels(self) -> int:
        """Return the pixels of a sample in all its bands."""
        return self.tile**2 * len(self.bands or (0,))

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        return "Tiles are cut from real images: artefacts that are not masked there are here too."

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Return the batch with `image`, `mask` (N, y, x) and the table `tile` of where each was cut.

        It has `variance` in nJy^2 where `rms` or `weight` gives it.

        Raises InputError where the files cannot be used or the field is too small for the
        splits, MockforgeError where no place has few enough masked pixels.
        """
        field = self._field()
        side = self.tile + 2 * self.margin
        rows = row_bands(field.shape[1], field.shape[2], side, batch.splits, _first(self.files))
        check_njy(field.zeropoint_ab, field.origin, _first(self.files))
        blank = np.zeros(field.shape[1:], dtype=bool) if field.mask is None else field.mask
        n = len(batch)
        image = np.empty((n, field.shape[0], side, side), dtype=np.float32)
        mask = np.empty((n, side, side), dtype=bool)
        noise = np.empty_like(image) if "variance" in self.writes() else None
        x0, y0 = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        for i in range(n):
            rng = stream.child(int(batch.draw[i])).numpy()
            y, x = self._place(rng, rows[str(batch.split[i])], blank, side)
            image[i], mask[i] = field.image[:, y : y + side, x : x + side], blank[y : y + side, x : x + side]
            if noise is not None and field.variance is not None:
                noise[i] = field.variance[:, y : y + side, x : x + side]
            y0[i], x0[i] = y + self.margin, x + self.margin
        table = {"sample": batch.sample.astype(np.int64), "sky_x0": x0, "sky_y0": y0}
        arrays = {"image": image, "mask": mask} | ({} if noise is None else {"variance": noise})
        out = batch.with_arrays(**arrays).with_table("tile", table)
        return replace(out.with_attributes(**self._attributes(field)), margin=self.margin)

    def _field(self) -> Field:
        """Return the field with all that is left out of it masked, read once per process."""
        groups = tuple(tuple(str(Path(f).expanduser()) for f in g) for g in self._groups())
        stamps = tuple(stamp(f) for g in groups for f in g)
        return _cached(groups, stamps, replace(self, tile=1, margin=0, max_masked_fraction=0.0))

    def _attributes(self, field: Field) -> dict[str, object]:
        fwhm = self.psf_fwhm_arcsec or field.psf_fwhm_arcsec
        if fwhm is not None and len(fwhm) != len(field.bands):
            raise InputError(f"psf_fwhm_arcsec: {len(fwhm)} values for {len(field.bands)} band(s)")
        attributes: dict[str, object] = {"bands": field.bands, "unit": field.unit}
        optional = {
            "zeropoint_ab": field.zeropoint_ab,
            "pixel_scale_arcsec": field.pixel_scale_arcsec,
            "psf_fwhm_arcsec": fwhm,
            "wcs": None if field.wcs is None else written(field.wcs).tostring(),
        }
        return attributes | {k: v for k, v in optional.items() if v is not None}

    def _place(
        self, rng: np.random.Generator, rows: tuple[int, int], blank: np.ndarray, side: int
    ) -> tuple[int, int]:
        """Return the first pixel (y, x) of a window inside the rows with few enough masked pixels."""
        m = self.margin
        for _ in range(_TRIES):
            y = int(rng.integers(rows[0], rows[1] - side + 1))
            x = int(rng.integers(0, blank.shape[1] - side + 1))
            if blank[y + m : y + side - m, x + m : x + side - m].mean() <= self.max_masked_fraction:
                return y, x
        raise MockforgeError(
            f"{_first(self.files)}: no tile in rows {rows[0]} to {rows[1]} has at most"
            f" {self.max_masked_fraction:g} of its pixels masked ({_TRIES} places tried); raise"
            " max_masked_fraction or make the tile smaller"
        )


@lru_cache(maxsize=2)
def _cached(groups: tuple[tuple[str, ...], ...], stamps: tuple[Stamp, ...], rule: ImageTiles) -> Field:
    """Every shard cuts from the same field; `stamps` tells changed files."""
    files, masks, rms, weights = groups
    field = Field.read(
        files,
        bands=rule.bands,
        extensions=rule.extensions,
        zeropoint=rule.zeropoint,
        pixel_scale_arcsec=rule.pixel_scale_arcsec,
        mask_bits=rule.mask_bits,
    )
    left_out = LeftOut(
        field=_first(rule.files),
        masks=masks,
        mask_bits=rule.mask_bits,
        rms=rms,
        weights=weights,
        columns=rule.masked_columns,
        peaks_above=rule.mask_peaks_above,
        grow=rule.mask_grow,
    )
    return prepared(field, left_out)


def _first(files: str | tuple[str, ...]) -> str:
    return files if isinstance(files, str) else (files[0] if files else "files")
