"""A field on disk of any size: its facts are read when it is opened, its pixels window by window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.fits.reading import Reading
from mockforge.files import Stamp, from_home, located, stamp
from mockforge.mosaic.pixels import FitsPixels, open_fits
from mockforge.mosaic.zarr_pixels import ZarrPixels, open_zarr


class Pixels(Protocol):
    """What gives windows of pixels in nJy."""

    planes: tuple[str, ...]

    def read(self, plane: str, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return a window of a plane, (band, y, x) float32, NaN where there is no value."""
        ...

    def masked(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return which pixels of a window a mask on disk says not to use, (y, x) bool."""
        ...


@dataclass(frozen=True)
class Mosaic:
    """A multi-band image on disk. It holds no pixels, and can be sent to other processes."""

    path: Path
    shape: tuple[int, int, int]
    """(band, y, x)."""
    bands: tuple[str, ...]
    pixels: FitsPixels | ZarrPixels
    pixel_scale_arcsec: float | None = None
    psf_fwhm_arcsec: tuple[float, ...] | None = None
    unit: str = "nJy"
    zeropoint_ab: float | None = None
    wcs: Any = None
    header: Mapping[str, Any] = dataclass_field(default_factory=dict)
    origin: Mapping[str, str] = dataclass_field(default_factory=dict)
    njy_per_unit: tuple[float, ...] = ()
    stamps: Mapping[str, Stamp] = dataclass_field(default_factory=dict)
    """Of each file when it was opened."""

    def __repr__(self) -> str:
        _, height, width = self.shape
        return (
            f"<mockforge field on disk {self.path}: {width} x {height} pixels (x, y) in "
            f"{', '.join(self.bands)}, {self.unit}; planes {', '.join(self.planes)}>"
        )

    @property
    def planes(self) -> tuple[str, ...]:
        """What can be read: "image", and "truth", "variance", "mask" where the file has them."""
        return self.pixels.planes

    def read(self, y0: int, y1: int, x0: int, x1: int, plane: str = "image") -> np.ndarray:
        """Return a window of a plane.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First row and one past the last, first column and one past the last, in pixels.
        plane : str
            One of `planes` but "mask", which `mask` reads.

        Returns
        -------
        ndarray
            (band, y, x) float32 in `unit` (squared: variance); NaN where the file has no value.

        Raises
        ------
        InputError
            A window outside the field, a plane that is not there, a file that changed since it was opened.
        """
        self._check(y0, y1, x0, x1)
        if plane not in self.planes or plane == "mask":
            names = ", ".join(name for name in self.planes if name != "mask")
            raise InputError(f"{self.path}: no plane {plane!r} in it; it has {names}")
        self.check_unchanged()
        values = self.pixels.read(plane, y0, y1, x0, x1)
        self.check_unchanged()
        return values

    def mask(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return which pixels of a window must not be used, (y, x) bool; errors as `read`."""
        return self._unusable(self.read(y0, y1, x0, x1), y0, y1, x0, x1)

    def _unusable(self, image: np.ndarray, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        return ~(np.abs(image) < 1e30).all(axis=0) | self.pixels.masked(y0, y1, x0, x1)

    def __getitem__(self, window: tuple[slice, slice]) -> Field:
        """Return a window `[y0:y1, x0:x1]` as a Field with its WCS; what its mask hides is 0."""
        y0, y1, x0, x1 = self._ends(window)
        image = self.read(y0, y1, x0, x1)
        mask = self._unusable(image, y0, y1, x0, x1)
        image[:, mask] = 0.0
        more = {p: self.read(y0, y1, x0, x1, p) for p in ("truth", "variance") if p in self.planes}
        return Field(
            image=image,
            bands=self.bands,
            pixel_scale_arcsec=self.pixel_scale_arcsec,
            psf_fwhm_arcsec=self.psf_fwhm_arcsec,
            unit=self.unit,
            zeropoint_ab=self.zeropoint_ab,
            mask=mask if mask.any() else None,
            wcs=None if self.wcs is None else self.wcs[y0:y1, x0:x1],
            header=self.header,
            origin=self.origin,
            njy_per_unit=self.njy_per_unit,
            **more,
        )

    def check_unchanged(self) -> None:
        """InputError where a file grew or changed since it was opened."""
        for name, before in self.stamps.items():
            now = stamp(name)
            if now != before:
                how = f"grew from {before[0]:,} to {now[0]:,} bytes" if now[0] > before[0] else "changed"
                raise InputError(
                    f"{name}: the file {how} while it was read; wait until it is whole, and open it again"
                )

    def _ends(self, window: tuple[slice, slice]) -> tuple[int, int, int, int]:
        if not isinstance(window, tuple) or len(window) != 2 or not all(isinstance(s, slice) for s in window):
            raise InputError(f"a field is cut as field[y0:y1, x0:x1], found {window!r}")
        if any(part.step not in (None, 1) for part in window):
            raise InputError(f"a field is cut without a step, found {window!r}")
        (y0, y1), (x0, x1) = (
            (part.start or 0, length if part.stop is None else part.stop)
            for part, length in zip(window, self.shape[1:], strict=True)
        )
        return y0, y1, x0, x1

    def _check(self, y0: int, y1: int, x0: int, x1: int) -> None:
        _, height, width = self.shape
        if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
            raise InputError(
                f"{self.path}: window [{y0}:{y1}, {x0}:{x1}] is not inside the field [0:{height}, 0:{width}]"
            )


def open_field(
    files: str | Path | Sequence[str | Path],
    *,
    bands: Sequence[str] | None = None,
    extensions: Sequence[int | str] | int | str | None = None,
    zeropoint: float | Sequence[float] | None = None,
    pixel_scale_arcsec: float | None = None,
    mask_bits: Sequence[str | int] | str | int | None = None,
    require_njy: bool = False,
) -> Mosaic:
    """Open a field of any size on disk, without reading its image.

    Parameters
    ----------
    files, bands, extensions, zeropoint, pixel_scale_arcsec, mask_bits, require_njy
        As of `mockforge.Field.read`; also a Zarr field that mockforge wrote.

    Returns
    -------
    Mosaic
        `field[y0:y1, x0:x1]` is a Field, with its WCS. Plain FITS is read from the disk where it lies,
        tile-compressed FITS by its tiles, .gz and .bz2 are unpacked in memory. A mask beside it
        that no card explains is read once, since what its values mean is seen in the whole. What
        Field.read finds by looking at the whole image (regions of one value, marks such as -9999) is not
        masked; weights and errors hide a pixel where they are no number above 0, also if they are so
        everywhere.

    Raises
    ------
    InputError
        As `Field.read`, and for a Zarr that is none of ours, of another shape or another version.
    """
    names = [files] if isinstance(files, (str, Path)) else list(files)
    reading = Reading(bands, extensions, zeropoint, pixel_scale_arcsec, mask_bits, require_njy)
    if len(names) == 1 and from_home(names[0]).is_dir():
        path = from_home(names[0])
        asked = [name for name, value in vars(reading).items() if value not in (None, False)]
        if asked:
            raise InputError(f"{path}: a Zarr field says its own {', '.join(asked)}; leave them out")
        facts = open_zarr(path)
        watched = [path / "zarr.json", path / "image" / "zarr.json"]
    else:
        watched = list(dict.fromkeys(located(from_home(name)) for name in names))
        before = {str(p): stamp(p) for p in watched if p.exists()}
        facts = open_fits([str(from_home(name)) for name in names], reading)
        path = watched[0]
        opened = Mosaic(path=path, **facts, stamps=before)
        opened.check_unchanged()
        return opened
    return Mosaic(path=path, **facts, stamps={str(p): stamp(p) for p in watched})
