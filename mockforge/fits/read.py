"""Reading anyone's aligned FITS bands as one Field: files, extensions, or planes of a cube."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field import ZEROPOINT_NJY, Field
from mockforge.fits.bands import Plane, band_names, check_shapes, find_planes
from mockforge.fits.check import cards_of, opened, quiet, walk
from mockforge.fits.units import zeropoint_of

_BEYOND = 1e30
"""Flux that no pixel has; SExtractor's mark of a bad one."""
_SCALES = ("PIXSCALE", "PIXSCAL1", "SECPIX", "SECPIX1", "PIXSCL")


@dataclass(frozen=True)
class _Fact:
    """What the headers say about one band."""

    zeropoint: float | None
    scale: float | None
    psf_fwhm: float | None
    wcs: Any
    provenance: dict[str, Any]


def read_field(
    files: Sequence[str | Path] | str | Path,
    *,
    bands: Sequence[str] | None = None,
    extensions: Sequence[int | str] | int | str | None = None,
    zeropoint: float | Sequence[float] | None = None,
    pixel_scale_arcsec: float | None = None,
    require_njy: bool = False,
) -> Field:
    """Read aligned bands as a Field in nJy, or in the file's own unit where no zeropoint is known.

    Parameters
    - `files`: one file per band, or one file whose extensions or planes are the bands; `.fz`,
      `.gz`, tile-compressed, integer and scaled images are understood. `name.fits[SCI]` names
      an extension of one file.
    - `bands`: their names, in order; default from BAND, FILTER or EXTNAME, else the file names.
    - `extensions`: names or numbers: one for all files, one per file, or the bands of one file.
    - `zeropoint`: AB magnitude of pixel value 1, one for all bands or one per band; it goes
      before units and zeropoints of the headers.
    - `pixel_scale_arcsec`: where neither WCS nor header gives it.
    - `require_njy`: raise where the flux unit of a band is unknown.

    NaN, infinite and BLANK pixels of any band, values beyond 1e30, pixels of an extension MASK
    other than 0, and exact zeros around a noisy footprint, become `mask`; the image is 0 there.

    Raises InputError: missing, truncated or damaged file, no image, wrong dimensions, bands of
    different shape or not aligned, all NaN, constant, too small, unusable zeropoint or WCS.
    """
    paths = [files] if isinstance(files, (str, Path)) else list(files)
    if not paths:
        raise InputError("no FITS file was given; name one file per band, or one file with all bands")
    if pixel_scale_arcsec is not None and not _positive(pixel_scale_arcsec):
        raise InputError(f"pixel scale: {pixel_scale_arcsec:g}, arcsec a pixel above 0 are wanted")
    planes = find_planes(paths, extensions, bands)
    names = band_names(planes, bands)
    check_shapes(planes, names)
    read = [
        _read_plane(plane, _given(zeropoint, i, len(planes)), pixel_scale_arcsec)
        for i, plane in enumerate(planes)
    ]
    facts = [fact for _, fact in read]
    _check_aligned(planes, facts, names)
    zeropoints = [f.zeropoint for f in facts]
    if require_njy and None in zeropoints:
        lacking = ", ".join(n for n, z in zip(names, zeropoints, strict=True) if z is None)
        raise InputError(
            f"{planes[0].path}: the flux unit of {lacking} is unknown (no BUNIT, no MAGZERO) and nJy is"
            " needed: give the AB magnitude of pixel value 1, one for all bands or one per band, as"
            " `zeropoint` of the field in a recipe or with `--zeropoint`"
        )
    known = None not in zeropoints
    factors = [10 ** (0.4 * (ZEROPOINT_NJY - z)) if known and z is not None else 1.0 for z in zeropoints]
    image = np.empty((len(planes), *planes[0].hdu.shape[-2:]), dtype=np.float32)
    for i, factor in enumerate(factors):
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is masked below
            np.multiply(read[i][0], factor, out=image[i], casting="unsafe")
    mask = _mask(image)
    beside = _beside(planes, "MASK")
    if beside is not None:
        mask |= beside != 0
    if mask.all():
        raise InputError(
            f"{planes[0].path}: no pixel is usable in all bands; every one is masked, NaN or beyond 1e30"
        )
    image[:, mask] = 0.0
    truth = _truth(planes, names, factors)
    scale = pixel_scale_arcsec or next((f.scale for f in facts if f.scale), None)
    fwhm = tuple(f.psf_fwhm for f in facts)
    return Field(
        image=image,
        bands=tuple(names),
        pixel_scale_arcsec=scale,
        psf_fwhm_arcsec=tuple(float(v) for v in fwhm if v is not None) if None not in fwhm else None,
        unit="nJy" if known else "native",
        zeropoint_ab=ZEROPOINT_NJY if known else None,
        mask=mask if mask.any() else None,
        truth=truth,
        wcs=next((f.wcs for f in facts if f.wcs is not None), None),
        header=facts[0].provenance,
    )


