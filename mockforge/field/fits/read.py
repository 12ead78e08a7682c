"""Reading anyone's aligned FITS bands: files, extensions, or planes of a cube."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.bands import Plane
from mockforge.field.fits.beside import NoiseMap, mask_of, noise_of, truth_unit
from mockforge.field.fits.blank import BEYOND, beyond, without_value
from mockforge.field.fits.check import Cards, Hdu, cards_of, opened, quiet, walk
from mockforge.field.fits.masks import Mask
from mockforge.field.fits.psf_card import psf_fwhm_of
from mockforge.field.fits.reading import Reading
from mockforge.field.fits.units import Zeropoint, zeropoint_of
from mockforge.field.fits.wcs import pixels_of_sky, read_wcs, scale_of, sky_of_pixels
from mockforge.units import ZEROPOINT_NJY

_NOTHING = "weight 0 or no error"
"""Where a map of noise or weights says that nothing was observed."""


@dataclass(frozen=True)
class BandFacts:
    """What a file's headers say of one band."""

    zeropoint: Zeropoint
    scale: float | None
    scale_origin: str
    psf_fwhm: float | None
    psf_origin: str
    wcs: Any
    provenance: dict[str, Any]


@dataclass(frozen=True)
class _BandPlane:
    """One band: its raw pixels, and what its file says of it."""

    pixels: np.ndarray
    facts: BandFacts
    mask: Mask | None
    noise: NoiseMap
    truth: np.ndarray | None
    notes: tuple[str, ...]


def read_bands(files: Sequence[str | Path] | str | Path, reading: Reading) -> dict[str, Any]:
    """Read aligned bands; what a Field is made of, by its names. See `mockforge.Field.read`."""
    planes, names = reading.planes([files] if isinstance(files, (str, Path)) else list(files))
    skeletons = {path: walk(path) for path in dict.fromkeys(p.path for p in planes)}
    image = np.empty((len(planes), *planes[0].hdu.shape[-2:]), dtype=np.float32)
    band_planes = []
    for i, (plane, name) in enumerate(zip(planes, names, strict=True)):
        alone = sum(p.path == plane.path for p in planes) == 1
        band_planes.append(_read(plane, name, skeletons[plane.path], alone, reading, (i, image)))
    facts = [b.facts for b in band_planes]
    check_one_grid(planes, facts, names)
    values = _joined(image, band_planes, names, reading.bits, planes[0].path)
    if reading.pixel_scale_arcsec is not None:
        values["pixel_scale_arcsec"] = reading.pixel_scale_arcsec
    if reading.require_njy:
        check_njy(values["zeropoint_ab"], values["origin"], planes[0].path)
    return values


def _joined(
    image: np.ndarray,
    read: list[_BandPlane],
    names: list[str],
    bits: Sequence[str | int] | None,
    where: Path,
) -> dict[str, Any]:
    """All bands in one unit, in `image`, and what their files say together."""
    facts = [b.facts for b in read]
    factors = njy_factors(facts)
    mask, mask_origin = _mask(read, factors, bits)  # first: marks such as -9999 are those of the file's unit
    for i, factor in enumerate(factors):
        if factor != 1.0 or not np.may_share_memory(read[i].pixels, image):
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows is masked
                np.multiply(read[i].pixels, factor, out=image[i], casting="unsafe")
    if mask.all():
        raise InputError(f"{where}: no pixel is usable in all bands; every one is masked, NaN or beyond 1e30")
    image[:, mask] = 0.0
    return {
        "image": image,
        "bands": tuple(names),
        "mask": mask if mask.any() else None,
        "truth": _stacked([b.truth for b in read], factors),
        "variance": _stacked([b.noise.variance for b in read], [f**2 for f in factors]),
        **joined_facts(facts, factors),
        "origin": _origin(read, names, mask_origin),
    }


