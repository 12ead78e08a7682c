"""Field: a multi-band image that knows its bands, scale, PSF, unit and place on the sky."""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.files import appearing, from_home
from mockforge.names import check_bands
from mockforge.units import ZEROPOINT_NJY

_NOT_FITS = (
    ".png", ".jpg", ".jpeg", ".pdf", ".tif", ".tiff", ".npy", ".npz", ".h5", ".hdf5", ".asdf", ".csv",
    ".ecsv", ".yaml", ".json", ".reg", ".zip", ".bz2", ".fz",
)  # fmt: skip
"""Ends of names that promise something other than FITS."""


@dataclass(frozen=True)
class Field:
    """A multi-band image with what is needed to use it.

    `image` is (band, y, x) float32 in `unit`. `mask` is (y, x) bool, true where a pixel must
    not be used. `truth` is the noiseless image, same shape, where it is known.
    """

    image: np.ndarray
    bands: tuple[str, ...]
    pixel_scale_arcsec: float | None = None
    psf_fwhm_arcsec: tuple[float, ...] | None = None
    unit: str = "nJy"
    zeropoint_ab: float | None = ZEROPOINT_NJY
    mask: np.ndarray | None = None
    truth: np.ndarray | None = None
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
        known = [name for name in ("mask", "truth", "variance", "wcs") if getattr(self, name) is not None]
        return (
            f"<mockforge.Field {width} x {height} pixels (x, y) in {', '.join(self.bands)}, {self.unit}"
            f"{zeropoint}\n {scale}, {psf}; {'with ' + ', '.join(known) if known else 'image alone'}>"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(bands, y, x)."""
        return self.image.shape[0], self.image.shape[1], self.image.shape[2]

    def cutout(self, y0: int, y1: int, x0: int, x1: int) -> Field:
        """Return the window [y0:y1, x0:x1] with its WCS; arrays are views.

        Raises InputError where the window leaves the field or is empty.
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
    def read(cls, files: str | Path | Sequence[str | Path], **how: Any) -> Field:
        """Read aligned FITS bands; see `mockforge.field.fits.read.read_field` for the keywords and errors."""
        from mockforge.field.fits.read import read_field

        return read_field(files, **how)

    def write(self, path: str | Path) -> Path:
        """Write a multi-extension FITS: one image per band, and TRUTH_<band>, VAR_<band>, MASK if known.

        Headers hold BUNIT, MAGZERO, PIXSCALE, PSFFWHM, the WCS and every card of `header`; each
        unit has CHECKSUM and DATASUM. Equal fields give equal bytes. The file appears whole or
        not at all; an older file of that name is replaced. Returns the path.

        Read again it is the same Field, but for what lies under the mask (0 then), `origin`, text
        other than ASCII, and a WCS beyond 1e-9 degrees. A name that ends in .gz is compressed.
        InputError where it cannot be written, where the name is that of another format, and where
        the WCS cannot (distortion by lookup tables).
        """
        from astropy.io import fits

        from mockforge._version import __version__
        from mockforge.field.fits.check import quiet
        from mockforge.field.fits.wcs import written

        path = from_home(path)
        if path.suffix.lower() in _NOT_FITS:
            raise InputError(f"{path}: a FITS file is written; give it a name that ends in .fits")
        wcs = None if self.wcs is None else written(self.wcs)
        primary = fits.PrimaryHDU()
        primary.header["CREATOR"] = (f"mockforge {__version__}", "program that wrote this file")
        for key, value in self.header.items():
            _set_card(primary.header, key, value)
        units: Any = fits.HDUList([primary])
        with quiet(), fits.conf.set_temp("extension_name_case_sensitive", True):
            for planes, prefix, power in (
                (self.image, "", 1),
                (self.truth, "TRUTH_", 1),
                (self.variance, "VAR_", 2),
            ):
                if planes is None:
                    continue
                for i, band in enumerate(self.bands):
                    units.append(self._unit(planes[i], f"{prefix}{band}", i, wcs, power))
            if self.mask is not None:
                units.append(fits.ImageHDU(self.mask.astype(np.uint8), name="MASK"))
                units[-1].header["COMMENT"] = "1 = pixel must not be used"
            for unit in units:
                unit.add_checksum(when="checksum")  # a date here would change the bytes
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with appearing(path) as part, part.open("wb") as stream:
                    if path.suffix.lower() == ".gz":
                        packed = io.BytesIO()
                        units.writeto(packed)
                        stream.write(gzip.compress(packed.getbuffer(), mtime=0))
                    else:
                        units.writeto(stream)
            except OSError as error:
                raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
        return path

    def _unit(self, plane: np.ndarray, name: str, i: int, wcs: Any, power: int) -> Any:
        from astropy.io import fits

        header = fits.Header() if wcs is None else wcs.copy()
        header["BAND"] = (self.bands[i], "band")
        if self.unit != "native":
            header["BUNIT"] = (self.unit, "flux in a pixel") if power == 1 else f"{self.unit}{power}"
        if self.zeropoint_ab is not None and power == 1:
            header["MAGZERO"] = (self.zeropoint_ab, "[mag] AB magnitude of pixel value 1")
            header["ABMAGZP"] = (self.zeropoint_ab, "[mag] the same")
        if self.pixel_scale_arcsec is not None:
            header["PIXSCALE"] = (self.pixel_scale_arcsec, "[arcsec] side of a pixel")
        if self.psf_fwhm_arcsec is not None:
            header["PSFFWHM"] = (self.psf_fwhm_arcsec[i], "[arcsec] FWHM of the point-spread function")
        unit = fits.ImageHDU(np.ascontiguousarray(plane, dtype=np.float32), header=header)
        unit.name = name
        return unit


def _set_card(header: Any, key: str, value: Any) -> None:
    """Put one card into a header; values no FITS header can hold become text."""
    value, comment = value if isinstance(value, tuple) else (value, None)
    short = len(key) <= 8 and key.replace("_", "").replace("-", "").isalnum()
    key = key.upper() if short else f"HIERARCH {key}"
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, str)) and not (isinstance(value, float) and math.isfinite(value)):
        value = str(value)
    if isinstance(value, str):
        value = " ".join(value.encode("ascii", "replace").decode().split())
    header[key] = value
    if comment is not None and len(header.cards[key].image.rstrip()) + len(comment) + 3 <= 80:
        header.comments[key] = comment  # a longer one would be cut in the middle of a word


def tan_wcs(
    shape: Sequence[int],
    pixel_scale_arcsec: float,
    ra: float = 150.0,
    dec: float = 2.2,
    rotation_deg: float = 0.0,
    reference: tuple[float, float] | None = None,
) -> Any:
    """Return a gnomonic WCS (ICRS): north up, east left at rotation 0.

    `shape` ends in (y, x). `ra`, `dec` in degrees lie at the centre of the image, or at
    `reference` = (x, y) in pixels counted from 0, so that windows of one sky share one WCS.
    `rotation_deg` turns north from +y towards -x. Calabretta & Greisen 2002, A&A 395, 1077.
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
