"""Units and meanings of the arrays and columns a dataset can hold, by name."""

from __future__ import annotations

FLUX = "flux"
"""Stands for the unit of the dataset's pixels."""

_EXACT: dict[str, tuple[str, str]] = {
    # arrays
    "image": (FLUX, "observed image"),
    "truth": (FLUX, "the same sky without noise"),
    "truth_disk": (FLUX, "the disk alone, arms and bar included, without noise"),
    "truth_bulge": (FLUX, "the bulge alone, without noise"),
    "truth_clumps": (FLUX, "the clumps alone, without noise"),
    "input": (FLUX, "galaxy at redshift z_in"),
    "target": (FLUX, "the same galaxy at redshift z_out"),
    "input_clean": (FLUX, "galaxy at z_in as its light arrives, without PSF and noise"),
    "target_clean": (FLUX, "galaxy at z_out as its light arrives, without PSF and noise"),
    "input_psf": (FLUX, "galaxy at z_in through the PSF, without noise"),
    "target_psf": (FLUX, "galaxy at z_out through the PSF, without noise"),
    "input_observed": (FLUX, "galaxy at z_in with noise"),
    "target_observed": (FLUX, "galaxy at z_out with noise"),
    "input_rms": (FLUX, "rms of empty sky in a pixel of input_observed, each band"),
    "target_rms": (FLUX, "rms of empty sky in a pixel of target_observed, each band"),
    "image_noiseless": (FLUX, "image without noise"),
    "image_fine": (FLUX, "image at the fine pixel scale, before it was degraded"),
    "light": (FLUX, "the same sky without noise in bands like the target's"),
    "variance": ("nJy2", "variance of the noise of image"),
    "psf_in": ("", "PSF of truth with its pixel, in fine pixels"),
    "psf_out": ("", "PSF of image with its pixel, in coarse pixels"),
    "fwhm_factor": ("", "width of the PSF over the target's own"),
    "depth_offset_mag": ("mag", "how much deeper than the target's own"),
    "pixel_scale": ("arcsec", "side of a pixel of image"),
    "mask": ("", "1 = pixel that must not be used"),
    "mask_fine": ("", "mask on the grid of truth"),
    "instances_fine": ("", "instances on the grid of truth"),
    "instances": ("", "0 = sky, 1..n = objects of the sample"),
    "instances_truth": ("", "0 = sky, 1..n = sources of the noiseless image above the isophote"),
    "sky_rms": (FLUX, "rms of the sky in each band"),
    "z_in": ("", "redshift of input"),
    "z_out": ("", "redshift of target"),
    "split": ("", "train, val or test"),
    "profile_in": ("", "light profile of each part at z_in, sum 1 over all space"),
    "profile_out": ("", "light profile of each part at z_out, sum 1 over all space"),
    "instances_visible": ("", "0 = sky, else label of the brightest object of the pixel above the isophote"),
    "multiplicity": ("", "how many objects are brighter than the isophote in the pixel"),
    "overlap_label": ("", "labels of the brightest objects of the pixel, 0 = none or outside the tile"),
    "overlap_fraction": ("", "their shares of its noiseless light, the last with all that is fainter"),
    "isolated": (FLUX, "objects alone, without noise, by label; the last is all others together"),
    "amodal": ("", "where an object alone is brighter than the isophote, by label"),
    # cubes
    "cube": (FLUX, "observed cube (channel, y, x)"),
    "cube_truth": (FLUX, "the same without noise"),
    "cube_variance": ("1e-40 erg2 / (Angstrom2 s2 cm4)", "variance of the noise of cube"),
    "wavelength": ("Angstrom", "middle of each channel"),
    "lsf": ("Angstrom", "FWHM of the line-spread function in each channel"),
    "flux_map": ("1e-18 erg / (s cm2)", "flux of the lines in a spaxel, without the PSF"),
    "velocity_map": ("km / s", "mean velocity of the gas in a spaxel, without the PSF"),
    "dispersion_map": ("km / s", "its local dispersion, without the PSF and without velocities that differ"),
    "flux_observed": ("1e-18 erg / (s cm2)", "flux of the lines through the PSF"),
    "velocity_observed": ("km / s", "mean velocity of the light through the PSF"),
    "dispersion_observed": ("km / s", "dispersion through the PSF, without the line-spread function"),
    "flux_map_each": ("1e-18 erg / (s cm2)", "flux_map of both members of a pair (member, y, x)"),
    "velocity_map_each": ("km / s", "velocity_map of both members of a pair"),
    "dispersion_map_each": ("km / s", "dispersion_map of both members of a pair"),
    "flux_observed_each": ("1e-18 erg / (s cm2)", "flux_observed of both members of a pair"),
    "velocity_observed_each": ("km / s", "velocity_observed of both members of a pair"),
    "dispersion_observed_each": ("km / s", "dispersion_observed of both members of a pair"),
    "continuum_each": (FLUX, "continuum of both members of a pair, in every channel of cube"),
    "snr_map": ("", "brightest channel without noise over the noise"),
    "snr_mask": ("", "1 = snr_map is above the recipe's mask_snr"),
    "curve_radius": ("arcsec", "radii of the rotation curve"),
    "curve_speed": ("km / s", "rotation speed of the mass model there"),
    "line_flux": ("1e-18 erg / (s cm2)", "flux of all lines"),
    "picture": ("", "number of the picture whose light it has, in its file"),
    "spin": ("", "1: turns from +x towards +y; -1: the other way"),
    "v_max": ("km / s", "speed of the rotation curve"),
    "velocity": ("km / s", "of the galaxy beyond its redshift"),
    "sigma": ("km / s", "isotropic dispersion in the middle"),
    "sigma_floor": ("km / s", "dispersion added in quadrature"),
    "v_radial": ("km / s", "radial flow, outwards positive"),
    "v_bar": ("km / s", "streaming along a bar"),
    "warp_inclination": ("deg", "change of the inclination a half-light radius beyond warp_start"),
    "warp_angle": ("deg", "change of the position angle a half-light radius beyond warp_start"),
    "warp_start": ("", "half-light radii"),
    "redshift": ("", "redshift of the galaxy"),
    "wavelength_first": ("Angstrom", "middle of the first channel"),
    "rest_wavelength": ("Angstrom", "in vacuum, of the first line"),
    "peak_snr": ("", "brightest channel of the cube over the noise between sky lines"),
    "clump_fraction": ("", "share of the flux that is in clumps"),
    "picture_of": ("", "name of the galaxy whose picture is the disk's light"),
    "picture_axis_ratio": ("", "axis ratio of the picture, without its PSF"),
    "picture_angle": ("deg", "major axis of the picture before it was turned, from +x towards +y"),
    "picture_r_half_arcsec": ("arcsec", "half-light radius of the picture before it was resized"),
    "picture_psf_fwhm_arcsec": ("arcsec", "FWHM of the picture's own PSF, as it is drawn"),
    "picture_turn": ("", "symmetry of the square by which the picture was turned"),
    # tables
    "sample": ("", "number of the sample in the dataset"),
    "id": ("", "what the object is known by on its sky: level/by/bx/row"),
    "label": ("", "value of the object's pixels in its labels"),
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
    "blended": ("", "catalogue: separated from a neighbour; objects: in the pixels of another's detection"),
    "detected": ("", "is the object of a detection"),
    "detected_label": ("", "that detection, 0 = none"),
    "missed": ("", "neither detected nor blended"),
    "inside": ("", "its centre is in the tile"),
    "star": ("", "a star, not a galaxy"),
    "shaped": ("", "has learned morphology"),
    "mirrored": ("", "parity of its learned morphology"),
    "injected": ("", "was painted into the sky, not found on it"),
    "fraction": ("", "share of its light, or of its line, that falls on the tile or in the cube"),
    "deblended": ("", "was separated from a neighbour"),
    "isophote_mag_arcsec2": ("mag/arcsec2", "surface brightness, mean of the bands, that bounds its pixels"),
    "half_light_radius_pix": ("pix", "radius of the circle about the centre with half of its light"),
    "amodal_area": ("pix2", "pixels of the tile where it alone is brighter than the isophote"),
    "visible_area": ("pix2", "those where no other object is brighter"),
    "blendedness": ("", "1 - (s.s) / (s.t), s its noiseless light and t that of all: 0 alone"),
    "occlusion_order": ("", "1 = nearest; stars first"),
    "stamp": ("pix", "side of the stamp that holds all of its light"),
    "real_stamp": ("", "the real galaxy whose picture it has; empty for none"),
    "bulge_fraction": ("", "share of the light in F160W that is the bulge's"),
    "knot_fraction": ("", "share of the disk's light that is in knots"),
    "true_label": ("", "label of the object in the table objects, 0 = spurious"),
    "true_share": ("", "its share of the noiseless light in the detection's pixels"),
    "true_star": ("", "the object is a star"),
    "true_distance_arcsec": ("arcsec", "from the detection to the object"),
    "truncated": ("", "touches the edge of the image it was found on, or a masked pixel"),
    "cut": ("", "has pixels outside the tile"),
    "r_e_in": ("arcsec", "half-light radius along the major axis at z_in"),
    "r_e_out": ("arcsec", "half-light radius along the major axis at z_out"),
    "r_e_kpc": ("kpc", "the same length in the galaxy"),
    "r_e_kpc_in": ("kpc", "half-light radius along the major axis at z_in"),
    "r_e_kpc_out": ("kpc", "half-light radius along the major axis at z_out"),
    "kpc_per_arcsec_in": ("kpc/arcsec", "proper length seen under an arcsec at z_in"),
    "kpc_per_arcsec_out": ("kpc/arcsec", "proper length seen under an arcsec at z_out"),
    "size_factor": ("", "angular size at z_out over that at z_in"),
    "n": ("", "Sersic index"),
    "axis_ratio": ("", "minor over major axis"),
    "position_angle": ("deg", "of the major axis, from +x towards +y"),
    "magnitude": ("mag", "AB magnitude as drawn"),
    "absolute_magnitude_in": ("mag", "AB, rest frame, at z_in"),
    "absolute_magnitude_out": ("mag", "AB, rest frame, at z_out"),
    "sed": ("", "number of the spectrum in its table"),
    "sed_name": ("", "name of the spectrum"),
    "sed_share": ("", "share of the light in that spectrum, the largest"),
    "sed_chi2": ("", "misfit of the spectra to the input's bands"),
    "metallicity": ("", "metallicity of the stars, solar = 1"),
    "a_v": ("mag", "dust attenuation of old stars in V"),
    "companions": ("", "number of companions"),
    "knots": ("", "number of star-forming knots"),
    "asymmetry": ("", "s of the light's factor 1 - s cos(phi - phi_0)"),
    "asymmetry_angle": ("deg", "phi_0, from the major axis, in the plane of round isophotes"),
    "galaxy": ("", "number of the galaxy in the source's list"),
    "name": ("", "name of the galaxy in its source"),
    "turn": ("", "which of the square's eight symmetries the galaxy is turned by"),
    "fraction_in": ("", "share of the flux at z_in that falls on the tile"),
    "fraction_out": ("", "share of the flux at z_out that falls on the tile"),
    "oldest_stars_gyr": ("Gyr", "age of the oldest stars at the higher redshift, since z_form or the burst"),
    "universe_far_gyr": ("Gyr", "age of the Universe at the higher redshift"),
    "member": ("", "which of the model's networks painted the tile, 0 = the run's last"),
    "density": ("", "number of sources requested, over the field's mean"),
    "counts_slope": ("", "requested slope of the counts below the field's limit"),
    "star_fraction": ("", "requested stars over all sources"),
    "clustering": ("", "requested factor on the galaxies' two-point function"),
    "r_e_arcsec": ("arcsec", "half-light radius along the major axis"),
    "r_e_pix": ("pix", "half-light radius along the major axis"),
    "r_half_arcsec": ("arcsec", "half-light radius of the disk face-on, before the shear"),
    "scale_length_arcsec": ("arcsec", "of an exponential disk; NaN for another Sersic index"),
    "scale_height_arcsec": ("arcsec", "h of the vertical sech^2(z / h)"),
    "inclination": ("deg", "0 face-on, 90 edge-on"),
    "g1": ("", "reduced shear along x"),
    "g2": ("", "reduced shear along the diagonal x = y"),
    "sheared_r_half_arcsec": ("arcsec", "semi-major axis of the thin disk's half-light ellipse, sheared"),
    "sheared_axis_ratio": ("", "minor over major axis of that ellipse"),
    "sheared_position_angle": ("deg", "of that ellipse, from +x towards +y"),
    "disk_share": ("", "share of the light that is the disk's, in the band of the magnitude"),
    "bulge_share": ("", "share of the light that is the bulge's, in the band of the magnitude"),
    "clumps_share": ("", "share of the light that is the clumps', in the band of the magnitude"),
    "bulge_r_half_arcsec": ("arcsec", "half-light radius of the bulge, semi-major axis before the shear"),
    "clumps": ("", "number of star-forming clumps"),
    "clump_sigma_arcsec": ("arcsec", "sigma of a clump before the shear"),
    "sigma_arcsec": ("arcsec", "sigma of the clump before the shear"),
    "share": ("", "share of the light of the galaxy's clumps"),
    "u_arcsec": ("arcsec", "place in the disk along its major axis, before the shear"),
    "v_arcsec": ("arcsec", "place in the disk's plane across its major axis, before the shear"),
    "w_arcsec": ("arcsec", "height above the disk's plane"),
    "arms": ("", "number of spiral arms"),
    "arm_strength": ("", "share of the light beyond their start that is moved onto the arms"),
    "arm_pitch": ("deg", "angle between an arm and a circle; below 0 where arms wind the other way"),
    "arm_start_arcsec": ("arcsec", "radius in the disk where arms begin"),
    "arm_angle": ("deg", "azimuth of an arm there, from the major axis in the disk's plane"),
    "arm_sharpness": ("", "kappa of the arms' profile over the angle"),
    "bar_strength": ("", "share of the light within its length that is moved into the bar; 0 = no bar"),
    "bar_length_arcsec": ("arcsec", "from the centre to an end in the disk's plane; 0 = no bar"),
    "bar_axis_ratio": ("", "width of the bar over its length"),
    "bar_angle": ("deg", "azimuth of the bar, from the major axis in the disk's plane"),
    "sky_x0": ("pix", "first column of the tile on its sky"),
    "sky_y0": ("pix", "first row of the tile on its sky"),
}

