"""Units and meanings of the arrays and columns a dataset can hold, by name."""

from __future__ import annotations

FLUX = "flux"
"""Stands for the unit of the dataset's pixels."""

_EXACT: dict[str, tuple[str, str]] = {
    # arrays
    "image": (FLUX, "observed image"),
    "truth": (FLUX, "the same sky without noise"),
    "input": (FLUX, "galaxy at redshift z_in"),
    "target": (FLUX, "the same galaxy at redshift z_out"),
    "instances": ("", "0 = sky, 1..n = objects of the sample"),
    "sky_rms": (FLUX, "rms of the sky in each band"),
    "z_in": ("", "redshift of input"),
    "z_out": ("", "redshift of target"),
    "split": ("", "train, val or test"),
    "profile_in": ("", "light profile at z_in, sum 1 over all space"),
    "profile_out": ("", "light profile at z_out, sum 1 over all space"),
    # tables
    "sample": ("", "number of the sample in the dataset"),
    "label": ("", "value of the object's pixels in instances"),
    "x": ("pix", "centre, first pixel is 0, to the right"),
    "y": ("pix", "centre, first pixel is 0, upwards"),
    "ra": ("deg", "right ascension (ICRS)"),
    "dec": ("deg", "declination (ICRS)"),
    "bbox": ("pix", "bounding box"),
    "area": ("pix2", "number of pixels"),
    "a": ("pix", "semi-major axis, second moment"),
    "b": ("pix", "semi-minor axis, second moment"),
    "theta": ("deg", "position angle from +x towards +y"),
    "theta_sky": ("deg", "position angle east of north"),
    "flux_radius": ("pix", "radius of half the Kron flux"),
    "kron_radius": ("", "Kron radius in units of a and b"),
    "snr": ("", "isophotal flux over its error on the detection image"),
    "flags": ("", "1 blended, 2 truncated, 8 singular, 16 aperture truncated, 32 masked pixels"),
    "blended": ("", "was separated from a neighbour"),
    "truncated": ("", "touches the edge of the image it was found on, or a masked pixel"),
    "cut": ("", "has pixels outside the tile"),
    "r_e_in": ("arcsec", "half-light radius along the major axis at z_in"),
    "r_e_out": ("arcsec", "half-light radius along the major axis at z_out"),
    "r_e_kpc": ("kpc", "the same length in the galaxy"),
    "n": ("", "Sersic index"),
    "axis_ratio": ("", "minor over major axis"),
    "position_angle": ("deg", "of the major axis, from +x towards +y"),
    "magnitude": ("mag", "AB magnitude as drawn"),
    "absolute_magnitude": ("mag", "AB, rest frame"),
    "sed": ("", "number of the spectrum in its table"),
    "sed_name": ("", "name of the spectrum"),
    "fraction_in": ("", "share of the flux at z_in that falls on the tile"),
    "fraction_out": ("", "share of the flux at z_out that falls on the tile"),
    "sky_x0": ("pix", "first column of the tile on its sky"),
    "sky_y0": ("pix", "first row of the tile on its sky"),
}

_BY_ENDING: tuple[tuple[str, str], ...] = (
    ("_arcsec", "arcsec"),
    ("_kpc", "kpc"),
    ("_mpc", "Mpc"),
    ("_deg", "deg"),
    ("_njy", "nJy"),
    ("_mag", "mag"),
    ("_pix", "pix"),
    ("_sky", "deg"),
)

_BY_START: tuple[tuple[str, str, str], ...] = (
    ("flux_err", FLUX, "error of the Kron flux"),
    ("flux_iso_err", FLUX, "error of the isophotal flux"),
    ("flux_iso", FLUX, "flux in the object's pixels"),
    ("flux_aper_err", FLUX, "error of the aperture flux"),
    ("flux_aper", FLUX, "flux in the circular aperture"),
    ("flux_in_", FLUX, "total flux at z_in"),
    ("flux_out_", FLUX, "total flux at z_out"),
    ("true_flux_iso", FLUX, "noiseless flux in the object's pixels"),
    ("flux_", FLUX, "flux in the Kron aperture"),
    ("mag_err", "mag", "error of the magnitude"),
    ("mag_", "mag", "AB magnitude"),
    ("bbox_", "pix", "bounding box"),
)


def unit_of(name: str, flux_unit: str = "nJy") -> str:
    """Unit of an array or column, as astropy spells it; "" where it has none or none is known.

    `flux_unit` is the unit of the dataset's pixels: "nJy", or "native" when it is unknown.
    """
    unit = _EXACT[name][0] if name in _EXACT else ""
    if name not in _EXACT:
        unit = next((u for start, u, _ in _BY_START if name.startswith(start)), "")
        unit = next((u for end, u in _BY_ENDING if name.lower().endswith(end)), unit)
    if unit == FLUX:
        return "" if flux_unit == "native" else flux_unit
    return unit


def meaning_of(name: str) -> str:
    """What an array or column is, in a few words; "" where only its stage knows."""
    if name in _EXACT:
        return _EXACT[name][1]
    return next((m for start, _, m in _BY_START if name.startswith(start)), "")
