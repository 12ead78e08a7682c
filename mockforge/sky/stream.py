"""A window of an endless sky as a field on disk: what is written, and by what it is known."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field, tan_wcs
from mockforge.field.fits.bands import SMALLEST_SIDE
from mockforge.mosaic.lazy import lazy_array
from mockforge.mosaic.spec import MosaicSpec, Plane
from mockforge.mosaic.write import write_mosaic
from mockforge.sky.plane import FARTHEST
from mockforge.sky.told_apart import digest_of

KEPT = 2**25
"""Bytes of stamps that a process that writes a field keeps: those that the next window shares."""
_PROBE = 64


class Endless(Protocol):
    """A sky of which any window can be painted."""

    def painted_from(self) -> tuple[Any, ...]:
        """Return what decides its pixels beside seed and model, for `told_apart.digest_of`."""
        ...

    def __getitem__(self, window: tuple[slice, slice]) -> Field:
        """Return a window as a Field."""
        ...

    def pixels(self, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the observed and the noiseless pixels of a window, (band, y, x) float32 nJy."""
        ...


@dataclass(frozen=True)
class SkyWindows:
    """Paints windows of a field whose first pixel is (y0, x0) of a sky; can be sent to other processes."""

    sky: Any
    y0: int = 0
    x0: int = 0
    noiseless: bool = False

    def __call__(self, y0: int, y1: int, x0: int, x1: int) -> dict[str, np.ndarray]:
        """Return the planes of a window."""
        image, truth = self.sky.pixels(y0 + self.y0, y1 + self.y0, x0 + self.x0, x1 + self.x0)
        return {"image": image, "truth": truth} if self.noiseless else {"image": image}


@dataclass(frozen=True)
class Asked:
    """What a field on disk is to be, whatever the sky."""

    origin: tuple[int, int] = (0, 0)
    """Its first pixel (y, x) on the sky."""
    center: tuple[float, float] | None = None
    """ra, dec in degrees of its centre; None: where the sky's own tangent plane puts it."""
    cube: bool = False
    noiseless: bool = False
    known_by: str = ""
    """What else decides the pixels, in words: the model, the recipe, the footprint."""


def spec_of(sky: Endless, shape: tuple[int, int], asked: Asked) -> MosaicSpec:
    """Return the planes, cards and WCS of a field (height, width) of a sky.

    Raises
    ------
    InputError
        For a shape that is not positive, a centre that is no place on the sky, pixels of unknown size with
        a centre, and a sky without a noiseless image where one is requested.
    """
    height, width = shape
    if min(shape) < SMALLEST_SIDE or max(shape) > FARTHEST:
        raise InputError(
            f"a field of {height} x {width} pixels: {SMALLEST_SIDE} to {FARTHEST:,} on a side are expected"
        )
    y0, x0 = asked.origin
    probe = sky[y0 : y0 + _PROBE, x0 : x0 + _PROBE]
    if asked.noiseless and probe.truth is None:
        raise InputError(
            "--noiseless: this model paints observed pixels and knows no noiseless sky; choose a model of "
            "the network `forge`, or a scene"
        )
    spec = MosaicSpec(
        height,
        width,
        tuple(_planes(probe, asked.noiseless)),
        wcs=_wcs(probe, shape, asked.center),
        header=probe.header,
        cube=asked.cube,
        facts={
            "bands": list(probe.bands),
            "unit": probe.unit,
            "zeropoint_ab": probe.zeropoint_ab,
            "pixel_scale_arcsec": probe.pixel_scale_arcsec,
            "psf_fwhm_arcsec": None if probe.psf_fwhm_arcsec is None else list(probe.psf_fwhm_arcsec),
        },
    )
    return replace(spec, identity=_identity(spec, probe, asked, digest_of(*sky.painted_from())))


def _planes(probe: Field, noiseless: bool) -> list[Plane]:
    cards = tuple(probe.cards(i) for i in range(len(probe.bands)))
    planes = [Plane("image", probe.bands, cards=cards)]
    if noiseless:
        planes.append(Plane("truth", tuple(f"TRUTH_{band}" for band in probe.bands), cards=cards))
    return planes


def _wcs(probe: Field, shape: tuple[int, int], center: tuple[float, float] | None) -> Any:
    if center is None:
        wcs = probe.wcs
        if wcs is not None:
            wcs.array_shape = shape
        return wcs
    ra, dec = center
    if not (0.0 <= ra <= 360.0 and -90.0 <= dec <= 90.0):
        raise InputError(
            f"--center {ra:g} {dec:g}: ra from 0 to 360 and dec from -90 to 90 degrees are expected"
        )
    if not probe.pixel_scale_arcsec:
        raise InputError("--center: the size of a pixel is not known; give it with --pixel-scale")
    return tan_wcs(shape, probe.pixel_scale_arcsec, ra, dec)


