"""Detection on one multi-band image, as SExtractor does it (`sep`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mockforge.errors import InputError
from mockforge.label.apertures import Extraction
from mockforge.label.blends import each_alone
from mockforge.label.catalogue import measure
from mockforge.label.detection import Detection, SkyBackground
from mockforge.label.extract import explained, extracted
from mockforge.label.rule import DetectionRule


def detect(
    image: np.ndarray,
    rule: DetectionRule,
    *,
    bands: Sequence[str] | None = None,
    mask: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    pixel_scale_arcsec: float | None = None,
    psf_fwhm_arcsec: Sequence[float] | None = None,
    zeropoint_ab: float | None = None,
    blends_alone: bool = False,
) -> Detection:
    """Find, separate and measure the objects of an image, as SExtractor does.

    Parameters
    ----------
    image : ndarray
        (band, y, x), in one flux unit.
    rule : DetectionRule
        Threshold, background mesh, deblending; the `detect` of a recipe.
    bands : sequence of str, optional
        Names of the bands, by which the catalogue's columns are called.
    mask : ndarray, optional
        (y, x), true where a pixel must not be used.
    truth : ndarray, optional
        The noiseless image, same shape and unit, for the column `true_flux_iso`.
    pixel_scale_arcsec : float, optional
        Side of a pixel in arcsec, for the circular aperture.
    psf_fwhm_arcsec : sequence of float, optional
        FWHM of the PSF in each band in arcsec, for the matched filter.
    zeropoint_ab : float, optional
        AB magnitude of pixel value 1, without which magnitudes are NaN.
    blends_alone : bool
        Separate each blend by itself, so that it is the same in an image of any size: see `label.blends`.

    Returns
    -------
    Detection
        Labels (y, x), the rms of the sky in each band, and the catalogue.

    Raises
    ------
    InputError
        Where the image cannot be measured: all masked, no noise.
    MockforgeError
        Where sep fails.

    References
    ----------
    Bertin & Arnouts 1996, A&AS 117, 393; Barbary 2016, JOSS 1, 58.
    """
    image = np.ascontiguousarray(image, dtype=np.float32)
    hidden = _unusable(image, mask)
    if hidden is not None:
        image = np.where(hidden, np.float32(0), image)
    names = tuple(bands) if bands is not None else tuple(f"band{i + 1}" for i in range(len(image)))
    skies = [sky_of(band, rule, hidden, name) for band, name in zip(image, names, strict=True)]
    rms = np.array([s.global_rms for s in skies], dtype=np.float32)
    chosen, sky = _detection_image(image, skies, rms, rule, hidden)
    kernel = kernel_of(rule, pixel_scale_arcsec, psf_fwhm_arcsec)
    found = extraction_of(chosen, sky, rule, hidden, kernel, blends_alone)
    table = measure(
        found,
        _flat(image, skies),
        [s.rms for s in skies],
        names,
        aperture_pixels=rule.aperture_radius_arcsec / pixel_scale_arcsec if pixel_scale_arcsec else 5.0,
        zeropoint_ab=zeropoint_ab,
        truth=truth,
    )
    return Detection(found.instances, rms, table, names, tuple(s.level for s in skies))


def _unusable(image: np.ndarray, mask: np.ndarray | None) -> np.ndarray | None:
    """Return (y, x) true where a band has no number or the mask says so; None where no pixel is.

    Raises InputError where all are.
    """
    unusable = np.zeros(image.shape[1:], dtype=bool)
    for band in image:
        if not (np.isfinite(band.min(initial=0.0)) and np.isfinite(band.max(initial=0.0))):
            unusable |= ~np.isfinite(band)
    if mask is not None:
        unusable |= np.asarray(mask, dtype=bool)
    if unusable.all():
        raise InputError("no pixel is usable; every one is masked or NaN")
    return unusable if unusable.any() else None


def _flat(image: np.ndarray, skies: list[SkyBackground]) -> Iterator[np.ndarray]:
    """Yield each band less its background, all in one array: each is to be used before the next."""
    flat = np.empty_like(image[0])
    for band, sky in zip(image, skies, strict=True):
        yield np.subtract(band, sky.level, out=flat)


def sky_of(band: np.ndarray, rule: DetectionRule, mask: np.ndarray | None, name: str) -> SkyBackground:
    """Background and noise of one band on a mesh (Bertin & Arnouts 1996, section 3).

    Raises InputError where there is no noise, against which nothing can be significant.
    """
    import sep

    mesh = min(rule.background_mesh, *band.shape)
    with explained():
        background = sep.Background(
            np.ascontiguousarray(band),
            mask=mask,
            bw=mesh,
            bh=mesh,
            fw=rule.background_filter,
            fh=rule.background_filter,
        )
        level, rms, global_rms = background.back(), background.rms(), float(background.globalrms)
    if not (rms.min() > 0 and np.isfinite(rms.max())):
        rms, global_rms = _of_noisy_meshes(rms, global_rms, name)
    return SkyBackground(level, np.ascontiguousarray(rms, dtype=np.float32), global_rms)


def _of_noisy_meshes(rms: np.ndarray, global_rms: float, name: str) -> tuple[np.ndarray, float]:
    """Return the noise where some meshes have none, there that of the whole, and the noise of the whole."""
    noisy = np.isfinite(rms) & (rms > 0)
    if not noisy.any():
        raise InputError(
            f"{name}: the sky has no noise (rms 0), so nothing can be so many sigma above it; add noise"
            " before detection, check the image, or use a larger `background_mesh`"
        )
    if noisy.mean() <= 0.5:  # most meshes are flat, for which sep puts 1.0, a number without meaning
        global_rms = float(np.median(rms[noisy]))
    return np.where(noisy, rms, np.float32(global_rms)), global_rms


def _detection_image(
    image: np.ndarray,
    skies: list[SkyBackground],
    rms: np.ndarray,
    rule: DetectionRule,
    mask: np.ndarray | None,
) -> tuple[np.ndarray, SkyBackground]:
    """Return the image objects are found on, its background subtracted, and its sky."""
    if len(image) == 1:
        return image[0] - skies[0].level, skies[0]
    mean = mean_of(image, weights_of(rms, rule))
    sky = sky_of(mean, rule, mask, "detection image")
    mean -= sky.level
    return mean, sky


def weights_of(rms: np.ndarray, rule: DetectionRule) -> np.ndarray:
    """Return the weight of each band (float32, their sum 1) in the image objects are found on."""
    power = {"mean": 0, "weighted": -2, "snr": -1}[rule.detection_image]
    weight = rms.astype(np.float64) ** power
    return (weight / weight.sum()).astype(np.float32)


def mean_of(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean (y, x) of the bands of an image (band, y, x)."""
    return np.einsum("b,byx->yx", weights, image)


