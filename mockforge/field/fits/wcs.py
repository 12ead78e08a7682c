"""World coordinates of an image: read, checked against the pixel scale, turned into ra and dec."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.check import Cards, quiet
from mockforge.field.fits.distortion import CLOSE, without_tables
from mockforge.field.fits.scale_cards import AGREE, check_agree, scale_cards

SMALLEST_SCALE, LARGEST_SCALE = 0.001, 60.0
"""arcsec per pixel that instruments have."""
_SQUARE = 0.02
"""Part by which the sides of a pixel may differ."""
_SKY_AXES = ("RA", "DEC", "GLON", "GLAT", "ELON", "ELAT")
_SKEW = 2.0
"""Degrees by which the axes may miss the right angle."""


def sky_of_pixels(wcs: Any, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """ra, dec (ICRS, degrees) of pixels counted from 0, whatever the frame of the WCS."""
    with quiet():
        first, second = (np.asarray(v, dtype=float) for v in wcs.pixel_to_world_values(x, y))
        frame = _frame(wcs)
        if frame is None:
            return first % 360.0, second
        from astropy import units as u
        from astropy.coordinates import SkyCoord

        sky: Any = SkyCoord(first * u.deg, second * u.deg, frame=frame).icrs
        return np.asarray(sky.ra.deg) % 360.0, np.asarray(sky.dec.deg)


def pixels_of_sky(wcs: Any, ra: Any, dec: Any) -> tuple[np.ndarray, np.ndarray]:
    """x, y counted from 0 of ra, dec (ICRS, degrees), whatever the frame of the WCS."""
    with quiet():
        frame = _frame(wcs)
        if frame is not None:
            from astropy import units as u
            from astropy.coordinates import SkyCoord

            at = SkyCoord(np.asarray(ra) * u.deg, np.asarray(dec) * u.deg, frame="icrs")
            sky: Any = at.transform_to(frame)
            ra, dec = sky.spherical.lon.deg, sky.spherical.lat.deg
        x, y = wcs.world_to_pixel_values(ra, dec)
        return np.asarray(x, dtype=float), np.asarray(y, dtype=float)


def _frame(wcs: Any) -> Any:
    """Return the astropy frame of a WCS.

    None where its numbers are ICRS, or FK5 of J2000 (0.03 arcsec off).
    """
    from astropy.coordinates import FK5, ICRS
    from astropy.wcs.utils import wcs_to_celestial_frame

    frame: Any = wcs_to_celestial_frame(wcs)
    equinox: Any = getattr(frame, "equinox", None)
    j2000 = isinstance(frame, FK5) and abs(equinox.jyear - 2000.0) < 1e-6
    return None if j2000 or isinstance(frame, ICRS) else frame


def written(wcs: Any) -> Any:
    """Return the cards of a WCS, an `astropy.io.fits.Header`.

    Raises InputError where they would not say the same to 0.01 pixel: what a header of its own
    cannot hold (lookup tables).
    """
    from astropy.wcs import WCS

    shape = wcs.array_shape or (1000, 1000)
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(0, shape[1] - 1, 5), np.linspace(0, shape[0] - 1, 5)))
    with quiet():
        try:
            header = wcs.to_header(relax=True)
            again = WCS(header)
            x1, y1 = again.world_to_pixel_values(*wcs.pixel_to_world_values(x, y))
            moved = float(np.nanmax(np.hypot(x1 - x, y1 - y)))
        except Exception as error:  # wcslib raises of many kinds
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"the WCS cannot be written as header cards ({reason})") from error
    if not moved <= 0.01:
        raise InputError(
            f"the WCS cannot be written: its distortion is lost in a header and pixels move by {moved:.3g};"
            " resample the image to a plain projection first (e.g. with reproject)"
        )
    return header


def read_wcs(path: Path, units: Any, index: int, given: float | None) -> tuple[Any, float | None, str]:
    """Return the celestial WCS, its pixel scale in arcsec, and where the scale is from.

    (None, None, "") where there is none. `given` is the user's pixel scale, which settles what the
    header leaves open. Raises InputError where the WCS is unusable, contradicts itself, or has
    pixels that are not square.
    """
    header, of_primary = _header_with_wcs(units, index)
    if header is None:
        return None, None, ""
    where = f"{path}[{index}]"
    try:
        with quiet():
            wcs = _celestial(header, units, where)
    except InputError:
        raise
    except Exception as error:  # wcslib raises of many kinds
        raise _unusable(path, index, " ".join(str(error).split())[:160]) from error
    if wcs is None:
        return None, *_linear(header)
    if not has_scale(header):
        if given is not None:
            return None, given, "as given; the WCS has no pixel scale (no CD, PC or CDELT) and is left out"
        raise InputError(
            f"{where}: the WCS has no pixel scale (neither CD nor PC nor CDELT; the default is 1 degree): add"
            " them, or give the scale with `--pixel-scale` and the WCS is left out"
        )
    if str(units[0].header.get("CREATOR", "")).startswith("mockforge") and _positive(header.get("PIXSCALE")):
        given = given if given is not None else float(header["PIXSCALE"])  # the word of who wrote it
    _check_matrix(header, where, given)
    scale, sides, angle = _pixel(wcs, units[index].shape, path, index)
    skewed = abs(angle - 90.0) > _SKEW
    if (abs(sides[0] / sides[1] - 1) > _SQUARE or skewed) and given is None:
        shape = f"{sides[0]:.4g} x {sides[1]:.4g} arcsec" + (f" at {angle:.1f} degrees" if skewed else "")
        raise InputError(
            f"{where}: the pixels are not square ({shape}); apertures, PSF and position angles would be"
            " wrong: resample the image (e.g. with reproject), or take the mean with"
            f" `--pixel-scale {scale:.5g}`"
        )
    if not SMALLEST_SCALE <= scale <= LARGEST_SCALE and given is None:
        raise InputError(
            f"{where}: the WCS says {scale:.6g} arcsec per pixel; {SMALLEST_SCALE:g} to {LARGEST_SCALE:g} are"
            f" expected: correct CD or CDELT, or type `--pixel-scale {scale:.6g}` if it is right"
        )
    tables = any(k in header for k in ("CPDIS1", "CPDIS2", "D2IMDIS1", "D2IMDIS2", "D2IMEXT"))
    note = f" (its lookup tables as polynomials, within {CLOSE:g} pixel)" if tables else ""
    return wcs, scale, f"from the WCS{of_primary}{note}"


def _header_with_wcs(units: Any, index: int) -> tuple[Any, str]:
    """Return which header holds the WCS: the extension's, else that of a primary without pixels."""
    own, primary = units[index].header, units[0].header
    if "CTYPE1" in own:
        return own, ""
    if index and "CTYPE1" in primary and not units[0].shape and own.get("INHERIT", True) is not False:
        return primary, " of the primary header"
    return None, ""