def _identity(spec: MosaicSpec, probe: Field, asked: Asked, sky: str) -> str:
    """Return a digest of all that decides the bytes: what is asked, the headers, the sky, and a patch of it.

    The patch tells apart what is painted by other versions of libraries.
    """
    cards = {key: str(value) for key, value in spec.header.items()}
    wcs = "" if spec.wcs is None else spec.wcs.to_header_string()
    words = json.dumps([spec.height, spec.width, repr(asked), cards, wcs, str(dict(spec.facts)), sky])
    digest = hashlib.sha256(words.encode())
    digest.update(np.ascontiguousarray(probe.image).tobytes())
    return digest.hexdigest()


def _sides(shape: Any) -> tuple[int, int]:
    """Return height and width; InputError for what is neither a whole number nor two."""
    sides = tuple(shape) if isinstance(shape, (tuple, list, np.ndarray)) else (shape, shape)
    if len(sides) != 2 or not all(isinstance(n, (int, np.integer)) for n in sides):
        raise InputError(
            f"shape: {shape!r}, pixels of a side or (height, width) in whole numbers are expected"
        )
    return int(sides[0]), int(sides[1])


def write_sky(
    sky: Endless, path: str | Path, shape: int | tuple[int, int], asked: Asked, **writing: Any
) -> Path:
    """Write a field of a sky; `writing` as of `mockforge.mosaic.write.write_mosaic`."""
    spec = spec_of(sky, _sides(shape), asked)
    return write_mosaic(path, spec, SkyWindows(sky, *asked.origin, asked.noiseless), **writing)


class Written(ABC):
    """What an endless sky can do with disks: fields of any size, and lazy arrays."""

    @abstractmethod
    def __getitem__(self, window: tuple[slice, slice]) -> Field:
        """Return a window as a Field."""

    @abstractmethod
    def pixels(self, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the observed and the noiseless pixels of a window."""

    @abstractmethod
    def painted_from(self) -> tuple[Any, ...]:
        """Return what decides the pixels beside seed and model, for `told_apart.digest_of`."""

    @abstractmethod
    def keeping(self, kept_bytes: float) -> Any:
        """Return the same sky with stamps of its own kept in memory, at most so many bytes of them."""

    def write(
        self,
        path: str | Path,
        shape: int | tuple[int, int],
        *,
        origin: tuple[int, int] = (0, 0),
        center: tuple[float, float] | None = None,
        cube: bool = False,
        noiseless: bool = False,
        **writing: Any,
    ) -> Path:
        """Write a field of any size to disk, window by window.

        Parameters
        ----------
        path : str or Path
            `.fits` (an extension a band), or `.zarr` (extra `zarr`).
        shape : int or (int, int)
            Side, or height and width, in pixels.
        origin : (int, int)
            Its first pixel (y, x) on the sky.
        center : (float, float), optional
            ra and dec in degrees of its centre; else where the sky's own tangent plane puts it.
        cube : bool
            One image (band, y, x) in place of one a band.
        noiseless : bool
            Write the noiseless sky too, as TRUTH_<band> (Zarr: `truth`).
        **writing
            workers, window, footprint, advance: as of `mockforge.mosaic.write.write_mosaic`.

        Returns
        -------
        Path
            The file; `mockforge.open_field` opens it. Cut off and called again, it continues.
        """
        asked = Asked(origin, center, cube, noiseless)
        return write_sky(self.keeping(KEPT), path, shape, asked, **writing)

    def to_dask(
        self,
        shape: int | tuple[int, int],
        *,
        origin: tuple[int, int] = (0, 0),
        chunk: int = 1024,
        noiseless: bool = False,
    ) -> Any:
        """Return a lazy dask array (band, y, x) float32 nJy of any shape, painted where it is computed with.

        Parameters
        ----------
        shape : int or (int, int)
            Side, or height and width, in pixels.
        origin : (int, int)
            Its first pixel (y, x) on the sky.
        chunk : int
            Side of a chunk, pixels.
        noiseless : bool
            Of the noiseless sky.

        Raises
        ------
        InputError
            Without dask: the extra `zarr` installs it.
        """
        sky = self.keeping(KEPT)
        sides = _sides(shape)
        y0, x0 = origin
        image, truth = sky.pixels(y0, y0 + 1, x0, x0 + 1)
        if noiseless and truth is None:
            raise InputError("noiseless: this model paints observed pixels and knows no noiseless sky")
        windows = SkyWindows(sky, y0, x0, noiseless)
        return lazy_array(windows, "truth" if noiseless else "image", len(image), sides, chunk)