def kernel_of(rule: DetectionRule, scale: float | None, fwhm: Sequence[float] | None) -> np.ndarray | None:
    """Return a Gaussian of the PSF's width for the matched filter, float32, odd side."""
    if not rule.matched_filter:
        return None
    width = rule.filter_fwhm_pixels
    if width is None:
        width = float(np.mean(fwhm)) / scale if scale and fwhm is not None and len(fwhm) else 3.0
    sigma = width / 2.3548
    half = max(1, round(2.5 * sigma))
    r2 = np.add.outer(np.arange(-half, half + 1) ** 2, np.arange(-half, half + 1) ** 2)
    kernel = np.exp(-0.5 * r2 / sigma**2)
    return np.ascontiguousarray(kernel / kernel.sum(), dtype=np.float32)


def extraction_of(
    image: np.ndarray,
    sky: SkyBackground,
    rule: DetectionRule,
    mask: np.ndarray | None,
    kernel: np.ndarray | None,
    blends_alone: bool = False,
) -> Extraction:
    """Return the objects of a detection image; `blends_alone`: as of an image of any size."""

    def extract(part: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        return extracted(
            image[part],
            rule.threshold,
            err=np.ascontiguousarray(sky.rms[part]) if rule.local_rms else float(np.float32(sky.global_rms)),
            mask=None if mask is None else np.ascontiguousarray(mask[part]),
            minarea=rule.min_pixels,
            filter_kernel=kernel,
            deblend_nthresh=rule.deblend_levels,
            deblend_cont=rule.deblend_contrast,
            clean=rule.clean,
            clean_param=rule.clean_parameter,
        )

    objects, instances = extract(np.s_[:, :])
    if blends_alone and len(objects):
        pad = 1 if kernel is None else len(kernel) // 2 + 1
        objects, instances = each_alone(objects, instances, extract, pad)
    return Extraction(image, sky.rms, objects, instances, mask)