def scale_of(
    card: Cards, where: str, wcs_scale: float | None, by: str, given: float | None
) -> tuple[float | None, str]:
    """Return the pixel scale in arcsec from the user's word, the WCS and the header's cards, and its origin.

    Raises InputError where two of them disagree.
    """
    scales = scale_cards(card)
    key, scale = scales[0] if scales else ("", None)
    if wcs_scale is not None:  # one that disagrees, if there is one
        key, scale = next(((k, v) for k, v in scales if abs(v / wcs_scale - 1) > AGREE), (key, scale))
    elif given is None:
        check_agree(scales, where)
    if given is not None:
        if wcs_scale and abs(given / wcs_scale - 1) > AGREE:
            raise InputError(
                f"{where}: pixel scale {given:g} arcsec was given and the WCS says {wcs_scale:g}; leave it"
                " out or correct the WCS"
            )
        return given, by if by.startswith("as given") else "as given"
    if scale and not SMALLEST_SCALE <= scale <= LARGEST_SCALE and not wcs_scale:
        raise InputError(
            f"{where}: {key} = {scale:g}, arcsec from {SMALLEST_SCALE:g} to {LARGEST_SCALE:g} are expected; "
            "give the scale with `--pixel-scale`"
        )
    if wcs_scale and scale:
        if abs(scale / wcs_scale - 1) > AGREE:
            raise InputError(
                f"{where}: {key} = {scale:g} arcsec and the WCS says {wcs_scale:g}; say which holds: type"
                f" `--pixel-scale {wcs_scale:g}` for the WCS, or correct the WCS"
            )
        if abs(scale / wcs_scale - 1) < 1e-4:  # the round number rather than the one through degrees
            return scale, f"{by}, {key}"
    if wcs_scale:
        return wcs_scale, by
    return (scale, f"from {key}") if scale else (None, "not known: no WCS and no PIXSCALE")


def _unusable(path: Path, index: int, reason: str) -> InputError:
    return InputError(
        f"{path}: the WCS of extension {index} is unusable ({reason}); correct or delete its CTYPE, CRVAL,"
        " CRPIX, CD or CDELT cards"
    )