def njy_factors(facts: Sequence[BandFacts]) -> list[float]:
    """nJy in one unit of each band's pixels; 1 where a zeropoint is not known."""
    zeropoints = [b.zeropoint.ab for b in facts]
    in_njy = None not in zeropoints
    return [10 ** (0.4 * (ZEROPOINT_NJY - z)) if in_njy and z is not None else 1.0 for z in zeropoints]


def joined_facts(facts: Sequence[BandFacts], factors: Sequence[float]) -> dict[str, Any]:
    """Return what the headers of all bands say together, by the names of a Field."""
    fwhm = tuple(b.psf_fwhm for b in facts)
    in_njy = all(b.zeropoint.ab is not None for b in facts)
    return {
        "pixel_scale_arcsec": next((b.scale for b in facts if b.scale), None),
        "psf_fwhm_arcsec": tuple(float(v) for v in fwhm if v is not None) if None not in fwhm else None,
        "unit": "nJy" if in_njy else "native",
        "zeropoint_ab": ZEROPOINT_NJY if in_njy else None,
        "wcs": next((b.wcs for b in facts if b.wcs is not None), None),
        "header": facts[0].provenance,
        "njy_per_unit": tuple(factors) if in_njy else (),
    }


def origin_of_facts(facts: Sequence[BandFacts], names: list[str]) -> dict[str, str]:
    """Where zeropoint, pixel scale and PSF come from, in words."""
    return {
        "zeropoint": _each(names, [b.zeropoint.origin for b in facts]),
        "pixel scale": _each(names, [_scale_words(b.scale, b.scale_origin) for b in facts]),
        "PSF": _each(names, [b.psf_origin for b in facts]),
    }


def _origin(read: list[_BandPlane], names: list[str], mask: str) -> dict[str, str]:
    """Where each fact comes from, in words."""
    also = {"also": _each(names, ["; ".join(b.notes) for b in read])} if any(b.notes for b in read) else {}
    return {
        **origin_of_facts([b.facts for b in read], names),
        "mask": mask,
        "variance": _each(names, [b.noise.origin for b in read]),
        **also,
    }


def check_njy(zeropoint_ab: float | None, origin: Mapping[str, str], where: str | Path) -> None:
    """InputError that names the bands whose flux unit is unknown, where a Field has no zeropoint."""
    if zeropoint_ab is None:
        reason = origin.get("zeropoint", "not known")
        raise InputError(
            f"{where}: the flux unit is unknown and nJy is needed (zeropoint {reason}): give the AB magnitude"
            " of pixel value 1, one for all bands or one per band, as `zeropoint` in a recipe or with"
            " `--zeropoint` (31.4 leaves the numbers as they are)"
        )


def _each(names: list[str], words: list[str]) -> str:
    """One line for all bands: once where they agree, else band by band."""
    if len(set(words)) == 1:
        return words[0]
    return "; ".join(f"{name} {text}" for name, text in zip(names, words, strict=True) if text)


def _scale_words(scale: float | None, origin: str) -> str:
    return f"{scale:.6g} arcsec {origin}" if scale else origin


def _stacked(planes: Sequence[np.ndarray | None], factors: Sequence[float]) -> np.ndarray | None:
    """(band, y, x) float32 where every band has one."""
    present = [p for p in planes if p is not None]
    if len(present) < len(planes):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack(
            [np.asarray(p * np.float64(f)).astype(np.float32) for p, f in zip(present, factors, strict=True)]
        )


# --- one band ---------------------------------------------------------------------------------