def _given(zeropoint: float | Sequence[float] | None, i: int, n: int) -> float | None:
    if zeropoint is None:
        return None
    values = [zeropoint] if isinstance(zeropoint, (int, float)) else list(zeropoint)
    if len(values) not in (1, n):
        raise InputError(f"zeropoint: {len(values)} values for {n} bands; give one for all or one per band")
    value = float(values[0] if len(values) == 1 else values[i])
    if not -60.0 < value < 60.0:
        raise InputError(f"zeropoint: {value:g}, the AB magnitude of pixel value 1 is wanted (1 nJy: 31.4)")
    return value


# --- one band ---------------------------------------------------------------------------------


def _read_plane(plane: Plane, given: float | None, scale: float | None) -> tuple[np.ndarray, _Fact]:
    """The raw pixels and what the headers say."""
    path, hdu = plane.path, plane.hdu
    mapped = not hdu.scaled and path.suffix not in (".gz", ".bz2")
    with opened(path, memmap=mapped) as units:
        card = cards_of(units, hdu.index)
        wcs, wcs_scale = _wcs(path, units, hdu.index)
        header_scale = next((float(v) for k in _SCALES if _positive(v := card(k))), None)
        if scale and wcs_scale and abs(scale / wcs_scale - 1) > 0.05:
            raise InputError(
                f"{path}: pixel scale {scale:g} arcsec was given and the WCS says {wcs_scale:g}; leave it out"
                " or mend the WCS"
            )
        if header_scale and wcs_scale and abs(header_scale / wcs_scale - 1) < 1e-4:
            wcs_scale = header_scale  # the round number rather than the one through degrees
        known_scale = scale or wcs_scale or header_scale
        area = math.radians(known_scale / 3600) ** 2 if known_scale else None
        zeropoint = given if given is not None else zeropoint_of(card, f"{path}[{hdu.index}]", area)
        fwhm = next((float(v) for k in ("PSFFWHM", "PSF_FWHM") if _positive(v := card(k))), None)
        provenance = _provenance(units)
        data = units[hdu.index].data
        if data is None:
            raise InputError(f"{path}: extension {hdu} holds no pixels")
        if data.ndim > 2:
            data = data.reshape(-1, *data.shape[-2:])[plane.plane or 0]
        image = np.array(data) if mapped else data  # a copy: the map ends with the file
    _check_values(plane, image)
    return image, _Fact(zeropoint, wcs_scale or header_scale, fwhm, wcs, provenance)


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _check_values(plane: Plane, image: np.ndarray) -> None:
    where = f"{plane.path}: extension {plane.hdu}"
    if image.dtype.kind not in "fiub":
        raise InputError(f"{where} holds {image.dtype} values, real numbers are wanted")
    finite = np.isfinite(image) if image.dtype.kind == "f" else None
    values = image if finite is None or finite.all() else image[finite]
    if values.size == 0:
        raise InputError(f"{where} has no finite pixel (all NaN or blank); is it the right extension?")
    low, high = values.min(), values.max()
    if low == high:
        raise InputError(f"{where} is constant (every pixel is {float(low):g}); is it the right extension?")


