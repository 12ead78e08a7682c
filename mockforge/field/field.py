"""Field: a multi-band image that knows its bands, scale, PSF, unit and place on the sky."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.read import read_bands
from mockforge.field.fits.reading import Reading
from mockforge.field.fits.write import ImagePlane, write_planes
from mockforge.names import check_bands
from mockforge.units import ZEROPOINT_NJY


@dataclass(frozen=True)
class Field:
    """A multi-band image with what is needed to use it. Pixel centres are integers, x right, y up."""

    image: np.ndarray
    """(band, y, x) float32 in `unit`."""
    bands: tuple[str, ...]
    """Names of the bands, in the order of the first axis."""
    pixel_scale_arcsec: float | None = None
    """Side of a pixel in arcsec, where it is known."""
    psf_fwhm_arcsec: tuple[float, ...] | None = None
    """FWHM of the PSF in each band in arcsec, where it is known."""
    unit: str = "nJy"
    """Flux unit of a pixel; `native`: that of the file, which is unknown."""
    zeropoint_ab: float | None = ZEROPOINT_NJY
    """AB magnitude of pixel value 1; None where the unit is unknown."""
    mask: np.ndarray | None = None
    """(y, x) bool, true where a pixel must not be used."""
    truth: np.ndarray | None = None
    """The noiseless image, same shape and unit, where it is known."""
    variance: np.ndarray | None = None
    """Variance of the noise, (band, y, x) in `unit` squared, where it is known."""
    wcs: Any = None
    """An astropy WCS of the image, or None."""
    header: Mapping[str, Any] = field(default_factory=dict)
    """Further FITS cards: seed, model hash, ... (keyword -> value or (value, comment))."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where zeropoint, pixel scale, PSF, mask and variance come from, in words, where a file was read."""
    njy_per_unit: tuple[float, ...] = ()
    """Per band, nJy in one unit of the file that was read."""

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or len(self.bands) != len(self.image):
            raise ValueError(
                f"an image (band, y, x) of {len(self.bands)} bands is expected, found {self.image.shape}"
            )
        check_bands(self.bands)

    def __repr__(self) -> str:
        _, height, width = self.shape
        side = self.pixel_scale_arcsec
        scale = f'{side:.4g}" per pixel' if side else "pixel scale unknown"
        zeropoint = "" if self.zeropoint_ab is None else f", AB zeropoint {self.zeropoint_ab:g}"
        psf = "PSF unknown"
        if self.psf_fwhm_arcsec is not None:
            psf = f'PSF FWHM {", ".join(f"{f:.3g}" for f in self.psf_fwhm_arcsec)}"'
        parts = [name for name in ("mask", "truth", "variance", "wcs") if getattr(self, name) is not None]
        return (
            f"<mockforge.Field {width} x {height} pixels (x, y) in {', '.join(self.bands)}, {self.unit}"
            f"{zeropoint}\n {scale}, {psf}; {'with ' + ', '.join(parts) if parts else 'image alone'}>"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(bands, y, x)."""
        return self.image.shape[0], self.image.shape[1], self.image.shape[2]

    def cutout(self, y0: int, y1: int, x0: int, x1: int) -> Field:
        """Return the window [y0:y1, x0:x1] with its WCS; arrays are views.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First row and one past the last, first column and one past the last, in pixels.

        Raises
        ------
        InputError
            Where the window leaves the field or is empty.
        """
        _, ny, nx = self.shape
        if not (0 <= y0 < y1 <= ny and 0 <= x0 < x1 <= nx):
            raise InputError(f"window [{y0}:{y1}, {x0}:{x1}] is not inside the field [0:{ny}, 0:{nx}]")
        window = (slice(y0, y1), slice(x0, x1))
        return replace(
            self,
            image=self.image[:, y0:y1, x0:x1],
            mask=None if self.mask is None else self.mask[window],
            truth=None if self.truth is None else self.truth[:, y0:y1, x0:x1],
            variance=None if self.variance is None else self.variance[:, y0:y1, x0:x1],
            wcs=None if self.wcs is None else self.wcs[window],
        )

    @classmethod
    def read(
        cls,
        files: str | Path | Sequence[str | Path],
        *,
        bands: Sequence[str] | None = None,
        extensions: Sequence[int | str] | int | str | None = None,
        zeropoint: float | Sequence[float] | None = None,
        pixel_scale_arcsec: float | None = None,
        mask_bits: Sequence[str | int] | str | int | None = None,
        require_njy: bool = False,
    ) -> Field:
        """Read aligned bands as a Field in nJy, or in the file's own unit where no zeropoint is known.

        Parameters
        ----------
        files
            One file per band, or one file whose extensions or planes are the bands; `.fz`, `.gz`,
            tile-compressed, integer and scaled images are understood. `name.fits[SCI]` names an extension
            of one file.
        bands
            Their names, in order; default from BAND, FILTER or EXTNAME, else the file names.
        extensions
            Names or numbers: one for all files, one per file, or the bands of one file.
        zeropoint
            AB magnitude of pixel value 1, one for all bands or one per band; it goes before units and
            zeropoints of the headers.
        pixel_scale_arcsec
            Side of a pixel, where neither WCS nor header gives it.
        mask_bits
            The bits of a mask that make a pixel unusable, by number (from 0) or by the names that the header
            gives them; "all" or "none". Default: the known planes of defects.
        require_njy
            Raise where the flux unit of a band is unknown.

        Returns
        -------
        Field
            NaN, infinite and BLANK pixels of any band, values beyond 1e30, defects of a mask beside the band
            (MASK, DQ, ...), marks such as -9999, connected regions of one value in a noisy image, and weights
            of 0 become `mask`; the image is 0 there. Errors, variances and inverse variances beside the bands
            become `variance`. `origin` says where each of these facts comes from.

        Raises
        ------
        InputError
            Missing, truncated or damaged file, no image, wrong dimensions, bands of different shape or not
            aligned, all NaN, constant, too small, unusable zeropoint or WCS, and where the meaning of what is
            there is not known: then the sentence says what to type.
        """
        reading = Reading(bands, extensions, zeropoint, pixel_scale_arcsec, mask_bits, require_njy)
        return cls(**read_bands(files, reading))

    def write(self, path: str | Path) -> Path:
        """Write a multi-extension FITS: one image per band, and TRUTH_<band>, VAR_<band>, MASK if known.

        Headers hold BUNIT, MAGZERO, PIXSCALE, PSFFWHM, the WCS and every card of `header`; each
        unit has CHECKSUM and DATASUM. Equal fields give equal bytes. The file appears whole or
        not at all. Read again it is the same Field, but for what lies under the mask (0 then),
        `origin`, text other than ASCII, and a WCS beyond 1e-9 degrees.

        Parameters
        ----------
        path : str or Path
            The file; an older one of that name is replaced. A name that ends in .gz is compressed.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        InputError
            Where it cannot be written, where the name is that of another format, and where the WCS
            cannot (distortion by lookup tables).

        References
        ----------
        Pence et al. 2010, A&A 524, A42.
        """
        return write_planes(path, self._planes(), self.wcs, self.mask, self.header)

    def _planes(self) -> Iterator[ImagePlane]:
        """Each image of a written file, with its cards."""
        for planes, prefix, power in (
            (self.image, "", 1),
            (self.truth, "TRUTH_", 1),
            (self.variance, "VAR_", 2),
        ):
            if planes is None:
                continue
            for i, band in enumerate(self.bands):
                yield ImagePlane(f"{prefix}{band}", planes[i], self.cards(i, power))

    def cards(self, i: int, power: int = 1) -> dict[str, Any]:
        """Return the FITS cards of an image of band `i`, in the unit to this power."""
        cards: dict[str, Any] = {"BAND": (self.bands[i], "band")}
        if self.unit != "native":
            cards["BUNIT"] = (self.unit, "flux in a pixel") if power == 1 else f"{self.unit}{power}"
        if self.zeropoint_ab is not None and power == 1:
            cards["MAGZERO"] = (self.zeropoint_ab, "[mag] AB magnitude of pixel value 1")
            cards["ABMAGZP"] = (self.zeropoint_ab, "[mag] the same")
        if self.pixel_scale_arcsec is not None:
            cards["PIXSCALE"] = (self.pixel_scale_arcsec, "[arcsec] side of a pixel")
        if self.psf_fwhm_arcsec is not None:
            cards["PSFFWHM"] = (self.psf_fwhm_arcsec[i], "[arcsec] FWHM of the point-spread function")
        return cards


def tan_wcs(
    shape: Sequence[int],
    pixel_scale_arcsec: float,
    ra: float = 150.0,
    dec: float = 2.2,
    rotation_deg: float = 0.0,
    reference: tuple[float, float] | None = None,
) -> Any:
    """Return a gnomonic WCS (ICRS): north up, east left at rotation 0.

    Parameters
    ----------
    shape : sequence of int
        Of the image; it ends in (y, x).
    pixel_scale_arcsec : float
        Side of a pixel in arcsec.
    ra, dec : float
        Degrees at the centre of the image, or at `reference`.
    rotation_deg : float
        Degrees by which north is turned from +y towards -x.
    reference : tuple of float, optional
        (x, y) in pixels counted from 0, so that windows of one sky share one WCS.

    Returns
    -------
    astropy.wcs.WCS
        Of the image.

    References
    ----------
    Calabretta & Greisen 2002, A&A 395, 1077.
    """
    from astropy.wcs import WCS

    ny, nx = shape[-2:]
    x, y = reference if reference is not None else ((nx - 1) / 2, (ny - 1) / 2)
    step, angle = pixel_scale_arcsec / 3600.0, math.radians(rotation_deg)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [x + 1.0, y + 1.0]
    wcs.wcs.cdelt = [-step, step]
    wcs.wcs.pc = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
    wcs.array_shape = (ny, nx)
    wcs.wcs.set()
    return wcs