def _read(
    plane: Plane,
    name: str,
    units: list[Hdu],
    alone: bool,
    reading: Reading,
    place: tuple[int, np.ndarray],
) -> _BandPlane:
    """Return the raw pixels and what the headers say; `place`: which band of the image it is.

    Pixels of 32 bits are put there.
    """
    path, hdu = plane.path, plane.hdu
    mapped = not any(u.scaled for u in units) and path.suffix not in (".gz", ".bz2")
    where = f"{path}[{hdu.index}]"
    with opened(path, memmap=mapped) as hdus:
        card = cards_of(hdus, hdu.index)
        facts = band_facts(
            plane, hdus, reading.zeropoint_of(place[0], len(place[1])), reading.pixel_scale_arcsec
        )
        data = hdus[hdu.index].data
        if data is None:
            raise InputError(f"{path}: extension {hdu} holds no pixels")
        image = _plane_of(data, plane, place[1][place[0]])  # a copy: the map ends with the file
        _check_values(plane, image)
        image, notes = linear(image, card, where)
        truth = truth_unit(plane, units, name)
        noise = noise_of(plane, units, hdus, name, alone)
        if notes and noise.variance is not None:
            noise = NoiseMap(None, "not known: that of asinh pixels is not read")
        return _BandPlane(
            pixels=image,
            facts=facts,
            mask=mask_of(plane, units, hdus, name, alone, reading.bits),
            noise=noise,
            truth=None if truth is None else _plane_of(hdus[truth.index].data, plane),
            notes=notes,
        )


def band_facts(plane: Plane, hdus: Any, given: float | None, scale: float | None) -> BandFacts:
    """Return what the headers of an open file say of a band; `given` and `scale` are the user's."""
    path, index = plane.path, plane.hdu.index
    card, where = cards_of(hdus, index, plane.plane), f"{path}[{index}]"
    wcs, wcs_scale, by = read_wcs(path, hdus, index, scale)
    known_scale, origin = scale_of(card, where, wcs_scale, by, scale)
    area = math.radians(known_scale / 3600) ** 2 if known_scale else None
    zeropoint = zeropoint_of(card, where, area, given)
    fwhm, psf_origin = psf_fwhm_of(card, known_scale)
    return BandFacts(zeropoint, known_scale, origin, fwhm, psf_origin, wcs, _provenance(hdus))


def _plane_of(data: np.ndarray, plane: Plane, out: np.ndarray | None = None) -> np.ndarray:
    """Return a copy of the band's own plane of an image or a cube, in `out` where that holds such pixels."""
    own = data.reshape(-1, *data.shape[-2:])[plane.plane or 0] if data.ndim > 2 else data
    if out is None or own.dtype.newbyteorder("=") != out.dtype or own.shape != out.shape:
        return np.array(own)
    out[...] = own
    return out


