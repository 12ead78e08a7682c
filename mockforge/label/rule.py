"""The rule by which objects are distinguished from sky: what `detect` and the cleaning of cutouts share."""

from __future__ import annotations

from typing import Literal

from mockforge.config import Count, Fraction, Positive, config


@config
class DetectionRule:
    """How objects are distinguished from sky: contiguous pixels above the local background, by SExtractor.

    The defaults are the published rule, five contiguous pixels at 5 sigma above the local
    background, with SExtractor's deblending, no matched filter and no cleaning.

    References
    ----------
    Bertin & Arnouts 1996, A&AS 117, 393; Barbary 2016, JOSS 1, 58.
    """

    threshold: Positive = 5.0
    """Height above the background in sigma that every pixel of an object reaches."""
    min_pixels: Count = 5
    """Fewest contiguous pixels (corners count) above the threshold."""
    background_mesh: Count = 64
    """Side of the background mesh in pixels."""
    background_filter: Count = 3
    """Side of the median filter over the background mesh, in meshes."""
    local_rms: bool = True
    """Measure sigma in each mesh; false: one sigma for the image, as SExtractor does by default."""
    detection_image: Literal["mean", "weighted", "snr"] = "mean"
    """Detect on the mean of the bands, on their mean weighted by 1 / rms squared, or, for bands in
    different units, on the mean of each band over its rms."""
    matched_filter: bool = False
    """Detect on the image convolved with a Gaussian PSF; the mask grows by about a PSF."""
    filter_fwhm_pixels: Positive | None = None
    """FWHM of that Gaussian in pixels; by default the PSF's, or 3 where it is unknown."""
    deblend_levels: Count = 32
    """Thresholds, spaced evenly in log flux, at which an object is looked at for parts."""
    deblend_contrast: Fraction = 0.005
    """Least share of the flux that makes a part an object of its own; 1 turns deblending off."""
    clean: bool = False
    """Give objects that are probably wings of a brighter neighbour back to it."""
    clean_parameter: Positive = 1.0
    """SExtractor's CLEAN_PARAM: less cleans more."""
    aperture_radius_arcsec: Positive = 1.0
    """Radius of the circular aperture; 5 pixels where the pixel scale is unknown."""