def _celestial(header: Any, units: Any, where: str) -> Any:
    """Return the two celestial axes, longitude first, without lookup tables; None where there are none."""
    from astropy.wcs import WCS

    _check_reference(header, where)
    wcs = WCS(_known_frame(header), fobj=units)
    if not wcs.has_celestial:
        if str(header["CTYPE1"]).strip().upper().startswith(_SKY_AXES):
            raise InputError(
                f"{where}: CTYPE1 = {header['CTYPE1']!r} and CTYPE2 = {header.get('CTYPE2')!r} are no axes of"
                " a projection as the standard spells them, as RA---TAN and DEC--TAN; correct or delete them"
            )
        return None
    kinds = [kind.get("coordinate_type") for kind in wcs.get_axis_types()]
    if kinds[:2] != ["celestial", "celestial"]:
        raise InputError(f"{where}: the sky is along the axes {[k + 1 for k, v in enumerate(kinds) if v]},"
                         " and the first two are expected; reorder the axes first")  # fmt: skip
    suffixes = [str(header.get(f"CTYPE{i}", "")).endswith("-SIP") for i in (1, 2)]
    if wcs.sip is not None and not all(suffixes):
        raise InputError(
            f"{where}: A_ORDER is there and CTYPE1 = {header['CTYPE1']!r} without -SIP: whether the"
            " distortion holds is not said; add -SIP to CTYPE1 and CTYPE2, or delete A_ORDER and B_ORDER"
        )
    swapped = wcs.wcs.lng == 1
    wcs = wcs.sub([1, 2]) if wcs.naxis > 2 else wcs
    if swapped:
        wcs = _longitude_first(wcs)
    with quiet():
        try:
            _frame(wcs)
        except ValueError as error:
            raise InputError(
                f"{where}: the WCS is unusable, since its frame is not known (CTYPE1 = {header['CTYPE1']!r}, "
                f"RADESYS = {header.get('RADESYS', header.get('RADECSYS'))!r}, EQUINOX = "
                f"{header.get('EQUINOX')!r}); ICRS, FK5, FK4, galactic or ecliptic is expected: correct "
                "RADESYS"
            ) from error
    return without_tables(wcs, where)


def _check_reference(header: Any, where: str) -> None:
    """InputError where the place of the image on the sky is not said: the standard's default is 0."""
    for key in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"):
        value = header.get(key)
        sky = str(header["CTYPE1"]).strip().upper().startswith(_SKY_AXES)
        if sky and (isinstance(value, (bool, str)) or not isinstance(value, (int, float))):
            fault = f"{key} = {value!r}" if key in header else f"no {key}"
            unit = "degrees" if "VAL" in key else "pixels"
            raise InputError(
                f"{where}: the WCS has {fault}, a number is expected ({unit}; the default is 0): correct it, "
                "or delete CTYPE1 and CTYPE2 and give the scale with `--pixel-scale`"
            )


def _known_frame(header: Any) -> Any:
    """Return the header with its frame as the standard spells it: ' icrs' is ICRS."""
    frame = header.get("RADESYS")
    if not isinstance(frame, str) or frame == frame.strip().upper():
        return header
    header = header.copy()
    header["RADESYS"] = frame.strip().upper()
    return header


def _longitude_first(wcs: Any) -> Any:
    """Return the same WCS with its world axes exchanged; pixels keep theirs."""
    from astropy.wcs import WCS

    w = wcs.wcs
    matrix = np.asarray(w.cdelt)[:, None] * np.asarray(w.get_pc())
    out = WCS(naxis=2)
    out.wcs.ctype, out.wcs.cunit = list(w.ctype)[::-1], list(w.cunit)[::-1]
    out.wcs.crval, out.wcs.crpix = list(w.crval)[::-1], list(w.crpix)
    out.wcs.cd = matrix[::-1]
    out.wcs.radesys, out.wcs.equinox = w.radesys, w.equinox
    out.wcs.lonpole, out.wcs.latpole = w.lonpole, w.latpole
    out.wcs.set_pv([(3 - i, m, v) for i, m, v in w.get_pv()])
    out.sip = wcs.sip
    out.cpdis1, out.cpdis2 = wcs.cpdis1, wcs.cpdis2
    out.det2im1, out.det2im2 = wcs.det2im1, wcs.det2im2
    out.array_shape = wcs.array_shape
    out.wcs.set()
    return out