def linear(image: np.ndarray, card: Cards, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Pixels that are linear in flux: those that Pan-STARRS stores as asinh magnitudes are undone.

    flux = BOFFSET + BSOFTEN (e^(v / a) - e^(-v / a)), a = 2.5 / ln 10. Waters et al. 2020, ApJS 251, 4.
    """
    soft, offset = card("BSOFTEN"), card("BOFFSET")
    if soft is None and offset is None:
        return image, ()
    if not _positive(soft) or isinstance(offset, (bool, str)) or offset is None:
        raise InputError(
            f"{where}: BSOFTEN = {soft!r} and BOFFSET = {offset!r}: pixels are stored as asinh of the flux "
            "and both numbers are expected to undo it; correct the cards, or delete both if pixels are linear"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.asarray(image, dtype=np.float64) * (0.4 * math.log(10.0))
        flux = float(offset) + 2.0 * float(soft) * np.sinh(scaled)
    return flux, (f"pixels were asinh of the flux (BSOFTEN {soft:g}, BOFFSET {offset:g}) and are linear now",)


def _positive(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _check_values(plane: Plane, image: np.ndarray) -> None:
    where = f"{plane.path}: extension {plane.hdu}"
    if image.dtype.kind not in "fiub":
        raise InputError(f"{where} holds {image.dtype} values, real numbers are expected")
    finite = np.isfinite(image) if image.dtype.kind == "f" else None
    values = image if finite is None or finite.all() else image[finite]
    if values.size == 0:
        raise InputError(f"{where} has no finite pixel (all NaN or blank); is it the right extension?")
    low, high = values.min(), values.max()
    if low == high:
        raise InputError(f"{where} is constant (every pixel is {float(low):g}); is it the right extension?")


def _provenance(units: Any) -> dict[str, Any]:
    """Return the cards a Field was written with, where mockforge wrote the file."""
    header = units[0].header
    if not str(header.get("CREATOR", "")).startswith("mockforge"):
        return {}
    basic = ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "CREATOR", "CHECKSUM", "DATASUM", "NEXTEND", "COMMENT")
    return {k: header[k] for k in header if k and k not in basic and k != "HISTORY"}


# --- all bands together -----------------------------------------------------------------------


def check_one_grid(planes: list[Plane], facts: list[BandFacts], names: list[str]) -> None:
    """InputError where the bands' WCS or pixel scales differ."""
    _check_aligned(planes, facts, names)
    _check_scales(planes, facts, names)


def _check_aligned(planes: list[Plane], read: list[BandFacts], names: list[str]) -> None:
    """InputError where two WCS put the image more than 0.1 pixel apart."""
    from astropy.wcs import NoConvergence

    ny, nx = planes[0].hdu.shape[-2:]
    x, y = np.array([0.0, nx - 1, 0, nx - 1, nx / 2]), np.array([0.0, 0, ny - 1, ny - 1, ny / 2])
    with_wcs = [i for i, b in enumerate(read) if b.wcs is not None]
    for i in with_wcs[1:]:
        first = read[with_wcs[0]]
        try:
            with quiet():
                x1, y1 = pixels_of_sky(read[i].wcs, *sky_of_pixels(first.wcs, x, y))
            shift = float(np.max(np.hypot(x1 - x, y1 - y)))
        except (ValueError, NoConvergence):  # a projection that does not reach the other image
            shift = math.inf
        if not shift <= 0.1:
            raise InputError(
                f"{planes[i].path}: band {names[i]} is not aligned with band {names[with_wcs[0]]}: their WCS"
                f" differ by {shift:.3g} pixels, at most 0.1 is allowed; resample them on one grid first"
                " (e.g. with reproject)"
            )


def _check_scales(planes: list[Plane], read: list[BandFacts], names: list[str]) -> None:
    """InputError where the bands' pixel scales differ."""
    sized = [i for i, b in enumerate(read) if b.scale]
    for i in sized[1:]:
        first, other = read[sized[0]].scale or 1.0, read[i].scale or 1.0
        if abs(other / first - 1) > 0.01:
            raise InputError(
                f"{planes[i].path}: band {names[i]} has pixels of {other:g} arcsec and band {names[sized[0]]}"
                f" of {first:g}; bands must be on one grid: resample them first (e.g. with reproject)"
            )


def _as_stored(plane: _BandPlane, factor: float) -> np.ndarray:
    """Return a band in the file's own unit, float32; NaN where it has no value in the image's unit."""
    with np.errstate(over="ignore", invalid="ignore"):
        stored = np.asarray(plane.pixels, dtype=np.float32)
    absurd = beyond(stored, BEYOND / abs(factor))
    return np.where(absurd, np.float32(np.nan), stored) if absurd.any() else stored


def _mask(
    read: list[_BandPlane], factors: list[float], bits: Sequence[str | int] | None
) -> tuple[np.ndarray, str]:
    """Pixels that must not be used in some band, and in words why."""
    mask, words = without_value(map(_as_stored, read, factors), read[0].pixels.shape)
    notes = [words] if words else []
    for band in read:
        if band.mask is not None:
            mask |= band.mask.bad
            notes.append(f"{band.mask.origin} ({band.mask.bad.mean():.2%})")
        if band.noise.unseen is not None and band.noise.unseen.any():
            mask |= band.noise.unseen
            notes.append(f"{_NOTHING} ({band.noise.unseen.mean():.2%})")
    scope = f" for the mask bits {', '.join(map(str, bits))}" if bits else ""
    return mask, "; ".join(dict.fromkeys(notes)) or f"none: no mask extension{scope}, every pixel has a value"