def _wcs(path: Path, units: Any, index: int) -> tuple[Any, float | None]:
    """The celestial WCS and its pixel scale in arcsec; (None, None) where there is none."""
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_scales

    header = units[index].header
    if "CTYPE1" not in header:
        return None, None
    try:
        with quiet():
            wcs = WCS(header, fobj=units)
            if not wcs.has_celestial:
                return None, None
            wcs = wcs.celestial
            scales = 3600.0 * np.asarray(proj_plane_pixel_scales(wcs), dtype=float)
            centre = np.asarray(wcs.pixel_to_world_values(*(np.asarray(wcs.wcs.crpix) - 1.0)), dtype=float)
    except Exception as error:  # wcslib raises of many kinds
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: the WCS of extension {index} is unusable ({reason}); mend or delete"
                         " its CTYPE, CRVAL, CRPIX, CD or CDELT cards") from error  # fmt: skip
    if not (np.isfinite(scales).all() and (scales > 0).all() and np.isfinite(centre).all()):
        raise InputError(
            f"{path}: the WCS of extension {index} is unusable (pixel scale {scales.tolist()} arcsec); mend"
            " or delete its CTYPE, CRVAL, CRPIX, CD or CDELT cards"
        )
    return wcs, float(f"{np.sqrt(scales.prod()):.10g}")  # 0.1, not 0.100000000000008


def _provenance(units: Any) -> dict[str, Any]:
    """The cards a Field was written with, where mockforge wrote the file."""
    header = units[0].header
    if not str(header.get("CREATOR", "")).startswith("mockforge"):
        return {}
    ours = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "CREATOR", "CHECKSUM", "DATASUM", "NEXTEND", "COMMENT")
    return {k: header[k] for k in header if k and k not in ours and k != "HISTORY"}


# --- all bands together -----------------------------------------------------------------------


def _check_aligned(planes: list[Plane], facts: list[_Fact], names: list[str]) -> None:
    """InputError where two WCS put the image more than 0.1 pixel apart."""
    from astropy.wcs import NoConvergence

    ny, nx = planes[0].hdu.shape[-2:]
    x, y = np.array([0.0, nx - 1, 0, nx - 1, nx / 2]), np.array([0.0, 0, ny - 1, ny - 1, ny / 2])
    known = [i for i, f in enumerate(facts) if f.wcs is not None]
    for i in known[1:]:
        first = facts[known[0]]
        try:
            with quiet():
                world = first.wcs.pixel_to_world_values(x, y)
                x1, y1 = facts[i].wcs.world_to_pixel_values(*world)
            shift = float(np.max(np.hypot(x1 - x, y1 - y)))
        except (ValueError, NoConvergence):  # a projection that does not reach the other image
            shift = math.inf
        if not shift <= 0.1:
            raise InputError(
                f"{planes[i].path}: band {names[i]} is not aligned with band {names[known[0]]}: their WCS"
                f" differ by {shift:.3g} pixels, at most 0.1 is wanted; resample them on one grid first"
                " (e.g. with reproject)"
            )


def _mask(image: np.ndarray) -> np.ndarray:
    """Pixels without a value: NaN or absurd in any band, or outside a footprint filled with zeros.

    Mosaics are often 0 outside their footprint. Exact zeros in all bands count as outside where
    they are more than a hundredth of the image and the rest has noise about the sky (is negative
    in places); a noiseless mock, never negative, keeps its zeros.
    """
    mask = np.zeros(image.shape[1:], dtype=bool)
    blank = np.ones(image.shape[1:], dtype=bool)
    negative = 0
    for band in image:
        mask |= ~(np.abs(band) < _BEYOND)
        blank &= band == 0
        negative += int(np.count_nonzero(band < 0))
    used = image.size - image.shape[0] * int(blank.sum())
    if blank.mean() > 0.01 and negative > 0.1 * used:
        mask |= blank
    return mask


def _beside(planes: list[Plane], name: str) -> np.ndarray | None:
    """An extension of the file of the bands, of their shape; None where there is none."""
    path, shape = planes[0].path, planes[0].hdu.shape[-2:]
    if any(p.path != path for p in planes):
        return None
    units = [u for u in walk(path) if u.shape == shape]
    exact = [u for u in units if u.name == name]
    found = next(iter(exact or [u for u in units if u.name.upper() == name.upper()]), None)
    if found is None:
        return None
    with opened(path) as hdus:
        return np.array(hdus[found.index].data)


def _truth(planes: list[Plane], names: list[str], factors: list[float]) -> np.ndarray | None:
    """The noiseless image a Field was written with."""
    bands = [_beside(planes, f"TRUTH_{name}") for name in names]
    whole = [b * f for b, f in zip(bands, factors, strict=True) if b is not None]
    return np.stack(whole).astype(np.float32) if len(whole) == len(names) else None
