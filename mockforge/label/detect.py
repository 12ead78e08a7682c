"""Detection on one multi-band image, as SExtractor does it (`sep`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from mockforge.errors import InputError, MockforgeError
from mockforge.label.catalogue import measure
from mockforge.label.detection import Detection, SkyBackground
from mockforge.label.rule import DetectionRule

_MOST_PIXELS = 50_000_000
"""Largest pixel buffer sep is given; some 2 GB."""


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
) -> Detection:
    """Find, separate and measure the objects of an image.

    Parameters: `image` (band, y, x) flux; `mask` (y, x), true where a pixel must not be used;
    `truth` the noiseless image, same shape as `image`; `psf_fwhm_arcsec` per band, for the
    matched filter; `zeropoint_ab`, without which magnitudes are NaN.
    Raises InputError where the image cannot be measured (all masked, no noise), MockforgeError
    where sep fails.
    """
    image = np.ascontiguousarray(image, dtype=np.float32)
    unusable: np.ndarray = np.asarray(~np.isfinite(image).all(axis=0))
    if mask is not None:
        unusable |= np.asarray(mask, dtype=bool)
    if unusable.all():
        raise InputError("no pixel is usable; every one is masked or NaN")
    if unusable.any():
        image = np.where(unusable, np.float32(0), image)
    hidden = unusable if unusable.any() else None
    names = tuple(bands) if bands is not None else tuple(f"band{i + 1}" for i in range(len(image)))
    skies = [sky_of(band, rule, hidden, name) for band, name in zip(image, names, strict=True)]
    rms = np.array([s.global_rms for s in skies], dtype=np.float32)
    chosen, sky = _detection_image(image, skies, rms, rule, hidden)
    error = sky.rms if rule.local_rms else np.float32(sky.global_rms)
    kernel = _kernel(rule, pixel_scale_arcsec, psf_fwhm_arcsec)
    objects, instances = _extract(chosen, error, rule, hidden, kernel)
    table = measure(
        [band - s.level for band, s in zip(image, skies, strict=True)],
        [s.rms for s in skies],
        chosen,
        sky.rms,
        objects,
        instances,
        names,
        hidden,
        aperture_pixels=rule.aperture_radius_arcsec / pixel_scale_arcsec if pixel_scale_arcsec else 5.0,
        zeropoint_ab=zeropoint_ab,
        truth=truth,
    )
    return Detection(instances, rms, table, names)


def sky_of(band: np.ndarray, rule: DetectionRule, mask: np.ndarray | None, name: str) -> SkyBackground:
    """Background and noise of one band on a mesh (Bertin & Arnouts 1996, section 3).

    Raises InputError where there is no noise, against which nothing can be significant.
    """
    import sep

    mesh = min(rule.background_mesh, *band.shape)
    with explained():
        found = sep.Background(
            np.ascontiguousarray(band),
            mask=mask,
            bw=mesh,
            bh=mesh,
            fw=rule.background_filter,
            fh=rule.background_filter,
        )
        level, rms, whole = found.back(), found.rms(), float(found.globalrms)
    noisy = np.isfinite(rms) & (rms > 0)
    if not noisy.any():
        raise InputError(
            f"{name}: the sky has no noise (rms 0), so nothing can be so many sigma above it; add noise"
            " before detection, check the image, or use a larger `background_mesh`"
        )
    if noisy.mean() <= 0.5:  # most meshes are flat, for which sep puts 1.0, a number without meaning
        whole = float(np.median(rms[noisy]))
    rms = np.where(noisy, rms, np.float32(whole))
    return SkyBackground(level, np.ascontiguousarray(rms, dtype=np.float32), whole)


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
    power = {"mean": 0, "weighted": -2, "snr": -1}[rule.detection_image]
    weight = rms.astype(np.float64) ** power
    weight /= weight.sum()
    mean = np.einsum("b,byx->yx", weight.astype(np.float32), image)
    sky = sky_of(mean, rule, mask, "detection image")
    return mean - sky.level, sky


def _kernel(rule: DetectionRule, scale: float | None, fwhm: Sequence[float] | None) -> np.ndarray | None:
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


def _extract(
    chosen: np.ndarray,
    error: np.ndarray | np.float32,
    rule: DetectionRule,
    mask: np.ndarray | None,
    kernel: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    import sep

    sep.set_extract_pixstack(int(min(max(300_000, chosen.size), _MOST_PIXELS)))
    sep.set_sub_object_limit(16_384)
    with explained():
        objects, instances = sep.extract(
            np.ascontiguousarray(chosen, dtype=np.float32),
            rule.threshold,
            err=error if isinstance(error, np.ndarray) else float(error),
            mask=mask,
            minarea=rule.min_pixels,
            filter_kernel=kernel,
            deblend_nthresh=rule.deblend_levels,
            deblend_cont=rule.deblend_contrast,
            clean=rule.clean,
            clean_param=rule.clean_parameter,
            segmentation_map=True,
        )
    return objects, np.ascontiguousarray(instances, dtype=np.int32)


@contextmanager
def explained(
    lower: str = "raise `threshold`, use a smaller `background_mesh`, or mask the brightest sources",
) -> Iterator[Any]:
    """sep raises bare Exceptions; say what to do about them: `lower` is what leaves fewer pixels."""
    try:
        yield
    except MemoryError as error:
        raise MockforgeError("detection ran out of memory; cut the image into smaller ones") from error
    except Exception as error:
        text = str(error)
        advice = "check the image"
        if "pixel buffer full" in text or "deblend" in text or "overflow" in text:
            advice = f"too many pixels lie above the threshold: {lower}"
        raise MockforgeError(f"sep failed ({text}); {advice}") from error
