"""The width of the PSF that an image's header says."""

from __future__ import annotations

from mockforge.field.fits.check import Cards
from mockforge.field.fits.zeropoint_cards import is_number

_KEYS = ("PSFFWHM", "PSF_FWHM")
_NARROWEST, _WIDEST = 0.005, 60.0
"""FWHM in arcsec that instruments have."""
_FEWEST, _MOST = 0.2, 200.0
"""FWHM in pixels."""
_AGREE = 0.05


def psf_fwhm_of(card: Cards, scale: float | None) -> tuple[float | None, str]:
    """FWHM in arcsec and what says so; None, and why, where it is not known.

    A card whose comment speaks of pixels is multiplied by `scale`, arcsec per pixel.
    """
    widths: list[tuple[float, str]] = []
    for key in _KEYS:
        value = card(key)
        if value is None:
            continue
        in_pixels = "pix" in card.comment(key).lower()
        factor = (scale or 0.0) if in_pixels else 1.0
        words = f"{key} = {value!r}{' pixels' if in_pixels else ''}"
        if not is_number(value) or not _possible(value * factor, scale):
            sides = f" in pixels of {scale:g}" if scale else ""
            return (
                None,
                f"not known: {words} is no FWHM in arcsec{sides}; give it with --psf-fwhm (psf_fwhm_arcsec)",
            )
        widths.append((float(value) * factor, f"{key}{' (pixels) and the pixel scale' if in_pixels else ''}"))
    if not widths:
        return None, "not known: no PSFFWHM"
    if len(widths) > 1 and abs(widths[0][0] / widths[1][0] - 1) > _AGREE:
        both = " and ".join(f"{key} = {value:.4g} arcsec" for value, key in widths)
        return None, f"not known: {both} disagree; say which holds with --psf-fwhm (psf_fwhm_arcsec)"
    return widths[0][0], f"FWHM from {widths[0][1]}"


def _possible(fwhm: float, scale: float | None) -> bool:
    fits = scale is None or _FEWEST <= fwhm / scale <= _MOST
    return fits and _NARROWEST <= fwhm <= _WIDEST
