"""What a pixel value of a FITS image means: AB zeropoints from units and header cards."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from mockforge.errors import InputError
from mockforge.field.fits.check import Cards
from mockforge.field.fits.flux_unit import FluxUnit, flux_unit
from mockforge.field.fits.vega import PER_SECOND, mission, near_infrared, of_johnson, to_ab
from mockforge.field.fits.zeropoint_cards import (
    CARDS,
    check_scaled,
    check_second,
    is_number,
    mag,
    of_casu,
    positive,
    unlisted,
)

_USUALLY_AB = ("MAGZERO", "ABMAGZP", "ZPAB", "ZP_AB")
_SYSTEMS = ("MAGSYS", "ZPSYS", "MAGTYPE", "PHOTSYS")
LOWEST, HIGHEST = 0.0, 50.0
"""AB zeropoints that instruments and pipelines have."""
_AGREE = 0.05
"""Magnitudes by which two zeropoints of one header may differ."""
_FEWEST_IN_BEAM, _MOST_IN_BEAM = 1.0, 10000.0
"""Pixels in a beam: a radio image has 5 to some hundreds."""
_AREAS_AGREE = 0.05
"""Part by which PIXAR_SR may differ from the pixel's area by the WCS: detectors' mean areas do by 0.02."""


@dataclass(frozen=True)
class Zeropoint:
    """AB magnitude of pixel value 1, None where it is not known, and what says so."""

    ab: float | None
    origin: str


def zeropoint_of(
    card: Cards, where: str, pixel_area_sr: float | None = None, given: float | None = None
) -> Zeropoint:
    """Return the zeropoint of an image.

    `given`, the user's, goes before the header's. Else, in order: a flux unit in BUNIT (with the
    pixel's solid angle where it is a surface brightness); a zeropoint card; FLUXMAG0; HST's
    PHOTFNU or PHOTFLAM with PHOTPLAM. Vega magnitudes become AB where the offset is known.

    Raises InputError where a card is ambiguous, cannot be true, or contradicts another, and where
    pixels are not linear in flux.
    """
    unit = flux_unit(card("BUNIT"))
    if unit.kind == "magnitude":
        raise InputError(
            f"{where}: BUNIT = {unit.text!r}: pixels are magnitudes or logarithms, not linear in flux; write"
            " them as flux first, e.g. 10**(0.4 * (31.4 - m)) in nJy"
        )
    if given is None:
        return _of_header(card, unit, where, pixel_area_sr)
    try:
        of_header = _of_header(card, unit, where, pixel_area_sr)
    except InputError:
        of_header = Zeropoint(None, "")
    differs = of_header.ab is not None and abs(of_header.ab - given) > 0.01
    note = f" (the header says {of_header.origin}: not used)" if differs else ""
    return Zeropoint(given, f"{mag(given)} AB as given{note}")


def _of_header(card: Cards, unit: FluxUnit, where: str, area: float | None) -> Zeropoint:
    zeropoints, notes = [], []
    of_unit = _from_unit(card, unit, where, area)
    if of_unit is not None:
        zeropoints.append(of_unit)
    for zeropoint in _from_cards(card, where, rate=unit.kind == "counts" and unit.second):
        (zeropoints if zeropoint.ab is not None else notes).append(zeropoint)
    flux_of_mag_0 = card("FLUXMAG0")
    if is_number(flux_of_mag_0) and flux_of_mag_0 > 0:
        zeropoints.append(_in_range(2.5 * math.log10(flux_of_mag_0), "FLUXMAG0", where))
    if unit.kind not in ("flux", "brightness", "per_lambda"):  # else it is of the counts there once were
        zeropoints += _from_hst(card, unit, where, zeropoints)
    if not zeropoints:
        text = "; ".join(n.origin for n in notes) or unlisted(card) or _unknown(unit)
        return Zeropoint(None, text)
    first = zeropoints[0]
    for other in zeropoints[1:]:
        if abs((first.ab or 0) - (other.ab or 0)) > _AGREE:
            raise InputError(
                f"{where}: two zeropoints disagree: {mag(first.ab)} AB {first.origin}, and {mag(other.ab)}"
                f" AB {other.origin}; say which holds, with `--zeropoint {mag(first.ab)}` or `--zeropoint"
                f" {mag(other.ab)}` (`zeropoint:` in a recipe)"
            )
    return Zeropoint(first.ab, f"{mag(first.ab)} AB {first.origin}")


def _unknown(unit: FluxUnit) -> str:
    bunit = f"BUNIT = {unit.text!r} and no" if unit.text else "no BUNIT and no"
    return f"not known: {bunit} zeropoint card"


def _from_unit(card: Cards, unit: FluxUnit, where: str, area: float | None) -> Zeropoint | None:
    origin = f"from BUNIT {unit.text}"
    if unit.kind == "flux":
        return Zeropoint(unit.zeropoint, origin)
    if unit.kind == "per_lambda":
        pivot = card("PHOTPLAM")
        if not positive(pivot):
            raise InputError(
                f"{where}: BUNIT = {unit.text!r} is a flux per wavelength; its AB zeropoint needs the pivot"
                " wavelength and no PHOTPLAM is there: give the zeropoint with `--zeropoint`"
            )
        return Zeropoint(unit.zeropoint - 5 * math.log10(pivot) - 2.408, f"{origin}, PHOTPLAM")
    if unit.kind not in ("brightness", "ambiguous"):
        return None
    sr, by = (1.0, "") if unit.per == "pixel" else _solid_angle(card, unit, where, area)
    shift = -2.5 * math.log10(sr)
    if unit.kind == "brightness":
        return Zeropoint(unit.zeropoint + shift, origin + by)
    milli, mega = (v + shift for v in unit.either)
    raise InputError(
        f"{where}: BUNIT = {unit.text!r} may be milli- or megajansky, a factor of 1e9: say which with"
        f" `--zeropoint {mag(milli)}` (mJy) or `--zeropoint {mag(mega)}` (MJy), `zeropoint:` in a recipe"
    )


def _solid_angle(card: Cards, unit: FluxUnit, where: str, area: float | None) -> tuple[float, str]:
    """Steradians of a pixel, or beams in a pixel, and the cards they are from."""
    if unit.per == "beam":
        axes = [card("BMAJ"), card("BMIN")]
        if not all(positive(a) for a in axes) or area is None:
            raise InputError(
                f"{where}: BUNIT = {unit.text!r} is flux per beam, and the beam (BMAJ, BMIN) or the pixel"
                " scale is not known; give the AB magnitude of pixel value 1 with `--zeropoint`, which is 2.5"
                " log10 (pixels in a beam) more than that of the flux unit"
            )
        beam = math.pi / (4 * math.log(2)) * math.radians(axes[0]) * math.radians(axes[1])
        if not _FEWEST_IN_BEAM <= beam / area <= _MOST_IN_BEAM:
            raise InputError(
                f"{where}: BMAJ = {axes[0]:g} and BMIN = {axes[1]:g} degrees make a beam of "
                f"{beam / area:.3g} pixels, from {_FEWEST_IN_BEAM:g} to {_MOST_IN_BEAM:g} are expected; are "
                "they in arcsec? Correct them, or give the AB magnitude of pixel value 1 with `--zeropoint`"
            )
        return area / beam, ", BMAJ, BMIN and the pixel scale"
    areas = [(k, float(v) * f) for k, f in (("PIXAR_SR", 1.0), ("PIXAR_A2", math.radians(1 / 3600) ** 2))
            if positive(v := card(k))]  # fmt: skip
    if not areas and area is None:
        raise InputError(
            f"{where}: BUNIT = {unit.text!r} is flux per solid angle, and neither PIXAR_SR nor a pixel scale"
            " is there: give the scale with `--pixel-scale`"
        )
    if not areas:
        return float(area or 1.0), " and the pixel's area by the pixel scale"
    key, value = areas[0]
    if len(areas) > 1 and abs(value / areas[1][1] - 1) > _AREAS_AGREE:
        either = [mag(unit.zeropoint - 2.5 * math.log10(v)) for _, v in areas]
        raise InputError(
            f"{where}: PIXAR_SR says a pixel has {value:.4g} sr, and PIXAR_A2 {areas[1][1]:.4g} sr; say which"
            f" holds, with `--zeropoint {either[0]}` or `--zeropoint {either[1]}`"
        )
    if area is not None and abs(value / area - 1) > _AREAS_AGREE:
        either = [mag(unit.zeropoint - 2.5 * math.log10(v)) for v in (value, area)]
        raise InputError(
            f"{where}: {key} says a pixel has {value:.4g} sr, and the pixel scale {area:.4g} sr; say which"
            f" holds, with `--zeropoint {either[0]}` or `--zeropoint {either[1]}`"
        )
    return value, f", {key}"


def _from_cards(card: Cards, where: str, rate: bool) -> list[Zeropoint]:
    """Every zeropoint card; those whose meaning is not known come with None and a sentence.

    `rate`: whether BUNIT says that pixels are counts per second.
    """
    systems = " ".join(str(card(k) or "") for k in _SYSTEMS).strip()
    source = mission(card)
    out: list[Zeropoint] = []
    for key in CARDS:
        value = card(key)
        if value is None:
            continue
        if key == "PHOTZPT" and (card("PHOTFLAM") is not None or value == -21.1):
            out.append(Zeropoint(None, "not known: PHOTZPT is the constant of the ST system, no zeropoint"))
            continue
        if is_number(value) and abs(value) < 1e-6 and not (systems and _system(systems, where, key) == "AB"):
            text = f"not known: {key} = 0 is how pipelines leave it unset; --zeropoint 0 if it is meant"
            out.append(Zeropoint(None, text))
            continue
        if not is_number(value):
            raise InputError(f"{where}: {key} = {value!r}, an AB magnitude is expected; correct the card"
                             " or give the zeropoint with `--zeropoint`")  # fmt: skip
        if key == "MAGZPT" and (source in PER_SECOND or card("CASUTABL") is not None):
            if all(z.ab is None for z in out) and card("PHOTZP") is None:
                raise of_casu(card, float(value), source, where)
            continue
        check_scaled(card, float(value), key, where)
        if not rate:
            check_second(card, float(value), key, where)
        out.append(_of_system(card, key, float(value), systems, source, where))
    exposure, instrument = card("EXPTIME"), card("FPA.ZP")
    if positive(instrument) and positive(exposure) and all(z.ab is None for z in out):
        value = instrument + 2.5 * math.log10(exposure)
        out.append(Zeropoint(value, "from FPA.ZP and EXPTIME, as Pan-STARRS stacks mean it"))
    return out


def _of_system(card: Cards, key: str, value: float, said: str, source: str | None, where: str) -> Zeropoint:
    comment = card.comment(key)
    system = _system(f"{said} {comment if 'vega' in comment.lower() else ''}".strip(), where, key)
    if key in ("ABMAGZP", "ZPAB", "ZP_AB"):
        system = "AB"
    if system == "" and source is None and key not in _USUALLY_AB and near_infrared(card):
        if is_number(card("ABMAGZP")) or is_number(card("ZPAB")) or is_number(card("ZP_AB")):
            return Zeropoint(None, f"not known: {key} has no magnitude system (MAGSYS)")
        raise InputError(
            f"{where}: {key} = {mag(value)} without a magnitude system (MAGSYS), and in the near infrared it"
            f" is as often Vega as AB: type `--zeropoint {mag(value)}` if it is AB; if it is Vega, that plus"
            " 0.9 (J), 1.4 (H) or 1.9 (K)"
        )
    if system == "" and source is None and key not in _USUALLY_AB and (johnson := of_johnson(card)):
        raise InputError(
            f"{where}: {key} = {mag(value)} without a magnitude system (MAGSYS), and in the filter {johnson}"
            f" it is as often Vega as AB: type `--zeropoint {mag(value)}` if it is AB; if it is Vega, that"
            " plus 0.79 (U), -0.09 (B), 0.02 (V), 0.21 (R) or 0.45 (I)"
        )
    if system == "AB" or (system == "" and source is None):
        as_said = "" if system or key in ("ABMAGZP", "ZPAB", "ZP_AB") else " (no system stated: taken as AB)"
        return _in_range(value, key, where, as_said)
    if system == "ST":
        pivot = card("PHOTPLAM")
        if not positive(pivot):
            return Zeropoint(
                None, f"not known: {key} = {mag(value)} is in ST magnitudes and no PHOTPLAM is there"
            )
        return _in_range(value - 5 * math.log10(pivot) + 18.692, f"{key} (ST), PHOTPLAM", where)
    offset = to_ab(card, source)
    if offset is None:
        return Zeropoint(
            None,
            f"not known: {key} = {mag(value)} is a Vega magnitude and what makes it AB in this band is not"
            f" known here; --zeropoint {mag(value)} plus m_AB - m_Vega of the band",
        )
    name = f"{key} = {mag(value)} Vega plus {offset[0]:g} for {offset[1]}"
    return _in_range(value + offset[0], name, where)


def _system(said: str, where: str, key: str) -> str:
    """AB, Vega, ST, or empty where nothing is said."""
    words = said.upper()
    if not words:
        return ""
    for name, marks in (("Vega", "VEGA"), ("ST", "STMAG|ST MAG|^ST\\b"), ("AB", r"\bAB|SDSS|MAGGIES")):
        if re.search(marks, words) and "ABS" not in words:
            return name
    raise InputError(
        f"{where}: {key} is there in the magnitude system {said!r}; AB, Vega or ST is expected: give the AB"
        " magnitude of pixel value 1 with `--zeropoint`"
    )


def _from_hst(card: Cards, unit: FluxUnit, where: str, known: list[Zeropoint]) -> list[Zeropoint]:
    """ACS and WFC3 data handbooks: ABMAG_ZP = -2.5 log10 PHOTFLAM - 5 log10 PHOTPLAM - 2.408."""
    flam, pivot, fnu = (card(k) for k in ("PHOTFLAM", "PHOTPLAM", "PHOTFNU"))
    if positive(flam) and positive(pivot):
        zeropoint, keys = -2.5 * math.log10(flam) - 5.0 * math.log10(pivot) - 2.408, "PHOTFLAM, PHOTPLAM"
        other = 8.9 - 2.5 * math.log10(fnu) if positive(fnu) else zeropoint
        if abs(other - zeropoint) > _AGREE:
            raise InputError(
                f"{where}: PHOTFLAM and PHOTPLAM give {mag(zeropoint)} AB for one count per second, and"
                f" PHOTFNU {mag(other)}; say which holds: give the AB magnitude of pixel value 1 with"
                " `--zeropoint`"
            )
    elif positive(fnu):
        zeropoint, keys = 8.9 - 2.5 * math.log10(fnu), "PHOTFNU"
    elif positive(flam) and not known:
        raise InputError(
            f"{where}: PHOTFLAM = {flam:g} and no PHOTPLAM, the pivot wavelength in Angstrom; the AB"
            " zeropoint is -2.5 log10 PHOTFLAM - 5 log10 PHOTPLAM - 2.408: give it with `--zeropoint`"
        )
    else:
        return []
    if unit.kind == "counts" and unit.second:
        return [_in_range(zeropoint, keys, where)]
    exposure = _exposure(card, where) if unit.kind == "counts" or not known else card("EXPTIME")
    total = zeropoint + 2.5 * math.log10(exposure) if positive(exposure) else None
    if unit.kind == "counts":
        if total is None:
            raise InputError(
                f"{where}: BUNIT = {unit.text!r}, counts of the whole exposure, {keys} are per second, and no"
                " EXPTIME is there: give the AB magnitude of pixel value 1 with `--zeropoint`"
            )
        return [_in_range(total, f"{keys} and EXPTIME {exposure:g} s (BUNIT {unit.text})", where)]
    if known:  # a card says it: no guess at counts or counts per second is needed
        agrees = [v for v in (zeropoint, total) if v is not None and _one_of(v, known)]
        return [Zeropoint((agrees or [zeropoint])[0], f"from {keys}")]
    if total is not None and abs(total - zeropoint) < 0.01:
        return [_in_range(zeropoint, keys, where)]
    bunit = f"BUNIT = {unit.text!r} does not say" if unit.text else "no BUNIT says"
    whole = f", or `--zeropoint {mag(total)}` if of the whole exposure" if total is not None else ""
    raise InputError(
        f"{where}: {keys} are per second, and {bunit} whether the pixels are: type `--zeropoint"
        f" {mag(zeropoint)}` if they are counts per second{whole} (`zeropoint:` in a recipe)"
    )


def _one_of(value: float, known: list[Zeropoint]) -> bool:
    return any(abs(value - (k.ab or 0)) <= _AGREE for k in known)


def _exposure(card: Cards, where: str) -> Any:
    """EXPTIME in seconds; InputError where the extension and the primary disagree."""
    times = [v for v in card.values("EXPTIME") if positive(v)]
    if len(times) > 1 and abs(times[0] / times[1] - 1) > 0.01:
        raise InputError(
            f"{where}: EXPTIME = {times[0]:g} in the extension and {times[1]:g} in the primary header; give"
            " the AB magnitude of pixel value 1 with `--zeropoint`, or correct one of them"
        )
    return times[0] if times else None


def _in_range(value: float, keys: str, where: str, note: str = "") -> Zeropoint:
    if not LOWEST <= value <= HIGHEST:
        raise InputError(
            f"{where}: {keys.split(' ')[0].rstrip(',')} = {mag(value)}, a zeropoint from {LOWEST:g} to"
            f" {HIGHEST:g} AB is expected ({keys}); if it is right, type `--zeropoint {mag(value)}`"
            " (`zeropoint:` in a recipe)"
        )
    return Zeropoint(value, f"from {keys}{note}")