def _linear(header: Any) -> tuple[float | None, str]:
    """Return the pixel scale of axes in arcsec, arcmin or degrees that are on no sphere."""
    from astropy import units as u

    scales = []
    for i in (1, 2):
        step = header.get(f"CD{i}_{i}", header.get(f"CDELT{i}"))
        unit = str(header.get(f"CUNIT{i}", "")).strip()
        try:
            factor = u.Unit(unit.lower()).to(u.arcsec) if unit else None
        except (ValueError, TypeError):
            factor = None
        if factor is None or not _positive(abs(step) if isinstance(step, (int, float)) else None):
            return None, ""
        scales.append(abs(float(step)) * factor)
    square = abs(scales[0] / scales[1] - 1) < _SQUARE
    return (float(f"{scales[0]:.10g}"), "from CDELT, linear axes") if square else (None, "")


def has_scale(header: Any) -> bool:
    """Whether a header's WCS says how large a pixel is; the standard's default is 1 degree."""
    return any(
        k in header
        for k in (
            "CD1_1",
            "CD1_2",
            "CD2_1",
            "CD2_2",
            "CDELT1",
            "CDELT2",
            "PC1_1",
            "PC1_2",
            "PC001001",
            "CD001001",
        )
    )


def _check_matrix(header: Any, where: str, given: float | None) -> None:
    """InputError where CDELT and the CD matrix give two scales, or only one axis has one."""
    matrix = [[header.get(f"CD{i}_{j}") for j in (1, 2)] for i in (1, 2)]
    if all(v is None for row in matrix for v in row):
        cdelts = [k for k in ("CDELT1", "CDELT2") if k in header]
        if len(cdelts) == 1 and given is None:
            raise InputError(f"{where}: {cdelts[0]} is there and the other CDELT is not (its default is 1"
                             " degree); add it")  # fmt: skip
        return
    for i in (1, 2):
        column = math.hypot(*(float(matrix[k][i - 1] or 0.0) for k in (0, 1)))
        row = math.hypot(*(float(v or 0.0) for v in matrix[i - 1]))
        delt = header.get(f"CDELT{i}")
        if not _positive(abs(delt) if isinstance(delt, (int, float)) else None) or abs(delt) == 1.0:
            continue  # absent, or the default of who writes CD
        near = [c for c in (column, row) if c > 0 and abs(abs(delt) / c - 1) <= 0.01]
        if not near and given is None:
            raise InputError(
                f"{where}: CDELT{i} says {3600 * abs(delt):.6g} arcsec per pixel and the CD matrix"
                f" {3600 * column:.6g}; say which holds: type `--pixel-scale {3600 * column:.6g}` for CD, or"
                " delete CD1_1, CD1_2, CD2_1, CD2_2"
            )


def _pixel(wcs: Any, shape: tuple[int, ...], path: Path, index: int) -> tuple[float, np.ndarray, float]:
    """Return both sides of the pixel in arcsec and the angle between its axes, in the image's middle."""
    from astropy.wcs.utils import proj_plane_pixel_scales

    with quiet():
        nominal = 3600.0 * np.asarray(proj_plane_pixel_scales(wcs), dtype=float)
        centre = np.asarray(wcs.pixel_to_world_values(*(np.asarray(wcs.wcs.crpix) - 1.0)), dtype=float)
    if not (np.isfinite(nominal).all() and (nominal > 0).all() and np.isfinite(centre).all()):
        raise _unusable(path, index, f"pixel scale {nominal.tolist()} arcsec")
    y, x = ((n - 1) / 2 for n in shape[-2:])
    steps = np.array([[0.0, 0.0], [0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
    with quiet():
        lon, lat = np.radians(wcs.pixel_to_world_values(x + steps[:, 0], y + steps[:, 1]))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise _unusable(path, index, "the image's middle lies outside the projection")
    east = ((lon - lon[0] + math.pi) % (2 * math.pi) - math.pi) * math.cos(lat[0])
    north = lat - lat[0]
    along_x = np.array([east[1] - east[2], north[1] - north[2]])
    along_y = np.array([east[3] - east[4], north[3] - north[4]])
    sides = np.degrees([np.hypot(*along_x), np.hypot(*along_y)]) * 3600.0
    if not (sides > 0).all():
        raise _unusable(path, index, f"pixel sides {sides.tolist()} arcsec")
    cosine = float(np.dot(along_x, along_y) / (np.hypot(*along_x) * np.hypot(*along_y)))
    angle = math.degrees(math.acos(min(1.0, max(-1.0, cosine))))
    scale = float(np.sqrt(nominal.prod()))
    local = float(np.sqrt(sides.prod()))
    if abs(local / scale - 1) > 0.02:  # far from where the projection is true to scale
        return local, sides, angle
    return float(f"{scale:.10g}"), np.where(np.abs(sides / nominal - 1) < 0.02, nominal, sides), angle


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