_BY_ENDING: tuple[tuple[str, str], ...] = (
    ("_arcsec", "arcsec"),
    ("_kpc", "kpc"),
    ("_gyr", "Gyr"),
    ("_mpc", "Mpc"),
    ("_deg", "deg"),
    ("_njy", "nJy"),
    ("_mag", "mag"),
    ("_pix", "pix"),
    ("_sky", "deg"),
)

_PARTS = (("bulge_", "bulge"), ("companion_", "companion"), ("knots_", "knots"), ("clumps_", "clumps"))
"""Start of the columns of a galaxy's further parts, and what the part is called."""

_OF_PART: dict[str, tuple[str, str]] = {
    "fraction": ("", "share of the galaxy's light"),
    "r_e": ("", "effective radius over the main body's"),
    "size": ("", "sigma over the main body's effective radius"),
    "x": ("", "place in effective radii of the main body, from its centre to the right"),
    "y": ("", "place in effective radii of the main body, from its centre upwards"),
}
"""Columns whose meaning in a part is another than in the main body."""

_BY_START: tuple[tuple[str, str, str], ...] = (
    ("image_", FLUX, "observed image, in the view that ends its name"),
    ("truth_", FLUX, "the same sky without noise, in the view that ends its name"),
    ("instances_visible_", "", "label of the brightest object of the pixel, the same number in all views"),
    ("x_", "pix", "centre in that view's tile, first pixel is 0, to the right"),
    ("y_", "pix", "centre in that view's tile, first pixel is 0, upwards"),
    ("fraction_", "", "share of its light that falls on that view's tile"),
    ("amodal_area_", "pix2", "pixels of that view's tile where it alone is brighter than the isophote"),
    ("visible_area_", "pix2", "those where no other object is brighter"),
    ("blendedness_", "", "1 - (s.s) / (s.t) in that view, s its noiseless light and t that of all"),
    ("latent_", "", "latent of its learned morphology, about N(0, 1)"),
    ("sky_rms_", FLUX, "rms that the noise of the tile's sky was made with"),
    ("fwhm_", "arcsec", "FWHM of the tile's stars"),
    ("electrons_per_njy_", "", "electrons that a nJy gives, for the photon noise; 0 = not known"),
    ("flux_err", FLUX, "error of the Kron flux"),
    ("flux_iso_err", FLUX, "error of the isophotal flux"),
    ("flux_iso", FLUX, "flux in the object's pixels"),
    ("flux_aper_err", FLUX, "error of the aperture flux"),
    ("flux_aper", FLUX, "flux in the circular aperture"),
    (
        "k_correction_in_",
        "mag",
        "K-correction at z_in from the rest-frame band of the magnitude (Hogg et al. 2002)",
    ),
    ("k_correction_out_", "mag", "K-correction at z_out from the rest-frame band of the magnitude"),
    ("k_correction_", "mag", "K-correction (Hogg et al. 2002)"),
    ("sfh_", "", "parameter of the star-formation history"),
    ("flux_in_", FLUX, "total flux at z_in"),
    ("flux_out_", FLUX, "total flux at z_out"),
    ("true_flux_disk_", FLUX, "true total flux of the disk"),
    ("true_flux_bulge_", FLUX, "true total flux of the bulge"),
    ("true_flux_clumps_", FLUX, "true total flux of all clumps"),
    ("true_flux_iso", FLUX, "noiseless flux in the object's pixels"),
    ("true_flux_", FLUX, "true total flux"),
    ("true_mag_", "mag", "true AB magnitude"),
    ("flux_", FLUX, "flux in the Kron aperture"),
    ("mag_err", "mag", "error of the magnitude"),
    ("mag_", "mag", "AB magnitude"),
    ("bbox_", "pix", "bounding box"),
    ("psf_sharpened_out_", "", "largest factor by which giving the target its PSF amplified a frequency"),
)


def unit_of(name: str, flux_unit: str = "nJy") -> str:
    """Return the unit of an array or column, as astropy spells it; "" where it has none or none is known.

    `flux_unit` is the unit of the dataset's pixels: "nJy", or "native" when it is unknown.
    """
    unit = _described(name)[0]
    if unit == FLUX:
        return "" if flux_unit == "native" else flux_unit
    return unit


def meaning_of(name: str) -> str:
    """Return what an array or column is, in a few words; "" where only its stage knows."""
    return _described(name)[1]


def _described(name: str) -> tuple[str, str]:
    """Return unit and meaning by the whole name, as a part of a galaxy, or by the name's start and end."""
    if name in _EXACT:
        return _EXACT[name]
    part = _part(name)
    if part is not None:
        part_name, rest = part
        unit, meaning = _OF_PART.get(rest) or _described(rest)
        return unit, f"{part_name}: {meaning}" if meaning else ""
    unit, meaning = next((entry for start, *entry in _BY_START if name.startswith(start)), ("", ""))
    return next((u for end, u in _BY_ENDING if name.lower().endswith(end)), unit), meaning


def _part(name: str) -> tuple[str, str] | None:
    """`("companion 0", "r_e")` of `companion_0_r_e`; None for the galaxy's own columns."""
    for start, part_name in _PARTS:
        if name.startswith(start):
            rest = name.removeprefix(start)
            number, _, after = rest.partition("_")
            return (f"{part_name} {number}", after) if number.isdecimal() else (part_name, rest)
    return None
